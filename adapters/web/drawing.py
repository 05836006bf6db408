"""What a page is shown as: blocks of safe HTML, of which those that are settled are never made again.

comrak, which the core reads markdown with too, makes the HTML and escapes what is HTML in the text; nh3 then
lets through only the elements and attributes that are named here; the page's content security policy runs no
script but its own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import comrak
import nh3
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from bot.text.dialect import Dialect
from bot.text.safe import JOINER

_EXTENSIONS = comrak.ExtensionOptions(table=True, strikethrough=True, tasklist=True)
_PARSE = comrak.ParseOptions()
_RENDER = comrak.RenderOptions(escape=True)
_TAGS = {
    *(
        "p",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
    ),
    *("strong", "del", "a", "table", "thead", "tbody", "tr", "th", "td", "input", "sup", "span"),
}
_ATTRIBUTES = {
    "a": {"href"},
    "code": {"class"},
    "span": {"class"},
    "ol": {"start"},
    "input": {"type", "checked", "disabled"},
    "th": {"align"},
    "td": {"align"},
}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)
#: HTML of such elements without an attribute, in which there is nothing to clean; most that grows is so.
_PLAIN = re.compile(
    r"(?:[^<]++|<br />"
    r"|</?(?:p|em|strong|del|code|pre|ul|ol|li|blockquote|h[1-6]|table|thead|tbody|tr|th|td)>)*+"
)
#: A block of code that begins a text: its fence, its language, and all to its end or the text's.
_FENCE = re.compile(r"(`{3,}|~{3,})([^\n`]*)\n")
_CODE = re.compile(r'<pre><code class="language-([^"]*)">(.*?)</code></pre>', re.DOTALL)
#: Characters of code that are coloured; more would take a second.
COLOURED = 24_000
_COLOURS = HtmlFormatter(nowrap=True, classprefix="t-")
_SPECIAL = re.compile(r"[<&]")
_OURS = re.compile(r"\\([<&])")


class WebDialect(Dialect):
    """CommonMark, where what looks like HTML is text."""

    def entities(self, text: str) -> str:
        """See `Dialect.entities`."""
        return _SPECIAL.sub(r"\\\g<0>", text)


DIALECT = WebDialect()


def said(text: str) -> str:
    """Return what a message of ours says, as the model reads it."""
    return _OURS.sub(r"\1", text.replace(JOINER, ""))


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a message.

    Attributes:
        html: What it is shown as; "" for code that grows.
        code: Code that grows, and is only added to.
        language: What it is written in.
        source: The markdown that it was made of, while more is to come.
    """

    html: str = ""
    code: str = ""
    language: str = ""
    source: str = field(default="", compare=False)


class Drawing:
    """One message's text as blocks, while it grows.

    Attributes:
        blocks: All of them.
        settled: How many of them will stay as they are.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._text = ""  # what the settled blocks were made of
        self.settled = 0

    def show(self, text: str, *, live: bool) -> None:
        """Show *text*, of which more is to come if it is *live*."""
        if not text.startswith(self._text):
            self._text, self.settled = "", 0
        rest = text[len(self._text) :]
        parts = list(_parts(rest))
        fresh = [self._block(part, growing=live and part is parts[-1]) for part in parts]
        self.blocks[self.settled :] = fresh
        if len(parts) > 1:
            self.settled += len(parts) - 1
            self._text = text[: len(text) - len(parts[-1])]
        if not live:  # what it was made of is not wanted any more
            self._text, self.settled = "", 0
            self.blocks = [Block(block.html) for block in self.blocks]

    def _block(self, source: str, *, growing: bool) -> Block:
        """Return the block of *source*: the one that there is, if it was made of the same."""
        if fence := _FENCE.match(source):
            code = _inside(source, fence)
            language = fence[2].strip().split(" ")[0][:40]
            if code is not None and growing:
                return Block(code=code, language=language, source=source)
        for known in self.blocks[self.settled :]:
            if known.html and known.source == source:
                return known
        return Block(html=drawn(source), source=source)


def drawn(source: str) -> str:
    """Return *source*, markdown, as safe HTML."""
    made = comrak.markdown_to_html(source, _EXTENSIONS, _PARSE, _RENDER)
    return made if _PLAIN.fullmatch(made) else _CLEANER.clean(made)


def coloured(made: str) -> str:
    """Return *made*, HTML of `drawn`, with its code in colours; takes long, so not in the event loop."""
    return _CODE.sub(lambda found: _coloured(found[0], found[1], found[2]), made)


def _coloured(whole: str, language: str, code: str) -> str:
    text = html.unescape(code)
    if len(text) > COLOURED:
        return whole
    try:
        lexer = get_lexer_by_name(html.unescape(language).lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return whole
    return f'<pre><code class="language-{language}">{highlight(text, lexer, _COLOURS)}</code></pre>'


def _inside(source: str, fence: re.Match[str]) -> str | None:
    """Return the code in *source*, which *fence* begins; None if anything comes behind it."""
    mark = fence[1]
    end = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$", re.MULTILINE)
    if closing := end.search(source, fence.end()):
        return source[fence.end() : closing.start()] if not source[closing.end() :].strip() else None
    return source[fence.end() :]


def _parts(text: str) -> Iterator[str]:
    """Iterate over the sources of the blocks of *text*, which together are all of it."""
    if not text:
        return
    fence = _FENCE.match(text)
    if "\n\n" not in text.rstrip("\n") or (fence and _inside(text, fence) is not None):
        yield text
        return
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    starts = [node.sourcepos.start.line - 1 for node in comrak.parse_document(text, _EXTENSIONS).children]
    starts = sorted({0, *starts[1:]})
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield "".join(lines[start:end])
