"""What people attach becomes what a model reads, or it is said in a few words why it does not."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from PIL import Image

from bot.files import Bounds, Read, read
from bot.files.documents import PAGES
from bot.files.office import MARKUP
from bot.files.pictures import EDGE
from bot.files.texts import CHARACTERS
from bot.platform import Unreadable
from tests import made

BOUNDS = Bounds(pixels=40_000_000)


def told(data: bytes, name: str = "a", claimed: str = "") -> Read:
    return read(name, claimed, data, BOUNDS)


def text(data: bytes, name: str = "a.txt", claimed: str = "") -> str:
    found = told(data, name, claimed)
    assert found.type == "text/plain"
    return found.data.decode()


def why(data: bytes, name: str = "a", claimed: str = "") -> str:
    with pytest.raises(Unreadable) as raised:
        told(data, name, claimed)
    return str(raised.value)


def seen(found: Read) -> Image.Image:
    image = Image.open(BytesIO(found.data))
    image.load()
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_small_picture_stays_as_it_is_whatever_its_name_and_type_say_of_it(kind):
    data = made.picture(kind)
    for claimed in ("", "application/octet-stream", "image/png", "image/heic"):
        assert told(data, "a.bin", claimed) == Read(f"image/{kind.lower()}", data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_large_picture_is_made_smaller_and_keeps_its_shape(kind):
    found = told(made.picture(kind, (3000, 1500)))
    assert found.type == "image/jpeg"
    assert seen(found).size == (EDGE, EDGE // 2)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animated_picture_the_first_frame_is_read(kind):
    found = told(made.animated(kind))
    red, green, blue = seen(found).convert("RGB").getpixel((4, 4))  # type: ignore[misc]
    assert found.type == "image/jpeg"
    assert red > 200
    assert max(green, blue) < 60


def test_a_photo_is_turned_upright_and_loses_what_the_camera_wrote_in_it():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    exif[0x8298] = "somebody's name"
    found = told(made.picture("JPEG", (40, 20), exif=exif))
    assert seen(found).size == (20, 40)
    assert b"somebody" not in found.data


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16", "CMYK"])
def test_pictures_of_every_mode_are_read(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    found = told(made.picture(kind, (2000, 10), mode, 0))
    assert seen(found).size == (EDGE, 8)


def test_what_is_transparent_becomes_white():
    found = told(made.picture("PNG", (2000, 10), "RGBA", (0, 0, 0, 0)))
    assert seen(found).convert("RGB").getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.rule(19)
def test_a_picture_of_100_megapixels_is_refused_by_its_header():
    assert why(made.bomb(10_000, 10_000)) == "100 million pixels; 40 million are the most"
    assert why(made.bomb(100_000, 100_000)).startswith("10,000 million pixels")


def test_a_picture_that_is_damaged_or_cut_is_refused():
    whole = made.picture("PNG", (300, 300), colour="blue")
    for data in (whole[:60], whole[:20] + b"x" * 50, made.bomb(10, 10), b"\xff\xd8\xff" + b"x" * 50):
        assert why(data) == "it is damaged"


def test_a_pdf_is_passed_as_it_is():
    data = made.pdf(3)
    assert told(data, "a.pdf", "application/pdf") == Read("application/pdf", data, pages=3)


def test_a_pdf_that_needs_a_password_is_long_or_damaged_is_refused():
    assert why(made.pdf(1, "secret")) == "it needs a password"
    assert told(made.pdf(PAGES)).pages == PAGES
    assert why(made.pdf(PAGES + 1)) == f"it has more than {PAGES} pages"
    assert why(b"%PDF-1.7\n" + b"x" * 1000) == "it is damaged"
    assert why(made.pdf(0)) in {"it has no pages", "it is damaged"}


def test_a_pdf_whose_count_of_pages_lies_or_whose_tree_is_a_circle_is_counted_as_it_is():
    assert why(made.pdf(PAGES + 1).replace(b"/Count 101", b"/Count 001")) == "it has more than 100 pages"
    node = (
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1>>endobj"
    )
    assert why(b"%PDF-1.4\n" + node + b"\ntrailer<</Root 1 0 R>>") in {"it has no pages", "it is damaged"}


GERMAN = "Größe und Maß: über die Brücke gehen, für schöne Grüße an Jürgen. "
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. "
JAPANESE = (
    "今日は天気がいいので、散歩に行きましょう。会議は午後三時から始まりますので、資料を準備してください。"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_text_in_every_unicode_is_read(encoding):
    assert text(GERMAN.encode(encoding)) == GERMAN


def test_text_behind_a_big_endian_mark_is_read():
    assert text(b"\xfe\xff" + GERMAN.encode("utf-16-be")) == GERMAN
    assert text(b"\x00\x00\xfe\xff" + GERMAN.encode("utf-32-be")) == GERMAN


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_text_in_an_old_encoding_is_read(words, encoding):
    assert text((words * 4).encode(encoding)) == words * 4


def test_one_broken_byte_does_not_spoil_a_text():
    assert text(GERMAN.encode() + b"\xff" + GERMAN.encode()) == f"{GERMAN}\ufffd{GERMAN}"


def test_of_a_long_text_the_beginning_is_read_and_that_is_said():
    for encoding in ("utf-8", "utf-16"):
        found = told(("ä" * (CHARACTERS + 5)).encode(encoding))
        assert found.cut
        assert found.data.decode().startswith("ä" * CHARACTERS + "\n[Only the first 60,000 characters")
    assert not told(b"a" * CHARACTERS).cut


@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01\x01\0\0" * 40, bytes(range(256)) * 20, b"\x01\x02" * 400])
def test_what_is_no_text_is_refused(data):
    assert why(data, "a.txt") == "it is no text, picture, PDF or office file"


@pytest.mark.parametrize(("data", "reason"), [(b"", "it is empty"), (b" \n", "it has no text in it")])
def test_what_is_empty_is_refused(data, reason):
    assert why(data) == reason


def test_code_and_markup_and_tables_are_text():
    for name, data in (
        ("a.py", b"x = 1\n"),
        ("a.svg", b"<svg/>"),
        ("a.html", b"<!DOCTYPE html>"),
        ("a", b"a,b\n1,2"),
    ):
        claimed = "image/svg+xml" if name == "a.svg" else ""
        assert text(data, name, claimed) == data.decode()


def test_a_notebook_is_read_as_its_cells_with_what_they_gave_out():
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {
            "cell_type": "code",
            "source": "1 + 1",
            "outputs": [
                {"output_type": "stream", "text": ["out\n"]},
                {"output_type": "execute_result", "data": {"text/plain": ["2"], "image/png": "iVBOR"}},
                {"output_type": "display_data", "data": {"image/png": "iVBOR"}},
                {"output_type": "error", "ename": "ValueError", "evalue": "bad", "traceback": []},
                "nonsense",
            ],
        },
        7,
    ]
    shown = text(json.dumps({"cells": cells, "nbformat": 4}).encode(), "a.ipynb", "application/json")
    assert shown.startswith("# Title\nwords\n\n```python\n1 + 1\n```")
    assert [part in shown for part in ("out", "```\n2\n```", "(a picture)", "ValueError: bad", "iVBOR")] == [
        *[True] * 4,
        False,
    ]


@pytest.mark.parametrize("data", [b"[]", b"{", b"[" * 100_000, b'{"cells": 3}'])
def test_a_notebook_that_is_none_is_text(data):
    assert text(data, "a.ipynb").startswith(data[:10].decode())


def test_office_files_are_read_as_text():
    assert text(made.docx(), "a.docx") == "# Plan\nWe ship on Friday.\ncost | 12 €"
    assert text(made.xlsx(), "a.xlsx") == '## Costs\nitem,price\n"tea, green",3.5\nsum,3.5'
    assert text(made.pptx(), "a.pptx") == "## Slide 1\nResults\nup | 12 %\nNotes: Say why."


def test_an_office_file_that_would_be_huge_unpacked_is_refused_before_it_is():
    data = made.archive({"word/document.xml": b"<a/>" + b" " * (MARKUP + 1)})
    assert len(data) < MARKUP / 100
    assert why(data, "a.docx") == "unpacked, it would be 25 MB"


def test_an_office_file_whose_directory_lies_about_its_size_gives_no_more_than_it_says():
    data = made.archive({"word/document.xml": b" " * 30_000_000})
    size = (30_000_000).to_bytes(4, "little")
    assert why(data.replace(size, (1000).to_bytes(4, "little"))) == "it is damaged"


@pytest.mark.rule(19)
def test_archives_and_old_and_locked_and_broken_office_files_are_refused():
    assert why(made.archive({"a.txt": b"x"})) == "archives are not opened"
    assert why(b"PK\x03\x04" + b"x" * 100) == "archives are not opened"
    assert why(b"\x1f\x8b\x08" + b"x" * 100) == "archives are not opened"
    assert why(made.archive({"xl/workbook.xml": b"<workbook"})) == "it is damaged"
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100
    assert why(old) == "office files of before 2007 are not read"
    assert why(old + "EncryptedPackage".encode("utf-16-le")) == "it needs a password"


@pytest.mark.parametrize(
    ("data", "claimed", "reason"),
    [
        (b"<html>no picture</html>", "image/png", "it is no png, jpeg, gif or webp"),
        (b"BM" + b"\0" * 100, "image/bmp", "it is no png, jpeg, gif or webp"),
        (b"just words", "application/pdf", "it is no PDF, whatever its name says"),
        (made.picture(), "text/plain", "it is image/png, whatever its name says"),
        (made.picture(), "application/pdf", "it is image/png, whatever its name says"),
        (made.pdf(), "image/png", "it is a PDF, whatever its name says"),
        (made.docx(), "text/csv", "it is an office file, whatever its name says"),
    ],
)
@pytest.mark.rule(19)
def test_a_file_of_a_lying_type_is_refused(data, claimed, reason):
    assert why(data, "a", claimed) == reason
