"""The tries of one answer's writes, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from bot.core.draft import Draft
from bot.core.kept import Kept
from bot.core.tries import RETRIES, Tries
from bot.core.waits import SPREAD, Waits
from bot.platform import Limits
from bot.show.answer import Answer
from bot.store.memory import Memory

pytestmark = pytest.mark.jump


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def tries() -> Tries:
    return Tries(Draft(Answer(Limits(2000)), Kept(Memory(), "chat/q", now)), Waits(), "chat")


async def test_failures_wait_longer_and_longer_and_what_gets_through_begins_anew(tries):
    for seconds in RETRIES:
        assert not tries.over
        tries.begin()
        before = now()
        await tries.after_failure()
        assert 0 <= now() - before - seconds <= SPREAD
    assert tries.over
    tries.passed()
    assert not tries.over


async def test_a_429_waits_as_long_as_it_asks_and_as_a_failure_at_least(tries):
    for seconds, least in zip([12.0] * len(RETRIES), RETRIES, strict=True):
        tries.begin()
        before = now()
        await tries.after_429(seconds)
        assert 0 <= now() - before - max(seconds, least) <= SPREAD
    assert tries.over


async def test_what_lasts_counts_from_the_first_failure_but_not_from_a_429_or_a_try_that_was_none(tries):
    tries.begin()
    await asyncio.sleep(50)  # not made after all, so there is no word of how it went
    tries.begin()
    assert tries.lasting == 0
    await tries.after_failure()
    tries.begin()
    assert tries.lasting >= RETRIES[0]
    await tries.after_429(30.0)
    await asyncio.sleep(10)
    tries.begin()
    assert tries.lasting == 0
    await tries.after_failure()
    tries.begin()
    assert tries.lasting >= RETRIES[2]


async def test_what_lasts_is_nothing_before_the_first_try(tries):
    assert tries.lasting == 0
