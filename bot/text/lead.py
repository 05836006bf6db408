"""What the text behind a cut needs to stand for itself: what is open there is opened again.  Pure.

All of it is dressing: lines before the text, and the beginning of its first line.  The text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.fences import marker, opening
from bot.text.safe import JOINER
from bot.text.tree import CONTAINERS, Tree, kind, value_of

_QUOTE = re.compile(r" {0,3}> ?")
_SIZES = {comrak.Emph: 1, comrak.Strong: 2, comrak.Strikethrough: 2}


@dataclass(frozen=True, slots=True)
class Lead:
    """How a text begins that is a part of a longer one.

    Attributes:
        lines: What is to stand before it: a fence, a table's head.
        first: What its first line begins with: marks of quotes, items and emphasis that go on.
        skip: Characters of its first line that this replaces.
        items: So many items, within each other, go on with it: they have no marker here.
        numbers: Of the first item of each list that goes on, the outermost first; None for bullets.
        within: Whether it goes on with a block that was shown in part.
        literal: So many characters of it, and the rest of their line, are shown as written: no more fits.
    """

    lines: str = ""
    first: str = ""
    skip: int = 0
    items: int = 0
    numbers: tuple[int | None, ...] = ()
    within: bool = False
    literal: int = 0


class Dressed:
    """A text with what it needs to stand for itself.

    Attributes:
        source: What is to be parsed.
        text: What it is of.
    """

    def __init__(self, lead: Lead, text: str) -> None:
        self.source = lead.lines + lead.first + text[lead.skip :]
        self.text = text
        self._before = lead.lines.count("\n")
        self._shift = lead.skip - len(lead.first)

    @cached_property
    def _starts(self) -> Sequence[int]:
        lengths = [len(line) + 1 for line in self.text.split("\n")]
        lengths[-1] -= 1
        return [*accumulate(lengths, initial=0)]

    def place(self, line: int, column: int = 0) -> int:
        """Return where in the text *column* of the source's *line* is."""
        number = line - self._before
        if number < 0:
            return 0
        begin, end = (self._starts[min(each, len(self._starts) - 1)] for each in (number, number + 1))
        shift = 0 if number or not column else self._shift
        return min(begin + max(0, column + shift), end)


def begun(tree: Tree, numbers: Sequence[int | None]) -> dict[int, int]:
    """Return the numbers of the first items of the lists in *tree* that go on, by the `id` of the list.

    Args:
        tree: Of a text with a lead.
        numbers: Those of the lead.
    """
    found = {}
    nodes: Sequence[AstNode] = tree.blocks
    for number in numbers:
        node = nodes[0] if nodes else None
        while node is not None and kind(node) is not comrak.List:
            node = node.children[0] if kind(node) in CONTAINERS and node.children else None
        if node is None:
            break
        if number is not None:
            found[id(node)] = number
        nodes = node.children[0].children
    return found


def lead_at(tree: Tree, at: int, before: Sequence[int | None] = ()) -> Lead:
    """Return what the text of *tree* needs from *at* on to stand for itself.

    Args:
        tree: Of the text before and behind.
        at: Where that is cut.
        before: The numbers of the lead that *tree* has.
    """
    path: list[AstNode] = []
    numbers: list[int | None] = []
    starts = begun(tree, before)
    node, nodes = None, tree.blocks
    while (inner := _around(tree, nodes, at)) is not None:
        node, nodes = inner, inner.children
        if kind(node) is comrak.List:
            numbers.append(_number(tree, node, at, starts))
        elif kind(node) in CONTAINERS:
            path.append(node)
            numbers += [None] * (kind(node) is comrak.FootnoteDefinition)  # it goes on as an item
        else:
            break
    return replace(_opened(tree, node, at, path), numbers=tuple(numbers))


def _around(tree: Tree, nodes: Sequence[AstNode], at: int) -> AstNode | None:
    """Return the block of *nodes* that *at* is within."""
    for node in nodes:
        begin, first = tree.begin(node), tree.line(tree.first(node))
        if not tree.source[first:begin].strip("> \t"):
            begin = first
        if begin < at < tree.line(tree.last(node) + 1):
            return node
    return None


def _number(tree: Tree, node: AstNode, at: int, starts: Mapping[int, int]) -> int | None:
    """Return the number of the first item of the list *node* that goes on at *at*; see `begun`."""
    value: comrak.NodeList = value_of(node)
    if value.list_type != comrak.ListType.Ordered:
        return None
    over = sum(tree.line(tree.last(item) + 1) <= at for item in node.children)
    return starts.get(id(node), value.start) + over


