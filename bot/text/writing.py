"""From the parser's tree to a dialect's text.  Pure.

`Writing` writes blocks, `Line` what stands in one of them.  Text between two marks is one run: only so a
URL or a mention is seen whole, however the model has put it together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.dialect import Dialect, left_flanking, right_flanking
from bot.text.grammar import Tree, kind, value_of
from bot.text.lead import Lead
from bot.text.safe import JOINER, Links, addressed, clean, deceives, inert, trimmed

#: Nobody sees it; put inside of marks it lets emphasis begin or end next to punctuation.
THIN = "\u200b"
#: How deep blocks may be nested; deeper ones are shown as they are written.
DEEPEST = 60
#: How deep marks may be nested; deeper ones are left away.
DEEPEST_MARKS = 100

_TASK = re.compile(r"\\?\[([ xX])\](?=\s)")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_BREAKS = re.compile(r"\s*(?:<br\s*/?>\s*)+", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_DUNDER = re.compile(r"__\w+__")
#: Behind a fence: a language, and what else stands there.
_INFO = re.compile(r"\{?\.?(?P<language>[A-Za-z0-9_+\-.#]*+)(?![/\\])[}:,]?\s*(?P<rest>.*)", re.DOTALL)
#: Attributes that say which file code is from; lines to highlight say nothing to a reader.
_TITLE = re.compile(r"^\{?(?:title|file(?:name)?|path)\s*=\s*[\"']?([^\"'}]+)[\"']?\}?$", re.IGNORECASE)
_LINES = re.compile(r"\{[\d,\s-]*\}")

_APART = frozenset({comrak.HtmlBlock, comrak.Table})
_MARKS = {comrak.Emph: "*", comrak.Strong: "**", comrak.Strikethrough: "~~"}
_SIDES = (
    (comrak.TableAlignment.Left, "left"),
    (comrak.TableAlignment.Center, "center"),
    (comrak.TableAlignment.Right, "right"),
)


class TooDeep(Exception):
    """Blocks are nested deeper than is drawn."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a text may refer to, and what was written of it before.

    Attributes:
        links: Which URLs may be links.
        definitions: Lines that define links: "[label]: <url>".
        memo: What blocks within others were written as, by their source.
    """

    links: Links = field(default_factory=Links)
    definitions: tuple[str, ...] = ()
    memo: dict[tuple[Any, ...], str] = field(default_factory=dict)


def render(dialect: Dialect, source: str, known: Known | None = None) -> str:
    """Return *source*, markdown, as the platform of *dialect* is to be sent it."""
    known = known or Known()
    tree = grammar.parse(source, known.definitions)
    try:
        return Writing(dialect, tree, known).blocks(tree.blocks)
    except TooDeep:
        return plain(dialect, source)


def plain(dialect: Dialect, text: str) -> str:
    """Return *text*, which may have several lines, without any markup of its own."""
    return Line(dialect, grammar.parse(""), Known()).literally(clean(text))


def line(dialect: Dialect, text: str) -> str:
    """Return *text*, which holds no markup, on one line: a name, a tool's title, a note."""
    return plain(dialect, " ".join(clean(text).split()))


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
        lead = lead or Lead()
        self._number, self._items, self._empty = lead.number, lead.items, lead.within
        self._quotes = self._hung = self._depth = 0
        self._strong = True  # whether bold may be marked here

    def blocks(self, nodes: Sequence[AstNode]) -> str:
        """Return *nodes*, with blank lines where the source has them."""
        if self._depth > DEEPEST:
            raise TooDeep
        written = ""
        before: type[Any] | None = None
        for index, node in enumerate(nodes):
            text = self._remembered(node, self.block) if index < len(nodes) - 1 else self.block(node)
            written += (self.gap(node, before) if written else "") + text if text else ""
            before = kind(node)
        return written

    def gap(self, node: AstNode, before: type[Any] | None) -> str:
        """Return what is between *node* and the block *before* it."""
        mixed = not self._dialect.lists and kind(node) is before is comrak.List
        if self._hung and not self._dialect.lists:
            return "\n"
        # HTML is a paragraph now, which would become a part of the next block, or of a table before it.
        apart = before in {comrak.HtmlBlock, comrak.Table} or kind(node) in {
            comrak.HtmlBlock,
            comrak.ThematicBreak,
        }
        return "\n\n" if mixed or apart or self._tree.blank_before(node) else "\n"

    def block(self, node: AstNode) -> str:
        """Return one block."""
        self._depth += 1
        if kind(node) not in grammar.CONTAINERS:
            self._items = 0  # what went on was not this
        text: str = _BLOCKS[kind(node)](self, node)
        self._depth -= 1
        return text

    def _remembered(self, node: AstNode, write: Any, *more: Any) -> str:
        """Return what *write* makes of *node*, from memory where it was written before."""
        if not self._depth or self._items:
            return str(write(node, *more))
        start = node.sourcepos.start
        key = (kind(node), start.column, self._quotes, self._depth, *more, self._tree.rows(node))
        if (known := self._known.memo.get(key)) is None:
            known = self._known.memo[key] = str(write(node, *more))
        return known

    # Blocks.

    def _paragraph(self, node: AstNode) -> str:
        return self.inline(node.children)

    def _heading(self, node: AstNode) -> str:
        self._strong = False
        text = self.inline(node.children)
        self._strong = True
        text = " ".join(text.split("\n"))
        if self._hung and not self._dialect.lists:
            return f"**{text}**" if text.strip() else ""
        return self._dialect.heading(text, value_of(node).level)

    def _code(self, node: AstNode) -> str:
        value: comrak.NodeCodeBlock = value_of(node)
        content = grammar.words(value.literal)
        empty, self._empty = self._empty, False
        if empty and not content.strip():
            return ""  # the end of a block that was shown
        if not value.fenced:
            return self._dialect.fence(content, "```", "")
        marker = chr(value.fence_char) * value.fence_length
        language, caption = _told(grammar.words(value.info).strip())
        caption = "" if empty else caption  # it was shown
        block = self._dialect.fence(content, marker, language)
        return f"{self._dialect.code(caption)}\n{block}" if caption else block

    def _html(self, node: AstNode) -> str:
        text = grammar.words(value_of(node).literal).strip("\n")
        rest = _BREAKS.match(text)
        if rest is None:
            return plain(self._dialect, text)
        return render(self._dialect, text[rest.end() :], self._known)  # what a line break has begun

    def _rule(self, _node: AstNode) -> str:
        return self._dialect.rule()

    def _quote(self, node: AstNode) -> str:
        self._quotes += 1
        text = self.blocks(node.children)
        self._quotes -= 1
        return self._dialect.quote(text, self._quotes) if text else ""

    def _list(self, node: AstNode) -> str:
        written = ""
        items = [*self.numbered(node)]
        for index, (item, number) in enumerate(items):
            last = index == len(items) - 1
            text = self.item(item, number) if last else self._remembered(item, self.item, number)
            tight = self._hung and not self._dialect.lists
            gap = "\n" if tight or not self._tree.blank_before(item) else "\n\n"
            written += f"{gap if written else ''}{text}"
        return written

    def numbered(self, node: AstNode) -> Iterator[tuple[AstNode, int | None]]:
        """Yield the items of the list *node* with their numbers, None where they have bullets."""
        value: comrak.NodeList = value_of(node)
        if value.list_type != comrak.ListType.Ordered:
            yield from ((item, None) for item in node.children)
            return
        begin = value.start if self._number is None else self._number
        self._number = None
        yield from zip(node.children, range(begin, begin + len(node.children)), strict=True)

    def item(self, node: AstNode, number: int | None) -> str:
        """Return an item of a list with *number*."""
        if self._items:
            self._items -= 1
            return self.blocks(node.children)  # the rest of one
        value: comrak.NodeList = value_of(node)
        delimiter = "." if value.delimiter == comrak.ListDelimType.Period else ")"
        marker = self._dialect.marker(delimiter if number is not None else chr(value.bullet_char), number)
        self._number, depth = None, self._depth
        self._depth += 1
        self._hung += 1
        text = self._task(self.blocks(node.children))
        self._hung -= 1
        self._depth = depth
        return marker + (_hung(text, " " * len(marker), blank=self._dialect.lists) or JOINER)

    def _task(self, text: str) -> str:
        found = _TASK.match(text)
        return f"{self._dialect.task(done=found[1] != ' ')}{text[found.end() :]}" if found else text

    def _note(self, node: AstNode) -> str:
        """Return the text of a footnote, behind its mark."""
        label = value_of(node).name
        return f"{self._dialect.note(label)} {self.blocks(node.children)}".rstrip(" ")

    def _table(self, node: AstNode) -> str:
        value: comrak.NodeTable = value_of(node)
        rows = [_Row(self, row) for row in node.children]
        return self._dialect.table(rows, [_side(alignment) for alignment in value.alignments])

    def inline(self, nodes: Sequence[AstNode]) -> str:
        """Return what *nodes* say, from the beginning of a line on."""
        return Line(self._dialect, self._tree, self._known, strong=self._strong).write(nodes)

    def row(self, node: AstNode, *, words: bool) -> Sequence[str]:
        """Return the cells of the table's row *node*, as *words* alone or with marks."""
        key = (comrak.TableRow, words, len(node.children), self._tree.rows(node))
        if (known := self._known.memo.get(key)) is None:
            cell = _worded if words else self.inline
            known = self._known.memo[key] = "\0".join(cell(each.children) for each in node.children)
        return known.split("\0")


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


