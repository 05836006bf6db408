"""Cut growing markdown into pages.  Pure.

Rule 1: a page that is cut never changes, whatever follows, so no old message is edited twice.
Rule 2: `join(paginate(text)) == text`, to the character: what a page adds (a fence that it re-opens or
closes) or leaves away (blank space at its ends) is dressing, kept apart from the text itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bot.platform import Limits

#: CommonMark 4.5: up to three spaces, at least three backticks or tildes, the info string.
FENCE = re.compile(r" {0,3}(?P<marker>`{3,}|~{3,})(?P<info>.*)")

#: Where to cut, best first, if it can be done in the second half of the page.
BREAKS = ("\n\n", "\n", " ")


@dataclass(frozen=True, slots=True)
class Piece:
    """One page's part of the text.

    Attributes:
        text: The slice of the source, exactly.
        opened: The fence line that was open where the slice begins, to be repeated; "" if none.
        closed: What closes the fence that the slice leaves open; "" if none.
    """

    text: str
    opened: str = ""
    closed: str = ""

    @property
    def shown(self) -> str:
        """The page as people see it: blank ends trimmed, fences complete."""
        body = _trim_start(self.text.rstrip(), self.opened)
        return "\n".join([*filter(None, [self.opened]), body, *filter(None, [self.closed])])


class Pages:
    """Text that grows, as pages.

    Feeding a text in parts gives the same pages as feeding it whole: where a page ends depends on what
    stands before that point only.
    """

    def __init__(self, limits: Limits) -> None:
        self._measure = limits.measure
        # A page may have to close a fence of its own; the usual closer is kept free for that.
        self._size = limits.size - limits.measure("\n```")
        self._limit = limits.size
        self._cut: list[Piece] = []
        self._tail = ""
        self._opened = ""

    def feed(self, text: str) -> None:
        """Append *text*."""
        self._tail += text
        while self._measure(Piece(self._tail, self._opened).shown) > self._size:
            piece = self._next_cut()
            self._cut.append(piece)
            self._tail = self._tail[len(piece.text) :]
            self._opened = _open_fence(piece.text, self._opened)

    @property
    def closed(self) -> Sequence[Piece]:
        """The pages that will not change any more."""
        return self._cut

    @property
    def last(self) -> Piece:
        """The page that still grows."""
        piece = self._dressed(self._tail)
        fits = self._measure(piece.shown) <= self._limit
        return piece if fits else Piece(self._tail, self._opened)

    def _dressed(self, text: str) -> Piece:
        return Piece(text, self._opened, _marker(_open_fence(text, self._opened)))

    def _next_cut(self) -> Piece:
        """Return the page to cut off a tail that is too long."""
        lead = len(self._tail) - len(_trim_start(self._tail, self._opened))  # not shown, so it takes no room
        head = self._tail[lead : lead + self._limit]
        room = self._size - (self._measure(f"{self._opened}\n") if self._opened else 0)
        while True:
            end = _fitting(head, self._measure, room)
            piece = self._dressed(self._tail[: lead + _break(head, end)])
            over = self._measure(piece.shown) - self._limit
            if over <= 0 or end == 1:
                return piece
            room = self._measure(head[:end]) - over  # a fence longer than usual opened here


def paginate(text: str, limits: Limits) -> list[Piece]:
    """Cut *text* into pages within *limits*."""
    pages = Pages(limits)
    pages.feed(text)
    return [*pages.closed, pages.last]


def join(pieces: Iterable[Piece]) -> str:
    """Undo `paginate`."""
    return "".join(piece.text for piece in pieces)


def _fitting(text: str, measure: Callable[[str], int], room: int) -> int:
    """Return how many characters of *text* fit in *room* units; at least one."""
    return max(1, bisect_right(range(len(text) + 1), room, key=lambda end: measure(text[:end])) - 1)


def _break(text: str, end: int) -> int:
    """Return where to end a page that may hold *text* up to *end*."""
    for mark in BREAKS:
        at = text.rfind(mark, end // 2, end)
        if at != -1:
            return at + len(mark)
    return end


def _open_fence(text: str, opened: str) -> str:
    """Return the fence line that is open at the end of *text*, which begins inside *opened*."""
    for line in text.split("\n"):
        if not (fence := FENCE.fullmatch(line)):
            continue
        if not opened:
            # CommonMark 4.5: the info string of a backtick fence holds no backtick.
            opened = "" if "`" in fence["info"] and fence["marker"][0] == "`" else line
        elif fence["marker"].startswith(_marker(opened)) and not fence["info"].strip():
            opened = ""
    return opened


def _marker(fence: str) -> str:
    """Return the backticks or tildes of the fence line *fence*."""
    found = FENCE.fullmatch(fence)
    return found["marker"] if found else ""


def _trim_start(text: str, opened: str) -> str:
    """Drop blank lines at the start; keep the indentation of the first line that is not blank."""
    if opened:
        return text.lstrip("\n")
    return text[text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1 :]
