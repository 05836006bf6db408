"""Variables that look like settings and are none: a typo there would leave what it means as it was.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from pydantic import BaseModel

from bot.config.shapes import SECRET

PREFIX = "RIVULET_"
FILE = "_FILE"


def strays(names: Iterable[str], kinds: Iterable[type[BaseModel]]) -> list[str]:
    """Return a line for each of *names* that is no setting of *kinds*, but is as if it were meant as one."""
    aliases = {str(info.validation_alias) for kind in kinds for info in kind.model_fields.values()}
    # Other programs read what begins so as well: there only typos are told.
    shared = tuple({name.partition("_")[0] + "_" for name in aliases} - {PREFIX})
    known = aliases | {f"{name}{FILE}" for name in aliases if SECRET.fullmatch(name)}
    # In any case of letters, as they are read.
    told = (_told(name, known, shared) for name in sorted(set(names)) if name.upper() not in known)
    return [line for line in told if line]


def _told(name: str, known: Collection[str], shared: tuple[str, ...]) -> str:
    own = name.upper().startswith(PREFIX)
    if not own and not name.upper().startswith(shared):
        return ""
    before = PREFIX if own else ""  # what all have in common says nothing
    ends = [each.removeprefix(before) for each in known if each.startswith(before)]
    if found := get_close_matches(name.upper().removeprefix(before), ends, n=1, cutoff=0.6 if own else 0.9):
        return f"{name} is no setting; did you mean {before}{found[0]}?"
    return f"{name} is no setting; docs/settings.md lists them." if own else ""
