"""A store whose accounts, shelf, vault and limits are in a real Redis, under a prefix of its own."""

from __future__ import annotations

import time
from itertools import count

from bot.platform import Shelf, Vault
from bot.store.accounts import Accounts
from bot.store.keys import DAY
from bot.store.limits import Limits
from bot.store.memory import Memory
from bot.store.redis.accounts import RedisAccounts
from bot.store.redis.keys import Names
from bot.store.redis.limits import RedisLimits
from bot.store.redis.shelf import RedisShelf
from bot.store.redis.vault import RedisVault
from bot.store.redis.wire import Wire, connector
from tests.redis_server import RedisServer

_numbers = count(1)


def prefix() -> str:
    """Return a prefix that no other test uses."""
    return f"test-{next(_numbers)}"


class Parts(Memory):
    """`Memory`, but for what is in Redis, as the replica *name*."""

    def __init__(self, wire: Wire, under: str, name: str = "one") -> None:
        super().__init__()
        names = Names(under)
        self.wire = wire
        self.money = RedisAccounts(wire, names, name)
        self.posts = RedisShelf(wire, names)
        self.secrets = RedisVault(wire, names)
        self.rates = RedisLimits(wire, names)
        self.forgets: list[str] = []
        wire.back += [self.money.back, self.posts.back, self.forgotten]

    @property
    def accounts(self) -> Accounts:
        return self.money

    @property
    def shelf(self) -> Shelf:
        return self.posts

    @property
    def vault(self) -> Vault:
        return self.secrets

    @property
    def limits(self) -> Limits:
        return self.rates

    async def prune(self, now: float) -> None:
        await super().prune(now)
        await self.posts.prune(now)
        await self.money.prune(int(now // DAY))

    async def forget(self, actor: str) -> int:
        found = await super().forget(actor)
        self.forgets.append(actor)
        await self.forgotten()
        return found

    async def forgotten(self) -> None:
        """Take off the names of those who are to be forgotten."""
        while self.forgets:
            await self.money.forget(self.forgets[0], int(time.time() // DAY))
            await self.posts.forget(self.forgets[0])
            del self.forgets[0]

    async def purge(self) -> int:
        found = await super().purge()
        for each in (self.money, self.posts, self.secrets):
            await each.purge()
        return found

    async def close(self) -> None:
        await self.wire.close()


async def parts(server: RedisServer, under: str = "", name: str = "one") -> Parts:
    """Return such a store, opened."""
    wire = Wire(connector(server.url))
    await wire.open()
    return Parts(wire, under or prefix(), name)
