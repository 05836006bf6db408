"""Divide a block between two pages, so that each part stands for itself.  Pure.

What is open where the cut is (a fence, a quote, a table's columns, bold) is closed before and opened again
behind it; both are dressing, and the source stays as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

from bot.text.block import HEAD, Block
from bot.text.cuts import grapheme, places
from bot.text.mend import scan
from bot.text.safe import JOINER, seen
from bot.text.scanner import CODE_INDENT, Kind, Scanner

#: How often a place is looked for that leaves the first part short enough.
TRIES = 16
#: Kinds whose lines are best left whole.
_LINED = frozenset({Kind.FENCE, Kind.CODE, Kind.TABLE})
#: What a fence's opening line is without its info.
_BARE_FENCE = re.compile(r"^([> ]*(?:`+|~+))[^\n]*")

Measure = Callable[[str], int]


def divide(block: Block, room: int, size: int, measure: Measure) -> tuple[str, Block] | None:
    """Divide *block* in two.

    Args:
        block: What to divide.
        room: What the first part may take.
        size: What a page may take, in which the second is to stand.
        measure: How much a text takes.

    Returns:
        What the first part is shown as, and the second part; None if that cannot be.
    """
    if block.literal:
        return _anywhere(block, room, size, measure)
    whole = measure(block.until(len(block.raw)))
    least = _least(block)
    end = max(least, min(len(block.raw) - 1, len(block.raw) * room // max(1, whole)), 1)
    for _ in range(TRIES):
        at = places(block.raw, end, lines_only=block.kind in _LINED)
        if at < least or not grapheme(block.raw, at):
            return None
        head = block.until(at)
        taken = measure(head)
        if taken <= room and seen(head):
            return head, _tail(block, at, size)
        if end <= 1:
            return None
        end = max(1, min(at - 1, at * room // max(1, taken)))
    return None


def _anywhere(block: Block, room: int, size: int, measure: Measure) -> tuple[str, Block] | None:
    """Divide a block that is shown literally."""
    end = bisect_right(range(1, len(block.raw)), room, key=lambda at: measure(block.until(at)))
    if not end:
        return None
    at = places(block.raw, end)
    if not seen(block.until(at)) or measure(block.until(at)) > room:
        at = end  # within a grapheme that is longer than a page
    return (block.until(at), _tail(block, at, size)) if seen(block.until(at)) else None


def _least(block: Block) -> int:
    """Return before where *block* is not to be divided: a table's head and first row stay together."""
    if block.kind is not Kind.TABLE or block.goes_on:
        return 1
    ends = [found.end() for found in re.finditer("\n", block.raw)]
    return ends[HEAD] if len(ends) > HEAD else 1


def _tail(block: Block, at: int, size: int) -> Block:
    """Return what is left of *block* from *at* on, so that it stands for itself on pages of *size*."""
    tail = Block(block.dialect, replace(block.known, number=None), block.kind)
    tail.raw, tail.goes_on, tail.literal = block.raw[at:], True, block.literal
    if not tail.literal:
        tail.lead, tail.columns = _context(block.source(block.raw[:at]), tail.raw, size)
    return tail


def _context(head: str, rest: str, size: int) -> tuple[str, int]:
    """Return what *rest* needs before it when *head* is cut off, and how many columns it is further in."""
    scanner = Scanner()
    leaf = begin = 0
    path = scanner.path
    for line in head.splitlines(keepends=True):
        scanner.feed(line.rstrip("\n"))
        leaf, path = (leaf, path) if scanner.path == path else (begin, scanner.path)
        begin += len(line)
    within = not head.endswith("\n")
    in_fence = scanner.leaf.kind is Kind.FENCE
    lead, columns = scanner.reopening()
    if len(lead) > size // 3:  # no page of nothing but a table's head or a fence's long info
        lead = _BARE_FENCE.sub(r"\1", lead) if in_fence else ""
    goes_on = scanner.lazy and (within or _continues(scanner, rest))
    marks = scan(head[leaf:]).openers if goes_on else ""
    if within and lead and scanner.kind is Kind.TABLE:
        lead += "| "
    if within or marks:
        lead += scanner.prefix + marks
    if within and scanner.leaf.kind is Kind.CODE:
        lead += " " * CODE_INDENT
    if goes_on and (_begins(marks + rest) or marks[-1:] == rest[:1]):
        lead += JOINER  # nobody sees it, and the paragraph and its marks go on as they were
    if not within and not in_fence:
        wide = rest.expandtabs(CODE_INDENT)
        columns = min(columns, len(wide) - len(wide.lstrip(" ")))
    return lead, columns


def _begins(rest: str) -> bool:
    """Tell whether *rest*, which goes on with a paragraph, would begin another block."""
    scanner = Scanner()
    scanner.feed(rest.partition("\n")[0])
    return scanner.kind is not Kind.PARAGRAPH


def _continues(scanner: Scanner, rest: str) -> bool:
    """Tell whether the line that *rest* begins with goes on with the innermost block."""
    probe = scanner.copy()
    probe.feed(rest.partition("\n")[0])
    return probe.path == scanner.path
