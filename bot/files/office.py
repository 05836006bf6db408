"""Office files as text.  The one importer of python-docx, openpyxl and python-pptx.

They are archives: what they hold is bounded by what their directory says before anything is unpacked, and
`zipfile` unpacks no more of an entry than that.  In memory a part that is all tags is 40 times as large, and
the directory is large itself: read them only where both are bounded (`bot.files.apart`).
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
#: Entries of one file, bytes of all of them unpacked, and of those that are XML.
COUNT, UNPACKED, MARKUP = 5_000, 100_000_000, 25_000_000
#: Sheets, rows and columns of a sheet, and rows of all.
SHEETS, ROWS, COLUMNS, ALTOGETHER = 30, 5_000, 100, 20_000
#: The code of lxml's error where libxml2 was refused memory.
NO_MEMORY = 2
#: How such an archive begins, and what is said of one that is no office file.
BEGINS = (b"PK\x03\x04", b"PK\x05\x06")
ARCHIVE = "archives are not opened"


def _kind(data: bytes) -> Kind:
    """Return which office file *data* is."""
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except (BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Unreadable(ARCHIVE) from error
    found = next((ENTRIES[each.filename] for each in entries if each.filename in ENTRIES), None)
    if not found:
        raise Unreadable(ARCHIVE)
    markup = sum(each.file_size for each in entries if each.filename.endswith((".xml", ".rels", ".vml")))
    whole = sum(each.file_size for each in entries)
    if len(entries) > COUNT:
        raise Unreadable(f"it has more than {COUNT:,} parts")
    if whole > UNPACKED or markup > MARKUP:
        raise Unreadable(f"unpacked, it would be {whole / 1e6:,.0f} MB")
    return found


def read(data: bytes) -> Read:
    """Return the text of an office file, of a long one the beginning.

    Raises:
        Unreadable: It is damaged or too large, has no text in it, or is another archive.
    """
    found = _kind(data)
    parts: dict[Kind, Callable[[BytesIO], Iterable[str]]] = {"docx": _words, "xlsx": _cells, "pptx": _slides}
    try:
        text = _joined(parts[found](BytesIO(data)))
    except MemoryError:
        raise
    except Exception as error:
        if getattr(error, "code", None) == NO_MEMORY:
            raise MemoryError from error
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

    document = Document(file)
    marks = {style.style_id: _mark(style.name or "") for style in document.styles}
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            yield marks.get(block._p.style or "", "") + block.text  # noqa: SLF001  block.style looks through all
        else:
            yield from _rows(block)


def _mark(style: str) -> str:
    """Return how a heading of a *style* begins in markdown; "" for what is none."""
    level = style.removeprefix("Heading ")
    return "#" * int(level) + " " if level.isdecimal() and len(level) == 1 else ""


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        yield " | ".join(cell.text.replace("\n", " ") for cell in row.cells)


def _cells(file: BytesIO) -> Iterator[str]:
    """Yield the sheets of a workbook as CSV, with values for formulas."""
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True)
    left = ALTOGETHER
    for sheet in book.worksheets[:SHEETS]:
        yield f"## {sheet.title}"
        most = min(ROWS, left)
        for number, row in enumerate(sheet.iter_rows(max_col=COLUMNS, values_only=True)):
            if number == most:
                yield "[The rows below are not here.]"
                break
            left -= 1
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
