"""What is wrong with `config.toml`, a line each: where, which key, what it is, what it takes.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from bot.config.lines import Path, line_at
from bot.config.scope import Keys, takes
from bot.config.shapes import shown
from bot.unavailable import Unavailable

#: Faults that are told; of more, the rest are counted.
MOST = 20
#: The line of a fault that stands in the environment.
ELSEWHERE = -1


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        line: Where, the first line being 1; 0 where no line is meant, -1 where the environment is.
        text: What, and what to do.
    """

    line: int
    text: str

    def told(self, name: object) -> str:
        """Return it as one line about the file called *name*."""
        if self.line == ELSEWHERE:
            return self.text
        return f"{name}, line {self.line}: {self.text}" if self.line else f"{name}: {self.text}"


class Faulty(Unavailable):
    """A file says what it can't say; the message has a line for each fault.

    Args:
        name: The file.
        faults: What is wrong, one or more.
    """

    def __init__(self, name: object, faults: Collection[Fault]) -> None:
        self.faults = sorted(set(faults))
        lines = [fault.told(name) for fault in self.faults[:MOST]]
        if rest := self.faults[MOST:]:
            lines.append(f"{name}: {len(rest)} more.")
        super().__init__("\n".join(lines))


def dotted(path: Iterable[str]) -> str:
    """Return *path* as a key of TOML."""
    return ".".join(
        name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else f'"{name}"'
        for name in path
    )


def nearest(name: str, known: Collection[str]) -> str:
    """Return what to say of *name*, which is none of *known*: which one is meant, or all there are."""
    by_small = {each.lower(): each for each in known}
    if found := get_close_matches(name.lower(), by_small, n=1, cutoff=0.6):
        return f"did you mean {by_small[found[0]]}?"
    return f"there are {', '.join(known)}." if known else "there is none."


def unknown(path: Path, known: Collection[str]) -> str:
    """Return what to say of a key that is not there."""
    return f"there is no {dotted(path)}: {nearest(path[-1], known)}"


def wrong(path: Path, value: Any, what: str) -> str:
    """Return what to say of a value that a key does not take."""
    return f"{dotted(path)} is {shown(value)}; it takes {what}."


def faults_of(
    error: ValidationError,
    kind: type[Keys],
    path: Path,
    lines: Mapping[Path, int],
    more: Collection[str] = (),
) -> Iterator[Fault]:
    """Yield what *error* says of the table at *path*, which is a *kind* and may have *more* keys."""
    for one in error.errors():
        inner = tuple(map(str, one["loc"]))
        at = (*path, *inner)
        if one["type"] == "extra_forbidden":
            text = unknown(at, [*_keys(kind, inner[:-1]), *(more if len(inner) == 1 else ())])
        elif one["type"] == "missing":
            text = f"{dotted(at)} is missing; it takes {takes(_field(kind, inner))}."
        else:
            of_list = inner[-1:] and inner[-1].isdigit()
            text = wrong(at[:-1] if of_list else at, one["input"], takes(_field(kind, inner)))
        yield Fault(line_at(lines, at), text)


def _keys(kind: type[Keys], path: Path) -> Iterable[str]:
    for name in path:
        kind = kind.model_fields[name].annotation  # type: ignore[assignment]  # a table in a table
    return kind.model_fields


def _field(kind: type[Keys], path: Path) -> FieldInfo:
    """Return the field at *path*; that of the list, for an element."""
    if not path:
        return FieldInfo(annotation=dict)
    found = kind.model_fields[path[0]]
    if isinstance(found.annotation, type) and issubclass(found.annotation, Keys) and path[1:]:
        return _field(found.annotation, path[1:])
    return found
