"""What the text behind a cut needs to stand for itself: what is open there is opened again.  Pure.

All of it is dressing: lines before the text, the beginning of its first line, and how far in its lines are.
The text itself stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.grammar import Tree, kind, value_of
from bot.text.safe import JOINER

_QUOTE = re.compile(r" {0,3}> ?")
_SIZES = {comrak.Emph: 1, comrak.Strong: 2, comrak.Strikethrough: 2}
#: In `Lead.path`: a quote; a number stands for an item whose lines are so many columns in.
QUOTE = -1


@dataclass(frozen=True, slots=True)
class Lead:
    """How a text begins that is a part of a longer one.

    Attributes:
        lines: What is to stand before it: a fence, a table's head.
        first: What its first line begins with: a quote's mark, emphasis that goes on.
        skip: Characters of its first line that this replaces.
        path: The containers that it is in, outermost first: `QUOTE`, or the columns of an item.
        number: Of its first item, where a list goes on.
        within: Whether it goes on with a block that was shown in part.
        literal: So many characters of it are shown as they are, because nothing else fits.
    """

    lines: str = ""
    first: str = ""
    skip: int = 0
    path: tuple[int, ...] = ()
    number: int | None = None
    within: bool = False
    literal: int = 0

    def applied(self, text: str) -> Dressed:
        """Return *text* with all that it needs."""
        if not (self.lines or self.first or self.path):
            return Dressed(text)
        before = self.lines.count("\n")
        path, lines, shifts, paths = self.path, [], [0] * before, [self.path] * before
        for number, line in enumerate(text.split("\n")):
            if not number and (self.first or self.skip):
                stripped, kept = self.first + line[self.skip :], path
            else:
                stripped, kept = _stripped(line, path)
            path = kept
            paths.append(path)
            lines.append(stripped)
            shifts.append(len(line) - len(stripped))
        return Dressed(self.lines + "\n".join(lines), text, before, tuple(shifts), tuple(paths))


class Dressed:
    """A text with what it needs to stand for itself.

    Args:
        source: What is to be parsed.
        text: What it is of; the same where nothing was needed.
        before: Lines of `source` that are not the text's.
        shifts: For each line of `source`, characters that were taken off.
        paths: For each line of `source`, the containers that the text is still in.
    """

    def __init__(
        self,
        source: str,
        text: str | None = None,
        before: int = 0,
        shifts: Sequence[int] = (),
        paths: Sequence[tuple[int, ...]] = (),
    ) -> None:
        self.source = source
        self.text = source if text is None else text
        self._before = before
        self._shifts = shifts
        self._paths = paths
        self._starts = [0, *(found.end() for found in re.finditer("\n", self.text)), len(self.text)]

    def place(self, line: int, column: int = 0) -> int:
        """Return where in the text *column* of the source's *line* is."""
        number = line - self._before
        if number < 0:
            return 0
        begin, end = (self._starts[min(each, len(self._starts) - 1)] for each in (number, number + 1))
        shift = self._shifts[line] if column and line < len(self._shifts) else 0
        return min(begin + max(0, column + shift), end)

    def path(self, line: int) -> tuple[int, ...]:
        """Return the containers that the text is in where the source's *line* begins."""
        return self._paths[line] if line < len(self._paths) else ()


def _stripped(line: str, path: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return *line* without the columns of the items of *path*, and the part of *path* that it is in."""
    if not any(step != QUOTE for step in path) or not line.strip():
        return line, path
    kept, rest = "", line
    for depth, step in enumerate(path):
        if step == QUOTE:
            found = _QUOTE.match(rest)
            if found is None:
                return kept + rest, path[:depth]
            kept, rest = kept + found[0], rest[found.end() :]
            continue
        wide = rest.expandtabs(4) if "\t" in rest[:step] else rest
        if wide[:step].strip():
            return kept + rest, path[:depth]
        rest = wide[step:]
    return kept + rest, path


def lead_at(tree: Tree, at: int, rest: str) -> Lead:
    """Return what the text of *tree* needs from *at* on, where it goes on with *rest*."""
    path: list[int] = []
    number, nodes = None, tree.blocks
    node = None
    while (inner := _around(tree, nodes, at)) is not None:
        node, nodes = inner, inner.children
        match node.node_value:
            case comrak.BlockQuote():
                path.append(QUOTE)
            case comrak.Item():
                value: comrak.NodeList = value_of(node)
                path.append(value.marker_offset + value.padding)
            case comrak.List():
                number = _next(tree, node, at)
            case _:
                break
    begun = tree.source.rfind("\n", 0, at) + 1 < at
    return _opened(tree, node, at, rest, tuple(path), number, begun=begun)


def _around(tree: Tree, nodes: Sequence[AstNode], at: int) -> AstNode | None:
    """Return the block of *nodes* that *at* is within."""
    for node in nodes:
        first = tree.first(node)
        begin = tree.line(first) if not tree.source[tree.line(first) : tree.begin(node)].strip("> \t") else 0
        if max(begin, 0) < at <= tree.line(tree.last(node) + 1) - 1 and tree.begin(node) < at:
            return node
    return None


def _next(tree: Tree, node: AstNode, at: int) -> int | None:
    """Return the number of the first item of the list *node* that begins at *at* or behind."""
    value: comrak.NodeList = value_of(node)
    if value.list_type != comrak.ListType.Ordered:
        return None
    return value.start + sum(tree.begin(item) < at for item in node.children)


def _opened(
    tree: Tree,
    node: AstNode | None,
    at: int,
    rest: str,
    path: tuple[int, ...],
    number: int | None,
    *,
    begun: bool,
) -> Lead:
    """Return the lead of *rest*, at *at*, which is within *node*; *begun* within a line."""
    quotes = "> " * path.count(QUOTE)
    if node is None:
        return Lead(path=path, number=number)
    value = value_of(node)
    match node.node_value:
        case comrak.CodeBlock() if value.fenced:
            fence = chr(value.fence_char) * value.fence_length
            lines = f"{quotes}{fence}{grammar.words(value.info)}\n"
            return Lead(lines, quotes if begun else "", 0, path, within=True)
        case comrak.CodeBlock():
            return Lead("", f"{quotes}    " if begun else "", 0, path, within=True)
        case comrak.Table():
            head = tree.source[tree.line(tree.first(node)) : tree.line(tree.first(node) + 2)]
            head = "".join(f"{quotes}{line.lstrip('> ')}\n" for line in head.splitlines())
            return Lead(head, f"{quotes}| " if begun else "", 0, path, within=True)
        case comrak.Paragraph() | comrak.Heading():
            return _continued(tree, node, at, rest, Lead(path=path, within=True), begun=begun)
    return Lead(path=path, number=number)


def _continued(tree: Tree, node: AstNode, at: int, rest: str, lead: Lead, *, begun: bool) -> Lead:
    """Return *lead* with what the paragraph *node* needs that goes on at *at*."""
    marks = _marks(tree, node, at)
    line = rest.partition("\n")[0]
    stripped = line if begun else _stripped(line, lead.path)[0]
    quotes = "> " * lead.path.count(QUOTE)
    bare = stripped if begun else stripped.lstrip("> \t" if quotes else " \t")
    joined = marks + bare
    probe = grammar.parse(joined or "x").blocks
    plain = len(probe) == 1 and kind(probe[0]) is comrak.Paragraph and not joined[:1].isspace()
    first = quotes + marks + ("" if plain and marks[-1:] != bare[:1] else JOINER)
    if first == quotes and not begun:
        return lead
    return Lead("", first, len(line) - len(bare), lead.path, within=True)


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
