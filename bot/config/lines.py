"""On which line of a TOML file each key stands: `tomllib` does not tell.  Pure.

Only for a text that `tomllib` has read: of the grammar it knows what is needed to find keys.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress

#: A key with its tables, or an element of a list, as in ("defaults", "who", "allow", "0").
Path = tuple[str, ...]

_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_KEY = re.compile(
    r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""",
)
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> Mapping[Path, int]:
    """Return the line of each table, key and element of a list in *text*, the first being 1."""
    finder = _Finder(text)
    with suppress(IndexError, RecursionError):  # what was not found then has the line of its table
        finder.document()
    return finder.found


def line_at(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of *path*, or of the nearest table around it; 1 where there is none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1


class _Finder:
    """Walks over a text once."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._ends = [at for at, each in enumerate(text) if each == "\n"]

    def document(self) -> None:
        """Find all keys."""
        table: Path = ()
        while self._blank():
            if self._text[self._at] != "[":
                self._pair(table)
                continue
            line = self._line()
            self._pass("[")
            table = self._key()
            self._note((), table, line)
            self._pass("]")

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table + self._key()
        self._note(table, path, line)
        self._pass("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._blank()
        start = self._text[self._at]
        if start in "{[":
            self._at += 1
            self._items(path, "}" if start == "{" else "]")
        else:
            found = _STRING.match(self._text, self._at) or _BARE.match(self._text, self._at)
            self._at = found.end() if found else len(self._text)

    def _items(self, path: Path, end: str) -> None:
        """Pass over what stands in an inline table or a list."""
        number = 0
        while self._blank() and self._text[self._at] != end:
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                element = (*path, str(number))
                self._note(path, element, self._line())
                self._value(element)
                number += 1
        self._at += 1

    def _key(self) -> Path:
        """Pass over a key with its dots."""
        keys = []
        while self._blank():
            if not (found := _KEY.match(self._text, self._at)):
                raise IndexError
            self._at = found.end()
            keys.append(_plain(found[0]))
            self._blank()
            if self._text[self._at] != ".":
                break
            self._at += 1
        return tuple(keys)

    def _note(self, table: Path, path: Path, line: int) -> None:
        """Note that *path*, and what is between it and *table*, stands on *line*, if not further up."""
        for end in range(len(table) + 1, len(path) + 1):
            self.found.setdefault(path[:end], line)

    def _blank(self) -> bool:
        """Pass over white space and comments; tell whether there is more."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _pass(self, mark: str) -> None:
        while self._blank() and self._text[self._at] == mark:
            self._at += 1

    def _line(self) -> int:
        return bisect_left(self._ends, self._at) + 1


def _plain(key: str) -> str:
    """Return what a key in quotes means."""
    if key[0] not in "\"'":
        return key
    return str(next(iter(tomllib.loads(f"{key} = 0"))))
