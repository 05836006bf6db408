"""GitHub-flavoured markdown, made into what one platform shows.  Pure.

`Dialect` parses a block with markdown-it and writes it anew, in plain CommonMark; a platform's own dialect
overrides what that platform shows otherwise, in a file beside its adapter.

Rule 1: text is never lost; what a platform cannot draw is written so that people can read it.
Rule 2: only a dialect writes markup.  What the model wrote as text comes out as text, through `bot.safe`, and
what has an end (code, emphasis, a link) is always closed, whatever the model left open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from bot.safe import JOINER, URL, Links, clean, deceives, disarm, inert, trimmed

#: Formulas with something in them that markdown would take for its own.
_MATH = re.compile(
    r"\\\((?P<a>.+?)\\\)|\\\[(?P<b>.+?)\\\]|\$\$(?P<c>.+?)\$\$"
    r"|\$(?P<d>(?=[^\s$])[^$\n]*?[\\_^{*][^$\n]*?(?<=[^\s\\]))\$(?!\d)",
    re.DOTALL,
)
#: A fence that is longer than this is written no longer than it need be.
LONGEST_MARKER = 8
#: Brackets that are never closed, of which markdown-it looks for the end again and again, are taken as text.
UNCLOSED = 64
_NOTE = re.compile(r"\[\^([^\]\s]{1,40})\]")
#: Marks between spaces, which mark nothing.
_IDLE = re.compile(r"(?<=\S )\\([*_])(?= )")
_ORDINAL = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
#: What makes a line a heading, a quote, a list or small print.
_START = re.compile(r"^(?:#{1,6}(?=\s|$)|-#(?=\s)|>|[-+*](?=\s|$)|=(?==*\s*$)|[-:|](?=[-:| \t]*$)|~(?=~~))")
_TASK = re.compile(r"\[([ xX])\](?=\s)")


def _math(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\" or not (found := _MATH.match(state.src, state.pos)):
        return False
    content = next(group for group in found.groups() if group)
    if not re.search(r"\w", content):
        return False
    if not silent:
        state.push("math", "", 0).content = content
    state.pos = found.end()
    return True


def _note(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "[" or not (found := _NOTE.match(state.src, state.pos)):
        return False
    if not silent:
        state.push("note", "", 0).content = found[1]
    state.pos = found.end()
    return True


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])
    # Definitions are taken by `bot.pages`, which knows when one was seen; "\*" is to stay what it was.
    made.disable(["reference", "text_join"])
    made.inline.ruler.before("escape", "math", _math)
    made.inline.ruler.before("link", "note", _note)
    return made


PARSER = _parser()


@dataclass(slots=True)
class Node:
    """A block with what it holds; `token` is the one that opened it."""

    token: Token
    children: list[Node] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The name of the method of `Dialect` that writes it."""
        return self.token.type.removesuffix("_open")


@dataclass(frozen=True, slots=True)
class Known:
    """What a block may refer to.

    Attributes:
        links: Which URLs may be links.
        references: Definitions that stood before it, as markdown-it keeps them.
        notes: Footnotes that did.
        number: The number of an item that stands alone, where its list has counted on.
    """

    links: Links = field(default_factory=Links)
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None


def tamed(source: str) -> str:
    """Return *source* with its brackets as text, if there are very many that nothing closes."""
    many = source.count("[") - source.count("]") > UNCLOSED
    return re.sub(r"(?<!\\)\[", r"\\[", source) if many else source


def tree(source: str, known: Known) -> list[Node]:
    """Return the blocks of *source*."""
    roots: list[Node] = []
    open_: list[Node] = []
    for token in PARSER.parse(source, {"references": known.references}):
        if token.nesting < 0:
            open_.pop()
            continue
        node = Node(token)
        (open_[-1].children if open_ else roots).append(node)
        if token.nesting > 0:
            open_.append(node)
    return roots


