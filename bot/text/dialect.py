"""How a platform's markdown is written: plain CommonMark, which adapters override in part.  Pure.

Rule 1: text is never lost; what a platform cannot draw is written so that people can read it.
Rule 2: only a dialect writes markup.  What the model wrote as text comes out as text, through
`bot.text.safe`, and what has an end (code, emphasis, a link) is always closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bot.text.markdown import Known, inlines, tamed, tree
from bot.text.safe import URL, clean, disarm
from bot.text.writing import Writing

#: What makes a line a heading, a quote, a list or small print.
_START = re.compile(
    r"^([ \t]*)(?=#{1,6}(?=\s|$)|-#(?=\s)|>|[-+*](?=\s|$)|=(?==*\s*$)|[-:|](?=[-:| \t]*$)|~(?=~~))"
)
#: Marks between spaces, which mark nothing.
_IDLE = re.compile(r"(?<=\S )\\(\*)(?= )")
_ORDINAL = re.compile(r"^([ \t]*\d{1,9})([.)])(?=\s|$)")
#: What such lines begin with.
_BEGINS = frozenset("#>-+*=|:~")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
#: A fence that is longer than this is written no longer than it need be.
LONGEST_MARKER = 8


def _begun(line: str) -> str:
    """Return *line* so that it begins no block."""
    first = line.lstrip(" \t")[:1]
    if first not in _BEGINS and not first.isdecimal():
        return line
    return _ORDINAL.sub(r"\1\\\2", _START.sub(r"\1\\", line))


class Dialect:
    """CommonMark with tables and strikethrough, written so that nothing pings and no stranger is linked."""

    #: Characters that could be taken for emphasis or code; an underscore within a word is none.
    marks = re.compile(
        r"[*`]|(?<![^\W_])_|_(?![^\W_])|\A~|~(?=~|\Z)|(?<=~)~|\](?=[(\[:])|\\(?![A-Za-z0-9\s])|\\\Z"
    )

    def render(self, source: str, known: Known | None = None) -> str:
        """Return *source*, which is one block or several, as the platform is to be sent it."""
        source, known = clean(source), known or Known()
        return Writing(self, source.split("\n"), known).blocks(tree(source, known))

    def inline(self, source: str, known: Known, *, fresh: bool) -> str:
        """Return *source*, a part of a paragraph; *fresh* where it begins a line."""
        return Writing(self, [], known).inline(inlines(tamed(clean(source)), known), fresh=fresh)

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
        if fresh or "\n" in text:
            first, *others = text.split("\n")
            text = "\n".join([_begun(first) if fresh else first, *map(_begun, others)])
        return self.entities(disarm(text))

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
        info = f" {info}" if info[:1] == marker[0] else info
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
        """Return the mark of the footnote *label*: numbers are raised."""
        if label.isdecimal() and label.isascii():
            return label.translate(_RAISED)
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
