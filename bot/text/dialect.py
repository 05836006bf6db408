"""How a platform's markdown is written: plain CommonMark, which adapters override in part.  Pure.

Rule 1: text is never lost; what a platform cannot draw is written so that people can read it.
Rule 2: only a dialect writes markup.  What the model wrote as text comes out as text, through
`bot.text.safe`, and what has an end (code, emphasis, a link) is always closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from unicodedata import category

from bot.text.safe import JOINER, URL, disarm

#: What makes a line a heading, a quote, a list or small print.
_START = re.compile(
    r"^([ \t]*)(?=#{1,6}(?=\s|$)|-#(?=\s)|>|[-+*](?=\s|$)|=(?==*\s*$)|[-:|](?=[-:| \t]*$)|~(?=~~))"
)
_ORDINAL = re.compile(r"^([ \t]*\d{1,9})([.)])(?=\s|$)")
_SCHEME = re.compile(r"\Ahttps?:", re.IGNORECASE)
#: What such lines begin with.
_BEGINS = frozenset("#>-+*=|:~")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: A fence that is longer than this is written no longer than it need be.
LONGEST_MARKER = 8


def _begun(line: str) -> str:
    """Return *line* so that it begins no block."""
    bare = line.lstrip(" \t")
    if line[:4].expandtabs(4).startswith("    "):
        return JOINER + line  # else it would be code
    first = bare[:1]
    if first not in _BEGINS and not first.isdecimal():
        return line
    return _ORDINAL.sub(r"\1\\\2", _START.sub(r"\1\\", line))


#: Asks for the rows of a table, of which the first is the head: their cells, on one line or several each.
Rows = Callable[[], Sequence[tuple[str, ...]]]


class Dialect:
    """CommonMark with tables and strikethrough, written so that nothing pings and no stranger is linked."""

    #: Characters that could be taken for emphasis or code; an underscore within a word is none.
    marks = re.compile(
        r"[*`]|(?<![^\W_])_|_(?![^\W_])|\A~|~(?=~|\Z)|(?<=~)~|\](?=[(\[:])|\\(?![A-Za-z0-9 \t])|\\\Z"
    )
    #: Whether a mark with punctuation inside needs a space or punctuation outside (CommonMark 6.2).
    flanking = True
    #: Whether lists are CommonMark's.  Else a blank line ends one, bullets and numbers side by side are one
    #: list, and headings are none in it.
    lists = True
    #: What lines of text begin with in a quote within a quote, where a platform has none; "" where it does.
    bar = ""
    #: What the platform shows a list at least from.
    lowest = 0
    #: Columns of a table; one with more is told row by row.  0: any number.
    columns = 0

    def literal(self, text: str, *, fresh: bool = True) -> str:
        """Return *text* so that all its characters are shown; *fresh* where it begins a line."""
        text = self.marks.sub(r"\\\g<0>", text)
        if fresh or "\n" in text:
            first, *others = text.split("\n")
            text = "\n".join([_begun(first) if fresh else first, *map(_begun, others)])
        return self.entities(disarm(text))

    def entities(self, text: str) -> str:
        """Return *text*, in which nothing pings, with the platform's own escapes."""
        return text

    def code(self, text: str) -> str:
        """Return *text* as inline code, on one line: another could begin a block, and end it."""
        text = text.replace("\n", " ")
        marks = "`" * (_longest("`", text) + 1)
        ends = text[:1] + text[-1:]
        pad = " " if "`" in ends or (text.strip() and ends == "  ") else ""
        return f"{marks}{pad}{self.coded(text)}{pad}{marks}" if text else ""

    def coded(self, text: str) -> str:
        """Return *text*, which is code, with the platform's own escapes."""
        return text

    def fence(self, text: str, marker: str, language: str) -> str:
        """Return *text*, whole lines, as a block of code in *language* that was begun with *marker*."""
        longest = _longest(marker[0], text)
        usual = len(marker) if len(marker) <= LONGEST_MARKER else 3
        marker = marker[0] * max(usual, longest + 1 if longest >= usual else 3)
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{marker}{language}\n{self.coded(text)}{end}{marker}"

    def heading(self, text: str, level: int) -> str:
        """Return the line *text* as a heading."""
        end = JOINER if text.rstrip().endswith("#") else ""  # else it would count as the heading's end
        begin = JOINER if text.startswith("#") else ""
        return f"{'#' * level} {begin}{text}{end}".rstrip()

    def rule(self) -> str:
        """Return a horizontal rule."""
        return "---"

    def quote(self, text: str) -> str:
        """Return *text* as a quote."""
        return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))

    def marker(self, markup: str, number: int | None) -> str:
        """Return what an item begins with; *markup* is the model's bullet or what follows its number."""
        return f"{markup} " if number is None else f"{number}{markup} "

    def task(self, *, done: bool) -> str:
        """Return the box of a task."""
        return "[x]" if done else "[ ]"

    def note(self, label: str) -> str:
        """Return the mark of the footnote *label*: numbers are raised."""
        mark = raised(label)
        return f"\\[{self.literal(mark[1:-1], fresh=False)}\\]" if mark[0] == "[" else mark

    def link(self, label: str, url: str) -> str:
        """Return *label*, which is written already, as a link to *url*, which may be one."""
        return f"[{label}]({self.address(url)})"

    def address(self, url: str) -> str:
        """Return *url*, which may be a link, as the end of one or as it stands in text."""
        url = _SCHEME.sub(lambda found: found[0].lower(), url)  # Discord knows no others
        return re.sub(r"[()<>\s]", lambda found: f"%{ord(found[0]):02X}", url)

    def urls(self, text: str) -> Iterator[re.Match[str]]:
        """Return what people or the platform would take for URLs in *text*."""
        return URL.finditer(text)

    def table(self, cells: Rows, words: Rows, aligned: Sequence[str]) -> str:
        """Return a table.

        Args:
            cells: Its rows as the dialect writes them.
            words: Its rows as plain text, with addresses behind the labels of links.
            aligned: "left", "right", "center" or "", a column each.
        """
        if self.columns and len(aligned) > self.columns:
            return told(cells())
        ruler = {"": "---", "left": ":--", "right": "--:", "center": ":-:"}
        lines = [*map(_barred, cells())]
        return "\n".join([lines[0], f"| {' | '.join(ruler[side] for side in aligned)} |", *lines[1:]])


