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
from bot.text.block import Block
from bot.text.divide import divide
from bot.text.filenames import extension
from bot.text.markdown import Known
from bot.text.references import References
from bot.text.safe import Links, seen
from bot.text.scanner import Kind, Scanner
from bot.text.sheet import Sheet, files, joined, source

#: Characters of a line after which it is looked at although it goes on; of a table's row, many more.
STEP = 128
ROW = 8192


@dataclass(frozen=True, slots=True)
class Piece:
    """One page's part of the text.

    Attributes:
        text: The slice of the source, exactly.
        shown: What the page shows, as the platform is to be sent it.
        settled: How many characters of that will stay, unless an underline makes it a heading.
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
        self._measure = limits.measure
        self._most = most
        self._code = min(code, limits.size // 2)
        self._codes = 0
        self._references = References()
        self._known = Known(links or Links())
        self._scanner = Scanner()
        self._cut: list[Piece] = []
        self._sheet = Sheet()
        self._rest = ""  # of a line: what is not looked at yet
        self._fresh = True  # whether `_rest` begins a line
        self._beyond: list[str] | None = None
        self._ended = False
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
        blocks = self._sheet.blocks
        text = source(blocks) + self._rest
        if self._ended:
            return Piece(text, seen(joined(blocks)), files=files(blocks))
        for shown, settled in map(self._live, (self._rest, "")):
            if self._measure(shown) <= self._limits.size:
                return Piece(text, seen(shown), settled)
        return Piece(text, seen(self._sheet.shown()))

    def feed(self, text: str) -> None:
        """Append *text*."""
        self._last = None
        text, self._rest = self._rest + text, ""
        at = 0
        while self._beyond is None and (end := self._step(text, at)):
            self._take(text[at:end])
            at = end
        if self._beyond is None:
            self._rest = text[at:]
        else:
            self._beyond.append(text[at:])

    def end(self) -> None:
        """Close the last page: nothing more comes."""
        if self._ended:
            return
        self._last = None
        rest, self._rest = self._rest, ""
        if rest:
            self._take(rest)
        self._close()
        self._ended = True
        if self._beyond is None:
            self._repeat()

    # Reading.

    def _step(self, text: str, at: int) -> int:
        """Return up to where *text* is looked at next, from *at* on; 0 if more must come first."""
        in_code = self._scanner.open and self._scanner.leaf.kind is Kind.FENCE
        row = self._fresh and not in_code and text[at : at + STEP].lstrip().startswith("|")
        step = ROW if row else STEP
        line = text.find("\n", at, at + step)
        if line >= 0:
            return line + 1
        return at + step if len(text) > at + step else 0

    def _take(self, part: str) -> None:
        """Take the next line, or the next part of a long one."""
        leaf = self._fresh and self._look(part)
        self._fresh = part.endswith("\n")
        sheet, scanner = self._sheet, self._scanner
        if not sheet.blocks:
            sheet.blocks.append(Block(self._limits.dialect, self._known, Kind.NOTHING))
        block = sheet.blocks[-1]
        block.add(part, scanner.kind if sheet.open else block.kind, leaf=leaf)
        if sheet.open and self._fresh and not scanner.open:
            self._close()
        elif sheet.open:
            block.seal()
            self._fit()

    def _look(self, line: str) -> bool:
        """Close and begin the blocks that *line* does; return whether it begins one of any depth."""
        scanner = self._scanner
        path, was_open = scanner.path, scanner.open
        if scanner.feed(line.removesuffix("\n")):
            self._close()
            self._begin()
        elif was_open and not scanner.open and not line.strip():
            self._close()  # a blank line has ended it
        return scanner.path != path

    def _begin(self) -> None:
        """Begin a block."""
        scanner, number, name = self._scanner, None, ""
        if scanner.kind is Kind.ITEM and scanner.number is not None:
            number = self._references.counted(scanner)
        else:
            self._references.uncount()
        if scanner.kind is Kind.FENCE and self._code:
            self._codes += 1
            name = f"code-{self._codes}{extension(scanner.info)}"
        block = self._block(scanner, number)
        block.attachable(name, self._code)
        self._sheet.blocks.append(block)
        self._sheet.open = True

    def _block(self, scanner: Scanner, number: int | None = None) -> Block:
        """Return the block that *scanner* has just begun."""
        known = replace(self._references.known(self._known), number=number, cells={})
        gap = "\n\n" if scanner.kind in {Kind.RULE, Kind.HTML} else self._sheet.gap
        return Block(self._limits.dialect, known, scanner.kind, gap)

    def _close(self) -> None:
        """Close the block that is open."""
        if not self._sheet.open:
            return
        self._sheet.open = False
        block = self._sheet.blocks[-1]
        block.close()
        if block.kind is Kind.DEFINITION:
            self._references.define(block.raw, len(self._cut))
        self._fit()

    def _live(self, rest: str) -> tuple[str, int]:
        """Return what the page that grows shows with *rest* behind it, and how much of that will stay."""
        fresh = None
        if self._fresh and rest.strip() and (probe := self._scanner.copy()).feed(rest):
            fresh = self._block(probe)
            fresh.add(rest, probe.kind, leaf=True)
        return self._sheet.live(rest, fresh)

    # Cutting.

    def _fit(self) -> None:
        """Cut until the page that grows is not too long."""
        while self._beyond is None and self._measure(self._sheet.shown()) > self._limits.size:
            if not (self._cut_before() or self._cut_within()):
                return

    def _cut_before(self, *, always: bool = False) -> bool:
        """End the page before its last block, if that is better than to divide it; a heading goes with it."""
        *before, last = self._sheet.blocks
        size = self._limits.size
        full = self._measure(joined(before)) >= size // 3
        if not seen(joined(before)) or not (
            always or full or self._measure(last.until(len(last.raw))) <= size // 4
        ):
            return False
        kept = len(before)
        while kept > 1 and before[kept - 1].kind is Kind.HEADING and seen(joined(before[: kept - 1])):
            kept -= 1
        page = before[:kept]
        self._sheet.blocks = [*before[kept:], last]
        self._page(source(page), joined(page), files(page))
        return True

    def _cut_within(self) -> bool:
        """End the page within its last block; False if that cannot be."""
        *before, last = self._sheet.blocks
        head = joined(before)
        head += last.gap if head else ""
        room = self._limits.size - self._measure(head)
        parts = divide(last, room, self._limits.size, self._measure)
        if parts is None and self._cut_before(always=True):
            return True
        if parts is None:
            last.literally()
            if self._measure(self._sheet.shown()) <= self._limits.size:
                return True
            parts = divide(last, room, self._limits.size, self._measure)
        if parts is None:
            return False
        first, tail = parts
        text = source(before) + last.raw[: len(last.raw) - len(tail.raw)]
        if not self._sheet.open:
            tail.close()
        self._sheet.blocks = [tail]
        self._page(text, head + first, files(before))
        return True

    def _page(self, text: str, shown: str, attached: tuple[File, ...] = ()) -> None:
        self._cut.append(Piece(text, shown, len(shown), attached))
        if len(self._cut) == self._most:
            self._beyond = [source(self._sheet.blocks)]
            self._sheet = Sheet()

    def _repeat(self) -> None:
        """Let definitions that came too late for a reference stand on the last page too."""
        gap = "\n\n"
        for definition in self._references.late(join(self._cut), len(self._cut)):
            block = Block(self._limits.dialect, self._known, Kind.DEFINITION, gap)
            block.shown = self._limits.dialect.render(definition, self._known)
            gap = "\n"
            blocks = self._sheet.blocks
            if self._measure(joined([*blocks, block])) > self._limits.size:
                self._page(source(blocks), joined(blocks), files(blocks))
                self._sheet = Sheet()
            self._sheet.blocks.append(block)


def paginate(text: str, limits: Limits, links: Links | None = None) -> list[Piece]:
    """Cut *text*, which is complete, into pages within *limits*."""
    pages = Pages(limits, links)
    pages.feed(text)
    pages.end()
    return [*pages.closed, pages.last]


def join(pieces: Iterable[Piece]) -> str:
    """Undo `paginate`."""
    return "".join(piece.text for piece in pieces)
