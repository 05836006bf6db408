"""How often one person may ask: in one process, and over replicas on a real Redis."""

from __future__ import annotations

import asyncio
import random

import pytest

from bot.store.limits import HOUR, MINUTE, MemoryRateLimits, RateLimits
from bot.store.memory import Memory
from tests.redis_parts import parts, prefix
from tests.test_spend import Clock


@pytest.fixture(params=["memory", "redis"])
async def limits(request):
    store = Memory() if request.param == "memory" else await parts(request.getfixturevalue("redis_shared"))
    yield store.limits
    await store.close()


async def admitted(
    limits: RateLimits, many: int, user: str = "chat/U1", minute: int = 3, hour: int = 0
) -> int:
    return sum(await asyncio.gather(*(limits.admit(user, minute, hour) for _ in range(many))))


async def test_so_many_are_admitted_in_a_minute_and_no_more_of_that_person(limits):
    assert await admitted(limits, 10) == 3
    assert await admitted(limits, 10) == 0
    assert await admitted(limits, 10, "chat/U2") == 3


async def test_so_many_are_admitted_in_an_hour(limits):
    assert await admitted(limits, 10, hour=2) == 2
    assert await admitted(limits, 10, minute=0, hour=5) == 3


async def test_what_is_not_admitted_does_not_count_and_nothing_is_bounded_by_0(limits):
    assert await admitted(limits, 50, minute=0) == 50
    assert await admitted(limits, 50) == 3
    assert await admitted(limits, 50, minute=4) == 1


async def test_a_look_counts_nothing(limits):
    assert all([await limits.admit("U1", 1, 0, count=False) for _ in range(5)])
    assert await limits.admit("U1", 1, 0)
    assert not await limits.admit("U1", 1, 0, count=False)


async def test_each_minute_and_each_hour_holds_so_many_questions_of_one_person_and_no_more():
    rng, clock = random.Random(5), Clock(0.0)
    limits = MemoryRateLimits(lambda: clock.now)
    asked: list[float] = []
    for _ in range(2_000):
        clock.now += rng.random() * 25
        minute, hour = (sum(clock.now - at < span for at in asked) for span in (60.0, HOUR))
        may = await limits.admit("U1", 4, 20)
        assert may is (minute < 4 and hour < 20)
        asked += [clock.now] if may else []


async def test_who_has_not_asked_for_an_hour_is_forgotten():
    clock = Clock(0.0)
    limits = MemoryRateLimits(lambda: clock.now)
    for number in range(100):
        await limits.admit(str(number), 1, 1)
    clock.now = HOUR
    assert await limits.admit("1", 1, 1)
    assert len(limits._asked) == 1


async def test_replicas_admit_together_what_one_would(redis_shared):
    under = prefix()
    stores = [await parts(redis_shared, under, str(number)) for number in range(4)]
    found = await asyncio.gather(*(stores[n % 4].limits.admit("chat/U1", 8, 60) for n in range(200)))
    assert sum(found) == 8
    for store in stores:
        await store.close()


async def test_in_redis_a_question_counts_for_a_minute_and_an_hour_and_no_name_is_there(redis_shared):
    store = await parts(redis_shared)
    assert await admitted(store.limits, 5, minute=2, hour=3) == 2
    [key] = await store.wire.ask("KEYS", store._rates._names.of("asked", "*"))
    assert b"U1" not in key
    assert 0 < await store.wire.ask("TTL", key) <= HOUR

    async def age(seconds: float) -> None:
        for member in await store.wire.ask("ZRANGE", key, 0, -1):
            await store.wire.ask("ZINCRBY", key, -seconds * 1_000_000, member)

    await age(MINUTE)
    assert await admitted(store.limits, 5, minute=2, hour=3) == 1
    await age(HOUR - MINUTE)
    assert await admitted(store.limits, 5, minute=2, hour=3) == 2, "one is not an hour old"
    await store.close()


async def test_while_redis_is_away_each_replica_goes_on_counting_for_itself(redis_own):
    store = await parts(redis_own)
    assert await admitted(store.limits, 2) == 2
    redis_own.kill()
    assert await admitted(store.limits, 5) == 1
    await store.close()
