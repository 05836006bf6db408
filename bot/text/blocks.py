"""Blocks of an answer as they are shown: finished, or while they grow.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import comrak
from comrak import AstNode

from bot.events import File
from bot.text import edge, grammar
from bot.text.dialect import Dialect
from bot.text.filenames import extension
from bot.text.lead import Dressed, Lead
from bot.text.line import Known, plain
from bot.text.safe import JOINER, legible, seen, seen_from
from bot.text.tree import Tree, found, kind, value_of, words
from bot.text.writing import TooDeep, Writing

#: Definitions of links that are read again with every text that may refer to them.
DEFINITIONS = 100


@dataclass(slots=True)
class Block:
    """A block, or a part of one that stands for itself, as it is shown.

    Attributes:
        raw: Its source, exactly.
        lead: What that needs to stand for itself.
        shown: What it is shown as.
        gap: What is between it and the block before.
        kind: What it is: a class of comrak's, or None for text that is shown as it is.
        nodes: How much there is to draw.
        rows, cells: Of a table: its rows, and the characters in its cells.
        file: What it is attached as.
    """

    raw: str
    lead: Lead
    shown: str = ""
    gap: str = ""
    kind: type[Any] | None = None
    nodes: int = 0
    rows: int = 0
    cells: int = 0
    file: File | None = None


def joined(blocks: Iterable[Block | _Drawn]) -> str:
    """Return what *blocks* show together."""
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


@dataclass(slots=True)
class Ink:
    """What text is written with.

    Attributes:
        dialect: How.
        known: What it may refer to.
        defined: The addresses that were defined, by the labels of links.
        code: Characters from which on a block of code becomes a file; 0 for never.
        codes: Blocks of code that there were before.
    """

    dialect: Dialect
    known: Known = field(default_factory=Known)
    code: int = 0
    codes: int = 0
    defined: dict[str, str] = field(default_factory=dict)

    def define(self, text: str) -> None:
        """Take the definitions of links that *text* has; the first of a label counts."""
        if "]:" not in text:
            return
        found = [each for each in grammar.definitions(text) if each[0].casefold() not in self.defined]
        self.defined |= {label.casefold(): url for label, url, _ in found}
        lines = (*self.known.definitions, *(line for _, _, line in found))[:DEFINITIONS]
        if lines != self.known.definitions:
            self.known = replace(self.known, definitions=lines, memo={})

    def blocks(
        self, text: str, lead: Lead, gap: str = "", *, apart: bool = False, closing: bool = False
    ) -> list[Block]:
        """Return the blocks of *text*.

        Args:
            text: The source.
            lead: What it needs to stand for itself.
            gap: What is between it and the block before.
            apart: Whether the items of a list are blocks of their own.
            closing: Whether marks that are open at its end are closed: more is to come, or stands elsewhere.
        """
        if lead.literal:
            return self._literal(text, lead)
        dressed = Dressed(lead, text)
        parse = edge.closed if closing else grammar.parse
        tree = parse(dressed.source, self.known.definitions)
        try:
            return [*self.written(dressed, tree, lead, gap, items=apart)]
        except TooDeep:
            return [self.literal(text)]

    def literal(self, text: str) -> Block:
        """Return *text* as it is, without any markup of its own."""
        shown = plain(self.dialect, seen_from(legible(text)))
        return Block(text, Lead(literal=len(text)), seen(shown), "\n\n")

    def _literal(self, text: str, lead: Lead) -> list[Block]:
        end = text.find("\n", lead.literal - 1) + 1 or len(text)
        first, rest = self.literal(text[:end]), text[end:]
        return [first, *(self.blocks(rest, Lead(), "\n\n") if rest else ())]

    def written(
        self, dressed: Dressed, tree: Tree, lead: Lead, gap: str, *, items: bool = False
    ) -> Iterator[Block]:
        """Yield the blocks of *tree*, which is *dressed* with *lead*; *gap* is before the first of them.

        The items of its lists are blocks of their own if *items* says so.
        """
        raw, drawn = dressed.text, [*self._drawn(tree, lead, items=items)]
        begins = [0, *(dressed.place(tree.first(each.part.node)) for each in drawn[1:]), len(raw)]
        for index, ((node, number, of), between, shown, file) in enumerate(drawn):
            text = raw[begins[index] : begins[index + 1]]
            begun = lead if not index else _lead(text, node, () if of is node else (number,))
            made = Block(text, begun, shown, between if index else gap, kind(node), file=file)
            _count(made, tree, node)
            yield made
        if not drawn and raw:
            yield Block(raw, lead, gap=gap)

    def _drawn(self, tree: Tree, lead: Lead, *, items: bool = False) -> Iterator[_Drawn]:
        """Yield the parts of *tree* as they are shown."""
        writing = Writing(self.dialect, tree, self.known, lead)
        parts, codes = [*_parts(tree, writing, items=items)], self.codes
        before: AstNode | None = None
        for index, part in enumerate(parts):
            node, number, of = part
            gap = writing.gap(node if before is of else of, before)
            shown, file = "", None
            if kind(node) is comrak.CodeBlock:
                shown, file = self._attached(node, codes)
                codes += bool(index) or not lead.within
            if not file:
                write, more = (writing.block, ()) if of is node else (writing.item, (number,))
                last = index == len(parts) - 1
                shown = seen(write(node, *more) if last else writing.remembered(node, write, *more))
            before = of if shown else before
            yield _Drawn(part, gap, shown, file)

    def _attached(self, node: AstNode, codes: int) -> tuple[str, File | None]:
        """Return the file that the block of code *node* is shown as, if it is one, and what tells of that."""
        value: comrak.NodeCodeBlock = value_of(node)
        content = words(value.literal)
        if not (self.code and value.fenced and len(content) > self.code):
            return "", None
        name = f"code-{codes + 1}{extension(value.info)}"
        data = content.encode()
        shown = f"{self.dialect.code(name)} ({content.count(chr(10))} lines, in the file)"
        return shown, File(name, "text/plain", len(data), data=data)

    def live(self, text: str, lead: Lead, *, settled: bool) -> tuple[str, int]:
        """Return what *text*, which grows, is shown as, and, if *settled*, how much of that will stay."""
        if lead.literal:
            return joined(self._literal(text, lead)), 0
        dressed = Dressed(lead, text)
        tree = edge.mended(dressed.source, self.known.definitions)
        try:
            shown = joined(self._drawn(tree, lead))
            return shown, self._settled(dressed.source, tree, shown, lead) if settled else 0
        except TooDeep:
            return self.literal(text).shown, 0

    def _settled(self, source: str, tree: Tree, shown: str, lead: Lead) -> int:
        """Return how much of *shown*, which *source* is shown as for now, will stay."""
        whole, node = grammar.parse(source, self.known.definitions), tree.leaf
        at = edge.firm(whole, edge.SENTENCE, edge.ANY_SPACE)
        if not at and node is not None:
            at = tree.line(tree.first(node))
        if not at:
            return 0
        made = edge.closed(source[:at], self.known.definitions)
        before = joined(self._drawn(made, lead))
        if node is not None and kind(node) is comrak.CodeBlock:
            before = before[: before.rfind("\n") + 1]  # its end comes later
        if shown.startswith(before):
            return len(before)
        return next(at for at, (a, b) in enumerate(zip(before, f"{shown}\0", strict=False)) if a != b)


class _Part(NamedTuple):
    """What is written on its own: a block, or an item *of* a list with its number."""

    node: AstNode
    number: int | None
    of: AstNode


class _Drawn(NamedTuple):
    """A part, what is between it and the one before, what it is shown as, and the file, if it is one."""

    part: _Part
    gap: str
    shown: str
    file: File | None


def _parts(tree: Tree, writing: Writing, *, items: bool) -> Iterator[_Part]:
    """Yield what is written on its own."""
    for node in tree.blocks:
        if items and kind(node) is comrak.List:
            yield from (_Part(item, number, node) for item, number in writing.numbered(node))
        else:
            yield _Part(node, None, node)


def _lead(text: str, node: AstNode, numbers: tuple[int | None, ...]) -> Lead:
    """Return what *node*, which is *text* and not the first of its page, needs to stand for itself."""
    bare = text.lstrip(" \t")
    if kind(node) is not comrak.Table or text.startswith("|"):
        return Lead(numbers=numbers)
    # Behind a paragraph, a table's head may look like something else: an item, or code.
    return Lead(first="" if bare.startswith("|") else JOINER, skip=len(text) - len(bare))


def _count(block: Block, tree: Tree, node: AstNode) -> None:
    """Count in *block* what there is to draw in *node*, and the rows and cells of its tables."""
    block.nodes = tree.size(node)
    for table in found([node], comrak.Table) if "|" in block.raw else ():
        block.rows += (rows := tree.last(table) - tree.first(table))
        block.cells += len(tree.rows(table)) - rows  # a little more than that
