"""Lines out of bytes, none longer than a limit: what is longer is not kept.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Bytes that are kept of a line that is too long: they say which message it was.
HEAD = 256


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        content: All of it, without its end; or where it begins.
        whole: Whether it is all of it.
    """

    content: bytes
    whole: bool = True


class Lines:
    """Makes lines of what arrives in pieces.

    Args:
        longest: Bytes of a line.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Line]:
        """Take *data*; yield the lines that end in it."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._add(part)
            yield self._taken()
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._longest:
            self._parts.append(part)
        else:
            self._parts = [b"".join([*self._parts, part[:HEAD]])[:HEAD]]

    def _taken(self) -> Line:
        line = Line(b"".join(self._parts), self._size <= self._longest)
        self._parts, self._size = [], 0
        return line
