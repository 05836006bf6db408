"""Files that tests attach, made small whatever they claim to be."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from docx import Document
from openpyxl import Workbook
from PIL import Image
from pptx import Presentation
from pptx.util import Inches
from pypdf import PdfWriter


def picture(
    kind: str = "PNG", size: tuple[int, int] = (4, 3), mode: str = "RGB", colour: Any = "red", **more: Any
) -> bytes:
    """Return a picture of one colour; `more` as Pillow takes it."""
    out = BytesIO()
    Image.new(mode, size, colour).save(out, kind, **more)
    return out.getvalue()


def animated(kind: str) -> bytes:
    """Return a picture of two frames, first red then blue."""
    out = BytesIO()
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    red.save(out, kind, save_all=True, append_images=[blue], duration=100)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a png whose header claims so many pixels, of which it has none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def pdf(pages: int = 1, password: str = "") -> bytes:
    """Return a PDF of blank pages."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(72, 72)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def docx() -> bytes:
    """Return a document with a heading, a paragraph and a table."""
    book = Document()
    book.add_heading("Plan", 1)
    book.add_paragraph("We ship on Friday.")
    table = book.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "cost", "12 €"
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def xlsx() -> bytes:
    """Return a workbook of one sheet."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Costs"
    for row in (["item", "price"], ["tea, green", 3.5], [None, None], ["sum", 3.5]):
        sheet.append(row)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def pptx() -> bytes:
    """Return a presentation of one slide, with a table and notes."""
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Results"
    table = slide.shapes.add_table(1, 2, Inches(1), Inches(1), Inches(2), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "up", "12 %"
    slide.notes_slide.notes_text_frame.text = "Say why."
    out = BytesIO()
    show.save(out)
    return out.getvalue()


def archive(entries: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as kept:
        for name, data in entries.items():
            kept.writestr(name, data)
    return out.getvalue()
