"""Blocks, on their way from the tree to a dialect's text; `line.py` writes what stands in one.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.dialect import Dialect
from bot.text.fences import LONGEST_INFO
from bot.text.lead import Lead, begun
from bot.text.line import Known, Line, ended, plain, said
from bot.text.safe import JOINER
from bot.text.tree import CONTAINERS, Tree, innermost, kind, value_of, words

#: How deep blocks may be nested; deeper ones are shown as they are written.
DEEPEST = 60

_TASK = re.compile(r"\\?\[([ xX])\](?=[ \t])")
_BREAKS = re.compile(r"\s*(?:<br\s*/?>\s*)+", re.IGNORECASE)
#: Behind a fence: a language, and what else stands there.
_INFO = re.compile(r"\{?\.?(?P<language>[A-Za-z0-9_+\-.#]*+)(?![/\\])[}:,]?\s*(?P<rest>.*)", re.DOTALL)
#: Attributes that say which file code is from; lines to highlight say nothing to a reader.
_TITLE = re.compile(r"^\{?(?:title|file(?:name)?|path)\s*=\s*[\"']?([^\"'}]+)[\"']?\}?$", re.IGNORECASE)
_LINES = re.compile(r"\{[\d,\s-]*\}")

#: A paragraph that nobody sees, between two lists that would be one.
_BETWEEN = f"\n\n{JOINER}\n\n"
#: What may be written as a paragraph, or would become a part of one: a blank line is behind or before it.
_ENDED = frozenset({comrak.HtmlBlock, comrak.Table, comrak.Item})  # an empty one
_BEGUN = frozenset({comrak.HtmlBlock, comrak.Table, comrak.ThematicBreak})
#: What goes on behind a line that opens it again.
_OPENED = frozenset({comrak.CodeBlock, comrak.HtmlBlock})
#: A paragraph too, which only a list from 1 on could end.
_NOTE = comrak.FootnoteDefinition
#: What comrak's alignments count.
_SIDES = ("", "left", "center", "right")


class TooDeep(Exception):
    """Blocks are nested deeper than is drawn."""


def render(dialect: Dialect, source: str, known: Known | None = None) -> str:
    """Return *source*, markdown, as the platform of *dialect* is to be sent it."""
    known = known or Known()
    tree = grammar.parse(source, known.definitions)
    try:
        return Writing(dialect, tree, known).blocks(tree.blocks)
    except TooDeep:
        return plain(dialect, source)


class Writing:
    """Blocks being written.

    Args:
        dialect: How.
        tree: What they are of.
        known: What they may refer to.
        lead: How they go on with what was shown before.
    """

    def __init__(self, dialect: Dialect, tree: Tree, known: Known, lead: Lead | None = None) -> None:
        self._dialect = dialect
        self._tree = tree
        self._known = known
        self._defining = "]:" in tree.source  # what is defined in it may change all that refers to it
        lead = lead or Lead()
        self._items, self._empty = lead.items, lead.within
        self._begun = begun(tree, lead.numbers)
        self._quotes = self._hung = self._rests = self._depth = 0
        self._told = False  # whether the next list is told as text
        self._bars = 0  # before lines of text, for quotes within a quote
        self._resumed = False  # whether the rest of an item was written just now
        self._listed = False  # whether a list was written last
        self._strong = True  # whether bold may be marked here

    def blocks(self, nodes: Sequence[AstNode]) -> str:
        """Return *nodes*, with blank lines where the source has them."""
        if self._depth > DEEPEST:
            raise TooDeep
        written = ""
        before: AstNode | None = None
        for index, node in enumerate(nodes):
            # Where a platform would take it for more of the list before, a list is told as text.
            beside = before is not None and kind(node) is kind(before) is comrak.List
            self._told = beside and self._hung > 0 and not self._dialect.lists
            gap = self.gap(node, before)
            text = self.remembered(node, self.block) if index < len(nodes) - 1 else self.block(node)
            if text:
                written += (gap if written else "") + text
                before = node
        return written

    def gap(self, node: AstNode, before: AstNode | None) -> str:
        """Return what is between *node* and the block *before* it."""
        if self._resumed:
            return self._resuming(listed=kind(node) in {comrak.List, comrak.Item})
        if before and _merging(before, node) and self._dialect.lists:
            return _BETWEEN
        if self._hung and not self._dialect.lists:
            return "\n"
        if self._tree.blank_before(node) or self._apart(node, before):
            return "\n\n"
        return "\n"

    def _apart(self, node: AstNode, before: AstNode | None) -> bool:
        """Tell whether a blank line has to be put between *node* and the block *before*."""
        if kind(node) in _BEGUN or (kind(node) is comrak.CodeBlock and _captioned(node)):
            return True
        if not before:
            return False
        if not self._dialect.lists and self._edge(node, 0) is self._edge(before, -1) is comrak.List:
            return True
        ended = kind(innermost(before)) in _ENDED
        return ended or (kind(node) is comrak.List and kind(before) is _NOTE)

    def _edge(self, node: AstNode, at: int) -> type[Any]:
        """Return what *node* begins (*at* 0) or ends with (-1), as it is written."""
        while node.children and (
            (kind(node) is comrak.BlockQuote and self._dialect.bar and self._quotes)
            or (kind(node) is _NOTE and at)
        ):
            node = node.children[at]
        return kind(node)

    def _resuming(self, *, listed: bool) -> str:
        """Return what is behind the rest of an item, outside of its list, and before a list if *listed*."""
        self._resumed = False
        merging = listed and self._listed and self._dialect.lists
        return _BETWEEN if merging else "\n\n"

    def block(self, node: AstNode) -> str:
        """Return one block."""
        self._depth += 1
        if kind(node) not in CONTAINERS:
            self._items = 0  # what went on was not this
            self._empty = self._empty and kind(node) in _OPENED
        text: str = _BLOCKS[kind(node)](self, node)
        self._depth -= 1
        self._listed = self._listed and kind(node) is comrak.List
        return text

    def remembered(self, node: AstNode, write: Any, *more: Any) -> str:
        """Return what *write* makes of *node*, from memory where it was written before."""
        if self._items or self._empty or self._defining:
            return str(write(node, *more))
        place = node.sourcepos.start.column, self._quotes, self._bars, self._depth
        how = write.__name__, self._told, self._begun.get(id(node)), *more
        key = (*how, *place, self._tree.rows(node))
        if (known := self._known.memo.get(key)) is None:
            known = self._known.memo[key] = str(write(node, *more))
        return known

    # Blocks.

    def _paragraph(self, node: AstNode) -> str:
        return self._barred(self.inline(node.children))

    def _heading(self, node: AstNode) -> str:
        self._strong = False
        text = self.inline(node.children)
        self._strong = True
        text = " ".join(text.split("\n"))
        bold = f"**{text}**" if text.strip() else ""
        marked = (self._hung or self._rests or self._bars) and not self._dialect.lists
        heading = bold if marked else self._dialect.heading(text, value_of(node).level)
        return self._barred(text if heading == bold and ended(self._dialect, text, "**") else heading)

    def _code(self, node: AstNode) -> str:
        value: comrak.NodeCodeBlock = value_of(node)
        content = words(value.literal)
        empty, self._empty = self._empty, False
        if empty and not content.strip():
            return ""  # the end of a block that was shown
        if not value.fenced:
            return self._dialect.fence(content, "```", "")
        marker = chr(value.fence_char) * value.fence_length
        language, caption = _told(value)
        caption = "" if empty else caption  # it was shown
        block = self._dialect.fence(content, marker, language)
        return f"{self._dialect.code(caption)}\n{block}" if caption else block

    def _html(self, node: AstNode) -> str:
        text = words(value_of(node).literal).strip("\n")
        empty, self._empty = self._empty, False
        if rest := _BREAKS.match(text):
            return render(self._dialect, text[rest.end() :], self._known)  # what a line break has begun
        return plain(self._dialect, text.partition("\n")[2] if empty else text)

    def _rule(self, _node: AstNode) -> str:
        if self._hung and self._dialect.lists:
            return "___"  # "---" behind a bullet would be one rule with it
        return self._dialect.rule()

    def _quote(self, node: AstNode) -> str:
        bars = self._bars
        self._bars, self._quotes = self._quotes, self._quotes + 1
        text = self.blocks(node.children)
        within, self._bars, self._quotes = self._bars and self._dialect.bar, bars, self._quotes - 1
        return self._dialect.quote(text) if text and not within else text

    def _barred(self, text: str) -> str:
        """Return *text* as it stands in a quote within a quote, if it does."""
        bar = self._dialect.bar * self._bars
        return "\n".join(f"{bar}{line}" for line in text.split("\n")) if bar and text else text

    def _list(self, node: AstNode) -> str:
        written = ""
        items = [*self.numbered(node)]
        told, self._told = self._told, False
        write = self._told_item if told else self.item
        tight = self._hung and not self._dialect.lists
        for index, (item, number) in enumerate(items):
            if self._resumed:
                gap = self._resuming(listed=True)
            else:
                gap = "\n\n" if self._tree.blank_before(item) and not tight else "\n"
            last = index == len(items) - 1
            text = write(item, number) if last else self.remembered(item, write, number)
            written += f"{gap if written else ''}{text}"
        return written

    def numbered(self, node: AstNode) -> Iterator[tuple[AstNode, int | None]]:
        """Yield the items of the list *node* with their numbers, None where they have bullets."""
        value: comrak.NodeList = value_of(node)
        if value.list_type != comrak.ListType.Ordered:
            yield from ((item, None) for item in node.children)
            return
        lowest = 0 if self._told else self._dialect.lowest
        begin = max(self._begun.get(id(node), value.start), lowest)
        yield from zip(node.children, range(begin, begin + len(node.children)), strict=True)

    def item(self, node: AstNode, number: int | None) -> str:
        """Return an item of a list with *number*."""
        if self._items:
            self._items -= 1
            self._listed = False
            self._rests += 1
            rest = self.blocks(node.children)
            self._rests -= 1
            self._resumed = True
            return rest
        value: comrak.NodeList = value_of(node)
        delimiter = "." if value.delimiter == comrak.ListDelimType.Period else ")"
        marker = self._dialect.marker(delimiter if number is not None else chr(value.bullet_char), number)
        depth = self._depth
        self._depth += 1
        self._hung += 1
        bars, self._bars = self._bars, 0
        text = self._task(self.blocks(node.children)).lstrip(" \t\n")  # a blank line would begin no item
        self._bars = bars
        self._hung -= 1
        self._depth = depth
        self._listed = True
        return marker + (_hung(text, " " * len(marker), blank=self._dialect.lists) or JOINER)

    def _told_item(self, node: AstNode, number: int | None) -> str:
        """Return an item as text behind its marker."""
        marker = "• " if number is None else f"{number}\\. "
        return marker + self._task(self.blocks(node.children))

    def _task(self, text: str) -> str:
        found = _TASK.match(text)
        return f"{self._dialect.task(done=found[1] != ' ')}{text[found.end() :]}" if found else text

    def _note(self, node: AstNode) -> str:
        """Return the text of a footnote, behind its mark."""
        label = value_of(node).name
        return f"{self._dialect.note(label)} {self.blocks(node.children)}".rstrip(" ")

    def _table(self, node: AstNode) -> str:
        aligned = [_SIDES[int(each)] for each in value_of(node).alignments]
        cells, words = (partial(self._rows, node.children, words=each) for each in (False, True))
        return self._dialect.table(cells, words, aligned)

    def inline(self, nodes: Sequence[AstNode]) -> str:
        """Return what *nodes* say, from the beginning of a line on."""
        return Line(self._dialect, self._tree, self._known, strong=self._strong).write(nodes)

    def _rows(self, nodes: Sequence[AstNode], *, words: bool) -> Sequence[tuple[str, ...]]:
        """Return the cells of a table's rows, as *words* alone or with marks."""
        columns = len(nodes[0].children)
        return [self._row(node, columns, words=words) for node in nodes]

    def _row(self, node: AstNode, columns: int, *, words: bool) -> tuple[str, ...]:
        key = (words, columns, *self._tree.row(node))
        if self._defining or (known := self._known.memo.get(key)) is None:
            cell = _worded if words else self.inline
            known = self._known.memo[key] = tuple(cell(each.children) for each in node.children)
        return known


