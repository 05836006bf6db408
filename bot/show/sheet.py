"""One page that grows: blocks that stay as they are, and the text behind them, which is parsed anew.  Pure.

What is complete by the parser is written once and kept: a block with another one behind it, an item of a
list, the beginning of a long paragraph.  So a frame costs what is open, and not what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial

import comrak
from comrak import AstNode

from bot.platform import Limits
from bot.text import edge, grammar
from bot.text.blocks import Block, Ink, joined, source
from bot.text.divide import divided, literally
from bot.text.lead import Dressed, Lead, lead_at
from bot.text.safe import JOINER, seen
from bot.text.tree import Tree, kind

#: Characters of a paragraph from which on its beginning is kept, and from which on at the end of any word.
LONG, VERY_LONG = 256, 400
#: Characters after which a page is checked: at most, at least, and of a line that goes on.
MOST, LEAST, STEP = 512, 384, 128
#: How much of what still fits, if it is like what is there, comes before the next check; how full a page is
#: at least for that.
LIKELY, EMPTY = 3 / 4, 1 / 100
#: Characters of a paragraph from which on its beginning is kept wherever that can be.
FORCED = 800
#: Nodes of the parser's tree in a paragraph from which on that is so too.
MANY = 250
#: Nodes of the parser's tree that one block may have, a table three times as many: else it is slow to draw.
NODES = 400
#: So many headings at the end of a page go with what they head.
HEADINGS = 2
#: Characters of a page that is drawn anew in the end, for definitions that came late.
REDRAWN = 12_000
#: A page so full is ended before a block that does not fit; a block so small is never divided.
FULL, SMALL = 1 / 3, 1 / 4
#: Blocks that are an item of their own where a platform counts items; others side by side are one together.
_ALONE = frozenset({comrak.Heading, comrak.ThematicBreak, comrak.Table})


@dataclass(slots=True)
class Load:
    """What blocks take of a page; see `Limits`.

    Attributes:
        nodes: Those of the block that has most of them.
        codes: Blocks of code that begin there.
    """

    limits: Limits
    size: int = 0
    rows: int = 0
    cells: int = 0
    nodes: int = 0
    items: int = 0
    codes: int = 0
    _running: bool = False  # whether a block that is no item of its own goes on with the last item

    def add(self, block: Block) -> Load:
        """Add *block*; return itself."""
        if block.shown:
            self.size += self.limits.measure((block.gap if self.size else "") + block.shown)
            alone = block.kind in _ALONE
            self.items += alone or not self._running
            self._running = not alone
        self.rows += block.rows
        self.cells += block.cells
        self.nodes = max(self.nodes, block.nodes // (3 if block.kind is comrak.Table else 1))
        self.codes += block.kind is comrak.CodeBlock and not block.lead.within
        return self

    def of(self, blocks: Iterable[Block]) -> Load:
        """Return what *blocks* take besides."""
        total = copy(self)
        for block in blocks:
            total.add(block)
        return total

    @property
    def full(self) -> float:
        """How much of a page that is; more than 1 does not fit."""
        limits = self.limits
        bounds = (
            (self.size, limits.size),
            (self.items, limits.items),
            (self.rows, limits.rows),
            (self.cells, limits.cells),
            (self.nodes, NODES),
        )
        return max(taken / most for taken, most in bounds if most)


class Sheet:
    """The page that grows.

    Args:
        ink: What it is written with.
        limits: How much it holds.
        raw: Its source so far.
        lead: What that needs to stand for itself.

    Attributes:
        kept: Blocks that stay as they are.
        codes: Blocks of code that there were before it.
        open: The blocks behind them as of the last `check`.
    """

    def __init__(self, ink: Ink, limits: Limits, raw: str = "", lead: Lead | None = None) -> None:
        self.raw = raw
        self.kept: list[Block] = []
        self.open: list[Block] = []
        self._ink = ink
        self._limits = limits
        self._begin = lead or Lead()
        self._lead = self._begin  # of what is open
        self._gap = ""  # before that
        self._open_at = 0
        self.codes = ink.codes
        self._text = ""  # that is kept
        self._taken = Load(limits)  # by that
        self._known = ink.known.definitions  # when it began
        self._least = max(8, min(LEAST, limits.size // 4))
        self._next = min(MOST, limits.size // 4)

    def due(self) -> int:
        """Return up to where the source is to be checked next; 0 if more must come first.

        That depends on the text alone and not on the parts in which it came: so does where a page ends.
        """
        if self._next > len(self.raw):
            return 0
        begin = self.raw.rfind("\n", 0, self._next) + 1
        step = begin + -(-(self._next - begin) // STEP) * STEP
        line = self.raw.find("\n", self._next - 1, step)
        at = line + 1 if line >= 0 else max(step, self._next)
        return at if at <= len(self.raw) else 0

    def check(self, end: int, *, final: bool = False) -> bool:
        """Keep what is complete up to *end*, a place in the source; tell whether all of that fits."""
        text = self.raw[self._open_at : end]
        self._ink.codes = self.codes + self._taken.codes
        taken = None if final else self._taken_apart(text)
        if taken is None:
            self.open = self._ink.blocks(text, self._lead, self._gap, apart=True, closing=not final)
            if not final:
                self._keep(self.open[: _complete(text, self.open)])
        else:
            first, rest = taken
            self.open = [*first, *rest]
            self._keep(first)
        full = self._taken.of(self.open).full
        room = int(end * (1 - full) / max(full, EMPTY) * LIKELY)
        grown = end - self._open_at  # so that what is open is drawn only a few times
        self._next = end + max(self._least, min(room, max(MOST, grown)))
        return full <= 1

    def _keep(self, blocks: Sequence[Block]) -> None:
        """Keep *blocks*, the first that are open."""
        for block in blocks:
            self._taken.add(block)
            self._text += (block.gap if self._text and block.shown else "") + block.shown
            self._open_at += len(block.raw)
            self._ink.define(block.raw)
        self.kept += blocks
        self.open = self.open[len(blocks) :]
        if blocks and self.open:
            self._lead, self._gap = self.open[0].lead, self.open[0].gap

    def _taken_apart(self, text: str) -> tuple[list[Block], list[Block]] | None:
        """Return the beginning of *text*, if it is one long paragraph or quote, and the rest; None if not."""
        if len(text) < LONG or self._lead.literal:
            return None
        dressed = Dressed(self._lead, text)
        tree = grammar.parse(dressed.source, self._ink.known.definitions)
        [node] = tree.blocks if len(tree.blocks) == 1 else [None]
        if node is None or (leaf := tree.paragraph) is None:
            return None
        quoted = kind(node) is comrak.BlockQuote and node.children[-1] is leaf
        if not quoted and node is not leaf:
            return None
        many = tree.size(node) > MANY
        at = _firm(tree, leaf, quoted=quoted, anywhere=len(text) > VERY_LONG or many)
        if at:
            end, lead = dressed.place(*tree.where(at)), lead_at(tree, at) if quoted else Lead()
            first = self._ink.blocks(text[:end], self._lead, self._gap)
        elif quoted or not (len(text) > FORCED or many):
            return None
        else:
            whole = Block(text, self._lead, gap=self._gap, kind=comrak.Paragraph)
            if (parts := divided(whole, self._ink, _most)) is None:
                return None
            first, lead = parts
            end = len(source(first))
        gap = {"\n": "\n", " ": " "}.get(text[end - 1], JOINER if lead.first else "")
        if at == tree.line(tree.first(leaf)) and tree.blank_before(leaf):
            gap = f"\n{self._ink.dialect.quote('')}\n"
        return first, self._ink.blocks(text[end:], lead, gap, apart=True, closing=True)

    def live(self) -> tuple[str, int]:
        """Return what the page shows for now, and how much of that will stay."""
        self._ink.codes = self.codes + self._taken.codes
        appends = self._limits.appends
        shown, settled = self._ink.live(self.raw[self._open_at :], self._lead, settled=appends)
        if not shown:
            return self._text, len(self._text) if appends else 0
        shown = self._gap * bool(self._text) + shown
        if self._taken.size + self._limits.measure(shown) > self._limits.size:
            text = self.raw[self._open_at :]
            blocks = self._ink.blocks(text, self._lead, self._gap, apart=True, closing=True)
            return joined(self._divided([*self.kept, *blocks])[0]), 0
        kept = len(self._text) + (len(self._gap) * bool(self._text) + settled if settled else 0)
        return self._text + shown, kept if appends else 0

    def whole(self) -> list[Block]:
        """Return its blocks as they are with all that is known now, where that fits."""
        for block in self.open:
            self._ink.define(block.raw)
        blocks = [*self.kept, *self.open]
        if self._known is self._ink.known.definitions or len(self.raw) > REDRAWN:
            return blocks
        self._ink.codes = self.codes
        whole = self._ink.blocks(self.raw, self._begin, apart=True)
        return whole if Load(self._limits).of(whole).full <= 1 else blocks

    def cut(self) -> tuple[list[Block], Lead]:
        """End the page where that is best; return its blocks, and what the text behind them needs."""
        return self._divided([*self.kept, *self.open])

    def _divided(self, blocks: Sequence[Block]) -> tuple[list[Block], Lead]:
        """Divide *blocks*, of which more is known than fits, where that is best; see `cut`."""
        blocks = [block for block in blocks if block.raw]  # else it is but its lead
        total, index = Load(self._limits), 0
        while index < len(blocks) - 1 and total.add(blocks[index]).full <= 1:
            index += 1
        before, block = blocks[:index], blocks[index]
        taken, alone = (Load(self._limits).of(some).full for some in (before, [block]))
        visible = bool(seen(joined(before)))
        if visible and (taken >= FULL or alone <= SMALL):
            return _before(blocks, index)
        full = partial(_full, Load(self._limits).of(before))
        if (parts := divided(block, self._ink, full)) is not None:
            head, lead = parts
            return [*before, *head], lead
        if visible:
            return _before(blocks, index)
        head, lead = literally(block, self._ink, full)
        return [*before, *head], lead


def _complete(text: str, blocks: Sequence[Block]) -> int:
    """Return how many of *blocks*, which *text* is of, stay as they are, whatever follows.

    The last one may go on.  So may the one before, if the last is but a line that has no end yet.
    """
    unended = len(text) - text.rfind("\n") - 1
    if not unended and len(text) > LONG and not any(block.shown for block in blocks):
        return len(blocks)  # definitions
    return max(0, len(blocks) - (1 if blocks and len(blocks[-1].raw) > unended else 2))


def _firm(tree: Tree, leaf: AstNode, *, quoted: bool, anywhere: bool) -> int:
    """Return up to where *leaf*, a paragraph that grows, stays; *anywhere* means behind any word."""
    if quoted:
        return edge.firm(tree, edge.LINE) or tree.line(tree.first(leaf))
    at = edge.firm(tree, edge.SENTENCE)
    return at or (edge.firm(tree, edge.SENTENCE, edge.SPACE) if anywhere else 0)


def _most(blocks: Sequence[Block]) -> float:
    """Return how much of what a paragraph may have before it is taken apart *blocks* are."""
    return len(source(blocks)) / FORCED * 1.1


def _full(taken: Load, more: Sequence[Block]) -> float:
    """Return how full a page is of which so much is *taken* with *more* blocks."""
    return taken.of(more).full


def _before(blocks: Sequence[Block], end: int) -> tuple[list[Block], Lead]:
    """Return the first *end* of *blocks*, but for headings at their end, and what the others need."""
    kept = end
    while kept > max(1, end - HEADINGS) and blocks[kept - 1].kind is comrak.Heading:
        if not seen(joined(blocks[: kept - 1])):
            break
        kept -= 1
    return [*blocks[:kept]], blocks[kept].lead
