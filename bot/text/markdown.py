"""GitHub-flavoured markdown, parsed.  Pure; the only module that knows how markdown-it is set up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from bot.text.safe import Links, clean, inert

#: Formulas with something in them that markdown would take for its own.
_MATH = re.compile(
    r"\\\((?P<a>.{1,500}?)\\\)|\\\[(?P<b>.{1,1000}?)\\\]|\$\$(?P<c>.{1,1000}?)\$\$"
    r"|\$(?P<d>(?=[^\s$])[^$\n]{0,300}?[\\_^{*][^$\n]{0,300}?(?<=[^\s\\]))\$(?!\d)",
    re.DOTALL,
)
#: How deep blocks may be nested; deeper ones are shown as they are written.
DEEPEST = 60
#: Brackets that are never closed, of which markdown-it looks for the end again and again, are taken as text.
UNCLOSED = 64
#: What a parser is needed for; all else is text.
_MARKED = re.compile(r"[\n\\`~*_\[$]|<[A-Za-z/!?]|&#?\w+;")
_NOTE = re.compile(r"\[\^([^\]\s]{1,40})\]")


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
    made = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable(["table", "strikethrough"])
    # Definitions are taken by `bot.show.pages`, which knows when one was seen; "\*" is to stay what it was.
    made.disable(["reference", "text_join"])
    made.core.ruler.disable(["inline"])  # what is not shown is not parsed, and a cell once: see `inlines`
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
        """What it is, in markdown-it's words; `Writing` has a method of that name."""
        return self.token.type.removesuffix("_open")


@dataclass(frozen=True, slots=True)
class Known:
    """What a block may refer to.

    Attributes:
        links: Which URLs may be links.
        references: Definitions that stood before it, as markdown-it keeps them.
        notes: Footnotes that did.
        number: The number of an item that stands alone, where its list has counted on.
        cells: Cells of tables that were written before, by their source.
    """

    links: Links = field(default_factory=Links)
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    number: int | None = None
    cells: dict[str, str] = field(default_factory=dict)


def inlines(source: str, known: Known) -> list[Token]:
    """Return what *source*, which is one paragraph, is made of."""
    if not _MARKED.search(source):
        return [Token("text", "", 0, content=source)] if source else []
    tokens: list[Token] = []
    PARSER.inline.parse(source, PARSER, {"references": known.references}, tokens)
    return tokens


def tamed(source: str) -> str:
    """Return *source* with its brackets as text, if there are very many that nothing closes."""
    many = source.count("[") - source.count("]") > UNCLOSED
    return re.sub(r"(?<!\\)\[", r"\\[", source) if many else source


def tree(source: str, known: Known) -> list[Node]:
    """Return the blocks of *source*."""
    roots: list[Node] = []
    open_: list[Node] = []
    tokens = PARSER.parse(source, {"references": known.references})
    if max((token.level for token in tokens), default=0) >= DEEPEST - 2:
        return [Node(Token("html_block", "", 0, content=source))]  # the parser has left the rest out
    for token in tokens:
        if token.nesting < 0:
            open_.pop()
            continue
        node = Node(token)
        (open_[-1].children if open_ else roots).append(node)
        if token.nesting > 0:
            open_.append(node)
    return roots


def said(tokens: Sequence[Token], *, addresses: bool = False) -> str:
    """Return the text of *tokens* without markup; with the links' *addresses* behind their labels."""
    parts = []
    target = ""
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif token.type == "note":
            parts.append(f"[^{token.content}]")
        elif token.children:
            parts.append(said(token.children))
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
            yield said(inlines(token.content, Known()))
        elif token.content:
            yield token.content.rstrip("\n")
        elif token.type == "tr_open":
            yield " | ".join(said(inlines(cell.children[0].token.content, Known())) for cell in node.children)
        else:
            yield from _plain(node.children)
