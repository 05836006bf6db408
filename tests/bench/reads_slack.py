"""What people see of a markdown block on Slack.  Pure.

CommonMark with tables and strikethrough, HTML shown as it is written [docs markdown-block].  What others have
measured live (PostHog#95054): `&lt;` `&gt;` `&amp;` are characters in text, and no entity is decoded in the
address of a link.  That code is taken as it is, nobody measured; three hints say so (slack-markdown-parser
2.5.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from markdown_it import MarkdownIt, helpers
from markdown_it.token import Token

from tests.bench.facts import EM, GONE, HEADING, QUOTE, STRONG, Facts, Telling


def _as_written(source: str, begin: int, end: int) -> Any:
    """Return the address of a link as it is written."""
    found = helpers.parseLinkDestination(source, begin, end)
    if found.ok:
        found.str = source[begin : found.pos].removeprefix("<").removesuffix(">")
    return found


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "maxNesting": 200}).enable(["table", "strikethrough"])
# What a browser does with an address is not our guess: none is refused, none rewritten.
_MARKDOWN.validateLink = bool  # type: ignore[assignment,method-assign]
_MARKDOWN.normalizeLink = str  # type: ignore[assignment,method-assign]
_MARKDOWN.helpers = SimpleNamespace(  # type: ignore[assignment]
    parseLinkDestination=_as_written,
    parseLinkLabel=helpers.parseLinkLabel,
    parseLinkTitle=helpers.parseLinkTitle,
)
_MARKS = {"em": EM, "strong": STRONG, "s": GONE}


@lru_cache(maxsize=8)
def tokens(page: str) -> tuple[list[Token], bool]:
    """Return what *page* is made of, and whether it defines the address of a link."""
    env: dict[str, Any] = {}
    return _MARKDOWN.parse(page, env), bool(env.get("references"))


def seen(page: str) -> Facts:
    """Return what *page* says."""
    reading = _Reading()
    for token in tokens(page)[0]:
        reading.take(token)
    return reading.telling.facts()


class _Reading:
    """Tokens being read."""

    def __init__(self) -> None:
        self.telling = Telling()
        self._quotes = self._level = 0
        self._numbers: list[int | None] = []

    @property
    def _marks(self) -> int:
        return (QUOTE if self._quotes else 0) + HEADING * self._level

    def take(self, token: Token) -> None:
        """Read one token."""
        match token.type:
            case "inline":
                self._inline(token.children or [])
            case "fence" | "code_block":
                self.telling.block(token.content, self._marks)
            case "blockquote_open" | "blockquote_close":
                self._quotes += token.nesting
            case "heading_open" | "heading_close":
                self._level = int(token.tag[1]) if token.nesting > 0 else 0
            case "ordered_list_open" | "bullet_list_open":
                ordered = token.type == "ordered_list_open"
                self._numbers.append(int(token.attrs.get("start", 1)) if ordered else None)
            case "ordered_list_close" | "bullet_list_close":
                self._numbers.pop()
            case "list_item_open":
                number = self._numbers[-1]
                self.telling.item(number)
                self._numbers[-1] = None if number is None else number + 1
        self.telling.say("\n")

    def _inline(self, tokens: Sequence[Token]) -> None:
        within = {"em": 0, "strong": 0, "s": 0}
        targets: list[str] = []
        telling, plain = self.telling, self._marks
        for token in tokens:
            kind = token.type.removesuffix("_open").removesuffix("_close")
            if kind in within:
                within[kind] += token.nesting
            marks = plain | sum(_MARKS[each] for each, depth in within.items() if depth)
            match token.type:
                case "code_inline":
                    telling.span(token.content, marks)
                case "softbreak" | "hardbreak":
                    telling.say("\n")
                case "link_open":
                    targets.append("" if token.info == "auto" else str(token.attrs["href"]))
                case "link_close" if target := targets.pop():
                    telling.say(f" ({target})")
                    telling.link(target)
                case _:
                    telling.say(token.content, marks)
