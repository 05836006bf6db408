"""Text and code in any encoding, as UTF-8.  The one importer of charset-normalizer."""

from __future__ import annotations

import codecs
import re

from bot.files.reading import Read, Unreadable

#: Characters of one text that are read.
CHARACTERS = 60_000
#: Bytes by which an unknown encoding is guessed.
SAMPLE = 64 * 1024
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What texts have none of; a few may be in a log.
CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
#: Of how many characters one may be such a control, or a byte that is no UTF-8.
RARE = 200
NO_TEXT = "it is no text, picture, PDF or office file"
SHORTENED = "\n[Only the first {0:,} characters of this file are here.]"


def read(data: bytes) -> Read:
    """Return the text *data* in UTF-8, of a long one the beginning.

    Raises:
        Unreadable: It is no text.
    """
    head = data[: 4 * (CHARACTERS + 1)]
    text = _decoded(head, whole=len(head) == len(data))
    if len(CONTROLS.findall(text)) > len(text) // RARE:
        raise Unreadable(NO_TEXT)
    return shortened(re.sub(r"\r\n?", "\n", text))


def shortened(text: str) -> Read:
    """Return *text*, of a long one the beginning."""
    cut = len(text) > CHARACTERS
    if cut:
        text = text[:CHARACTERS] + SHORTENED.format(CHARACTERS)
    if not text.strip():
        raise Unreadable("it has no text in it")
    return Read("text/plain", text.encode(errors="replace"), cut=cut)


def _decoded(data: bytes, *, whole: bool) -> str:
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _as(encoding, data, "replace", whole=whole)
    if wide := _wide(data):
        return _as(wide, data, "replace", whole=whole)
    if b"\0" in data:
        raise Unreadable(NO_TEXT)
    try:
        return _as("utf-8", data, "strict", whole=whole)
    except UnicodeDecodeError:
        return _guessed(data, whole=whole)


def _as(encoding: str, data: bytes, errors: str, *, whole: bool) -> str:
    """Decode *data*, whose last character may be cut if it is not the *whole*."""
    return codecs.getincrementaldecoder(encoding)(errors).decode(data, final=whole)


def _wide(data: bytes) -> str:
    """Return which UTF-16 without a mark *data* is; "" for none: every other byte of it is mostly 0."""
    sample = data[: SAMPLE // 2 * 2]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    return "utf-16-be" if half and even > 0.4 * half and odd < 0.02 * half else ""


def _guessed(data: bytes, *, whole: bool) -> str:
    """Decode what is no valid UTF-8: a few bytes of it may be broken, or it is another encoding."""
    from charset_normalizer import from_bytes

    text = _as("utf-8", data, "replace", whole=whole)
    broken = text.count("\ufffd")
    other = sum(character > "\x7f" for character in text) - broken
    if other > 10 * broken:
        return text
    best = from_bytes(data[:SAMPLE]).best()
    if best is None:
        raise Unreadable(NO_TEXT)
    return _as(best.encoding, data, "replace", whole=whole)
