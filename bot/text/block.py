"""One block of an answer while it grows, and how it is shown.  Pure.

While it is open its rendering is a guess that costs little: what cannot change any more is rendered once, the
rest is mended.  Once it is closed it is parsed in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.events import File
from bot.text.dialect import Dialect
from bot.text.grid import Grid
from bot.text.markdown import Known, tamed, tree
from bot.text.mend import closed, mended, scan
from bot.text.safe import clean, seen_from
from bot.text.scanner import Kind, Scanner, is_ruler, widened

#: What a line may still become anything with: it is shown when there is more of it.
_UNDECIDED = re.compile(
    r"[ \t]*(?:[-=*_+#>`~|:.)\d \t]*|`{3,}[^\n]*|~{3,}[^\n]*|\|[^\n]*|\[[^\]\n]*\]?:?[^\n]{0,4})\Z"
)
#: Nothing but the end of a block of code.
_ENDS = re.compile(r"(?:[> \t\r]*(?:`{3,}|~{3,})?[ \t\r]*(?:\n|\Z))*")
_QUOTE = re.compile(r"^ {0,3}> ?", re.MULTILINE)
#: A quote of one paragraph; its last line may be coming in.
_QUOTED = re.compile(r"(?: {0,3}> ?(?:[^\W\d_]|[*\"'(])[^\n]*(?:\n|\Z))+(?: {0,3}>? ?)?")
#: A line that is longer is no table's head.
_WIDEST = 1_000
#: Lines that a table begins with: its head, and what is below that.
HEAD = 2
#: What the scanner may take for something else than the parser will.
_DOUBTFUL = re.compile(
    r"[^\S \n]|[\[\]$\\!~]|<[A-Za-z/!?]|&#?\w+;|```|(?<!\w)_|_(?!\w)|\*{3}|\w\*+\w|(?:\A|\n)[^\w*`(\"']"
)
_MARKER = re.compile(r" {0,3}(?:[-+*]|\d{1,9}[.)]) {1,4}(?=[^\s\[#>|`~<-])")


class Block:
    """One block, or what is left of one that began on an earlier page.

    Args:
        dialect: How it is written.
        known: What it may refer to.
        kind: What it is.
        gap: What is between it and the block before.

    Attributes:
        raw: The source, exactly.
        shown: What a closed block is shown as.
        file: What a block of code is attached as, if it is.
        goes_on: Whether it began on an earlier page; its source then needs `lead` before it, and its lines
            are `columns` further in than they would be without what was cut off.
        literal: Whether it is shown as the characters that it is of, because nothing else fits.
    """

    def __init__(self, dialect: Dialect, known: Known, kind: Kind, gap: str = "") -> None:
        self.dialect = dialect
        self.known = known
        self.kind = kind
        self.gap = gap
        self.raw = ""
        self.shown = ""
        self.lead = ""
        self.columns = 0
        self.goes_on = False
        self.literal = False
        self._leaf = 0  # where its innermost block begins
        self._sealed = ""
        self._seal = 0
        self._whole = (0, "")  # for so many characters
        self._grid: Grid | None = None
        self._rows = 0  # that are in the grid
        self.file: File | None = None
        self._name, self._longest = "", 0
        self._lines = ""  # what its complete lines are shown as

    @property
    def _attached(self) -> bool:
        return bool(self._name) and self.kind is Kind.FENCE and len(self.raw) > self._longest

    def add(self, text: str, kind: Kind, *, leaf: bool) -> None:
        """Append *text*; *leaf* if an innermost block begins with it."""
        if leaf:
            self._leaf = len(self.raw)
        self.raw += text
        self.kind = kind

    @property
    def gap_behind(self) -> str:
        """What is between it and the next block: a blank line where the source has one, or needs one."""
        rest = self.goes_on and self.kind is not Kind.PARAGRAPH
        if rest or self.kind in {Kind.HTML, Kind.DEFINITION, Kind.TABLE}:
            return "\n\n"  # what is shown as a paragraph next to it would become a part of it
        _, _, line = self.raw.removesuffix("\n").rpartition("\n")
        return "\n" if line.strip("> \t\r") else "\n\n"

    def source(self, raw: str) -> str:
        """Return *raw*, a part of it from its beginning, as markdown that stands for itself."""
        if self.columns:
            raw = re.sub(rf"^[ \t]{{1,{self.columns}}}", "", raw, flags=re.MULTILINE)
        return self.lead + raw

    def attachable(self, name: str, size: int) -> None:
        """Let it be attached as *name* when it is longer than *size*, if that is not 0."""
        self._name, self._longest = name, size

    def close(self) -> None:
        """Render it in full: nothing more comes."""
        self.shown = self.whole()
        if self._attached:
            [node] = tree(clean(self.raw), self.known)[:1]
            data = node.token.content.encode()
            self.file = File(self._name, "text/plain", len(data), data=data)

    def ended(self) -> Block:
        """Return what it would be if it were closed now."""
        twin = Block(self.dialect, self.known, self.kind, self.gap)
        twin.raw, twin.shown = self.raw, self.whole()
        return twin

    def whole(self) -> str:
        """Return what it is shown as if nothing more comes."""
        if self._whole[0] != len(self.raw):
            whole = self._gathered()
            self._whole = (len(self.raw), self._render(self.source(self.raw)) if whole is None else whole)
        return self._whole[1]

    def _gathered(self) -> str | None:
        """Return what it is shown as, where that is no more than what has been rendered and the rest."""
        if not self._seal or self.kind is not Kind.PARAGRAPH or self.lead or self.literal:
            return None
        body = self._plain(self.raw)
        if body is None or _DOUBTFUL.search(body):
            return None
        rest = self.dialect.inline(body.rstrip(" \n")[self._seal :], self.known, fresh=False)
        return (self._sealed + rest).rstrip(" ")

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
        if self.kind is Kind.TABLE and not self.literal:
            whole = raw[: raw.rfind("\n") + 1]
            known = hold or (whole == raw and raw.count("\n") > HEAD)
            return self._table(self.source(whole)) if known else self.until(len(raw)), 0
        if hold:
            raw = self._decided(raw, rest)
        if (body := self._plain(raw)) is not None:
            return self._inline(body, hold=hold)
        shown = self._render(self._finished(raw, mended if hold else closed))
        if self.kind is Kind.FENCE and not self.literal:
            return shown, shown.rfind("\n")
        return shown, len(self._lines) if shown.startswith(self._lines) else 0

    def seal(self) -> None:
        """Render once what is complete in itself."""
        if (body := self._plain(self.raw)) is None:
            if self.kind in {Kind.ITEM, Kind.QUOTE} and self.raw.endswith("\n"):
                shown = self.until(len(self.raw))
                inside = self._in_code(self.source(self.raw))  # then the last line is an end that comes later
                self._lines = shown[: shown.rfind("\n")] if inside else shown
            return
        at = self._seal
        if end := scan(body[at : _sure(body)]).sealed:
            self._sealed += self.dialect.inline(body[at : at + end], self.known, fresh=not self._sealed)
            self._seal = at + end

    def literally(self) -> None:
        """Show it as the characters that it is of, which can be divided anywhere."""
        self.lead, self.columns, self.literal = "", 0, True
        self._whole = (0, "")

    def _render(self, source: str) -> str:
        if self.literal:
            return self.dialect.plain(seen_from(source))
        lead = self.lead.strip("> ")
        if lead[:3] in {"```", "~~~"} and _ENDS.fullmatch(source, len(self.lead)):
            return ""  # nothing but the end of a block of code that was shown
        if self._attached:
            [node] = tree(clean(source), self.known)[:1]
            lines = node.token.content.count("\n")
            return f"{self.dialect.code(self._name)} ({lines} lines, in the file)"
        if self.kind is Kind.TABLE:
            source = widened(source)
        code = {Kind.FENCE, Kind.CODE, Kind.HTML}
        return self.dialect.render(source if self.kind in code else tamed(source), self.known)

    def _finished(self, raw: str, finish: Callable[[str], str]) -> str:
        """Return the source of *raw* with what is open in its last paragraph closed by *finish*."""
        source = self.source(raw)
        if self.literal or self.kind in {Kind.FENCE, Kind.CODE, Kind.HTML, Kind.TABLE}:
            return source
        leaf = len(self.source(raw[: self._leaf])) if self._leaf and self._leaf <= len(raw) else 0
        if self._in_code(source):
            return source
        return source[:leaf] + finish(source[leaf:])

    def _in_code(self, source: str) -> bool:
        if self.kind not in {Kind.ITEM, Kind.QUOTE} or ("```" not in source and "~~~" not in source):
            return False
        scanner = Scanner()
        for line in source.removesuffix("\n").split("\n"):
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

    def _plain(self, raw: str) -> str | None:
        """Return the text of *raw*, if it is one paragraph, alone, quoted, or as an item of one line."""
        if self.literal or self.columns:
            return None
        if self.kind is Kind.PARAGRAPH:
            return self.lead + raw if self.lead else raw.lstrip(" \t")
        if self.kind is Kind.ITEM and not self.goes_on and "\n" not in self.raw:
            found = _MARKER.match(self.raw)
            return raw[found.end() :] if found else None
        if self.kind is Kind.QUOTE and not self.lead and _QUOTED.fullmatch(raw):
            return _QUOTE.sub("", raw)
        return None

    def _inline(self, body: str, *, hold: bool) -> tuple[str, int]:
        """Return what the paragraph *body* is shown as where it stands, and how much of that will stay."""
        rest = body[self._seal :]
        fixed = scan(body[self._seal : _sure(body)]).sealed if hold else 0
        head = self._sealed
        if fixed:
            head += self.dialect.inline(rest[:fixed], self.known, fresh=not self._sealed)
            rest = rest[fixed:]
        more = (mended if hold else closed)(rest)
        text = (head + self.dialect.inline(more, self.known, fresh=not head)).rstrip()
        head, text = self._framed(head), self._framed(text)
        return text, min(len(head), len(text))

    def _framed(self, text: str) -> str:
        """Return *text* with the marker of its item, or as a quote."""
        if self.kind is Kind.ITEM and (found := _MARKER.match(self.raw)):
            return self._mark(found[0].strip()) + text
        return self.dialect.quote(text, 0) if self.kind is Kind.QUOTE and text else text

    def _mark(self, written: str) -> str:
        """Return what its item begins with, where the model has *written* a marker."""
        if not written[:-1]:
            return self.dialect.marker(written, None)
        number = self.known.number
        return self.dialect.marker(written[-1], int(written[:-1]) if number is None else number)

    def _table(self, source: str) -> str:
        """Return what the whole lines of *source* are shown as; nothing before there is a row."""
        head, ruler, *rows = source.split("\n")[:-1] if source.count("\n") >= HEAD else ("", "")
        if not (rows or (self.goes_on and ruler)):
            return ""
        if not is_ruler(ruler, head):
            return self._render(source)  # there is a paragraph before it
        if self._grid is None or self._rows > len(rows):
            self._grid, self._rows = Grid(self.dialect, self.known, head, ruler), 0
        for row in rows[self._rows :]:
            self._grid.add(row)
        self._rows = len(rows)
        return self._grid.shown()


def _sure(source: str) -> int:
    """Return up to where *source*, a paragraph, is no table: its last line may be the head of one."""
    begin = source.rfind("\n", 0, len(source) - 1) + 1
    return begin if len(source) - begin < _WIDEST and "|" in source[begin:] else len(source)