def raised(label: str) -> str:
    """Return the mark of the footnote *label* in words alone."""
    return label.translate(_RAISED) if label.isdecimal() and label.isascii() else f"[^{label}]"


@lru_cache(maxsize=4096)  # a table that grows is drawn again with each row
def _barred(cells: tuple[str, ...]) -> str:
    """Return the row of *cells*."""
    return f"| {' | '.join(cell.replace(chr(10), ' · ').replace('|', f'{chr(92)}|') for cell in cells)} |"


def _longest(mark: str, text: str) -> int:
    """Return how many of *mark* stand side by side in *text* at most."""
    return max(map(len, re.findall(f"{re.escape(mark)}+", text)), default=0) if mark in text else 0


def told(rows: Sequence[Sequence[str]]) -> str:
    """Return a table that can't be drawn row by row: each cell behind its column's name."""
    head, *body = rows
    if not body:
        return " · ".join(filter(None, head))
    pairs = ([(name, cell) for name, cell in zip(head, row, strict=True) if name or cell] for row in body)
    return "\n\n".join("\n".join(f"{name}: {cell}" if name else cell for name, cell in row) for row in pairs)


def flanking(outside: str, inside: str) -> bool:
    """Tell whether marks between two characters, "" at an end, can begin or end emphasis (CommonMark 6.2)."""
    if not inside.strip():
        return False
    return not _punctuation(inside) or not outside.strip() or _punctuation(outside)


def _punctuation(character: str) -> bool:
    return category(character)[0] in "PS"
