"""What a platform without a memory of its own keeps in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Post:
    """A message or a file of a platform that has no memory but the bot's; see `Shelf`.

    Attributes:
        key: Unique; begins with the platform's name and "/".
        talk: What it is listed under: the key of the conversation that it is in, or the platform's name for a
            conversation itself.
        owner: The `Actor.id` of whose it is; with what that person asked, it is forgotten.
        at: In seconds of the wall clock.
        body: What the platform wants to know of it, in a form of its own.
        data: The content of a file.
    """

    key: str
    talk: str
    owner: str
    at: float
    body: str
    data: bytes = field(default=b"", repr=False)


class Shelf(Protocol):
    """Keeps posts, over restarts too, for 90 days: for a platform that is served by the bot itself."""

    async def put(self, post: Post) -> None:
        """Keep *post* in place of one with its key."""

    async def posts(self, talk: str, owner: str = "") -> Sequence[Post]:
        """Return what is listed under *talk*, of one *owner* or of all, oldest first, without `Post.data`.

        Raises:
            OSError: It can't be read now; so does `find`.
        """

    async def find(self, key: str) -> Post | None:
        """Return the post with *key*, whole."""

    async def weight(self, owner: str) -> int:
        """Return how much the posts of *owner* have: characters of bodies and bytes of data, together.

        Raises:
            OSError: As `posts`.
        """

    async def drop(self, key: str) -> None:
        """Delete the post with *key* and all that is listed under it."""