class Dialect:
    """CommonMark with tables and strikethrough, written so that nothing pings and no stranger is linked."""

    #: Characters that could be taken for emphasis or code; an underscore within a word is none.
    marks = re.compile(r"[*`]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|\](?=[(\[:])|\\(?![A-Za-z0-9\s])|\\\Z")

    def render(self, source: str, known: Known | None = None) -> str:
        """Return *source*, which is one block or several, as the platform is to be sent it."""
        source, known = clean(source), known or Known()
        return Writing(self, source.split("\n"), known).blocks(tree(source, known))

    def inline(self, source: str, known: Known, *, fresh: bool) -> str:
        """Return *source*, a part of a paragraph; *fresh* where it begins a line."""
        tokens = PARSER.parseInline(tamed(clean(source)), {"references": known.references})
        return Writing(self, [], known).inline(tokens[0].children or [], fresh=fresh)

    def line(self, text: str) -> str:
        """Return *text*, which holds no markup, on one line: a name, a tool's title, a note."""
        return self.plain(" ".join(clean(text).split()))

    def plain(self, text: str) -> str:
        """Return *text*, which may have several lines, without any markup of its own."""
        return Writing(self, [], Known()).plain(clean(text))

    # What platforms differ in.

    def literal(self, text: str, *, fresh: bool = True) -> str:
        """Return *text* so that all its characters are shown; *fresh* where it begins a line."""
        text = self.marks.sub(r"\\\g<0>", text)
        text = _IDLE.sub(r"\1", text)
        lines = text.split("\n")
        first = 0 if fresh else 1
        lines[first:] = [_ORDINAL.sub(r"\1\\\2", _START.sub(r"\\\g<0>", line)) for line in lines[first:]]
        return self.entities(disarm("\n".join(lines)))

    def entities(self, text: str) -> str:
        """Return *text*, in which nothing pings, with the platform's own escapes."""
        return text

    def code(self, text: str) -> str:
        """Return *text* as inline code."""
        longest = max(map(len, re.findall("`+", text)), default=0)
        marks = "`" * (longest + 1)
        pad = (
            " "
            if text[:1] == "`" or text[-1:] == "`" or (text.strip() and text[0] == text[-1] == " ")
            else ""
        )
        return f"{marks}{pad}{self.entities(text)}{pad}{marks}" if text else ""

    def fence(self, text: str, marker: str, info: str) -> str:
        """Return *text*, whole lines, as a block of code that was begun with *marker* and *info*."""
        longest = max((len(run) for run in re.findall(f"{re.escape(marker[0])}+", text)), default=0)
        usual = len(marker) if len(marker) <= LONGEST_MARKER else 3
        marker = marker[0] * max(usual, longest + 1 if longest >= usual else 3)
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{marker}{self.entities(info)}\n{self.entities(text)}{end}{marker}"

    def heading(self, text: str, level: int) -> str:
        """Return the line *text* as a heading."""
        text = re.sub(r"(?:(?<= )|^)#+$", r"\\\g<0>", text)  # else it would count as the heading's end
        return f"{'#' * level} {text}".rstrip()

    def emphasis(self, markup: str) -> str:
        """Return the mark that the model's *markup* begins or ends emphasis with."""
        return markup

    def rule(self) -> str:
        """Return a horizontal rule."""
        return "---"

    def quote(self, text: str, depth: int) -> str:
        """Return *text* as a quote, within *depth* others."""
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def marker(self, markup: str, number: int | None) -> str:
        """Return what an item begins with; *markup* is the model's bullet or what follows its number."""
        return f"{markup} " if number is None else f"{number}{markup} "

    def task(self, *, done: bool) -> str:
        """Return the box of a task."""
        return "[x]" if done else "[ ]"

    def note(self, label: str) -> str:
        """Return the mark of the footnote *label*."""
        return self.literal(f"[^{label}]", fresh=False)

    def link(self, label: str, url: str) -> str:
        """Return *label*, which is written already, as a link to *url*, which may be one."""
        return f"[{label}]({self.address(url)})"

    def address(self, url: str) -> str:
        """Return *url*, which may be a link, as it stands in text."""
        return self.entities(re.sub(r"[()<>\s]", lambda found: f"%{ord(found[0]):02X}", url))

    def urls(self, text: str) -> Iterator[re.Match[str]]:
        """Return what people or the platform would take for URLs in *text*."""
        return URL.finditer(text)

    def table(self, rows: Sequence[Sequence[str]], aligned: Sequence[str], source: Writing) -> str:
        """Return a table.

        Args:
            rows: The cells' texts as markdown; the first row is the head.
            aligned: "left", "right", "center" or "", a column each.
            source: Writes the cells.
        """
        ruler = {"": "---", "left": ":--", "right": "--:", "center": ":-:"}
        cells = [[source.cell(cell).replace("|", "\\|") for cell in row] for row in rows]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        return "\n".join([lines[0], f"| {' | '.join(ruler[side] for side in aligned)} |", *lines[1:]])


