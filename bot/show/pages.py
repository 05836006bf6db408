"""Cut growing markdown into pages.  Pure.

Rule 1: a page that is cut never changes, whatever follows, so no old message is edited twice.
Rule 2: `join(paginate(text)) == text`, to the character: how a page looks (its dialect, a fence that it opens
again or closes) is dressing, kept apart from the text itself.
Rule 3: where a page ends depends on what stands before, and never on the parts in which that came.
Rule 4: what a page shows has been through a `Dialect`, and nothing else leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.events import File
from bot.platform import Limits
from bot.show.sheet import Sheet, codes, load
from bot.text import grammar
from bot.text.blocks import Block, Ink, files, joined, source
from bot.text.lead import Lead
from bot.text.safe import Links, seen
from bot.text.writing import Known


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
        self._defined: dict[str, tuple[str, int]] = {}  # by label: address, and where in the whole text
        self._beyond: list[str] | None = None
        self._end: list[Block] | None = None
        self._last: Piece | None = None  # as it is asked for again and again

    @property
    def closed(self) -> Sequence[Piece]:
        """The pages that will not change any more."""
        return self._cut

    @property
    def overflowing(self) -> bool:
        """Whether there is more text than pages to show it."""
        return self._beyond is not None

    @property
    def last(self) -> Piece:
        """The page that still grows; where there are no more pages, the last one again."""
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
        if self._limits.measure(shown) > self._limits.size:
            shown, settled = self._sheet.fitting(), 0
        return Piece(text, seen(shown), settled)

    def feed(self, text: str) -> None:
        """Append *text*."""
        self._last = None
        if self._beyond is not None:
            self._beyond.append(text)
            return
        self._sheet.raw += text
        while self._beyond is None and (end := self._sheet.due()):
            if not self._sheet.check(end):
                self._turn()

    def end(self) -> None:
        """Close the last page: nothing more comes."""
        if self._end is not None:
            return
        self._last = None
        while self._beyond is None and not self._sheet.check(len(self._sheet.raw), final=True):
            self._turn()
        self._end = []
        if self._beyond is None:
            self._resolve()

    def _turn(self) -> None:
        """End the page that is too full, and begin the next one with the text behind."""
        blocks, lead = self._sheet.cut()
        rest = self._sheet.raw[len(source(blocks)) :]
        self._define(source(blocks))
        self._ink.codes = self._sheet.codes + codes(blocks)
        self._page(blocks, rest, lead)

    def _page(self, blocks: Sequence[Block], rest: str, lead: Lead | None = None) -> None:
        shown = joined(blocks)
        self._cut.append(Piece(source(blocks), shown, len(shown), files(blocks)))
        self._sheet = Sheet(self._ink, self._limits, rest, lead)
        if len(self._cut) == self._most:
            self._beyond = [rest]

    # What links and footnotes refer to.

    def _define(self, text: str) -> bool:
        """Take the definitions that *text*, the next of the whole, has; tell whether there is a new one."""
        begin = sum(len(piece.text) for piece in self._cut)
        found = [each for each in grammar.definitions(text) if each[0].casefold() not in self._defined]
        for label, url, _ in found:
            place = text.casefold().find(f"[{label}]:".casefold())
            self._defined[label.casefold()] = (url, begin + place)
        known = self._ink.known
        lines = (*known.definitions, *(line for _, _, line in found))
        self._ink.known = replace(known, definitions=lines, memo={})
        return bool(found)

    def _resolve(self) -> None:
        """Let links of the last page be some whose definitions came after them, and show what needs to be."""
        sheet = self._sheet
        blocks = [*sheet.kept, *sheet.open]
        if self._define(sheet.raw):
            whole = sheet.whole()
            blocks = whole if load(whole, self._limits).full <= 1 else blocks
        for block in self._unresolved():
            if load([*blocks, block], self._limits).full > 1:
                self._page(blocks, "")
                blocks = []
            blocks.append(block)
        self._end = blocks

    def _unresolved(self) -> Iterable[Block]:
        """Yield the definitions that no link could use where it stood, or that none uses."""
        text = (join(self._cut) + self._sheet.raw).casefold()
        last = len(text) - len(self._sheet.raw)
        gap = "\n\n"
        for label, (url, place) in self._defined.items():
            used = text.find(f"[{label}]")
            early = used < min(place, last)
            if early or text.count(f"[{label}]") == text.count(f"[{label}]:"):
                [*made] = self._ink.blocks(f"\\[{label}\\]: {url}", Lead(), gap)
                gap = "\n"
                yield from (replace(block, raw="") for block in made)


def paginate(text: str, limits: Limits, links: Links | None = None) -> list[Piece]:
    """Cut *text*, which is complete, into pages within *limits*."""
    pages = Pages(limits, links)
    pages.feed(text)
    pages.end()
    return [*pages.closed, pages.last]


def join(pieces: Iterable[Piece]) -> str:
    """Undo `paginate`."""
    return "".join(piece.text for piece in pieces)
