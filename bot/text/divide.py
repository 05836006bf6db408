"""Divide a block between two pages, so that each part stands for itself.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.blocks import Block, Ink, joined
from bot.text.cuts import begins, grapheme, places, spans
from bot.text.lead import Dressed, Lead, lead_at
from bot.text.safe import seen
from bot.text.tree import Tree, found, kind, value_of

#: How often a place is looked for that leaves the first part short enough.
TRIES = 6
#: Lines that a table begins with and that stay together: its head, what is below that, a row.
HEAD = 3
#: Kinds whose lines are best left whole.
_LINED = frozenset({comrak.CodeBlock, comrak.Table})

#: Characters that are looked at for the end of a grapheme; one that is longer is divided.
_LOOKS = 200

#: How full a page is of blocks; more than 1 does not fit.
Full = Callable[[Sequence[Block]], float]


def divided(block: Block, ink: Ink, full: Full) -> tuple[list[Block], Lead] | None:
    """Divide *block* in two.

    Args:
        block: What to divide.
        ink: What it is written with.
        full: How full the page is with blocks that are put on it.

    Returns:
        The first part, and what the second needs; None if that cannot be.
    """
    if block.kind is None or block.lead.literal:
        return None
    dressed = Dressed(block.lead, block.raw)
    tree = grammar.parse(dressed.source, ink.known.definitions)
    text = tree.source
    least = max(len(block.lead.lines) + len(block.lead.first), _least(tree, block))
    lined = block.kind in _LINED
    empty = full([])
    share = (1 - empty) / max(full([block]) - empty, 1e-9)
    end = min(len(text) - 1, max(least + 1, int(len(text) * min(share, 1.0))))
    for _ in range(TRIES):
        lines = lined and "\n" in text[end // 2 : end]
        found = places(text, end, () if lines else spans(tree, tree.blocks), lines_only=lined)
        if least < end and not text[least:found].strip() and block.kind is comrak.CodeBlock:
            found = end  # one character is longer than a page
        at = _untorn(tree, found, least)
        cut = dressed.place(*tree.where(at))
        if found < least or cut <= 0:
            return None
        before = found if grapheme(block.raw, cut) else found - cut + begins(block.raw, cut)
        if before < found and text[least:before].strip():
            end = before
            continue
        lead = lead_at(tree, at, block.lead.numbers)
        head = ink.blocks(block.raw[:cut], block.lead, block.gap, closing=lead.within)
        taken = full(head)
        if taken <= 1 and cut < len(block.raw):
            return (head, lead) if seen(joined(head)) else None
        share = (1 - empty) / max(taken - empty, 1e-9)
        end = max(1, min(len(text[:found].rstrip()) - 1, int(found * share)))
    return None


def _untorn(tree: Tree, at: int, least: int) -> int:
    """Return the position near *at* at which no line is torn apart.

    Where only marks of quotes and indents stand before *at* in its line, that is the line's beginning, if it
    is not before *least*.  Else it is behind the rest of the line, of code and of blank lines that end there.
    """
    number, column = tree.where(at)
    if least <= at - column and not tree.lines[number][:column].strip("> \t"):
        at -= column
    ends = {tree.last(node) for node in found(tree.blocks, comrak.CodeBlock) if _closed(node)}
    while at < len(tree.source):
        number, column = tree.where(at)
        if tree.lines[number][column:].strip(" \t\r" if column else "> \t\r") and (
            column or number not in ends
        ):
            break
        at = tree.line(number + 1)
    return at


def _closed(node: AstNode) -> bool:
    """Tell whether the block of code *node* ends with a fence."""
    return bool(value_of(node).fenced and value_of(node).closed)


def literally(block: Block, ink: Ink, full: Full) -> tuple[list[Block], Lead]:
    """Divide *block*, of which nothing else fits, as the characters that it is of."""
    raw = block.raw
    end, empty = len(raw) - 1, full([])
    bare = min(end, len(raw) - len(raw.lstrip()))  # that takes no room
    for _ in range(TRIES):
        if (taken := full([ink.literal(raw[:end])])) <= 1:
            break
        end = bare + int((end - bare) * (1 - empty) / max(taken - empty, 1e-9))
    else:
        end = bare + 1
    at = places(raw, end) if end else 0
    if not at or not seen(ink.literal(raw[:at]).shown) or full([ink.literal(raw[:at])]) > 1:
        looks = range(end, max(0, end - _LOOKS), -1)
        at = next((at for at in looks if grapheme(raw, at) and seen(raw[:at])), max(1, end))
    return [ink.literal(raw[:at])], Lead(literal=len(raw) - at)


def _least(tree: Tree, block: Block) -> int:
    """Return before where *block* is not to be divided: a table's head and first row stay together."""
    table = tree.blocks[0] if tree.blocks and not block.lead.within else None
    if table is None or kind(table) is not comrak.Table:
        return 1
    return min(tree.line(tree.first(table) + HEAD), len(tree.source))
