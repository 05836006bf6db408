"""What stands in a line, on its way from the parser's tree to a dialect's text.  Pure.

Text between two marks is one run: only so a URL or a mention is seen whole, however it was put together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import comrak
from comrak import AstNode

from bot.text import grammar
from bot.text.dialect import Dialect, flanking, raised
from bot.text.safe import JOINER, Links, addressed, clean, deceives, inert, trimmed
from bot.text.tree import Tree, kind, value_of, words

#: Nobody sees it; put inside of marks it lets emphasis begin or end next to punctuation.
THIN = "\u200b"
#: How deep marks may be nested; deeper ones are left away.
DEEPEST_MARKS = 100
#: Pieces of lines that are remembered as they were written.
REMEMBERED = 1_024
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_MARKS = {comrak.Emph: "*", comrak.Strong: "**", comrak.Strikethrough: "~~"}


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
    memo: dict[tuple[Any, ...], Any] = field(default_factory=dict)


def plain(dialect: Dialect, text: str) -> str:
    """Return *text*, which may have several lines, without any markup of its own."""
    return Line(dialect, grammar.parse(""), Known()).literally(clean(text))


def line(dialect: Dialect, text: str) -> str:
    """Return *text*, which holds no markup, on one line: a name, a tool's title, a note."""
    return plain(dialect, " ".join(clean(text).split()))


def ended(dialect: Dialect, text: str, mark: str) -> bool:
    """Tell whether *mark* before *text* would end in the middle of it: Discord ends marks in code, too."""
    return not dialect.flanking and mark in _ESCAPE.sub(" ", text)


