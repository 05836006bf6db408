"""The blocks of one page that grows, and what they show together.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.events import File
from bot.text.block import Block


def joined(blocks: Iterable[Block]) -> str:
    """Return what closed *blocks* show together."""
    shown = ""
    for block in blocks:
        if block.shown:
            shown += (block.gap if shown else "") + block.shown
    return shown


def source(blocks: Iterable[Block]) -> str:
    """Return what *blocks* were written as."""
    return "".join(block.raw for block in blocks)


def files(blocks: Iterable[Block]) -> tuple[File, ...]:
    """Return the files that *blocks* are shown as."""
    return tuple(block.file for block in blocks if block.file)


class Sheet:
    """The blocks of the page that grows.

    Attributes:
        blocks: All of them.
        open: Whether the last one may still grow.
    """

    def __init__(self, blocks: Iterable[Block] = (), *, growing: bool = False) -> None:
        self.blocks = [*blocks]
        self.open = growing

    @property
    def ended(self) -> list[Block]:
        """The blocks that are closed."""
        return self.blocks[:-1] if self.open else self.blocks

    @property
    def gap(self) -> str:
        """What is to be between the blocks that are there and the next one."""
        return self.blocks[-1].gap_behind if self.blocks else ""

    def shown(self) -> str:
        """Return all of it, with nothing held back and everything closed."""
        return _with(self.ended, self.blocks[-1], "", hold=False)[0] if self.open else joined(self.blocks)

    def live(self, rest: str, fresh: Block | None) -> tuple[str, int]:
        """Return what it shows with *rest* behind it, and how much of that will stay, whatever follows.

        Args:
            rest: More of its last line.
            fresh: The block that would begin behind it, if the line that is coming in begins one.
        """
        if fresh:
            ended = [*self.ended, *([self.blocks[-1].ended()] if self.open else [])]
            return _with(ended, fresh, "", hold=True)
        if self.open:
            return _with(self.ended, self.blocks[-1], rest, hold=True)
        shown = joined(self.blocks)
        return shown, len(shown)


def _with(ended: Sequence[Block], begun: Block, rest: str, *, hold: bool) -> tuple[str, int]:
    """Return what *ended* blocks and one that grows show, and how much of that will stay."""
    before = joined(ended)
    shown, settled = begun.live(rest, hold=hold)
    if not shown:
        return before, len(before)
    head = before + (begun.gap if before else "")
    return head + shown, len(head) + settled if settled else len(before)
