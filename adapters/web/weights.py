"""How many bytes each person has here, so that nobody fills the disk."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.web.people import Refusal
from bot.platform import Post

#: Bytes that one person may have, in files and messages; all of it is kept for 90 days.
STORED = 500 * 2**20
#: Seconds between two times that the shelf is asked for a person who has too much: it looks at all it has.
AGAIN = 10.0


@dataclass(slots=True)
class Weight:
    """What one person has.

    Attributes:
        bytes: How many bytes at most: a message that is kept anew counts again until the shelf is asked.
        at: When it was asked last.
    """

    bytes: int
    at: float


class Weights:
    """What people have.

    Args:
        weigh: Asks the shelf; see `Shelf.weight`.
    """

    def __init__(self, weigh: Callable[[str], Awaitable[int]]) -> None:
        self._weigh = weigh
        self._known: dict[str, Weight] = {}

    def add(self, post: Post) -> None:
        """Count *post*, which was put on the shelf."""
        if known := self._known.get(post.owner):
            known.bytes += len(post.body) + len(post.data)

    def forget(self, owner: str) -> None:
        """Ask the shelf again for *owner*, who has deleted something."""
        self._known.pop(owner, None)

    async def expect_room(self, owner: str, more: int) -> None:
        """Raise `Refusal` if *owner* would have too much with *more* bytes."""
        now, known = time.monotonic(), self._known.get(owner)
        if known is None or (known.bytes + more > STORED and now - known.at > AGAIN):
            known = self._known[owner] = Weight(await self._weigh(owner), now)
        if known.bytes + more > STORED:
            raise Refusal(
                413,
                f"You have {STORED >> 20} MB here, as much as one person may; delete conversations that you "
                "need no more.",
            )
