"""Every kind of store for the tests of what all of them do, and time that passes for them."""

from __future__ import annotations

import secrets
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

from bot.store import Store
from bot.store.memory import Memory
from bot.store.peers import LEASE
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers
from bot.store.redis.store import RedisStore
from bot.store.redis.wire import Wire, connector
from bot.store.sqlite import Sqlite
from tests.redis_server import RedisServer

KINDS = ("memory", "sqlite", "redis")

#: Takes seconds off the time that each key under a prefix has left.
AGE = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local left = redis.call('TTL', key)
  if left >= 0 then redis.call('EXPIRE', key, left - ARGV[2]) end
end
"""
#: The time that it is for a store.
AGED: WeakKeyDictionary[RedisStore, float] = WeakKeyDictionary()


async def redis_store(
    server: RedisServer, prefix: str = "", *, joins: bool = False, lease: float = LEASE
) -> RedisStore:
    """Return a store on *server*, opened; under a prefix of its own unless given.

    Unless it *joins* the other replicas it takes them for dead, as they do it.
    """
    wire, names = Wire(connector(server.url)), Names(prefix or secrets.token_hex(4))
    store = RedisStore(wire, names, RedisPeers(wire, names, lease) if joins else None)
    await store.open()
    return store


async def opened(request: pytest.FixtureRequest, folder: Path) -> Store:
    """Return a store of the kind that *request* is for."""
    if request.param == "memory":
        return Memory()
    if request.param == "redis":
        return await redis_store(request.getfixturevalue("redis_shared"))
    store = Sqlite(folder)
    await store.open()
    return store


async def later(store: Store, now: float, since: float) -> None:
    """Let it be *now*, where it was *since*."""
    if isinstance(store, RedisStore):
        await store._wire.ask("EVAL", AGE, 0, store._names.of("*"), int(now - AGED.get(store, since)))
        AGED[store] = now
    await store.prune(now)