_BLOCKS: dict[type[Any], Any] = {
    comrak.Paragraph: Writing._paragraph,  # noqa: SLF001  a table of its own methods
    comrak.Heading: Writing._heading,  # noqa: SLF001
    comrak.CodeBlock: Writing._code,  # noqa: SLF001
    comrak.HtmlBlock: Writing._html,  # noqa: SLF001
    comrak.ThematicBreak: Writing._rule,  # noqa: SLF001
    comrak.BlockQuote: Writing._quote,  # noqa: SLF001
    comrak.List: Writing._list,  # noqa: SLF001
    comrak.Table: Writing._table,  # noqa: SLF001
    comrak.FootnoteDefinition: Writing._note,  # noqa: SLF001
}


def _worded(nodes: Sequence[AstNode]) -> str:
    return "\n".join(" ".join(line.split()) for line in said(nodes, addresses=True).split("\n"))


def _merging(before: AstNode, node: AstNode) -> bool:
    """Tell whether *before* and *node* are lists that only a definition or a footnote's end keeps apart."""
    if kind(before) is _NOTE and before.children:
        return _merging(before.children[-1], node)
    if not kind(before) is kind(node) is comrak.List:
        return False
    a, b = value_of(before), value_of(node)
    same: bool = (a.list_type, a.bullet_char, a.delimiter) == (b.list_type, b.bullet_char, b.delimiter)
    return same