# A line that grows is written again with each frame.
_literal = lru_cache(REMEMBERED)(lambda dialect, text, fresh: dialect.literal(text, fresh=fresh))
_code = lru_cache(REMEMBERED)(lambda dialect, text: dialect.code(text))


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
        # From the outside in: what is put beside a mark is what the next one stands beside.
        marks = [each for each in enumerate(written) if type(each[1]) is not str]
        begin = [each for each in marks if not isinstance(each[1], _Closing)]
        end = [each for each in marks if isinstance(each[1], _Closing)]
        beside = self._dialect.flanking  # whether it counts what is outside
        for number, piece in (*begin, *reversed(end)):
            before = written[number - 1][-1] if number else ""
            after = written[number + 1][0] if number + 1 < len(written) else ""
            if isinstance(piece, _Address) and after and not after.isspace():
                written[number] = f"<{piece}>"  # else what follows would be taken for a part of it
            elif isinstance(piece, _Opening) and not flanking(before * beside, after):
                written[number] = f"{piece}{THIN}"
            elif isinstance(piece, _Closing) and not flanking(after * beside, before):
                written[number] = f"{THIN}{piece}"
        return "".join(written)

    def _each(self, nodes: Sequence[AstNode]) -> None:
        for node in nodes:
            _INLINES[kind(node)](self, node)

    def _text(self, node: AstNode) -> None:
        # What an entity has made must not begin a line, which could begin a block.
        self._run += words(value_of(node)).replace("\n", " ")

    def _break(self, node: AstNode) -> None:
        """Break the line.

        Two breaks in a row are a blank line, which would end all marks: only those of HTML make one.
        """
        if not self._run.endswith("\n") or (kind(node) is comrak.HtmlInline and not self._within):
            self._run += "\n"

    def _code(self, node: AstNode) -> None:
        self._put(_code(self._dialect, words(value_of(node).literal)))

    def _math(self, node: AstNode) -> None:
        value: comrak.NodeMath = value_of(node)
        literal = words(value.literal)
        if not grammar.formula(node):  # escaped brackets
            begin, end = "[]" if value.display_math else "()"
            self._run += begin + _ESCAPE.sub(r"\1", literal) + end
            return
        self._put(self._dialect.code(literal.strip()))

    def _html(self, node: AstNode) -> None:
        if _BREAK.fullmatch(text := words(value_of(node))):
            self._break(node)
        else:
            self._run += text

    def _inner(self, node: AstNode) -> None:
        self._each(node.children)

    def _emphasis(self, node: AstNode) -> None:
        """Write emphasis; within its own kind, and bold within a heading, it is no more than that."""
        made = kind(node)
        marked = made not in self._within and len(self._within) < DEEPEST_MARKS
        if not marked or (made is comrak.Strong and not self._strong):
            self._each(node.children)
            return
        self._put(_Opening(_MARKS[made]))
        self._within.append(made)
        before = len(self._written)
        self._each(node.children)
        self._flush()
        self._within.pop()
        inner = self._written[before:]
        code = (piece for piece in inner if type(piece) is str)
        if not "".join(inner).strip() or ended(self._dialect, "".join(code), _MARKS[made]):
            self._written[before - 1] = ""
        else:
            self._put(_Closing(_MARKS[made]))

    def _put(self, markup: str) -> None:
        """Write something of ours; two pieces of code must not touch, nor an end of emphasis a beginning."""
        if not markup:
            return
        self._flush()
        before = next((piece for piece in reversed(self._written) if piece), "")
        touches = before.endswith(markup[0]) and (
            markup[0] == "`" or (isinstance(before, _Closing) and not isinstance(markup, _Closing))
        )
        if touches:
            self._written.append(JOINER)
        self._written.append(markup)
        self._fresh = self._fresh and isinstance(markup, _Opening)  # Discord has headings within marks too

    def _flush(self) -> None:
        """Write the run of text so far: its URLs, and what is between them."""
        if not self._run:
            return
        run, self._run, end = self._run, "", 0
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
            self._written.append(_literal(self._dialect, text, self._fresh))
            self._fresh = text.endswith("\n")

    def _address(self, url: str) -> str:
        allowed = self._known.links.allows(url)
        return _Address(self._dialect.address(url)) if allowed else self._dialect.code(inert(url))

    def _link(self, node: AstNode) -> None:
        self._point(node.children, value_of(node).url)

    def _image(self, node: AstNode) -> None:
        self._point(node.children, value_of(node).url, "image")

    def _point(self, inner: Sequence[AstNode], url: str, otherwise: str = "") -> None:
        """Write *inner*, *otherwise* where that says nothing, which is said to be at *url*."""
        inner, url = inner if said(inner, addresses=True).strip() else (), words(url)
        label = said(inner) if inner else otherwise
        if not inert(url) or url == f"mailto:{label}":
            self._each(inner)
            self._run += "" if inner else label
            return
        self._flush()
        if label in {url, url.removeprefix("https://"), url.removeprefix("http://")}:
            self._put(self._address(url))
            return
        within = Line(self._dialect, self._tree, Known(Links()), strong=self._strong)
        within._within, within._fresh = [*self._within], self._fresh
        text = within.write(inner) if inner else self._dialect.literal(label, fresh=self._fresh)
        deceptive = deceives(label, url) or deceives(text, url)
        if label.strip() and "\n\n" not in text and self._known.links.allows(url) and not deceptive:
            self._put(self._dialect.link(text.strip(), url))
        else:
            for part in [f"{text} (", self._address(url), ")"] if inner or label else [self._address(url)]:
                self._put(part)

    def _footnote(self, node: AstNode) -> None:
        self._put(self._dialect.note(value_of(node).name))


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
            case comrak.Code():
                parts.append(value.literal)
            case comrak.Math():
                parts.append(" ".join(value.literal.split()))
            case comrak.HtmlInline():
                parts.append("\n" if _BREAK.fullmatch(value) else value)
            case comrak.FootnoteReference():
                parts.append(raised(value.name))
            case comrak.Link() | comrak.Image():
                label, target = said(node.children), inert(value.url)
                same = not target or target.removeprefix("mailto:") == label
                pointing = f"{label} ({target})" if label.strip() else target
                parts.append(pointing if addresses and not same else label)
            case _:
                parts.append(said(node.children, addresses=addresses))
    return words("".join(parts))
