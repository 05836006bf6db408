"""A markdown block as Slack reads it: the one reader for what it shows, whom it calls, and what is in it.

Posted live and read back (PostHog#95054): raw `<!here>`, `<@U1>` and `<https://a.b|label>` are Slack's own
tokens; entities, numeric ones too, come out as characters that are read as nothing else, but for a link's
destination, where they stay as they are written.  The rest is taken to be CommonMark with GFM's tables and
strikethrough and no HTML [docs markdown-block]; its rules for emphasis beside letters that no space parts
were seen (slack-markdown-parser's README).  Inferred: a token is read before all else, but not in code.

Nobody has measured code, so there are two ways to read it.  "literal" is CommonMark's: nothing in it is an
entity or a token.  "decoded" finds both in it, as in Slack's mrkdwn.  Pure: no clock, no state, no network.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml, unescapeAll
from markdown_it.token import Token

#: How entities and tokens in code are read.
Code = Literal["literal", "decoded"]

#: Whom or what Slack calls, by name or by a token of the kind.
MENTION = re.compile(r"<(?:![^<>\n]+|@[UWB][A-Z0-9]+[^<>\n]*|#[CGD][A-Z0-9]+[^<>\n]*)>")
#: A link as Slack stores it: <https://a.com>, <https://a.com|label>, <mailto:a@b.c|label>.
LINK = re.compile(r"<((?i:https?://|mailto:|tel:|www\.)[^<>|\n]+)(?:\|([^<>\n]*))?>")
#: The type of Slack's tokens among markdown-it's.
SLACK = "slack"

#: What is taken out for CommonMark to read the rest; links without a label it knows itself.
_SPECIAL = re.compile(
    r"\\\\|\\?&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});|⸢"
    rf"|{MENTION.pattern}|<(?i:https?://|mailto:|tel:|www\.)[^<>|\n]+\|[^<>\n]*>"
)
#: What stands there instead: as in an entity or a token, there is punctuation at both ends.
_MARK = re.compile("⸢([0-9]+)⸣")
#: Drawn as nothing: the zero-width space and the word joiner.
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u2060"))

_CODE = frozenset({"code_inline", "code_block", "fence"})
_DESTINATIONS = ("href", "src")
#: What Slack makes a block of its own; how it cuts the rest is in `items`.
_ALONE = frozenset({"heading_open", "hr", "table_open"})

_COMMONMARK = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
# What a browser does with an address is not our guess: none is refused, none rewritten.
_COMMONMARK.validateLink = bool  # type: ignore[assignment,method-assign]
_COMMONMARK.normalizeLink = str  # type: ignore[assignment,method-assign]


@dataclass(frozen=True)
class Reading:
    """What Slack finds in a markdown block.

    Attributes:
        tokens: markdown-it's; what is in them is as it is shown, a destination as it is followed.  Slack's
            own tokens are of the type `SLACK`, their content as it is written.
        live: Slack's own tokens, as they are written, wherever they stand but in code that is literal.
    """

    tokens: Sequence[Token]
    live: Sequence[str]


@dataclass(frozen=True)
class Table:
    """The size of a table; its characters are those of its cells, as they are written."""

    rows: int
    columns: int
    characters: int


@dataclass(frozen=True)
class _Special:
    """An entity (maybe with a backslash before it) or a token of Slack's.

    Attributes:
        source: As it is written, all of it or, where code may begin inside, its first character.
        token: Slack's token that begins here.
    """

    source: str
    token: str = ""

    @property
    def text(self) -> str:
        """Return what is shown of it in text."""
        return self.source if self.token else unescapeAll(self.source)

    @property
    def escaped(self) -> bool:
        """Tell whether a backslash makes text of it, unless it is in code."""
        return self.source[0] == "\\"

    def in_code(self, code: Code) -> str:
        """Return what is shown of it in code."""
        return self.source if self.token or code == "literal" else entities(self.source)


class _Marked:
    """A source with marks for what is special in it.

    Args:
        source: The markdown.
        apart: Whether equal entities get marks of their own; by equal ones labels of links still match.
    """

    def __init__(self, source: str, *, apart: bool) -> None:
        self.specials: list[_Special] = []
        self._numbers: dict[_Special, int] = {}
        self._apart = apart
        self.text = _SPECIAL.sub(self._mark, source)

    def _mark(self, found: re.Match[str]) -> str:
        whole = found[0]
        if whole == r"\\":
            return whole
        # Code that begins before a token and ends in it is code: CommonMark must see those backticks.
        cut = 1 if "`" in whole else len(whole)
        special = _Special(whole[:cut], whole if whole[0] == "<" else "")
        if self._apart or special.token or special not in self._numbers:
            self._numbers[special] = len(self.specials)
            self.specials.append(special)
        return f"⸢{self._numbers[special]}⸣{whole[cut:]}"

    def within(self, text: str) -> set[int]:
        """Return the numbers of the marks in *text*."""
        return {int(number) for number in _MARK.findall(text)}

    def source(self, text: str) -> str:
        """Return *text* as it was written."""
        return _MARK.sub(lambda found: self.specials[int(found[1])].source, text)

    def shown(self, text: str) -> str:
        """Return *text* as it is shown, tokens as they are written."""
        return _MARK.sub(lambda found: self.specials[int(found[1])].text, text)

    def code(self, text: str, code: Code) -> str:
        """Return *text* as it is shown in code."""
        return _MARK.sub(lambda found: self.specials[int(found[1])].in_code(code), text)


@functools.lru_cache(maxsize=64)
def read(source: str, code: Code = "literal") -> Reading:
    """Return what Slack finds in the markdown block of *source*; the tokens are not to be changed."""
    marked = _Marked(source, apart=False)
    tokens = _COMMONMARK.parse(marked.text)
    literal: set[int] = set()
    links: list[str] = []
    for token in _all(tokens):
        if token.type in _CODE:
            inside = f"{token.info}\n{token.content}"
            if code == "literal":
                literal |= marked.within(inside)
            else:
                links += [found[0] for found in LINK.finditer(inside)]
        _resolve(token, marked, code)
    live = [each.token for number, each in enumerate(marked.specials) if each.token and number not in literal]
    return Reading(tokens, [*live, *links])


def _all(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the *tokens*, each after its children."""
    for token in tokens:
        yield from _all(token.children or [])
        yield token