@dataclass(frozen=True, slots=True)
class _Row:
    """See `bot.text.dialect.Row`."""

    writing: Writing
    node: AstNode

    @property
    def cells(self) -> Sequence[str]:
        return self.writing.row(self.node, words=False)

    @property
    def words(self) -> Sequence[str]:
        return self.writing.row(self.node, words=True)


def _worded(nodes: Sequence[AstNode]) -> str:
    return "\n".join(" ".join(line.split()) for line in said(nodes, addresses=True).split("\n"))


def _side(alignment: comrak.TableAlignment) -> str:
    return next((side for each, side in _SIDES if each == alignment), "")


def _told(info: str) -> tuple[str, str]:
    """Return the language that is named behind a fence, and what else is said there."""
    found = _INFO.match(info)
    if found is None:
        return "", info
    rest = _LINES.sub("", found["rest"]).strip().removesuffix("}").strip()
    title = _TITLE.match(rest)
    return found["language"], title[1] if title else rest


def _hung(text: str, indent: str, *, blank: bool) -> str:
    """Return *text* with all lines but the first indented, empty ones too unless lines may be *blank*."""
    first, *lines = text.split("\n")
    return "\n".join([first, *(f"{indent}{line}" if line or not blank else line for line in lines)])


class _Address(str):
    """A URL that the platform makes a link of."""

    __slots__ = ()


