"""What our keys in Redis are called.  Pure."""

from __future__ import annotations

import re

#: What begins our keys where `?prefix=` does not say otherwise, and what it may be.
PREFIX = "rivulet"
ALLOWED = re.compile(r"[A-Za-z0-9_.:-]{1,60}")


class Names:
    """The keys of one bot, all in one slot of a cluster: a script may take any of them.

    Args:
        prefix: What other bots in the same Redis do not use.

    Raises:
        ValueError: It has other characters than letters, digits, "_", ".", ":" and "-", or over 60.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        if not ALLOWED.fullmatch(prefix):
            raise ValueError("the prefix may have letters, digits, _ . : and - alone, 60 at most")
        self.prefix = prefix

    def of(self, *parts: object) -> str:
        """Return the key of what *parts* name: ("turn", "chat/1") is "{rivulet}:turn:chat/1"."""
        return ":".join((f"{{{self.prefix}}}", *map(str, parts)))
