"""Messages and files of platforms that have no memory of their own: in memory, and in the ledger's file.

See `bot.platform.Shelf`.  What is in a body is the platform's business; it must never be looked at here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from bot.platform import Post
from bot.store import POSTS_KEPT, rows, tables
from bot.store.rows import BadRow
from bot.store.tables import Statement
from bot.store.writer import Writer

log = structlog.get_logger(__name__)

#: Posts that wait for a file that can't be written.
OWED = 1000


class MemoryShelf:
    """Posts in a dictionary; see `Shelf`."""

    def __init__(self) -> None:
        self._posts: dict[str, Post] = {}

    async def put(self, post: Post) -> None:
        """See `Shelf.put`."""
        self._posts[post.key] = post

    async def posts(self, talk: str, owner: str = "") -> Sequence[Post]:
        """See `Shelf.posts`."""
        found = [each for each in self._posts.values() if each.talk == talk and owner in {"", each.owner}]
        return [replace(each, data=b"") for each in sorted(found, key=lambda each: each.at)]

    async def find(self, key: str) -> Post | None:
        """See `Shelf.find`."""
        return self._posts.get(key)

    async def weight(self, owner: str) -> int:
        """See `Shelf.weight`."""
        return sum(len(each.body) + len(each.data) for each in self._posts.values() if each.owner == owner)

    async def drop(self, key: str) -> None:
        """See `Shelf.drop`."""
        self._keep(lambda post: key not in {post.key, post.talk})

    def prune(self, now: float) -> None:
        """Delete what is older than `POSTS_KEPT` seconds."""
        self._keep(lambda post: post.at >= now - POSTS_KEPT)

    def forget(self, actor: str) -> None:
        """Delete what *actor* owns."""
        self._keep(lambda post: post.owner != actor)

    def purge(self) -> None:
        """Delete everything."""
        self._posts.clear()

    def _keep(self, stays: Callable[[Post], bool]) -> None:
        self._posts = {key: post for key, post in self._posts.items() if stays(post)}


class FileShelf:
    """Posts in the ledger's file; see `Shelf`.

    Args:
        writer: The thread that has the file.

    Attributes:
        owed: What could not be written yet.
    """

    def __init__(self, writer: Writer) -> None:
        self.owed: list[Statement] = []
        self._writer = writer

    async def put(self, post: Post) -> None:
        """See `Shelf.put`."""
        await self._write((tables.PUT, tables.post_row(post)))

    async def posts(self, talk: str, owner: str = "") -> Sequence[Post]:
        """See `Shelf.posts`."""
        return await self._writer.read(lambda: self._found(tables.POSTS, talk, owner, owner))

    async def find(self, key: str) -> Post | None:
        """See `Shelf.find`."""
        return next(iter(await self._writer.read(lambda: self._found(tables.FIND_POST, key))), None)

    async def weight(self, owner: str) -> int:
        """See `Shelf.weight`."""
        db = self._writer.file
        found = await self._writer.read(lambda: db.connected.execute(tables.WEIGHT, (owner,)).fetchone())
        return int(found[0])

    async def drop(self, key: str) -> None:
        """See `Shelf.drop`."""
        await self._write((tables.DROP, (key,)))

    async def _write(self, statement: Statement) -> None:
        await self._writer.write(statement)
        if self._writer.trouble and len(self.owed) < OWED:
            self.owed.append(statement)

    def _found(self, statement: str, *values: str) -> list[Post]:
        """Return the posts that are good; the others are deleted, and that is said."""
        db: sqlite3.Connection = self._writer.file.connected
        found = []
        for row in db.execute(statement, values).fetchall():
            try:
                found.append(rows.post_of(row))
            except BadRow as why:
                log.warning(
                    "a post of the ledger was bad and is deleted", post=rows.shown(row[0]), reason=str(why)
                )
                db.execute(tables.ASIDE_POST, (rows.bytes_of(row[0]),))
        return found