def _resolve(token: Token, marked: _Marked, code: Code) -> None:
    """Put into *token* what its marks stand for."""
    token.attrs = {
        name: (marked.source if name in _DESTINATIONS else marked.shown)(str(value))
        for name, value in token.attrs.items()
    }
    token.children = token.children and [part for each in token.children for part in _parts(each, marked)]
    if token.type in _CODE:
        token.content, token.info = (marked.code(each, code) for each in (token.content, token.info))
    elif token.type != "text":
        token.content = marked.source(token.content)


def _parts(token: Token, marked: _Marked) -> Iterator[Token]:
    """Yield *token*; instead of a text yield its parts: text, and Slack's tokens."""
    if token.type != "text":
        yield token
        return
    end = 0
    for found in _MARK.finditer(token.content):
        special = marked.specials[int(found[1])]
        if special.token == special.source:
            yield _like(token, "text", marked.shown(token.content[end : found.start()]))
            yield _like(token, SLACK, special.token)
            end = found.end()
    yield _like(token, "text", marked.shown(token.content[end:]))


def _like(token: Token, kind: str, content: str) -> Token:
    return Token(kind, "", 0, content=content, level=token.level)


def decoded(source: str, code: Code = "literal") -> str:
    """Return the markdown *source* with characters for the entities that Slack shows as such.

    What it draws as nothing is left out; markup, and entities in destinations, stay.
    """
    if "&" in source:
        marked = _Marked(source, apart=True)
        env: dict[str, dict[str, dict[str, str]]] = {}
        tokens = list(_all(_COMMONMARK.parse(marked.text, env)))
        addresses = [str(token.attrs.get(name, "")) for token in tokens for name in _DESTINATIONS]
        addresses += [each["href"] for each in env.get("references", {}).values()]
        inside = marked.within("".join(token.content + token.info for token in tokens if token.type in _CODE))
        kept = marked.within("".join(addresses))

        def write(found: re.Match[str]) -> str:
            number = int(found[1])
            special = marked.specials[number]
            if number in inside:
                return special.in_code(code)
            return special.source if special.escaped or number in kept else special.text

        source = _MARK.sub(write, marked.text)
    return source.translate(INVISIBLE)


def entities(text: str) -> str:
    """Return *text* with the three entities decoded that Slack's mrkdwn knows."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def html(source: str, code: Code = "literal") -> str:
    """Return the markdown block of *source*, as it is drawn, as HTML."""
    tokens = read(source, code).tokens
    return str(_COMMONMARK.renderer.render(tokens, _COMMONMARK.options, {})).translate(INVISIBLE)


def shown(token: str) -> str:
    """Return what is read of one of Slack's own tokens: a name with its sign, or a link's label."""
    name, _, label = token[1:-1].partition("|")
    match name[0]:
        case "@" | "#" as sign:
            return sign + (label or name[1:])
        case "!":
            return label or f"@{name[1:]}"
        case _:
            return label or name


def _draw(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _env: object) -> str:
    token = tokens[at].content
    address = LINK.fullmatch(token)
    name = escapeHtml(unescapeAll(shown(token)))
    return f'<a href="{escapeHtml(address[1])}">{name}</a>' if address else f"<b>{name}</b>"


_COMMONMARK.add_render_rule(SLACK, _draw)


def items(source: str) -> int:
    """Return how many of a message's blocks Slack makes of a markdown block.

    Measured (slack-markdown-parser, metabase#79908): each heading, each thematic break and each table is one,
    and each run of other text between them.  Inferred: those in a list or a quote belong to its run.
    """
    count, run = 0, False
    for token in read(source, "literal").tokens:
        if not token.level and token.nesting >= 0:
            alone = token.type in _ALONE
            count += alone or not run
            run = not alone
    return max(1, count)


def tables(source: str) -> list[Table]:
    """Return the sizes of all tables in a markdown block, the head being a row."""
    found, rows = [], list[list[int]]()
    for token in read(source, "literal").tokens:
        match token.type:
            case "table_open":
                rows = []
            case "tr_open":
                rows.append([])
            case "th_open" | "td_open":
                rows[-1].append(0)
            case "inline" if rows and not rows[-1][-1]:
                rows[-1][-1] = len(token.content)
            case "table_close":
                found.append(Table(len(rows), len(rows[0]), sum(map(sum, rows))))
                rows = []
    return found
