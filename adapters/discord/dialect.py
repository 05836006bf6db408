"""What Discord's clients show: a markdown of their own, without tables, images and rules.  Pure.

What is written around here is how its parser (simple-markdown, with rules of Discord's own) differs from
CommonMark: one kind of fence with no end inside, no quote in a quote, bold and underline apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple
from unicodedata import bidirectional

from wcwidth import wcswidth

from bot.text.dialect import Dialect, Rows, told
from bot.text.safe import JOINER

#: The widest table that is drawn as one, in columns of a fixed font: what a desktop window holds.  A wider
#: one is told row by row.
WIDEST = 76
#: Discord makes a link of an invitation without a scheme too.
_INVITE = re.compile(
    r"(?:[a-z0-9+.\-_]{1,32}://|[\w.+\-]{0,32}mailto:|www\.)[^\s<>`]*"
    r"|(?:discord(?:app)?\.(?:gg|com/invite)|dsc\.gg)[/\\][^\s<>`]+",
    re.IGNORECASE,
)
#: What Discord takes for a language behind a fence, and what it calls those that are none.
_LANGUAGE, _LANGUAGES = re.compile(r"[a-zA-Z0-9_+.\-]*"), {"c#": "cs", "f#": "fs"}
#: Where Discord takes a space off code: before its first backtick, behind its last.
_TICKED = re.compile("^ *`"), re.compile("` *$")


class DiscordDialect(Dialect):
    """Discord's markdown."""

    flanking = lists = False
    bar = "┃ "
    lowest = 1

    marks = re.compile(
        r"[*`_]|<(?=[^: >]{0,30}(?:\Z|:/))|\A~|~(?=~|\Z)|(?<=~)~|\|(?=\|)|(?<=\|)\||\[|\](?=\()"
        r"|\\(?![A-Za-z0-9 \t])|\\\Z"
    )

    def code(self, text: str) -> str:
        """See `Dialect.code`; Discord knows one and two backticks around it, and `_TICKED` spaces."""
        text = text.replace("\n", " ")
        if "``" in text:
            text = re.sub("`(?=`)", f"`{JOINER}", text)
        marks = "``" if "`" in text else "`"
        left, right = (" " if _TICKED[side].search(text) else "" for side in (0, 1))
        return f"{marks}{left}{text}{right}{marks}" if text else ""

    def fence(self, text: str, marker: str, language: str) -> str:
        """See `Dialect.fence`; the first ``` ends it, and it must not be empty."""
        language = _LANGUAGES.get(language.lower(), language)
        language = language if _LANGUAGE.fullmatch(language) else ""  # it would be shown
        body = re.sub("`(?=``)", f"`{JOINER}", text) if text.strip() else " \n"
        end = "" if body.endswith("\n") else "\n"
        return f"```{language}\n{body}{end}```"

    def heading(self, text: str, level: int) -> str:
        """See `Dialect.heading`."""
        if not text.strip():
            return ""
        return super().heading(text, level) if level <= 3 else f"**{text}**"

    def rule(self) -> str:
        """See `Dialect.rule`."""
        return "─" * 24

    def quote(self, text: str) -> str:
        """See `Dialect.quote`; a blank line in it needs the space."""
        return "\n".join(f"> {line}" for line in text.split("\n"))

    def marker(self, markup: str, number: int | None) -> str:
        """See `Dialect.marker`."""
        return "- " if number is None else f"{number}. "

    def task(self, *, done: bool) -> str:
        """See `Dialect.task`."""
        return "☑" if done else "☐"

    def urls(self, text: str) -> Iterator[re.Match[str]]:
        """See `Dialect.urls`."""
        return _INVITE.finditer(text)

    def table(self, cells: Rows, words: Rows, aligned: Sequence[str]) -> str:
        """See `Dialect.table`: columns in a block of code, aligned by what the characters are wide."""
        rows = words()
        widths = tuple(map(max, zip(*(_laid(row).widths for row in rows), strict=True)))
        if sum(widths) + 3 * (len(widths) - 1) > WIDEST:
            return told(cells())
        head, *body = [_lines(row, widths, tuple(aligned)) for row in rows]
        ruler = "─┼─".join("─" * width for width in widths)
        return self.fence("\n".join([head, ruler, *body, ""]), "```", "")


class _Laid(NamedTuple):
    """The cells of a row, each in lines, and how wide each is."""

    lines: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


@lru_cache(maxsize=4096)  # a table that grows is drawn again with each row
def _laid(cells: tuple[str, ...]) -> _Laid:
    """Return the lines of *cells*, and how many columns each cell takes."""
    lines = tuple(tuple(map(_isolated, cell.split("\n"))) for cell in cells)
    return _Laid(lines, tuple(max(1, *map(_width, cell)) for cell in lines))


@lru_cache(maxsize=4096)
def _lines(cells: tuple[str, ...], widths: tuple[int, ...], aligned: tuple[str, ...]) -> str:
    """Return the row of *cells* as lines in columns of *widths*."""
    lines = zip_longest(*_laid(cells).lines, fillvalue="")
    return "\n".join(
        " │ ".join(_padded(*each) for each in zip(line, widths, aligned, strict=True)).rstrip()
        for line in lines
    )


def _padded(text: str, width: int, aligned: str) -> str:
    blank = width - _width(text)
    left = {"right": blank, "center": blank // 2}.get(aligned, 0)
    return " " * left + text + " " * (blank - left)


def _width(text: str) -> int:
    """Return how many columns *text* takes."""
    return max(0, wcswidth(text)) if not text.isascii() else len(text)


def _isolated(text: str) -> str:
    """Return *text* so that its direction does not carry over to the next column."""
    if text.isascii():
        return text
    return f"{text}\u200e" if any(bidirectional(each) in {"R", "AL", "AN"} for each in text) else text
