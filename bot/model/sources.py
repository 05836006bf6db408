"""The sources of one answer: numbered where they are cited, and listed below it.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.events import Source

#: Characters of a title that are shown.
TITLE = 100
#: Sources that are listed.
MOST = 30

_SPECIAL = re.compile(r"([\\`*_\[\]()<>~|#&!])")
_PLAIN = re.compile(r"https?://[^\s<>\\]+")


class Sources:
    """Gives each source one number."""

    def __init__(self) -> None:
        self._numbers: dict[Source, int] = {}
        self._kept = 0

    def mark(self, sources: Sequence[Source]) -> str:
        """Return what is written behind a text that rests on *sources*."""
        numbers = sorted({self._number(each): each for each in sources}.items())
        return "".join(f" {_link(str(number), source.url)}" for number, source in numbers)

    def keep(self) -> None:
        """Let the sources so far stay, whatever comes."""
        self._kept = len(self._numbers)

    def again(self) -> None:
        """Forget the sources since the last `keep`: what cited them is said anew."""
        self._numbers = dict([*self._numbers.items()][: self._kept])

    @property
    def listed(self) -> str:
        """The list below the answer; "" without sources."""
        if not self._numbers:
            return ""
        lines = [f"{number}. {_link(_title(each), each.url)}" for each, number in self._numbers.items()]
        more = [f"{len(lines) - MOST} more."] if len(lines) > MOST else []
        return "\n\nSources:\n" + "\n".join([*lines[:MOST], *more])

    def _number(self, source: Source) -> int:
        known = next((each for each in self._numbers if each.url and each.url == source.url), source)
        return self._numbers.setdefault(known, len(self._numbers) + 1)


def _title(source: Source) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(source.title.split())[:TITLE]) or "a page without a title"


def _link(text: str, url: str) -> str:
    return f"[{text}](<{url}>)" if _PLAIN.fullmatch(url) else text
