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

import regex

from bot.block import Block
from bot.blocks import Kind, Scanner
from bot.markdown import Known
from bot.platform import Limits
from bot.references import References
from bot.safe import Links

#: Characters of a line after which it is looked at although it goes on; of a table's row, many more.
STEP = 128
ROW = 8192
#: A character that can be seen.
_SEEN = regex.compile(r"[^\p{Z}\p{C}\p{M}\u115f\u1160\u2800\u3164\uffa0]")


@dataclass(frozen=True, slots=True)
class Piece:
    """One page's part of the text.

    Attributes:
        text: The slice of the source, exactly.
        shown: What the page shows, as the platform is to be sent it.
        settled: How many characters of that will stay, whatever follows.
    """

    text: str
    shown: str = ""
    settled: int = 0


class Pages:
    """Text that grows, as pages.

    Args:
        limits: How much a page holds, and how it is written.
        links: Which URLs may be links.
        most: How many pages there may be; what is left then is not shown, and `overflowing` says so.  0 for any.
    """

    def __init__(self, limits: Limits, links: Links | None = None, most: int = 0) -> None:
        self._limits = limits
        self._measure = limits.measure
        self._most = most
        self._references = References(limits.dialect)
        self._known = Known(links or Links())
        self._scanner = Scanner()
        self._cut: list[Piece] = []
        self._blocks: list[Block] = []  # of the page that grows; the last one may be open
        self._open = False
        self._rest = ""  # of a line: what is not looked at yet
        self._fresh = True  # whether `_rest` begins a line
        self._beyond: list[str] = []
        self._ended = False

    @property
    def closed(self) -> Sequence[Piece]:
        """The pages that will not change any more."""
        return self._cut

    @property
    def overflowing(self) -> bool:
        """Whether there is more text than pages to show it."""
        return bool(self._beyond)

    @property
    def last(self) -> Piece:
        """The page that still grows."""
        text = "".join(block.raw for block in self._blocks) + self._rest
        if self.overflowing:
            full = self._cut[-1]
            return replace(full, text="".join(self._beyond))
        if self._ended:
            return Piece(text, _seen(self._joined(self._blocks)))
        shown, settled = self._live(self._rest)
        if self._measure(shown) > self._limits.size:
            shown, settled = self._live("")
        return Piece(text, _seen(shown), settled)

    def feed(self, text: str) -> None:
        """Append *text*."""
        if self.overflowing:
            self._beyond.append(text)
            return
        text = self._rest + text
        at = 0
        while at < len(text) and not self.overflowing:
            end = self._step(text, at)
            if not end:
                break
            self._take(text[at:end])
            at = end
        self._rest = text[at:]
        if self.overflowing and self._rest:
            self._beyond.append(self._rest)
            self._rest = ""

    def end(self) -> None:
        """Close the last page: nothing more comes."""
        if self._ended:
            return
        if self._rest and not self.overflowing:
            rest, self._rest = self._rest, ""
            self._take(rest)
        self._close()
        self._ended = True

    def _step(self, text: str, at: int) -> int:
        """Return up to where *text* is looked at next, from *at* on; 0 if more must come first."""
        line = text.find("\n", at, at + ROW)
        row = self._fresh and text[at : at + 8].lstrip()[:1] == "|" and not self._in_code
        step = ROW if row else STEP
        if 0 <= line < at + step:
            return line + 1
        return at + step if len(text) > at + step else 0

    @property
    def _in_code(self) -> bool:
        return self._scanner.open and self._scanner.leaf.kind is Kind.FENCE

    def _take(self, part: str) -> None:
        """Take the next line, or the next part of a long one."""
        fresh, self._fresh = self._fresh, part.endswith("\n")
        if fresh:
            path, was_open = self._scanner.path, self._scanner.open
            if self._scanner.feed(part.removesuffix("\n")):
                self._close()
                self._begin()
            elif was_open and not self._scanner.open and not part.strip():
                self._close()  # a blank line has ended it
            leaf = self._scanner.path != path
        else:
            leaf = False
        if not self._blocks:
            self._blocks.append(Block(self._limits.dialect, self._known, Kind.NOTHING))
        block = self._blocks[-1]
        block.add(part, self._scanner.kind if self._open else block.kind, leaf=leaf)
        if self._open and self._fresh and not self._scanner.open:
            self._close()
        elif self._open:
            block.seal()
            self._fit()

    def _begin(self) -> None:
        """Begin a block."""
        scanner = self._scanner
        number = None
        gap = self._blocks[-1].gap_behind if self._blocks else ""
        if scanner.kind is Kind.ITEM and scanner.number is not None:
            number = self._references.counted(scanner)
        else:
            self._references.uncount()
        known = replace(self._references.known(self._known), number=number)
        self._blocks.append(Block(self._limits.dialect, known, scanner.kind, gap))
        self._open = True

    def _close(self) -> None:
        """Close the block that is open."""
        if not self._open:
            return
        self._open = False
        block = self._blocks[-1]
        block.close()
        if block.kind is Kind.DEFINITION:
            self._references.define(block.raw)
        self._fit()

    # Cutting.

    def _fit(self) -> None:
        """Cut until the page that grows is not too long."""
        while not self.overflowing and self._size() > self._limits.size:
            if not self._divide():
                break

    def _size(self) -> int:
        """Return how long the page that grows is, all of it shown."""
        return self._measure(self._live("", hold=False)[0])

    def _live(self, rest: str, *, hold: bool = True) -> tuple[str, int]:
        """Return what the page that grows shows with *rest* behind it, and how much of that will stay."""
        blocks = self._blocks
        if not self._open and not rest.strip():
            shown = self._joined(blocks)
            return shown, len(shown)
        ended, begun = blocks[:-1] if self._open else blocks, blocks[-1] if self._open else None
        if self._fresh and rest.strip():
            ended, begun, rest = self._provisional(ended, begun, rest)
        before = self._joined(ended)
        if begun is None:
            return before, len(before)
        shown, settled = begun.live(rest, hold=hold)
        if not shown:
            return before, len(before)
        head = before + (begun.gap if before else "")
        return head + shown, (len(head) + settled) if settled else len(before)

    def _provisional(
        self, ended: list[Block], begun: Block | None, rest: str
    ) -> tuple[list[Block], Block | None, str]:
        """Return the blocks as they would be if *rest* were a line."""
        probe = self._scanner.copy()
        if not probe.feed(rest):
            return ended, begun, rest
        if begun is not None:
            shown = Block(self._limits.dialect, self._known, begun.kind, begun.gap)
            shown.shown = begun.whole()
            shown.raw = begun.raw
            ended = [*ended, shown]
        known = self._references.known(self._known)
        gap = ended[-1].gap_behind if ended else ""
        fresh = Block(self._limits.dialect, replace(known, number=None), probe.kind, gap)
        fresh.add(rest, probe.kind, leaf=True)
        return ended, fresh, ""

    def _joined(self, blocks: Sequence[Block]) -> str:
        """Return what *blocks* show together."""
        shown = ""
        for block in blocks:
            if block.shown:
                shown += (block.gap if shown else "") + block.shown
        return shown

    def _divide(self) -> bool:
        """Cut one page off; False if that cannot be."""
        *before, last = self._blocks
        head = self._joined(before)
        taken = self._measure(head)
        shown = last.until(len(last.raw))
        alone = self._measure(shown)
        if _seen(head) and (taken >= self._limits.size // 3 or alone <= self._limits.size // 4):
            return self._cut_before(before, last)
        room = self._limits.size - (taken + self._measure(last.gap) if head else 0)
        parts = last.split(room, self._limits.size, self._measure)
        if parts is None and _seen(head):
            return self._cut_before(before, last)
        if parts is None:
            last.literally()
            parts = last.split(room, self._limits.size, self._measure)
        if parts is None:
            return False
        first, tail = parts
        text = "".join(block.raw for block in before) + last.raw[: len(last.raw) - len(tail.raw)]
        if not self._open:
            tail.close()
        self._blocks = [tail]
        self._page(text, (head + last.gap if head else "") + first)
        return True

    def _cut_before(self, before: list[Block], last: Block) -> bool:
        """End the page before *last*; a heading goes with what it is the heading of."""
        kept = len(before)
        while kept > 1 and before[kept - 1].kind is Kind.HEADING and self._joined(before[: kept - 1]).strip():
            kept -= 1
        self._blocks = [*before[kept:], last]
        self._page("".join(block.raw for block in before[:kept]), self._joined(before[:kept]))
        return True

    def _page(self, text: str, shown: str) -> None:
        self._cut.append(Piece(text, shown, len(shown)))
        if len(self._cut) == self._most:
            self._beyond = ["".join(block.raw for block in self._blocks)]
            self._blocks = []
            self._open = False


def _seen(shown: str) -> str:
    """Return *shown*, or "" if it has nothing that anybody sees."""
    return shown if _SEEN.search(shown) else ""


def paginate(text: str, limits: Limits, links: Links | None = None) -> list[Piece]:
    """Cut *text*, which is complete, into pages within *limits*."""
    pages = Pages(limits, links)
    pages.feed(text)
    pages.end()
    return [*pages.closed, pages.last]


def join(pieces: Iterable[Piece]) -> str:
    """Undo `paginate`."""
    return "".join(piece.text for piece in pieces)
