"""Waits before what has failed is tried again, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.waits import KEPT, Pause, Waits

pytestmark = pytest.mark.jump

LONG = 30.0


async def _begun(vain: int) -> tuple[Waits, Pause, asyncio.Task[bool]]:
    waits, pause = Waits(), Pause()
    waiting = asyncio.create_task(waits.wait("chat", pause, LONG, vain))
    await asyncio.sleep(LONG / 1000)
    return waits, pause, waiting


@pytest.mark.parametrize("woken", [False, True])
@pytest.mark.parametrize("vain", range(len(KEPT) + 1))
async def test_whoever_leaves_a_wait_waits_no_longer_whether_woken_before_or_not(vain, woken):
    waits, pause, waiting = await _begun(vain)
    if woken:
        waits.wake("chat")
        await asyncio.sleep(0)
    left = asyncio.get_running_loop().time()
    pause.leave()
    assert not await waiting  # it was not the news that made it shorter
    assert asyncio.get_running_loop().time() == left


@pytest.mark.parametrize("order", ["wake leave", "leave wake"])
async def test_news_and_a_leave_in_one_moment_end_a_wait_at_once(order):
    _, pause, waiting = await _begun(len(KEPT))
    left = asyncio.get_running_loop().time()
    for each in order.split():
        getattr(pause, each)()
    assert not await waiting
    assert asyncio.get_running_loop().time() == left


async def test_of_a_wait_that_news_ends_the_more_is_kept_the_more_often_that_was_in_vain():
    ended = []
    for vain in range(len(KEPT)):
        waits, _, waiting = await _begun(vain)
        woken = asyncio.get_running_loop().time()
        waits.wake("chat")
        assert await waiting is (KEPT[vain] < 1)
        ended.append(asyncio.get_running_loop().time() - woken)
    assert ended == sorted(ended)