def _told(value: comrak.NodeCodeBlock) -> tuple[str, str]:
    """Return the language that is named behind a fence, and what else is said there."""
    info = words(value.info).strip()
    found = _INFO.match(info)
    if found is None:
        return "", info
    rest = _LINES.sub("", found["rest"]).strip()
    rest = rest.removesuffix("}").strip() if info.startswith("{") else rest
    title = _TITLE.match(rest)
    language = found["language"] if len(found["language"]) <= LONGEST_INFO else ""
    return language, title[1] if title else rest


def _captioned(node: AstNode) -> bool:
    """Tell whether something is said of the block of code *node* that stands above it."""
    value: comrak.NodeCodeBlock = value_of(node)
    return value.fenced and bool(value.info) and bool(_told(value)[1])


def _hung(text: str, indent: str, *, blank: bool) -> str:
    """Return *text* with all lines but the first indented, empty ones too unless lines may be *blank*."""
    first, *lines = text.split("\n")
    return "\n".join([first, *(f"{indent}{line}" if line or not blank else line for line in lines)])


def unmarked(source: str) -> str:
    """Return *source*, markdown, as words without marks and addresses, for notifications and logs."""
    return "\n".join(_unmarked(grammar.parse(source).blocks))


def _unmarked(nodes: Sequence[AstNode]) -> Iterator[str]:
    for node in nodes:
        match node.node_value:
            case comrak.Paragraph() | comrak.Heading() | comrak.TableCell():
                yield said(node.children)
            case comrak.CodeBlock() | comrak.HtmlBlock():
                yield words(value_of(node).literal).rstrip("\n")
            case comrak.TableRow():
                yield " | ".join(said(cell.children) for cell in node.children)
            case _:
                yield from _unmarked(node.children)
