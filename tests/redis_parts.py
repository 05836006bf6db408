"""`Kept` before a real Redis, under a prefix of its own: what a store has there beside questions."""

from __future__ import annotations

from itertools import count

from bot.store.redis.kept import Kept
from bot.store.redis.keys import Names
from bot.store.redis.wire import Wire, connector
from tests.redis_server import RedisServer

_numbers = count(1)


def prefix() -> str:
    """Return a prefix that no other test uses."""
    return f"test-{next(_numbers)}"


class Parts(Kept):
    """`Kept` as the replica *name*, with what `RedisStore` adds to it."""

    def __init__(self, wire: Wire, under: str, name: str = "one") -> None:
        super().__init__(wire, Names(under), name)
        self.wire, self.money, self.posts = wire, self._money, self._posts
        self.forgets: list[str] = []
        wire.back += [self.money.back, self.posts.back, self.forgotten]

    async def prune(self, now: float) -> None:
        await super().prune(now)
        await self._prune_kept(now)

    async def forget(self, actor: str) -> int:
        found = await super().forget(actor)
        self.forgets.append(actor)
        await self.forgotten()
        return found

    async def forgotten(self) -> None:
        """Take off the names of those who are to be forgotten."""
        while self.forgets:
            await self._forget_kept(self.forgets[0])
            del self.forgets[0]

    async def purge(self) -> int:
        found = await super().purge()
        await self._purge_kept()
        return found

    async def close(self) -> None:
        await self.wire.close()


async def parts(server: RedisServer, under: str = "", name: str = "one") -> Parts:
    """Return such a store, opened."""
    wire = Wire(connector(server.url))
    await wire.open()
    return Parts(wire, under or prefix(), name)
