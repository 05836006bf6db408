"""What a model's text says, block by block, as a platform is to show it, without the bot's code.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import zip_longest

import comrak

from tests.bench.facts import HEADING, QUOTE, STRONG, Facts, Telling
from tests.bench.reads_discord import DRAWN, HIGHEST
from tests.bench.tree import Node, Tree, UnclearError, dollars, nested, plain, priced
from tests.bench.words import BREAK, DEEPEST, WAYS, Inlines, Way, note

_INFO = re.compile(r"(?:[A-Za-z0-9_+\-.#]*+(?![/\\]))?[:,]?\s*(?P<caption>.*)", re.DOTALL)
#: What stands below the head of a table.
_RULER = re.compile(r"(?=.*-)[\s>]*\|?(?:\s*:?-+:?\s*\|)*\s*:?-*:?\s*")
_TITLE = re.compile(r"(?:title|file(?:name)?|path)\s*=\s*[\"']?([^\"']+)[\"']?", re.IGNORECASE)


@dataclass(frozen=True)
class Leaf:
    """A block that holds no other: a paragraph, a table.

    Attributes:
        first: The line of the text that it begins in.
        last: The line that it ends in.
        kind: What it is.
        tellings: How `facts` are told.
        whole: Whether it has anything that no cut goes through: code, a link, a formula.
    """

    first: int
    last: int
    kind: str
    tellings: tuple[Telling, ...]
    whole: bool

    @cached_property  # most leaves of a text that grows are on other pages than the one that is looked at
    def facts(self) -> tuple[Facts, ...]:
        """What it says; a table in two ways: drawn, and told row by row; an empty item may say nothing."""
        return tuple(telling.facts() for telling in self.tellings)


@lru_cache(maxsize=8)
def leaves(text: str, side: str, allowed: Callable[[str], bool]) -> Sequence[Leaf]:
    """Return what *text* is to say on the platform *side*, where links are links if they are *allowed*.

    Raises:
        UnclearError: Nobody can say.
    """
    tree = priced(nested(plain(text)))
    reading = _Reading(tree, WAYS[side], allowed)
    for node in tree.root.children:
        if tree.line(node) >= 0:
            reading.block(node, 0)
    return reading.leaves


class _Reading:
    """Leaves being read."""

    def __init__(self, tree: Tree, way: Way, allowed: Callable[[str], bool]) -> None:
        self.leaves: list[Leaf] = []
        self._tree = tree
        self._way = way
        self._allowed = allowed
        self._depth = self._lists = self._quotes = 0
        self._items: list[tuple[int | None, str, int]] = []  # numbers, what they are told as, and their marks
        self._notes, self._noted = "", 0
        self._task = False
        self._told = False

    def block(self, node: Node, marks: int) -> None:
        """Read one block."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnclearError("deeper than what is drawn")
        self._task = self._task and type(node.node_value) is comrak.Paragraph
        kind, value = type(node.node_value).__name__, _value(node)
        match kind:
            case "BlockQuote":
                self._quotes += 1
                self._each(node, marks | QUOTE)
                self._quotes -= 1
            case "List":
                self._list(node, marks)
            case "FootnoteDefinition":
                self._notes, self._noted = f"{self._notes}{note(dollars(value.name))} ", marks
                self._each(node, marks)
                if self._notes:
                    self._put(node, "Item", self._begin(), Telling())
            case "Table":
                self._table(node, marks)
            case _:
                self._leaf(node, kind, value, marks)
        self._depth -= 1

    def _each(self, node: Node, marks: int) -> None:
        before = None
        for child in node.children:
            kind = type(child.node_value)
            self._told = not self._way.mixed and bool(self._lists) and kind is before is comrak.List
            self.block(child, marks)
            before = kind if kind is not comrak.Heading or child.children else before  # "#" alone is nothing

    def _list(self, node: Node, marks: int) -> None:
        value = node.node_value.value
        ordered = value.list_type == comrak.ListType.Ordered
        first = min(max(value.start, self._way.least), HIGHEST)
        told, self._told = self._told, False
        self._lists += 1
        for number, item in enumerate(node.children):
            count = len(self.leaves)
            told_number = f"{value.start + number}. " if ordered else "\u2022 "
            self._items.append((first + number if ordered else None, told_number if told else "", marks))
            self._task = True
            self._each(item, marks)
            self._task = False
            if len(self.leaves) == count:  # it may be left away at the end
                self._put(item, "Item", self._begin(), Telling())
        self._lists -= 1

    def _begin(self) -> Telling:
        """Return a telling that begins with what stands before the next leaf."""
        return self._begins()[0]

    def _begins(self) -> list[Telling]:
        """Return as many tellings as there are ways to show that: a list alone on a page need not be told."""
        ways = [Telling(), Telling()] if any(told for _, told, _ in self._items) else [Telling()]
        for way, telling in enumerate(ways):
            for number, told, marks in self._items:
                if told and not way:
                    telling.say(told, marks)
                else:
                    telling.item(number)
            telling.say(self._notes, self._noted)
        self._items.clear()
        self._notes = ""
        return ways

    def _put(self, node: Node, kind: str, *tellings: Telling, whole: bool = False) -> None:
        first = self._tree.line(node)
        last = max(first, self._tree.line(node, last=True))
        if kind == "CodeBlock" and node.node_value.value.fenced:  # comrak loses lines of what is open
            last = max(last, first + node.node_value.value.literal.count("\n"))
        self.leaves.append(Leaf(first, last, kind, tellings, whole))

    def _leaf(self, node: Node, kind: str, value: Node, marks: int) -> None:
        tellings, task, self._task = self._begins(), self._task, False
        whole = False
        for telling in tellings:
            inlines = Inlines(self._tree, self._way, self._allowed, telling)
            inlines.task = task and kind == "Paragraph"
            self._say(node, kind, value, marks, inlines)
            whole = inlines.whole
        if kind == "Paragraph":  # behind one line that is below no head comrak looks for no other
            whole |= sum(map(bool, map(_RULER.fullmatch, self._rows(node)))) > 1
        self._put(node, kind, *tellings, whole=whole)

    def _rows(self, node: Node) -> Sequence[str]:
        return self._tree.lines[self._tree.line(node) : self._tree.line(node, last=True) + 1]

    def _say(self, node: Node, kind: str, value: Node, marks: int, inlines: Inlines) -> None:
        match kind:
            case "Paragraph":
                inlines.write(node.children, marks)
            case "Heading":
                inlines.plain = True  # a heading is bold: docs/text.md
                within = self._lists or self._quotes > 1
                deep = value.level > self._way.levels or (within and not self._way.within_lists)
                bold = marks if inlines.ends(node, "**") else marks | STRONG
                inlines.write(node.children, bold if deep else marks + HEADING * value.level)
            case "CodeBlock":
                self._code(value, marks, inlines.telling)
            case "ThematicBreak":
                inlines.telling.say(self._way.rule, marks)
            case "HtmlBlock":
                if BREAK.match(value.literal.strip()):
                    raise UnclearError("what a line break has begun")
                inlines.telling.say(dollars(value.literal), marks)
            case _:
                raise UnclearError(f"a {kind}")

    def _code(self, value: Node, marks: int, telling: Telling) -> None:
        info = dollars(value.info).strip() if value.fenced else ""
        if caption := _caption(info):
            telling.span(caption, marks)
            telling.say("\n")
        telling.block(dollars(value.literal), marks)

    def _table(self, node: Node, marks: int) -> None:
        rows = [[*row.children] for row in node.children]
        if any(self._surplus(row, len(rows[0])) for row in node.children[1:]):
            raise UnclearError("cells that no column is for")
        items, notes = [*self._items], self._notes
        drawn = self._begin()
        self._items, self._notes = items, notes
        told = self._begin()
        if self._way.drawn:
            self._draw(rows, marks, drawn)
        else:
            for cell in (cell for row in rows for cell in row):
                self._cell(cell, marks, drawn, self._way.within)
                drawn.say("\n")
        self._tell(rows, marks, told)
        self._put(node, "Table", drawn, told, whole=True)

    def _surplus(self, row: Node, columns: int) -> bool:
        line = self._tree.lines[self._tree.line(row)].strip()
        line = line.removeprefix("|").removesuffix("|")
        return len(re.findall(r"(?<!\\)\|", line)) >= columns

    def _cell(self, cell: Node, marks: int, telling: Telling, within: str = "") -> None:
        inlines = Inlines(self._tree, self._way, self._allowed, telling, within)
        inlines.write(cell.children, marks)

    def _draw(self, rows: Sequence[Sequence[Node]], marks: int, telling: Telling) -> None:
        """Say a table as words in a block of code: cells beside each other, line by line."""
        for row in rows:
            cells = []
            for cell in row:
                words = Inlines(self._tree, self._way, self._allowed, Telling())
                words.write(cell.children, 0)
                cells.append(words.telling.said().split("\n"))
            for line in zip_longest(*cells, fillvalue=""):
                telling.say(" \n ".join(line).translate(DRAWN) + "\n", marks)

    def _tell(self, rows: Sequence[Sequence[Node]], marks: int, telling: Telling) -> None:
        """Say a table row by row: each cell behind its column's name."""
        head, *body = rows
        for row in body:
            for name, cell in zip(head, row, strict=True):
                if name.children:
                    self._cell(name, marks, telling)
                    telling.say(": ", marks)
                self._cell(cell, marks, telling)
                telling.say("\n")
        for number, cell in enumerate(each for each in head if each.children) if not body else ():
            telling.say(" · " if number else "", marks)
            self._cell(cell, marks, telling)


def _value(node: Node) -> Node:
    return getattr(node.node_value, "value", None)


def _caption(info: str) -> str:
    """Return what is said behind a fence beside the language, but for lines to highlight."""
    found = _INFO.fullmatch(info)
    caption = re.sub(r"\{[\d,\s-]*\}", "", found["caption"] if found else info).strip()
    title = _TITLE.fullmatch(caption)
    return title[1] if title else caption