class _Opening(str):
    """A mark that begins emphasis."""

    __slots__ = ()


class _Closing(str):
    """A mark that ends emphasis."""

    __slots__ = ()


class Line:
    """What stands in a line, being written: runs of text between marks."""

    def __init__(self, dialect: Dialect, tree: Tree, known: Known, *, strong: bool = True) -> None:
        self._dialect = dialect
        self._tree = tree
        self._known = known
        self._strong = strong
        self._written: list[str] = []
        self._within: list[type[Any]] = []
        self._run = ""
        self._fresh = True

    def write(self, nodes: Sequence[AstNode]) -> str:
        """Return what *nodes* say."""
        self._each(nodes)
        return self._joined()

    def literally(self, text: str) -> str:
        """Return *text* without any markup of its own."""
        self._run = text
        return self._joined()

    def _joined(self) -> str:
        self._flush()
        written = [piece for piece in self._written if piece]
        for number, piece in enumerate(written):
            before = written[number - 1][-1] if number else ""
            after = written[number + 1][0] if number + 1 < len(written) else ""
            if isinstance(piece, _Address) and after and not after.isspace():
                written[number] = f"<{piece}>"  # else what follows would be taken for a part of it
            elif not self._dialect.flanking:
                continue
            elif isinstance(piece, _Opening) and not left_flanking(before, after):
                written[number] = f"{piece}{THIN}"
            elif isinstance(piece, _Closing) and not right_flanking(before, after):
                written[number] = f"{THIN}{piece}"
        return "".join(written)

    def _each(self, nodes: Sequence[AstNode]) -> None:
        for node in nodes:
            _INLINES[kind(node)](self, node)

    def _text(self, node: AstNode) -> None:
        # What an entity has made must not begin a line, which could begin a block.
        self._run += grammar.words(value_of(node)).replace("\n", " ")

    def _break(self, _node: AstNode) -> None:
        self._run += "\n"

    def _code(self, node: AstNode) -> None:
        self._mark(self._dialect.code(grammar.words(value_of(node).literal)))

    def _math(self, node: AstNode) -> None:
        value: comrak.NodeMath = value_of(node)
        literal = grammar.words(value.literal)
        if not grammar.formula(node):  # escaped brackets
            begin, end = "[]" if value.display_math else "()"
            self._run += begin + _ESCAPE.sub(r"\1", literal) + end
            return
        self._mark(self._dialect.code(" ".join(literal.split("\n")).strip()))

    def _html(self, node: AstNode) -> None:
        text = grammar.words(value_of(node))
        self._run += "\n" if _BREAK.fullmatch(text) else text

    def _inner(self, node: AstNode) -> None:
        self._each(node.children)

    def _emphasis(self, node: AstNode) -> None:
        """Write emphasis; within its own kind, and bold within a heading, it is no more than that."""
        source = self._tree.text(node)
        if source[:1] == "~" and source[:2] != "~~":
            self._literal("~", node)
        elif source[:2] == "__" and _DUNDER.fullmatch(source):
            self._literal("__", node)
        else:
            self._emphasize(node)

    def _literal(self, mark: str, node: AstNode) -> None:
        self._run += mark
        self._each(node.children)
        self._run += mark

    def _emphasize(self, node: AstNode) -> None:
        made = kind(node)
        marked = made not in self._within and len(self._within) < DEEPEST_MARKS
        if not marked or (made is comrak.Strong and not self._strong):
            self._each(node.children)
            return
        self._flush()
        self._within.append(made)
        self._put(_Opening(_MARKS[made]))
        before = len(self._written)
        self._each(node.children)
        self._flush()
        self._within.pop()
        if len(self._written) == before or not "".join(self._written[before:]).strip():
            self._written[before - 1] = ""  # there is nothing between
        else:
            self._put(_Closing(_MARKS[made]))

    def _mark(self, markup: str) -> None:
        if markup:
            self._flush()
            self._put(markup)

    def _put(self, markup: str) -> None:
        """Write something of ours; two pieces of code must not touch, nor an end of emphasis a beginning."""
        before = next((piece for piece in reversed(self._written) if piece), "")
        touches = before.endswith(markup[0]) and (
            markup[0] == "`" or (isinstance(before, _Closing) and isinstance(markup, _Opening))
        )
        if touches:
            self._written.append(JOINER)
        self._written.append(markup)
        self._fresh = False

    def _flush(self) -> None:
        """Write the run of text so far: its URLs, and what is between them."""
        if not self._run:
            return
        run, self._run = clean(self._run), ""  # once more: entities are decoded now
        end = 0
        for found in self._dialect.urls(run) if addressed(run) else ():
            url = trimmed(found[0])
            if found.start() < end or not url:
                continue
            self._put_text(run[end : found.start()])
            self._put(self._address(url))
            end = found.start() + len(url)
        self._put_text(run[end:])

    def _put_text(self, text: str) -> None:
        if text:
            self._written.append(self._dialect.literal(text, fresh=self._fresh))
            self._fresh = text.endswith("\n")

    def _address(self, url: str) -> str:
        allowed = self._known.links.allows(url)
        return _Address(self._dialect.address(url)) if allowed else self._dialect.code(inert(url))

    def _link(self, node: AstNode) -> None:
        self._point(said(node.children), value_of(node).url, node.children)

    def _image(self, node: AstNode) -> None:
        label = said(node.children) or "image"
        self._point(label, value_of(node).url, node.children)

    def _point(self, label: str, url: str, inner: Sequence[AstNode]) -> None:
        """Write something that is said to be at *url*."""
        url = grammar.words(url)
        if not url or url == f"mailto:{label}":
            self._run += label
            return
        self._flush()
        if label in {url, url.removeprefix("https://"), url.removeprefix("http://")}:
            self._mark(self._address(url))
            return
        within = Line(self._dialect, self._tree, Known(Links()), strong=self._strong)
        within._within, within._fresh = [*self._within], self._fresh
        text = within.write(inner) if inner else self._dialect.literal(label, fresh=self._fresh)
        deceptive = deceives(label, url) or deceives(text, url)
        if text.strip() and "\n\n" not in text and self._known.links.allows(url) and not deceptive:
            self._mark(self._dialect.link(text.strip(), url))
        else:
            for part in [f"{text} (", self._address(url), ")"] if text.strip() else [self._address(url)]:
                self._mark(part)

    def _footnote(self, node: AstNode) -> None:
        self._mark(self._dialect.note(value_of(node).name))


