"""Discord's shards in several processes that share a real Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest

from adapters.discord.incoming import leased
from adapters.emulators.discord import Discord
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers
from bot.store.redis.vault import RedisVault
from bot.store.redis.wire import Wire, connector
from tests.herd import Ears, Herd, Process, herded

SHARDS = 4
#: Seconds; a beat is an eighth.
LEASE = 1.6
PREFIXES = count()


class Joined:
    """A process's place among the replicas; see `tests.divider.Seat`."""

    def __init__(self, peers: RedisPeers) -> None:
        self.peers = peers
        self.alive, self.leaving = True, False

    def parts(self) -> list[int]:
        works: dict[str, Any] = self.peers.leases._works  # type: ignore[attr-defined]
        return [number for work in works.values() for number in work.held]

    def depart(self) -> None:
        self.leaving = True
        self.going = asyncio.create_task(self.peers.leave())


@pytest.fixture
async def herd(redis_shared: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Herd]:
    monkeypatch.setattr(leased, "IDENTIFY", 0.05)
    monkeypatch.setattr(leased, "NOTE", 0.1)
    monkeypatch.setattr(leased, "STANDBY", 0.3)
    emulator = Discord()
    await emulator.start()
    await emulator.limits(on=False)
    herd = await herded(emulator, SHARDS)
    yield herd
    await herd.end()
    await emulator.stop()


@pytest.fixture
async def start(herd: Herd, redis_shared: Any) -> AsyncIterator[Any]:
    """Return what starts a process."""
    prefix = f"shards{next(PREFIXES)}"
    async with AsyncExitStack() as stack:

        async def started() -> Process:
            wire, names = Wire(connector(redis_shared.url)), Names(prefix)
            peers = RedisPeers(wire, names, lease=LEASE)
            await wire.open()
            stack.push_async_callback(wire.close)
            await peers.open()
            stack.push_async_callback(peers.close)
            vault: Any = RedisVault(wire, names)
            herd.processes.append(Process(Joined(peers), Ears(peers.leases, vault), herd.load()))
            return herd.processes[-1]

        yield started
        await herd.end()


async def test_processes_that_come_and_go_hand_their_shards_over_by_redis_and_lose_no_question(herd, start):
    first = await start()
    await herd.settled()
    talking = asyncio.create_task(herd.chatter())
    second = await start()
    await herd.settled()
    assert [len(each.shards) for each in (first, second)] == [2, 2]
    await first.leave()
    await herd.settled()
    await asyncio.sleep(0.2)
    talking.cancel()
    await herd.all_heard()
    assert Counter(herd.heard) == Counter(herd.said)
    assert await herd.count("identify") == SHARDS
    assert await herd.count("resume", accepted=True) == SHARDS


async def test_a_process_that_ends_without_a_word_to_the_others_leaves_its_sessions(herd, start):
    first, second = await start(), await start()
    await herd.settled()
    talking = asyncio.create_task(herd.chatter())
    await asyncio.sleep(0.3)
    await first.end()
    await herd.settled()
    talking.cancel()
    await herd.all_heard()
    assert second.shards == list(range(SHARDS))
    assert Counter(herd.heard) == Counter(herd.said)
    assert await herd.count("identify") == SHARDS
