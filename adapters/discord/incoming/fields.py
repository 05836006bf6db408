"""Fields of Discord's JSON, whatever is in them: what has not the right shape counts as not there.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

#: The greatest id: snowflakes are unsigned numbers of 64 bits (reference.mdx).
GREATEST = 2**64 - 1
#: Entries of a list that are looked at; Discord's own limits are 10 embeds and 25 fields.
ENTRIES = 100


def string(found: object) -> str:
    """Return *found* if it is a string, else ""."""
    return found if isinstance(found, str) else ""


def snowflake(found: object) -> int:
    """Return the id that *found* is; 0 if it is none."""
    if isinstance(found, str) and len(found) <= 20 and found.isascii() and found.isdigit():
        found = int(found)
    return found if type(found) is int and 0 < found <= GREATEST else 0


def whole(found: object) -> int:
    """Return *found* if it is a whole number that is not negative, else 0."""
    return found if type(found) is int and 0 <= found <= GREATEST else 0


def inner(found: object, *names: str) -> Json:
    """Return the object below *names* in *found*; an empty one if there is none."""
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def entries(found: object) -> list[Json]:
    """Return the objects in the list *found*; of very many, the first."""
    return [each for each in found[:ENTRIES] if isinstance(each, Mapping)] if isinstance(found, list) else []