def _prefixes(path: Sequence[AstNode]) -> tuple[str, str]:
    """Return the lines that open the items of *path* again, and what a line in them begins with."""
    opens = goes_on = ""
    for node in path:
        if kind(node) is comrak.BlockQuote:
            goes_on += "> "
        else:
            marker, columns = _marker(node)
            opens += f"{goes_on}{marker}\n"
            goes_on += " " * columns
    return opens, goes_on


def _marker(node: AstNode) -> tuple[str, int]:
    """Return a marker for the rest of *node*, an item or a footnote, and by how much its lines are indented.

    It is not shown.  Spaces before it make it as wide as the item's own with what is around that.
    """
    if kind(node) is comrak.FootnoteDefinition:
        return "  -", 4
    value: comrak.NodeList = value_of(node)
    columns = value.marker_offset + value.padding
    numbered = "1." if value.delimiter == comrak.ListDelimType.Period else "1)"
    marker = numbered if value.list_type == comrak.ListType.Ordered else chr(value.bullet_char)
    return " " * min(columns - len(marker) - 1, 3) + marker, columns


def _opened(tree: Tree, node: AstNode | None, at: int, path: Sequence[AstNode]) -> Lead:
    """Return the lead of the text from *at* on, which is within *node* and the containers of *path*."""
    opens, goes_on = _prefixes(path)
    lead = Lead(opens, items=sum(kind(each) is not comrak.BlockQuote for each in path))
    line = tree.source[at:].partition("\n")[0]
    begun = tree.source.rfind("\n", 0, at) + 1 < at
    before = goes_on if begun else ""
    if node is None or kind(node) in CONTAINERS:
        return replace(lead, first=before)
    lead = replace(lead, first=before, within=True)
    if kind(node) is comrak.CodeBlock:
        value: comrak.NodeCodeBlock = value_of(node)
        if value.fenced and begun and tree.where(at)[0] == tree.first(node):  # behind the marks
            return replace(lead, first=f"{before}{marker(value)}: ", within=False)
        if value.fenced:
            ending = line.lstrip(" ").startswith(chr(value.fence_char) * value.fence_length)
            first = before + " " * value.fence_offset * begun + JOINER * (begun and ending)
            return replace(lead, lines=f"{opens}{goes_on}{opening(tree, node, at)}\n", first=first)
        return replace(lead, first=f"{before}    " if begun else "")
    if kind(node) is comrak.HtmlBlock:
        leaf = grammar.parse(tree.source[:at].removesuffix("\n") + f"\n{goes_on}x").leaf
        if leaf is None or kind(leaf) is not comrak.HtmlBlock:  # it has ended in this line
            return Lead(literal=1)
        begins = tree.source[tree.begin(node) : at].partition("\n")[0]
        return replace(lead, lines=f"{opens}{goes_on}{begins}\n", first=before)
    if kind(node) is comrak.Table:
        head, ruler = (tree.lines[tree.first(node) + each].lstrip("> \t") for each in (0, 1))
        lines = f"{opens}{goes_on}{head}\n{goes_on}{ruler}\n"
        return replace(lead, lines=lines, first=before + "| " * begun)
    if kind(node) in {comrak.Paragraph, comrak.Heading}:
        marks = _marks(tree, node, at)
        again = kind(node) is comrak.Heading and not value_of(node).setext
        head = f"{'#' * value_of(node).level} " if again else ""
        bare = line if begun else line[_own(line, path) :].lstrip(" \t")
        return replace(lead, first=goes_on + head + marks + _seam(marks, bare), skip=len(line) - len(bare))
    return replace(lead, within=False)


def _own(line: str, path: Sequence[AstNode]) -> int:
    """Return how many characters of *line* say that it is in the containers of *path*."""
    at = 0
    for node in path:
        if kind(node) is comrak.BlockQuote:
            found = _QUOTE.match(line, at)
            at = found.end() if found else at
        else:
            at += min(_marker(node)[1], len(line[at:]) - len(line[at:].lstrip(" \t")))
    return at


def _seam(marks: str, bare: str) -> str:
    """Return what keeps *bare*, a paragraph that goes on behind *marks*, from beginning another block."""
    joined = marks + bare
    probe = grammar.parse(joined or "x").blocks
    plain = len(probe) == 1 and kind(probe[0]) is comrak.Paragraph and not joined[:1].isspace()
    return "" if plain and marks[-1:] != bare[:1] else JOINER


def _marks(tree: Tree, node: AstNode, at: int) -> str:
    """Return the marks that are open in the paragraph *node* at *at*."""
    marks = ""
    nodes: Sequence[AstNode] = node.children
    while inner := next((each for each in nodes if tree.begin(each) < at < tree.end(each)), None):
        if size := _SIZES.get(kind(inner)):
            mark = tree.source[tree.begin(inner)] * size
            marks += mark if mark not in marks else ""
        nodes = inner.children
    return marks
