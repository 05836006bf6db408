"""What Redis refuses a replica time and again: said once, with what to do, and again when it changes."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.store.once import Once
from bot.store.redis import rights
from bot.store.redis.keys import Names

log = structlog.get_logger(__name__)

#: What a refusal has in it where a key is of another kind than ours are.
WRONG = "WRONGTYPE"


class Refusals:
    """What was refused, by what it was for.

    Args:
        names: Of the keys.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._once = Once()

    def say(self, what: str, why: str, keys: Sequence[str] = ()) -> None:
        """Log that *what* is so, unless that is known: Redis refuses with *why*, which is about *keys*."""
        if self._once.new(what, why):
            log.warning(what, reason=why, fix=self._fix(why, keys))

    def over(self, what: str) -> None:
        """Take note that *what* is so no more."""
        self._once.over(what)

    def _fix(self, why: str, keys: Sequence[str]) -> str:
        if barred := rights.forbids(why, self._names):
            return barred[1]
        if WRONG in why:
            which = " or ".join(f"'{key}'" for key in keys) or f"something under '{self._names.of()}:'"
            return f"{which} is of another program: see redis-cli type, and delete it with redis-cli del"
        return ""