_INLINES: dict[type[Any], Any] = {
    comrak.Text: Line._text,  # noqa: SLF001  a table of its own methods
    comrak.SoftBreak: Line._break,  # noqa: SLF001
    comrak.LineBreak: Line._break,  # noqa: SLF001
    comrak.Code: Line._code,  # noqa: SLF001
    comrak.Math: Line._math,  # noqa: SLF001
    comrak.HtmlInline: Line._html,  # noqa: SLF001
    comrak.Escaped: Line._inner,  # noqa: SLF001
    comrak.Emph: Line._emphasis,  # noqa: SLF001
    comrak.Strong: Line._emphasis,  # noqa: SLF001
    comrak.Strikethrough: Line._emphasis,  # noqa: SLF001
    comrak.Link: Line._link,  # noqa: SLF001
    comrak.Image: Line._image,  # noqa: SLF001
    comrak.FootnoteReference: Line._footnote,  # noqa: SLF001
}


def said(nodes: Sequence[AstNode], *, addresses: bool = False) -> str:
    """Return the text of *nodes* without markup; with the links' *addresses* behind their labels."""
    parts = []
    for node in nodes:
        value: Any = getattr(node.node_value, "value", "")
        match node.node_value:
            case comrak.Text():
                parts.append(value)
            case comrak.SoftBreak() | comrak.LineBreak():
                parts.append("\n")
            case comrak.Code() | comrak.Math():
                parts.append(value.literal)
            case comrak.HtmlInline():
                parts.append("\n" if _BREAK.fullmatch(value) else value)
            case comrak.FootnoteReference():
                parts.append(f"[^{value.name}]")
            case comrak.Link() | comrak.Image():
                label, target = said(node.children), inert(value.url)
                same = target.removeprefix("mailto:") == label
                parts.append(label if same or not addresses else f"{label} ({target})")
            case _:
                parts.append(said(node.children, addresses=addresses))
    return grammar.words("".join(parts))


def unmarked(source: str) -> str:
    """Return *source*, markdown, as words without marks and addresses, for notifications and logs."""
    return "\n".join(_unmarked(grammar.parse(source).blocks))


def _unmarked(nodes: Sequence[AstNode]) -> Iterator[str]:
    for node in nodes:
        match node.node_value:
            case comrak.Paragraph() | comrak.Heading() | comrak.TableCell():
                yield said(node.children)
            case comrak.CodeBlock() | comrak.HtmlBlock():
                yield grammar.words(value_of(node).literal).rstrip("\n")
            case comrak.TableRow():
                yield " | ".join(said(cell.children) for cell in node.children)
            case _:
                yield from _unmarked(node.children)
