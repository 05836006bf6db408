"""Office files as text.  The one importer of python-docx, openpyxl and python-pptx.

They are archives: what they hold is bounded by what their directory says before anything is unpacked, and
`zipfile` unpacks no more of an entry than that.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile, ZipFile

from bot.files import texts
from bot.files.reading import Read, Unreadable

if TYPE_CHECKING:
    from docx.table import Table

Kind = Literal["docx", "xlsx", "pptx"]
#: The entry by which each kind is known.
ENTRIES: dict[str, Kind] = {
    "word/document.xml": "docx",
    "xl/workbook.xml": "xlsx",
    "ppt/presentation.xml": "pptx",
}
#: Entries of one file, bytes of all of them unpacked, and of those that are XML: in memory that is far more.
COUNT, UNPACKED, MARKUP = 5_000, 100_000_000, 25_000_000
#: Sheets, and rows and columns of a sheet.
SHEETS, ROWS, COLUMNS = 30, 5_000, 100


def kind(data: bytes) -> Kind | None:
    """Return which office file *data* is; None if it is another archive.

    Raises:
        Unreadable: Unpacked, it would be too large.
    """
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except (BadZipFile, ValueError, OSError, NotImplementedError):
        return None
    found = next((ENTRIES[each.filename] for each in entries if each.filename in ENTRIES), None)
    markup = sum(each.file_size for each in entries if each.filename.endswith((".xml", ".rels", ".vml")))
    whole = sum(each.file_size for each in entries)
    if found and (len(entries) > COUNT or whole > UNPACKED or markup > MARKUP):
        raise Unreadable(f"unpacked, it would be {whole / 1e6:,.0f} MB")
    return found


def read(found: Kind, data: bytes) -> Read:
    """Return the text of an office file, of a long one the beginning.

    Raises:
        Unreadable: It is damaged, or has no text in it.
    """
    parts: dict[Kind, Callable[[BytesIO], Iterable[str]]] = {"docx": _words, "xlsx": _cells, "pptx": _slides}
    try:
        text = _joined(parts[found](BytesIO(data)))
    except Exception as error:
        raise Unreadable("it is damaged") from error
    return texts.shortened(text)


def _joined(parts: Iterable[str]) -> str:
    """Return *parts*, a line or more each, until they are too many."""
    kept: list[str] = []
    room = texts.CHARACTERS
    for part in parts:
        kept.append(part)
        room -= len(part) + 1
        if room < 0:
            break
    return "\n".join(kept)


def _words(file: BytesIO) -> Iterator[str]:
    """Yield the paragraphs and tables of a document."""
    from docx import Document
    from docx.text.paragraph import Paragraph

    for block in Document(file).iter_inner_content():
        if isinstance(block, Paragraph):
            style = block.style.name if block.style else None
            level = (style or "").removeprefix("Heading ")
            mark = "#" * int(level) + " " if level.isdecimal() and len(level) == 1 else ""
            yield mark + block.text
        else:
            yield from _rows(block)


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        yield " | ".join(cell.text.replace("\n", " ") for cell in row.cells)


def _cells(file: BytesIO) -> Iterator[str]:
    """Yield the sheets of a workbook as CSV, with values for formulas."""
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True)
    for sheet in book.worksheets[:SHEETS]:
        yield f"## {sheet.title}"
        for number, row in enumerate(sheet.iter_rows(max_col=COLUMNS, values_only=True)):
            if number == ROWS:
                yield "[The rows below are not here.]"
                break
            values = ["" if value is None else str(value) for value in row]
            while values and not values[-1]:
                values.pop()
            if values:
                line = StringIO()
                csv.writer(line, lineterminator="").writerow(values)
                yield line.getvalue()


def _slides(file: BytesIO) -> Iterator[str]:
    """Yield the texts of a presentation, slide by slide, with its notes."""
    from pptx import Presentation

    for number, slide in enumerate(Presentation(file).slides, 1):
        yield f"## Slide {number}"
        yield from _shapes(slide.shapes)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) and notes.text.strip():
            yield f"Notes: {notes.text}"


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if inner := getattr(shape, "shapes", None):
            yield from _shapes(inner)
        elif shape.has_text_frame and shape.text_frame.text.strip():
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(cell.text for cell in row.cells)
