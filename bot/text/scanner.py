"""Where the blocks of growing markdown begin and end, line by line.  Pure.

CommonMark's container algorithm (spec 0.31, appendix "A parsing strategy") without the parsing: it says which
block a line belongs to, what is open behind it, and how to open that again elsewhere.  It only ever decides
where text is divided; what is shown is parsed by markdown-it.
"""

from __future__ import annotations

import re
from copy import copy
from enum import Enum

FENCE = re.compile(r"(?P<marker>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_HEADING = re.compile(r"#{1,6}(?:\s|$)")
_RULE = re.compile(r"([-*_])(?:\s*\1){2,}\s*$")
_UNDERLINE = re.compile(r"(?:=+|-+)\s*$")
_ITEM = re.compile(r"(?:[-+*]|(?P<number>\d{1,9})(?P<dot>[.)]))(?=\s|$)")
_QUOTE = re.compile(r"> ?")
#: HTML that ends with a word, and HTML that ends with a blank line (CommonMark 4.6).
_RAW = ((r"<(?:script|pre|style|textarea)(?:\s|>|$)", r"</(?:script|pre|style|textarea)>"), ("<!--", "-->"))
_RAWS = [
    (re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for begin, end in (*_RAW, (r"<\?", r"\?>"), ("<![A-Za-z]", ">"), (r"<!\[CDATA\[", r"\]\]>"))
]
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:\s|/?>|$)")
_DELIMITER = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
#: Columns that make a line code.
CODE_INDENT = 4
#: Containers within each other that are looked into.
DEEPEST = 24
DEFINITION = re.compile(r"\[(?!\s*\])(?P<label>(?:[^\[\]\\]|\\.){1,999})\]:")


class Kind(Enum):
    """What a block is."""

    NOTHING = 0
    PARAGRAPH = 1
    HEADING = 2
    RULE = 3
    FENCE = 4
    CODE = 5
    HTML = 6
    TABLE = 7
    ITEM = 8
    QUOTE = 9
    DEFINITION = 10


class Scanner:
    """Takes lines and says where a block begins.

    Attributes:
        kind: What the newest block is.
        open: Whether the next line may still belong to it.
        number: The number that the newest item was written with, if it was; its bullet is `mark`.
        marker, info: What the newest fence was opened with; `indent` is how far in.
        begun: How many blocks there were.
    """

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self.kind = Kind.NOTHING
        self.open = False
        self.number: int | None = None
        self.mark = ""
        self.marker = ""
        self.info = ""
        self.indent = 0
        self.begun = 0
        self._child: Scanner | None = None
        self._head: list[str] = []
        self._raw = ""
        self._until: re.Pattern[str] | None = None

    def feed(self, line: str) -> bool:
        """Take *line*, without its end; return whether a block begins with it."""
        line = line.rstrip("\r").expandtabs(CODE_INDENT)
        bare = line.lstrip(" ")
        if not bare:
            self._blank()
            return False
        indent = len(line) - len(bare)
        if self.open and self._goes_on(line, bare, indent):
            return False
        self._begin(line, bare, indent)
        return True

    def copy(self) -> Scanner:
        """Return one that goes on from here by itself."""
        twin = copy(self)
        twin._child = self._child and self._child.copy()  # noqa: SLF001  of its own kind
        return twin

    @property
    def path(self) -> tuple[int, ...]:
        """Which block is the innermost one: changes when a line begins another."""
        return (self.begun, *(self._child.path if self._child and self.open else ()))

    @property
    def prefix(self) -> str:
        """What a line needs before it to stand in the quotes that are open."""
        inner = self._child.prefix if self._child and self.open else ""
        return f"> {inner}" if self.kind is Kind.QUOTE and self.open else inner

    @property
    def lazy(self) -> bool:
        """Whether a paragraph is open, in whatever container."""
        if self._child:
            return self.open and self._child.lazy
        return self.open and self.kind is Kind.PARAGRAPH

    @property
    def leaf(self) -> Scanner:
        """The innermost block."""
        return self._child.leaf if self._child and self.open else self

    def reopening(self) -> tuple[str, int]:
        """Return what opens again what is open: lines to write before, and columns to take off the others."""
        if not self.open:
            return "", 0
        if self.kind is Kind.FENCE:
            return f"{self._raw}\n", 0
        if self.kind is Kind.TABLE:
            return "".join(f"{line}\n" for line in self._head), 0
        if self._child and self.kind is Kind.ITEM:
            lead, columns = self._child.reopening()
            return lead, self.indent + columns
        if self._child:
            lead, _ = self._child.reopening()
            return "".join(f"> {line}\n" for line in lead.splitlines()), 0
        return "", 0

    def _blank(self) -> None:
        match self.kind:
            case Kind.FENCE | Kind.CODE:
                pass
            case Kind.HTML:
                self.open = self.open and self._until is not None
            case Kind.ITEM if self.open and self._child:
                self._child.feed("")
                self.open = self._child.begun > 0  # one that begins with two blank lines has no more
            case _:
                self.open = False

    def _goes_on(self, line: str, bare: str, indent: int) -> bool:
        near = indent < CODE_INDENT
        match self.kind:
            case Kind.FENCE:
                self.open = not (near and re.fullmatch(f"{self.marker}{self.marker[0]}*\\s*", bare))
                return True
            case Kind.CODE:
                return not near
            case Kind.HTML:
                self.open = not (self._until and self._until.search(bare))
                return True
            case Kind.ITEM | Kind.QUOTE if self._child:
                return self._contains(self._child, line, bare, indent)
            case Kind.TABLE:
                return not (near and _starts(bare))
            case Kind.PARAGRAPH:
                return self._paragraph(bare, near=near)
        return False

    def _contains(self, child: Scanner, line: str, bare: str, indent: int) -> bool:
        if self.kind is Kind.ITEM and indent >= self.indent:
            child.feed(line[self.indent :])
        elif self.kind is Kind.QUOTE and indent < CODE_INDENT and (found := _QUOTE.match(bare)):
            child.feed(bare[found.end() :])
        elif child.lazy and not (indent < CODE_INDENT and _starts(bare)):
            child.feed(bare)
        else:
            return False
        return True

    def _paragraph(self, bare: str, *, near: bool) -> bool:
        if near and _UNDERLINE.match(bare) and not (_DELIMITER.match(bare) and "|" in self._head[-1]):
            self.kind, self.open = Kind.HEADING, False
            return True
        if near and _starts(bare):
            return False
        if near and _DELIMITER.match(bare) and _columns(bare) == _columns(self._head[-1]):
            self.kind = Kind.TABLE
            self._head = [self._head[-1], bare]
            return True
        self._head = [bare]
        return True

    def _begin(self, line: str, bare: str, indent: int) -> None:
        self.open, self._child, self._until, self.number, self.indent = True, None, None, None, indent
        self._head = [bare]
        self.begun += 1
        if indent >= CODE_INDENT:
            self.kind = Kind.CODE
        elif fence := FENCE.match(bare):
            self.kind, self._raw = Kind.FENCE, line
            self.marker, self.info = fence["marker"], fence["info"].strip()
        elif _HEADING.match(bare) or _RULE.match(bare):
            self.kind, self.open = (Kind.HEADING if bare[0] == "#" else Kind.RULE), False
        elif self._depth < DEEPEST and (quote := _QUOTE.match(bare)):
            self._hold(Kind.QUOTE, bare[quote.end() :])
        elif self._depth < DEEPEST and (item := _ITEM.match(bare)):
            self._item(item, bare, indent)
        elif _TAG.match(bare) or any(begin.match(bare) for begin, _ in _RAWS):
            self.kind = Kind.HTML
            self._until = next((end for begin, end in _RAWS if begin.match(bare)), None)
            self.open = not (self._until and self._until.search(bare))
        elif DEFINITION.match(bare):
            self.kind, self.open = Kind.DEFINITION, False
        else:
            self.kind = Kind.PARAGRAPH

    def _item(self, found: re.Match[str], bare: str, indent: int) -> None:
        body = bare[found.end() :]
        blank = len(body) - len(body.lstrip(" "))
        width = found.end() + (blank if 1 <= blank <= CODE_INDENT and body.strip() else 1)
        self.number = int(found["number"]) if found["number"] else None
        self.mark = found["dot"] or found[0]
        self._hold(Kind.ITEM, bare[width:])
        self.indent = indent + width

    def _hold(self, kind: Kind, rest: str) -> None:
        self.kind = kind
        self._child = Scanner(self._depth + 1)
        self._child.feed(rest)


def _starts(bare: str) -> bool:
    """Tell whether *bare* begins a block even within a paragraph."""
    if (item := _ITEM.match(bare)) and not _RULE.match(bare):
        return item["number"] in {None, "1"} and bool(bare[item.end() :].strip())
    return bool(
        FENCE.match(bare)
        or _HEADING.match(bare)
        or _RULE.match(bare)
        or bare[0] == ">"
        or any(begin.match(bare) for begin, _ in _RAWS)
    )


def is_ruler(line: str, head: str) -> bool:
    """Tell whether *line* is what stands below a table's *head*."""
    return "-" in line and bool(_DELIMITER.match(line.strip())) and _columns(line) == _columns(head)


def widened(table: str) -> str:
    """Return *table* with as many columns in its head as in its longest row, so that no cell is left out."""
    lines = table.split("\n")
    head = next((at for at in range(len(lines) - 1) if _DELIMITER.match(lines[at + 1].strip())), None)
    if head is None:
        return table
    more = max(map(_columns, lines[head:])) - _columns(lines[head + 1])
    if more > 0:
        lines[head] = f"{lines[head].rstrip().removesuffix('|')}|{' |' * more}"
        lines[head + 1] = f"{lines[head + 1].rstrip().removesuffix('|')}|{'-|' * more}"
    return "\n".join(lines)


def _columns(row: str) -> int:
    """Return how many cells *row* has."""
    cells = re.split(r"(?<!\\)\|", row.strip())
    return len(cells) - (not cells[0]) - (len(cells) > 1 and not cells[-1])
