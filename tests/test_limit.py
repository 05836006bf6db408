"""One timer for many waits: each ends when it takes too long, and no other does."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from bot.model.limit import Limit

pytestmark = pytest.mark.jump


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_wait_that_takes_too_long_ends_when_its_limit_is_reached_and_leaves_no_cancellation():
    began = now()
    with closing(Limit()) as limit:
        assert await limit.wait(asyncio.sleep(1, "here"), began + 2) == "here"
        with pytest.raises(TimeoutError):
            await limit.wait(asyncio.sleep(100), now() + 3)
        assert limit.expired
        assert 3.9 < now() - began < 4.1
        assert await limit.wait(asyncio.sleep(1, "again"), now() + 2) == "again"
    task = asyncio.current_task()
    assert task
    assert not task.cancelling()


async def test_a_limit_may_move_away_and_nearer_and_none_holds_between_two_waits():
    with closing(Limit()) as limit:
        for _ in range(20):
            await limit.wait(asyncio.sleep(1), now() + 2)
            await asyncio.sleep(5)
        await limit.wait(asyncio.sleep(1), now() + 1_000)
        began = now()
        with pytest.raises(TimeoutError):
            await limit.wait(asyncio.sleep(100), began + 2)
        assert 1.9 < now() - began < 2.1


async def test_many_waits_set_few_timers(monkeypatch):
    loop, timers = asyncio.get_running_loop(), 0
    call_at = loop.call_at

    def counted(*given, **more):
        nonlocal timers
        timers += 1
        return call_at(*given, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    with closing(Limit()) as limit:
        for _ in range(1_000):
            await limit.wait(asyncio.sleep(0), now() + 60)
    assert timers <= 2


async def test_a_cancellation_from_outside_is_none_of_a_limit_and_errors_pass():
    limit = Limit()
    task = asyncio.ensure_future(limit.wait(asyncio.sleep(100), now() + 50))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not limit.expired
    with pytest.raises(StopAsyncIteration):
        await limit.wait(nothing(), now() + 50)
    limit.close()
    await asyncio.sleep(100)


async def nothing() -> None:
    raise StopAsyncIteration
