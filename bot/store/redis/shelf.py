"""Messages and files of platforms that have no memory of their own, in Redis; see `bot.platform.Shelf`.

A post is a hash.  Beside it are sorted sets of the posts, by `Post.at`: all of them, and those of a talk; and
for each owner a hash of how much each post has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from bot.platform import Post
from bot.store import POSTS_KEPT, rows
from bot.store.redis.keys import Names
from bot.store.redis.wire import Refusal, Script, Wire
from bot.store.rows import BadRow
from bot.store.shelf import OWED

log = structlog.get_logger(__name__)

#: KEYS: the post, all, its talk, its owner, the talk and the owner that it had.  ARGV: its key, its talk,
#: owner, at, body, data, how much it has, seconds for which it is kept, the talk and the owner that it had.
#: Returns 0 where it had others.
PUT = Script("""
local had = redis.call('HMGET', KEYS[1], 'talk', 'owner')
if (had[1] or '') ~= ARGV[9] or (had[2] or '') ~= ARGV[10] then return 0 end
-- A full Redis refuses a script whose first write takes room.
redis.call('HSET', KEYS[1], 'talk', ARGV[2], 'owner', ARGV[3], 'at', ARGV[4], 'body', ARGV[5])
redis.call('HSET', KEYS[1], 'data', ARGV[6])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('EXPIRE', KEYS[3], ARGV[8])
redis.call('EXPIRE', KEYS[4], ARGV[8])
return 1
""")
#: KEYS: the post, all, its talk, its owner.  ARGV: its key, its talk and its owner.
REMOVE = Script("""
local had = redis.call('HMGET', KEYS[1], 'talk', 'owner')
if (had[1] or ARGV[2]) ~= ARGV[2] or (had[2] or ARGV[3]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 1
""")
#: Seconds after which Redis deletes a post that no `prune` has.
LATER = 7 * 86_400.0
#: Posts that are removed together.
BATCH = 100


class RedisShelf:
    """Posts in Redis; see `Shelf`.

    Attributes:
        owed: What could not be done yet, to be done by `back`, at most `OWED`.
    """

    def __init__(self, wire: Wire, names: Names) -> None:
        self.owed: list[Callable[[], Awaitable[None]]] = []
        self._wire = wire
        self._names = names
        self._all = names.of("posts")

    async def put(self, post: Post) -> None:
        """See `Shelf.put`; two round trips, while Redis is away none."""
        await self._do(lambda: self._put(post))

    async def posts(self, talk: str, owner: str = "") -> Sequence[Post]:
        """See `Shelf.posts`."""
        keys = await self._wire.ask("ZRANGE", self._talk(talk), 0, -1)
        fields = ("talk", "owner", "at", "body")
        said = await asyncio.gather(
            *(self._wire.ask("HMGET", self._post(_text(key)), *fields) for key in keys)
        )
        found = [await self._read(_text(key), [*row, b""]) for key, row in zip(keys, said, strict=True)]
        if gone := [key for key, post in zip(keys, found, strict=True) if post is None]:
            await self._wire.ask("ZREM", self._talk(talk), *gone)
        return [post for post in found if post and post.talk == talk and owner in {"", post.owner}]

    async def find(self, key: str) -> Post | None:
        """See `Shelf.find`."""
        fields = ("talk", "owner", "at", "body", "data")
        return await self._read(key, await self._wire.ask("HMGET", self._post(key), *fields))

    async def weight(self, owner: str) -> int:
        """See `Shelf.weight`."""
        return sum(map(int, await self._wire.ask("HVALS", self._owner(owner))))

    async def drop(self, key: str) -> None:
        """See `Shelf.drop`."""
        await self._do(lambda: self._drop(key))

    async def back(self) -> None:
        """Do what could not be done; what Redis refuses stays to be done.

        Raises:
            Away: Redis is away again.
        """
        with suppress(Refusal):
            while self.owed:
                await self.owed[0]()
                del self.owed[0]

    async def prune(self, now: float) -> None:
        """Delete what is older than `POSTS_KEPT` seconds; raises as `posts`."""
        old = f"({now - POSTS_KEPT!r}"
        while keys := await self._wire.ask("ZRANGEBYSCORE", self._all, "-inf", old, "LIMIT", 0, BATCH):
            await self._remove(map(_text, keys))

    async def forget(self, actor: str) -> None:
        """Delete what *actor* owns; raises as `posts`."""
        await self._remove(map(_text, await self._wire.ask("HKEYS", self._owner(actor))))

    async def purge(self) -> None:
        """Delete everything; raises as `posts`."""
        self.owed.clear()
        while keys := await self._wire.ask("ZRANGE", self._all, 0, BATCH - 1):
            await self._remove(map(_text, keys))

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except OSError:
            if len(self.owed) < OWED:
                self.owed.append(work)

    async def _put(self, post: Post) -> None:
        own: list[str | bytes] = [
            self._post(post.key),
            self._all,
            self._talk(post.talk),
            self._owner(post.owner),
        ]
        row = [*map(_bytes, (post.key, post.talk, post.owner)), repr(post.at), _bytes(post.body), post.data]
        more = [len(post.body) + len(post.data), int(POSTS_KEPT + LATER)]
        done = False
        while not done:
            talk, owner = await self._had(post.key)
            keys = [*own, self._talk(talk), self._owner(owner)]
            done = await self._wire.call(PUT, keys, [*row, *more, _bytes(talk), _bytes(owner)])

    async def _drop(self, key: str) -> None:
        under = await self._wire.ask("ZRANGE", self._talk(key), 0, -1)
        await self._remove([key, *map(_text, under)])

    async def _remove(self, keys: Any) -> None:
        """Delete the posts with *keys*."""
        waiting = [*keys]
        while waiting:
            some, waiting = waiting[:BATCH], waiting[BATCH:]
            had = await asyncio.gather(*map(self._had, some))
            done = await asyncio.gather(*(self._take(key, *of) for key, of in zip(some, had, strict=True)))
            waiting += [key for key, removed in zip(some, done, strict=True) if not removed]

    async def _take(self, key: str, talk: str, owner: str) -> bool:
        keys: list[str | bytes] = [self._post(key), self._all, self._talk(talk), self._owner(owner)]
        return bool(await self._wire.call(REMOVE, keys, [*map(_bytes, (key, talk, owner))]))

    async def _had(self, key: str) -> tuple[str, str]:
        """Return the talk and the owner of a post, "" for none."""
        talk, owner = await self._wire.ask("HMGET", self._post(key), "talk", "owner")
        return _text(talk or b""), _text(owner or b"")

    async def _read(self, key: str, said: Sequence[bytes | None]) -> Post | None:
        """Return a post if it is a good one; another is deleted, and that is said."""
        talk, owner, at, body, data = said
        if talk is None and owner is None and at is None and body is None:
            return None
        try:
            return rows.post_of((key, *map(_of, (talk, owner)), _number(at), _of(body), data))
        except BadRow as why:
            log.warning("a post of the ledger was bad and is deleted", post=rows.shown(key), reason=str(why))
            await self._remove([key])
            return None

    def _post(self, key: str) -> bytes:
        return _bytes(self._names.of("post", key))

    def _talk(self, talk: str) -> bytes:
        return _bytes(self._names.of("talk", talk))

    def _owner(self, owner: str) -> bytes:
        return _bytes(self._names.of("owner", owner))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _of(said: bytes | None) -> str | None:
    """Return a field as a row has it; bytes that are no UTF-8 become surrogates, which `BadRow` tells of."""
    return None if said is None else _text(said)


def _number(said: bytes | None) -> float | None:
    try:
        return None if said is None else float(said)
    except ValueError:
        return None
