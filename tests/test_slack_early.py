"""What the Slack adapter does beside its writes when it ends, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from adapters.slack.incoming.early import PATIENCE, Early
from adapters.slack.wire.errands import GRACE, Errands

pytestmark = pytest.mark.jump


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_stop_that_waits_for_its_message_does_not_delay_the_end():
    done: list[str] = []

    async def act() -> None:
        done.append("stopped")

    errands = Errands()
    early = Early(lambda _: False, errands)
    early.keep("m1", act)
    await asyncio.sleep(1)
    began = now()
    await errands.close()
    assert (now(), done) == (began, [])


async def test_a_stop_is_done_once_its_message_is_known_and_forgotten_when_it_never_is():
    known, done = set[str](), list[str]()

    async def act() -> None:
        done.append("stopped")

    errands = Errands()
    early = Early(known.__contains__, errands)
    early.keep("m1", act)
    await asyncio.sleep(PATIENCE / 2)
    known.add("m1")
    await asyncio.sleep(1)
    assert done == ["stopped"]
    early.keep("m2", act)
    await asyncio.sleep(PATIENCE + 1)
    known.add("m2")
    await asyncio.sleep(1)
    assert done == ["stopped"]
    await errands.close()


@pytest.mark.parametrize(("takes", "waits"), [(1.0, 1.0), (60.0, GRACE)])
async def test_what_is_at_work_has_a_little_time_at_the_end(takes, waits):
    errands = Errands()
    errands.start(asyncio.sleep(takes))
    await asyncio.sleep(0)
    began = now()
    await errands.close()
    assert now() - began == pytest.approx(waits)
