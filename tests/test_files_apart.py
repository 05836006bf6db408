"""A small file that needs much memory or time to read costs neither the bot nor other files."""

from __future__ import annotations

import resource
import subprocess
import sys
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from docx.styles.styles import Styles
from PIL.GifImagePlugin import GifImageFile

from bot.files import Bounds, apart, office, read
from bot.files.reading import LARGE
from bot.platform import Unreadable
from tests import made


def changed(data: bytes, entry: str, old: bytes, new: bytes) -> bytes:
    """Return the office file *data* with the last *old* in *entry* replaced by *new*."""
    out = BytesIO()
    with ZipFile(BytesIO(data)) as before, ZipFile(out, "w", ZIP_DEFLATED) as after:
        for name in before.namelist():
            part = before.read(name)
            if name == entry:
                assert old in part
                part = new.join(part.rsplit(old, 1))
            after.writestr(name, part)
    return out.getvalue()


def tags(tag: bytes) -> bytes:
    """Return as much of one *tag* as an office file may have of markup, nearly."""
    return tag * ((office.MARKUP - 1_500_000) // len(tag))


BODY, TREE, ROWS = b"</w:body>", b"</p:spTree>", b"</sheetData>"
MUCH = {
    "paragraphs.docx": lambda: changed(made.docx(), "word/document.xml", BODY, tags(b"<w:p/>") + BODY),
    "styles.docx": lambda: changed(
        made.docx(), "word/styles.xml", b"</w:styles>", tags(b"<w:style/>") + b"</w:styles>"
    ),
    "spans.docx": lambda: changed(
        made.docx(), "word/document.xml", b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="99999999"/>'
    ),
    "shapes.pptx": lambda: changed(made.pptx(), "ppt/slides/slide1.xml", TREE, tags(b"<p:sp/>") + TREE),
    "cells.xlsx": lambda: changed(
        made.xlsx(), "xl/worksheets/sheet1.xml", ROWS, b"<row>" + tags(b"<c/>") + b"</row>" + ROWS
    ),
    "cells.ipynb": lambda: b'{"cells":[' + b"{}," * 5_000_000 + b"{}]}",
}


def peak() -> int:
    """Return the most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS bounds no process's memory")
@pytest.mark.parametrize("name", MUCH)
@pytest.mark.rule(19)
def test_a_file_that_needs_too_much_memory_is_left_out_and_takes_none_of_the_bots(name):
    data = MUCH[name]()
    before = peak()
    with pytest.raises(Unreadable, match=LARGE):
        read(name, "", data, Bounds())
    assert peak() - before < 60_000_000


def test_an_archive_of_very_many_parts_is_left_out():
    parts = dict.fromkeys((f"{number}" for number in range(office.COUNT)), b"")
    with pytest.raises(Unreadable, match="it has more than 5,000 parts"):
        read("a.docx", "", made.archive({"word/document.xml": b"<a/>", **parts}), Bounds())


def test_a_long_document_is_read_without_looking_through_its_styles_for_every_paragraph(monkeypatch):
    def look(*_):
        raise AssertionError

    monkeypatch.setattr(Styles, "get_by_id", look)
    data = changed(made.docx(), "word/document.xml", BODY, b"<w:p/>" * 3000 + BODY)
    assert office.read(data).data.decode().startswith("# Plan\nWe ship on Friday.\n")


KINDS = {
    "a.docx": made.docx(),
    "a.xlsx": made.xlsx(),
    "a.pptx": made.pptx(),
    "a.pdf": made.pdf(),
    "a.ipynb": b'{"cells": []}',
    "a.zip": made.archive({"a": b"a"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_whose_reading_takes_too_long_is_ended(monkeypatch, name):
    monkeypatch.setattr(apart, "SECONDS", 0.001)
    with pytest.raises(Unreadable, match="it took too long"):
        read(name, "", KINDS[name], Bounds())


def test_a_file_waits_for_its_turn_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(apart, "TURN", 0.001)
    for _ in range(apart.AT_ONCE):
        apart._TURNS.acquire()
    try:
        with pytest.raises(Unreadable, match="it took too long"):
            read("a.docx", "", made.docx(), Bounds())
    finally:
        apart._TURNS.release(apart.AT_ONCE)
    assert read("a.docx", "", made.docx(), Bounds()).type == "text/plain"


@pytest.mark.rule(19)
def test_what_reads_a_file_knows_no_secret(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    seen = {}

    def run(arguments, **more):
        seen.update(more["env"])
        return subprocess.CompletedProcess(arguments, -9, b"", b"")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(Unreadable, match=LARGE):
        read("a.docx", "", made.docx(), Bounds())
    assert set(seen) <= {"PYTHONPATH", *apart.KEPT}


def test_a_reader_that_can_not_run_is_an_error_of_the_installation_not_of_the_file(monkeypatch, tmp_path):
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "__init__.py").touch()
    monkeypatch.setattr(apart, "_environment", lambda: {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(RuntimeError, match=r"a file's reader failed: .*bot"):
        apart.read("office", made.docx())


def test_the_frames_of_an_animated_picture_are_not_counted(monkeypatch):
    def count(_):
        raise AssertionError

    monkeypatch.setattr(GifImageFile, "n_frames", property(count))
    assert read("a.gif", "", made.animated("GIF"), Bounds()).type == "image/jpeg"
