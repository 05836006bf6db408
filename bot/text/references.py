"""What a block may refer to: definitions that stood before it, and where its list has counted to.  Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from markdown_it.common.utils import normalizeReference

from bot.text.markdown import PARSER, Known, plain
from bot.text.scanner import DEFINITION, Scanner

_TARGET = re.compile(r"\s*(?:<([^<>\n]*)>|([^\s<]\S*))(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\Z")
#: The longest footnote that is told in place.
NOTE = 300


class References:
    """Definitions as they are seen, and the numbers of the list that goes on."""

    def __init__(self) -> None:
        self._references: dict[str, dict[str, str]] = {}
        self._notes: dict[str, str] = {}
        self._count: tuple[int, str] | None = None
        self._sources: list[tuple[str, str, int]] = []

    def known(self, known: Known) -> Known:
        """Return *known* with what has been defined so far."""
        if not (self._references or self._notes):
            return known
        return replace(known, references=dict(self._references), notes=dict(self._notes))

    def define(self, source: str, page: int) -> None:
        """Take the definition that *source* is, on *page*; the first of a label counts."""
        found = DEFINITION.match(source.lstrip())
        if not found:
            return
        label, rest = found["label"], source.lstrip()[found.end() :]
        self._sources.append((label, source.strip(), page))
        if label.startswith("^"):
            said = " ".join(plain(rest.strip()).split())
            if said and len(said) <= NOTE:
                self._notes.setdefault(label[1:], said)
        elif target := _TARGET.match(rest):
            url = PARSER.normalizeLink(target[1] if target[1] is not None else target[2])
            self._references.setdefault(normalizeReference(label), {"href": url, "title": ""})

    def late(self, text: str, page: int) -> list[str]:
        """Return the definitions that stand before *page* although *text*, the pages before, needed them."""
        late = []
        for label, source, defined in self._sources:
            used = text.casefold().find(f"[{label}]".casefold())
            if defined < page and 0 <= used < text.find(source):
                late.append(source)
        return late

    def counted(self, scanner: Scanner) -> int:
        """Return the number of the item that *scanner* has just begun."""
        number = scanner.number or 0
        if self._count and self._count[1] == scanner.mark:
            number = self._count[0] + 1
        self._count = (number, scanner.mark)
        return number

    def uncount(self) -> None:
        """Forget the list: another block came."""
        self._count = None
