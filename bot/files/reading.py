"""The words of this folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.platform import Unreadable as Unreadable  # noqa: PLC0414  raised by all of this folder

#: Why a file is not read whose reading needs too much time, or memory.
LATE = "it took too long"
LARGE = "reading it takes too much"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read for one answer.

    Attributes:
        size: Bytes of one file.
        count: Files.
        pixels: Of one picture.
    """

    size: int = 20_000_000
    count: int = 20
    pixels: int = 40_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """What a model reads of a file.

    Attributes:
        type: Its media type, as it is: an image's, "application/pdf" or "text/plain".
        data: The content; a text in UTF-8.
        pages: Of a PDF.
        cut: Whether it is only the beginning.
    """

    type: str
    data: bytes = field(repr=False)
    pages: int = 0
    cut: bool = False
