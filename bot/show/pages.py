"""Cut growing markdown into pages.  Pure.

Rule 1: a page that is cut never changes, whatever follows, so no old message is edited twice.
Rule 2: `join(paginate(text)) == text`, to the character: how a page looks (its dialect, a fence that it opens
again or closes) is dressing, kept apart from the text itself.
Rule 3: where a page ends depends on what stands before, and never on the parts in which that came.
Rule 4: what a page shows has been through a `Dialect`, and nothing else leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.events import File
from bot.platform import Limits
from bot.show.sheet import Load, Sheet
from bot.text.blocks import Block, Ink, files, joined, source
from bot.text.lead import Lead
from bot.text.line import Known
from bot.text.safe import Links, seen
from bot.text.spelt import spelt

#: Where a link may refer to a definition.
_REFERENCE = re.compile(r"\[([^\[\]\n]{1,200})\](?!:)")


@dataclass(frozen=True, slots=True)
class Piece:
    """One page's part of the text.

    Attributes:
        text: The slice of the source, exactly.
        shown: What the page shows, as the platform is to be sent it.
        settled: How many characters of that will stay, unless an underline makes it a heading or a definition
            that is still to come makes it a link.
        files: Code that is shown by a file's name only.
    """

    text: str
    shown: str = ""
    settled: int = 0
    files: tuple[File, ...] = ()


class Pages:
    """Text that grows, as pages.

    Args:
        limits: How much a page holds, and how it is written.
        links: Which URLs may be links.
        most: How many pages there may be; what is left is not shown, and `overflowing` says so.  0: any.
        code: Characters from which on a block of code becomes a file, at most half a page.  0: never.
    """

    def __init__(self, limits: Limits, links: Links | None = None, most: int = 0, code: int = 0) -> None:
        self._limits = limits
        self._most = most
        self._ink = Ink(limits.dialect, Known(links or Links()), min(code, limits.size // 2))
        self._sheet = Sheet(self._ink, limits)
        self._cut: list[Piece] = []
        self._leads: list[Lead] = []  # what the text behind each of them needs
        self._beyond: list[str] | None = None
        self._code: Pages | None = None  # of files that can't be attached, while it is cut
        self._end: list[Block] | None = None
        self._full = False  # whether the page is to be ended
        self._ending: Iterator[None] = iter(())
        self._last: Piece | None = None  # as it is asked for again and again

    @property
    def closed(self) -> Sequence[Piece]:
        """The pages that will not change any more."""
        while self.read():
            pass
        return self._cut

    @property
    def overflowing(self) -> bool:
        """Whether there is more text than pages to show it."""
        while self.read():
            pass
        return self._beyond is not None

    @property
    def last(self) -> Piece:
        """The page that still grows; where there are no more pages, the last one again."""
        while self.read():
            pass
        if self._last is None:
            self._last = self._growing()
        return self._last

    def _growing(self) -> Piece:
        if self._beyond is not None:
            return replace(self._cut[-1], text="".join(self._beyond))
        text = self._sheet.raw
        if self._end is not None:
            return Piece(text, seen(joined(self._end)), files=files(self._end))
        shown, settled = self._sheet.live()
        return Piece(text, seen(shown), settled)

    def feed(self, text: str) -> None:
        """Append *text*; it is read by `read`, or when the pages are asked for."""
        self._last = None
        if self._beyond is not None:
            self._beyond.append(text)
        else:
            self._sheet.raw += text

    def read(self) -> bool:
        """Read a little of what was appended; tell whether there is more."""
        if self._code:
            self._spell(self._code)
        elif self._full:
            self._turn()
        elif self._beyond is None and (end := self._sheet.due()):
            self._last = None
            self._full = not self._sheet.check(end)
        else:
            return next(self._ending, self) is None
        return True

    def end(self) -> None:
        """Close the last page once all is read: nothing more comes."""
        self._ending = self._closing()

    def unfile(self, index: int) -> None:
        """Go on without files, for ever: the page *index* can't have its own.

        The pages up to that one stay as they are; the code of its files follows it as text, and then comes
        what else there is, on as many pages as that takes.
        """
        pieces, ended = [*self.closed, self.last], self._end is not None
        kept = pieces[: index + 1]
        rest = join(pieces[index + 1 :])
        lead = self._leads[index] if index < len(self._leads) else Lead()
        if code := kept[-1].files:
            self._code = Pages(self._limits)
            self._code.feed(spelt(code))
            self._code.end()
        self._cut = [*kept[:-1], replace(kept[-1], files=())]
        self._most, self._ink.code, self._beyond, self._last = 0, 0, None, None
        self._sheet, self._full = Sheet(self._ink, self._limits, rest, lead), False
        self._end = [] if ended and not rest else None
        self._ending = self._closing() if ended else iter(())

    def _spell(self, code: Pages) -> None:
        """Read a little of the code of files that can't be attached; once all is read, cut its pages."""
        if not code.read():
            self._cut += [replace(piece, text="") for piece in (*code.closed, code.last)]
            self._code = None
        self._last = None

    def _closing(self) -> Iterator[None]:
        """Close the last page, a little at a time."""
        if self._end is not None:
            return
        self._last = None
        while self._beyond is None and not self._sheet.check(len(self._sheet.raw), final=True):
            yield
            self._turn()
            yield
        self._end = []
        if self._beyond is None:
            self._end = self._sheet.whole()
            yield from self._define_late()
        self._last = None

    def _turn(self) -> None:
        """End the page that is too full, and begin the next one with the text behind."""
        self._full = False
        blocks, lead = self._sheet.cut()
        rest = self._sheet.raw[len(source(blocks)) :]
        self._ink.define(source(blocks))
        self._ink.codes = self._sheet.codes + Load(self._limits).of(blocks).codes
        self._page(blocks)
        self._leads.append(lead)
        self._sheet = Sheet(self._ink, self._limits, rest, lead)
        if len(self._cut) == self._most:
            self._beyond = [rest]

    def _page(self, blocks: Sequence[Block]) -> None:
        shown = joined(blocks)
        self._cut.append(Piece(source(blocks), shown, len(shown), files(blocks)))

    def _define_late(self) -> Iterator[None]:
        """Show the definitions that no link could use where it stood, or that none uses."""
        text = "".join(f"\\[{label}]: {self._ink.defined[label]}\n" for label in self._unresolved())
        if not text:
            return
        pages = Pages(self._limits, self._ink.known.links)
        pages.feed(text)
        pages.end()
        while pages.read():
            yield
        for piece in (*pages.closed, pages.last):
            block, end = Block("", Lead(), piece.shown, "\n\n"), self._end or []
            if end and Load(self._limits).of([*end, block]).full > 1:
                self._page(end)
                self._sheet, end = Sheet(self._ink, self._limits), []
            self._end = [*end, block]

    def _unresolved(self) -> Iterable[str]:
        """Yield the labels of definitions that the text needed on a page before, or does not need."""
        if not self._ink.defined:
            return
        text = join(self._cut) + self._sheet.raw
        used: dict[str, int] = {}
        for found in _REFERENCE.finditer(text):
            used.setdefault(found[1].casefold(), found.start())
        last = len(text) - len(self._sheet.raw)
        for label in self._ink.defined:
            if label not in used or used[label] < last:
                yield label


def paginate(text: str, limits: Limits, links: Links | None = None) -> list[Piece]:
    """Cut *text*, which is complete, into pages within *limits*."""
    pages = Pages(limits, links)
    pages.feed(text)
    pages.end()
    return [*pages.closed, pages.last]


def join(pieces: Iterable[Piece]) -> str:
    """Undo `paginate`."""
    return "".join(piece.text for piece in pieces)
