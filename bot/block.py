"""One block of an answer while it grows, and how it is shown.  Pure.

While it is open its rendering is a guess that costs little: what cannot change any more is rendered once, the
rest is mended.  Once it is closed it is parsed in full.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

from bot.blocks import Kind, Scanner
from bot.cuts import places
from bot.markdown import Dialect, Known, tamed
from bot.mend import closed, mended, scan

#: What a line may still become anything with: it is shown when there is more of it.
_UNDECIDED = re.compile(
    r"[ \t]*(?:[-=*_+#>`~|:.)\d \t]*|`{3,}[^\n]*|~{3,}[^\n]*|\|[^\n]*|\[[^\]\n]*\]?:?[^\n]{0,4})\Z"
)
#: Nothing but the end of a block of code.
_ENDS = re.compile(r"(?:[> \t\r]*(?:`{3,}|~{3,})?[ \t\r]*(?:\n|\Z))*")
_MARKER = re.compile(r" {0,3}(?:[-+*]|\d{1,9}[.)]) {1,4}(?=[^\s\[#>|`~<-])")


class Block:
    """One block.

    Args:
        dialect: How it is written.
        known: What it may refer to.
        kind: What it is.
        gap: What is between it and the block before.
        lead: What its source needs before it where it goes on from an earlier page.
        columns: How many columns its lines are further in than they would be without what was cut off.

    Attributes:
        raw: The source, exactly.
        shown: What a closed block is shown as.
    """

    def __init__(
        self, dialect: Dialect, known: Known, kind: Kind, gap: str = "", lead: str = "", columns: int = 0
    ) -> None:
        self.kind = kind
        self.gap = gap
        self.raw = ""
        self.shown = ""
        self._dialect = dialect
        self._known = known
        self._lead = lead
        self._columns = columns
        self._goes_on = bool(lead or columns)
        self._literal = False
        self._leaf = 0  # where its innermost block begins
        self._sealed = ""
        self._seal = 0
        self._rows = self._whole = (0, "")  # for so many characters
        self._lines = ""  # what its complete lines are shown as

    def add(self, text: str, kind: Kind, *, leaf: bool) -> None:
        """Append *text*; *leaf* if an innermost block begins with it."""
        if leaf:
            self._leaf = len(self.raw)
        self.raw += text
        self.kind = kind

    @property
    def gap_behind(self) -> str:
        """What is between it and the next block: a blank line where the source has one, or needs one."""
        if self.kind in {Kind.HTML, Kind.DEFINITION}:
            return "\n\n"  # they are shown as paragraphs, which the next block could become a part of
        _, _, line = self.raw.removesuffix("\n").rpartition("\n")
        return "\n" if line.strip("> \t\r") else "\n\n"

    def source(self, raw: str) -> str:
        """Return *raw*, a part of it from its beginning, as markdown that stands for itself."""
        if self._columns:
            raw = re.sub(rf"^[ \t]{{1,{self._columns}}}", "", raw, flags=re.MULTILINE)
        return self._lead + raw

    def close(self) -> None:
        """Render it in full: nothing more comes."""
        self.shown = self.whole()

    def whole(self) -> str:
        """Return what it is shown as if nothing more comes."""
        if self._whole[0] != len(self.raw):
            self._whole = (len(self.raw), self._render(self.source(self.raw)))
        return self._whole[1]

    def until(self, end: int) -> str:
        """Return what its first *end* characters are shown as, with everything closed."""
        return self._render(self._finished(self.raw[:end], closed))

    def live(self, rest: str = "", *, hold: bool = True) -> tuple[str, int]:
        """Return what it is shown as with *rest* behind it, and how much of that will stay.

        Args:
            rest: More of its last line.
            hold: Whether to hold back what may still become something else.
        """
        raw = self.raw + rest
        if self.kind is Kind.TABLE and not self._literal:
            return self._table(raw[: raw.rfind("\n") + 1]) if hold else self.until(len(raw)), 0
        if hold:
            raw = self._decided(raw, rest)
        if (begin := self._plain()) is not None:
            return self._inline(raw, begin, hold=hold)
        shown = self._render(self._finished(raw, mended if hold else closed))
        if self.kind is Kind.FENCE and not self._literal:
            return shown, shown.rfind("\n")
        return shown, len(self._lines) if shown.startswith(self._lines) else 0

    def seal(self) -> None:
        """Render once what is complete in itself."""
        if (begin := self._plain()) is None:
            if self.kind in {Kind.ITEM, Kind.QUOTE} and self.raw.endswith("\n"):
                self._lines = self.until(len(self.raw))
            return
        source = self._lead + self.raw
        at = max(self._seal, begin)
        if end := scan(source[at:]).sealed:
            self._sealed += self._dialect.inline(source[at : at + end], self._known, fresh=not self._sealed)
            self._seal = at + end

    def literally(self) -> None:
        """Show it as the characters that it is of: so it can be divided anywhere."""
        self._lead, self._columns, self._literal = "", 0, True
        self._whole = (0, "")

    def split(self, room: int, size: int, measure: Callable[[str], int]) -> tuple[str, Block] | None:
        """Divide it so that the first part takes at most *room* of a page's *size*; None if that cannot be."""
        if self._literal:
            return self._split_anywhere(room, size, measure)
        lines_only = self.kind in {Kind.FENCE, Kind.CODE, Kind.TABLE}
        low = self._least()
        end = max(
            1, min(len(self.raw) - 1, int(len(self.raw) * room / max(1, measure(self.until(len(self.raw))))))
        )
        end = max(end, low)
        for _ in range(16):
            at = places(self.raw, end, lines_only=lines_only)
            if at < low:
                return None
            head = self.until(at)
            taken = measure(head)
            if taken <= room and head.strip():
                return head, self._tail(at, size)
            if end <= 1:
                break
            end = max(1, min(at - 1, int(at * room / max(1, taken))))
        return None

    def _split_anywhere(
        self, room: int, size: int, measure: Callable[[str], int]
    ) -> tuple[str, Block] | None:
        """Divide what is shown literally: between two characters, where all others are too long."""
        places_ = range(1, len(self.raw))
        end = bisect_right(places_, room, key=lambda at: measure(self.until(at)))
        at = places(self.raw, end) if end else 0
        if end and measure(self.until(at)) > room:
            at = end
        return (self.until(at), self._tail(at, size)) if at else None

    def _least(self) -> int:
        """Return before where it is not to be divided: a table's head and first row stay together."""
        if self.kind is not Kind.TABLE or self._goes_on or self._literal:
            return 1
        ends = [found.end() for found in re.finditer("\n", self.raw)]
        return ends[2] if len(ends) > 2 else 1

    def _tail(self, at: int, size: int) -> Block:
        """Return what is left from *at* on, so that it stands for itself on pages of *size*."""
        tail = Block(self._dialect, replace(self._known, number=None), self.kind)
        tail.raw, tail._goes_on, tail._literal = self.raw[at:], True, self._literal
        if not self._literal:
            tail._lead, tail._columns = self._context(at, size)
        return tail

    def _context(self, at: int, size: int) -> tuple[str, int]:
        """Return what goes before what is left from *at* on, and how many columns that is further in."""
        scanner = Scanner()
        head, rest = self.source(self.raw[:at]), self.raw[at:]
        leaf, begin, path = 0, 0, scanner.path
        for line in head.splitlines(keepends=True):
            scanner.feed(line.rstrip("\n"))
            leaf, path = (leaf, path) if scanner.path == path else (begin, scanner.path)
            begin += len(line)
        within = not head.endswith("\n")
        lead, columns = scanner.reopening()
        if len(lead) > size // 3:  # a page of nothing but a table's head, or a fence's long info
            lead = re.sub(r"^([> ]*(?:`+|~+))[^\n]*", r"\1", lead) if scanner.leaf.kind is Kind.FENCE else ""
        marks = ""
        if scanner.lazy and (within or self._continues(scanner, rest)):
            marks = scan(head[leaf:]).openers
        if within and lead and scanner.kind is Kind.TABLE:
            lead += "| "
        if within or marks:
            lead += scanner.prefix + marks
        indent = re.match(r"[ \t]*", rest)
        if not within and indent and scanner.leaf.kind is not Kind.FENCE:
            columns = min(columns, len(indent[0].expandtabs(4)))
        return lead, columns

    def _continues(self, scanner: Scanner, rest: str) -> bool:
        """Tell whether the line that *rest* begins with goes on with the innermost block."""
        probe = scanner.copy()
        probe.feed(rest.partition("\n")[0])
        return probe.path == scanner.path

    def _render(self, source: str) -> str:
        if self._literal:
            return self._dialect.plain(source)
        lead = self._lead.strip("> ")
        if lead[:3] in {"```", "~~~"} and _ENDS.fullmatch(source, len(self._lead)):
            return ""  # nothing but the end of a block of code that was shown
        code = {Kind.FENCE, Kind.CODE, Kind.HTML}
        return self._dialect.render(source if self.kind in code else tamed(source), self._known)

    def _finished(self, raw: str, finish: Callable[[str], str]) -> str:
        """Return the source of *raw* with what is open in its last paragraph closed by *finish*."""
        source = self.source(raw)
        if self._literal or self.kind in {Kind.FENCE, Kind.CODE, Kind.HTML, Kind.TABLE}:
            return source
        leaf = len(self.source(raw[: self._leaf])) if self._leaf and self._leaf <= len(raw) else 0
        if self._in_code(source):
            return source
        return source[:leaf] + finish(source[leaf:])

    def _in_code(self, source: str) -> bool:
        if self.kind not in {Kind.ITEM, Kind.QUOTE} or ("```" not in source and "~~~" not in source):
            return False
        scanner = Scanner()
        for line in source.split("\n"):
            scanner.feed(line)
        return scanner.open and scanner.leaf.kind is Kind.FENCE

    def _decided(self, raw: str, rest: str) -> str:
        """Return *raw* without what may still become something else."""
        if self.kind is Kind.FENCE and "\n" not in raw:
            return ""
        if self.kind is Kind.FENCE:
            return raw[: len(raw) - len(rest)] if rest and not rest.strip(" \t`~") else raw
        begin = raw.rfind("\n") + 1
        if begin and self.kind is Kind.PARAGRAPH and _UNDECIDED.match(raw, begin):
            before = raw.rfind("\n", 0, begin - 1) + 1
            return raw[:before] if "|" in raw[before:begin] else raw[:begin]
        return raw[:begin] if _UNDECIDED.match(raw, begin) else raw

    def _plain(self) -> int | None:
        """Return where its text begins, if it is one paragraph or an item of one line; else None."""
        if self._literal:
            return None
        if self.kind is Kind.PARAGRAPH and not self._columns:
            return 0
        if self.kind is Kind.ITEM and not self._goes_on and "\n" not in self.raw:
            found = _MARKER.match(self.raw)
            return found.end() if found else None
        return None

    def _inline(self, raw: str, begin: int, *, hold: bool) -> tuple[str, int]:
        source = self._lead + raw
        at = max(self._seal, begin)
        rest = source[at:]
        fixed = scan(rest).sealed if hold else 0
        head = ""
        if self.kind is Kind.ITEM:
            head = self._mark(raw[:begin].strip())
        head += self._sealed
        if fixed:
            head += self._dialect.inline(rest[:fixed], self._known, fresh=not self._sealed)
            rest = rest[fixed:]
        more = (mended if hold else closed)(rest)
        text = head + self._dialect.inline(more, self._known, fresh=not (self._sealed or fixed))
        return text.rstrip(), min(len(head), len(text.rstrip()))

    def _mark(self, written: str) -> str:
        """Return what its item begins with, where the model has *written* a marker."""
        if not written[:-1]:
            return self._dialect.marker(written, None)
        number = self._known.number
        return self._dialect.marker(written[-1], int(written[:-1]) if number is None else number)

    def _table(self, rows: str) -> str:
        count = len(rows)
        if self._rows[0] != count or not count:
            done = rows.count("\n") >= 2 or self._goes_on
            self._rows = (count, self._render(self.source(rows)) if done else "")
        return self._rows[1]
