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
from bot.text.fences import fence, opening
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
    return replace(_Cut(tree, node, at, path).lead(), numbers=tuple(numbers))


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


class _Cut:
    """A cut at *at*, which is within *node* and the containers of *path*; between blocks *node* is none."""

    def __init__(self, tree: Tree, node: AstNode | None, at: int, path: Sequence[AstNode]) -> None:
        self._tree = tree
        self._node = node
        self._at = at
        self._path = path
        self._opens, self._goes_on = _prefixes(path)
        self._amid = tree.source.rfind("\n", 0, at) + 1 < at  # whether a line is cut
        self._line = tree.source[at:].partition("\n")[0]

    def lead(self) -> Lead:
        """Return what the text behind the cut needs."""
        items = sum(kind(each) is not comrak.BlockQuote for each in self._path)
        lead = Lead(self._opens, self._goes_on if self._amid else "", items=items)
        node = self._node
        if node is None or kind(node) not in _OPENED:
            return lead
        return _OPENED[kind(node)](self, node, replace(lead, within=True))

    def _code(self, node: AstNode, lead: Lead) -> Lead:
        value: comrak.NodeCodeBlock = value_of(node)
        if not value.fenced:
            return replace(lead, first=f"{lead.first}    " if self._amid else "")
        if self._amid and self._tree.where(self._at)[0] == self._tree.first(node):  # behind the marks
            return replace(lead, first=f"{lead.first}{fence(value)}: ", within=False)
        ending = self._line.lstrip(" ").startswith(chr(value.fence_char) * value.fence_length)
        first = lead.first + " " * value.fence_offset * self._amid + JOINER * (self._amid and ending)
        return replace(lead, lines=self._again(opening(self._tree, node, self._at)), first=first)

    def _html(self, node: AstNode, lead: Lead) -> Lead:
        before = self._tree.source[: self._at]
        leaf = grammar.parse(before.removesuffix("\n") + f"\n{self._goes_on}x").leaf
        if leaf is None or kind(leaf) is not comrak.HtmlBlock:  # it has ended in this line
            return Lead(literal=1)
        return replace(lead, lines=self._again(before[self._tree.begin(node) :].partition("\n")[0]))

    def _table(self, node: AstNode, lead: Lead) -> Lead:
        first = self._tree.first(node)
        head, ruler = (line.lstrip("> \t") for line in self._tree.lines[first : first + 2])
        lines = self._again(head) + f"{self._goes_on}{ruler}\n"
        return replace(lead, lines=lines, first=lead.first + "| " * self._amid)

    def _words(self, node: AstNode, lead: Lead) -> Lead:
        marks = _marks(self._tree, node, self._at)
        again = kind(node) is comrak.Heading and not value_of(node).setext
        head = f"{'#' * value_of(node).level} " if again else ""
        line = self._line
        bare = line if self._amid else line[_own(line, self._path) :].lstrip(" \t")
        return replace(
            lead, first=self._goes_on + head + marks + _seam(marks, bare), skip=len(line) - len(bare)
        )

    def _again(self, line: str) -> str:
        """Return the lines that open the containers again, and *line* in them."""
        return f"{self._opens}{self._goes_on}{line}\n"


_OPENED = {
    comrak.CodeBlock: _Cut._code,  # noqa: SLF001  a table of its own methods
    comrak.HtmlBlock: _Cut._html,  # noqa: SLF001
    comrak.Table: _Cut._table,  # noqa: SLF001
    comrak.Paragraph: _Cut._words,  # noqa: SLF001
    comrak.Heading: _Cut._words,  # noqa: SLF001
}


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