class Writing:
    """One block being written.

    Args:
        dialect: How.
        lines: The source's lines.
        known: What it may refer to.
    """

    def __init__(self, dialect: Dialect, lines: Sequence[str], known: Known) -> None:
        self._dialect = dialect
        self._lines = lines
        self._known = known
        self._quotes = 0
        self._strong = True  # whether bold may be marked here

    def blocks(self, nodes: Sequence[Node]) -> str:
        """Return *nodes*, with blank lines where the source has them."""
        written = ""
        end, apart = 0, False
        for node in nodes:
            text = str(getattr(self, f"_{node.kind}")(node))
            begin, after = node.token.map or (end, end)
            # What was HTML is a paragraph now, and less than a blank line could make the next block its part.
            gap = "\n\n" if apart or node.kind == "hr" or self._blank(begin - 1) else "\n"
            written += f"{gap if written else ''}{text}" if text else ""
            end, apart = after, node.kind == "html_block"
        return written

    def _blank(self, line: int) -> bool:
        return 0 <= line < len(self._lines) and not self._lines[line].strip("> \t")

    # Blocks, by the names of markdown-it's tokens.

    def _paragraph(self, node: Node) -> str:
        return self.inline(node.children[0].token.children or [])

    def _heading(self, node: Node) -> str:
        self._strong = False
        text = self.inline(node.children[0].token.children or [])
        self._strong = True
        return self._dialect.heading(text.replace("\n", " "), int(node.token.tag[1]))

    def _fence(self, node: Node) -> str:
        token = node.token
        return self._dialect.fence(token.content, token.markup, clean(token.info).strip())

    def _code_block(self, node: Node) -> str:
        return self._dialect.fence(node.token.content, "```", "")

    def _html_block(self, node: Node) -> str:
        return self.plain(node.token.content.strip("\n"))

    def _hr(self, _node: Node) -> str:
        return self._dialect.rule()

    def _blockquote(self, node: Node) -> str:
        self._quotes += 1
        text = self.blocks(node.children)
        self._quotes -= 1
        return self._dialect.quote(text, self._quotes)

    def _bullet_list(self, node: Node) -> str:
        return self._items(node, [None] * len(node.children))

    def _ordered_list(self, node: Node) -> str:
        begin = int(node.token.attrs.get("start", 1))
        if self._known.number is not None and node.token.level == 0:
            begin = self._known.number
        return self._items(node, list(range(begin, begin + len(node.children))))

    def _items(self, node: Node, numbers: Sequence[int | None]) -> str:
        written = ""
        for item, number in zip(node.children, numbers, strict=True):
            marker = self._dialect.marker(item.token.markup, number)
            begin = (item.token.map or [0])[0]
            text = self._hung(self._task(self.blocks(item.children)), " " * len(marker))
            gap = "\n\n" if self._blank(begin - 1) else "\n"
            written += f"{gap if written else ''}{marker}{text}".rstrip(" ")
        return written

    def _hung(self, text: str, indent: str) -> str:
        """Return *text* with all lines but the first indented."""
        return "\n".join(line if not line else f"{indent}{line}" for line in text.split("\n"))[len(indent) :]

    def _task(self, text: str) -> str:
        found = _TASK.match(text)
        return f"{self._dialect.task(done=found[1] != ' ')}{text[3:]}" if found else text

    def _table(self, node: Node) -> str:
        rows = [
            [cell.children[0].token.content for cell in row.children]
            for part in node.children
            for row in part.children
        ]
        head = node.children[0].children[0].children
        aligned = [str(cell.token.attrs.get("style", "")).partition(":")[2] for cell in head]
        return self._dialect.table(rows, aligned, self)

    def cell(self, source: str) -> str:
        """Return a table's cell, written as a line."""
        tokens = PARSER.parseInline(source, {"references": self._known.references})
        return self.inline(tokens[0].children or []).replace("\n", " ")

    # What stands in a line.

    def words(self, source: str) -> str:
        """Return a table's cell as plain text."""
        tokens = PARSER.parseInline(source, {"references": self._known.references})
        return " ".join(clean(_said(tokens[0].children or [], addresses=True)).split())

    def inline(self, tokens: Sequence[Token], *, fresh: bool = True) -> str:
        """Return what *tokens* say; *fresh* where they begin a line."""
        return Line(self._dialect, self._known, strong=self._strong).write(tokens, fresh=fresh)

    def plain(self, text: str) -> str:
        """Return *text* without any markup of its own."""
        return Line(self._dialect, self._known).write([Token("text", "", 0, content=text)], fresh=True)


class _Address(str):
    """A URL that the platform makes a link of."""

    __slots__ = ()


class Line:
    """What stands in a line, being written: runs of text between marks."""

    def __init__(self, dialect: Dialect, known: Known, *, strong: bool = True) -> None:
        self._dialect = dialect
        self._known = known
        self._strong = strong
        self._written: list[str] = []
        self._depths: dict[str, int] = {}
        self._run = ""
        self._fresh = True

    def write(self, tokens: Sequence[Token], *, fresh: bool) -> str:
        """Return what *tokens* say."""
        self._fresh = fresh
        at = 0
        while at < len(tokens):
            at = self._link(tokens, at) if tokens[at].type == "link_open" else self._one(tokens[at], at)
        self._flush()
        for number in range(len(self._written) - 1):
            piece, after = self._written[number], self._written[number + 1]
            if isinstance(piece, _Address) and not after[0].isspace():
                self._written[number] = f"<{piece}>"  # else what follows would be taken for a part of it
        return "".join(self._written)

    def _one(self, token: Token, at: int) -> int:
        match token.type:
            case "text" | "text_special" | "html_inline":
                self._run += token.content
            case "softbreak" | "hardbreak":
                self._run += "\n"
            case "code_inline" | "math":
                self._mark(self._dialect.code(" ".join(token.content.split("\n"))))
            case "image":
                self._point(
                    _said(token.children or []) or "image", str(token.attrs["src"]), token.children or []
                )
            case "note":
                self._footnote(token.content)
            case _:
                self._emphasize(token)
        return at + 1

    def _emphasize(self, token: Token) -> None:
        """Begin or end emphasis; within its own kind, and bold within a heading, it is no more than that."""
        kind = token.type.partition("_")[0]
        self._depths[kind] = self._depths.get(kind, 0) + token.nesting
        outermost = self._depths[kind] == (token.nesting == 1)
        if outermost and (self._strong or kind != "strong"):
            self._mark(self._dialect.emphasis(token.markup))

    def _mark(self, markup: str) -> None:
        if markup:
            self._flush()
            self._put(markup)

    def _put(self, markup: str) -> None:
        """Write something of ours; two pieces of code must not touch."""
        touches = markup[0] == "`" and self._written and self._written[-1].endswith("`")
        self._written.append(f"{JOINER}{markup}" if touches else markup)
        self._fresh = False

    def _flush(self) -> None:
        """Write the run of text so far: its URLs, and what is between them."""
        run, self._run = clean(self._run), ""  # once more: entities are decoded now
        end = 0
        for found in self._dialect.urls(run):
            url = trimmed(found[0])
            if found.start() < end or not url:
                continue
            self._text(run[end : found.start()])
            self._put(self._address(url))
            end = found.start() + len(url)
        self._text(run[end:])

    def _text(self, text: str) -> None:
        if text:
            self._written.append(self._dialect.literal(text, fresh=self._fresh))
            self._fresh = text.endswith("\n")

    def _address(self, url: str) -> str:
        allowed = self._known.links.allows(url)
        return _Address(self._dialect.address(url)) if allowed else self._dialect.code(inert(url))

    def _link(self, tokens: Sequence[Token], at: int) -> int:
        """Write the link that begins at *at*; return where it is over."""
        depth, end = 1, at
        while depth:
            end += 1
            depth += (tokens[end].type == "link_open") - (tokens[end].type == "link_close")
        inner = tokens[at + 1 : end]
        self._point(_said(inner), str(tokens[at].attrs["href"]), inner)
        return end + 1

    def _point(self, label: str, url: str, inner: Sequence[Token]) -> None:
        """Write something that is said to be at *url*."""
        self._flush()
        same = label in {
            url,
            url.removeprefix("mailto:"),
            url.removeprefix("https://"),
            url.removeprefix("http://"),
        }
        if not url or same:
            self._run += label if not url else ""
            self._mark(self._address(url) if url else "")
            return
        links = self._known.links
        within = Line(self._dialect, Known(Links(), self._known.references), strong=self._strong)
        text = (
            within.write(inner, fresh=self._fresh)
            if inner
            else self._dialect.literal(label, fresh=self._fresh)
        )
        if text.strip() and "\n\n" not in text and links.allows(url) and not deceives(label, url):
            self._mark(self._dialect.link(text.strip(), url))
        else:
            self._mark(f"{text} ({self._address(url)})" if text.strip() else self._address(url))

    def _footnote(self, label: str) -> None:
        if said := self._known.notes.get(label):
            self._run += f" ({said})"
        else:
            self._mark(self._dialect.note(label))


def _said(tokens: Sequence[Token], *, addresses: bool = False) -> str:
    """Return the text of *tokens* without markup; with the links' *addresses* behind their labels."""
    parts = []
    target = ""
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif token.type == "note":
            parts.append(f"[^{token.content}]")
        elif token.children:
            parts.append(_said(token.children))
        else:
            parts.append(token.content)
        if token.type == "link_open":
            target = inert(str(token.attrs["href"]))
        elif token.type == "link_close" and addresses and parts[-2:-1] != [target]:
            parts.append(f" ({target})")
    return "".join(parts)


def plain(source: str) -> str:
    """Return *source* as plain text, for notifications and logs: words without marks and addresses."""
    return "\n".join(_plain(tree(clean(source), Known())))


def _plain(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        token: Any = node.token
        if token.type == "inline":
            yield _said(token.children or [])
        elif token.content:
            yield token.content.rstrip("\n")
        elif token.type == "tr_open":
            yield " | ".join(_said(cell.children[0].token.children or []) for cell in node.children)
        else:
            yield from _plain(node.children)
