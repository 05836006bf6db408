"""Platforms that fail, end, hang and cancel themselves; and what the bot says of its own state."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.core.core import Core
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Health, Platform, Unavailable
from bot.run.readiness import AWAY, Readiness
from bot.run.server import serving
from bot.run.supervise import FAREWELL, RESTARTS, STEADY, _until, keep
from bot.store.memory import Memory
from tests.fakes import Sheet, ask

jump = pytest.mark.jump


class Odd(Platform):
    """A platform that does what it is told, once for each time it is run."""

    def __init__(self, *does, name="odd"):
        self.name = name
        self.does = list(does)
        self.runs = 0

    async def run(self, core):
        self.runs += 1
        self.health = "up"
        await (self.does.pop(0) if self.does else asyncio.sleep)(86_400)

    async def check(self):
        return ()


def core(store=None):
    return Core(Script("hi"), store or Memory(), Access())


async def ends(_seconds):
    pass


async def fails(_seconds):
    raise RuntimeError("a bug")


async def is_away(_seconds):
    raise OSError("no route")


async def cancels_itself(_seconds):
    running = asyncio.current_task()
    assert running
    running.cancel()
    await asyncio.sleep(1)


async def will_not_end(seconds):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)


@jump
@pytest.mark.parametrize("fault", [ends, fails, is_away, cancels_itself])
async def test_a_platform_that_ends_however_is_down_and_run_again(fault):
    platform = Odd(fault, fault)
    task = asyncio.create_task(keep(platform, core()))
    await asyncio.sleep(RESTARTS[0] / 2)
    assert (platform.runs, platform.health) == (1, "down")
    await asyncio.sleep(RESTARTS[0])
    assert platform.runs == 2
    await asyncio.sleep(RESTARTS[1])
    assert (platform.runs, platform.health) == (3, "up")
    task.cancel()
    await asyncio.wait({task})


@jump
async def test_a_platform_that_fails_is_run_again_less_and_less_often():
    platform = Odd(*[fails] * 100)
    task = asyncio.create_task(keep(platform, core()))
    await asyncio.sleep(3600)
    assert sum(RESTARTS) < 3600
    assert len(RESTARTS) + (3600 - sum(RESTARTS)) // RESTARTS[-1] == platform.runs - 1
    task.cancel()
    await asyncio.wait({task})


@jump
async def test_a_platform_that_ran_well_is_run_again_soon():
    async def fails_late(_seconds):
        await asyncio.sleep(STEADY + 1)
        raise RuntimeError("a bug")

    platform = Odd(fails, fails, fails, fails_late)
    task = asyncio.create_task(keep(platform, core()))
    await asyncio.sleep(sum(RESTARTS[:3]) + STEADY + 1 + RESTARTS[0] + 0.1)
    assert platform.runs == 5
    task.cancel()
    await asyncio.wait({task})


@jump
async def test_a_platform_that_hangs_on_ending_holds_up_nobody():
    stuck, well = Odd(will_not_end, name="stuck"), Odd(name="well")
    tasks = [asyncio.create_task(keep(platform, core())) for platform in (stuck, well)]
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    assert asyncio.get_running_loop().time() - before <= FAREWELL
    left = [task for task in asyncio.all_tasks() if task.get_name() == "stuck"]
    assert len(left) == 1
    left[0].cancel()
    await asyncio.wait(left)


@jump
async def test_only_when_every_platform_is_hopeless_it_is_over():
    async def hopeless(_seconds):
        raise Unavailable("no token")

    good = Odd(fails, name="good")
    ended, tasks = asyncio.Event(), [asyncio.create_task(keep(one, core())) for one in (Odd(hopeless), good)]
    waiting = asyncio.create_task(ended.wait())
    until = asyncio.create_task(_until(waiting, tasks))
    await asyncio.sleep(3600)
    assert not until.done()
    assert good.health == "up"
    ended.set()
    await until
    tasks[1].cancel()
    await asyncio.wait(tasks)
    with pytest.raises(Unavailable, match="no token"):
        await _until(
            asyncio.create_task(asyncio.Event().wait()), [asyncio.create_task(keep(Odd(hopeless), core()))]
        )


# Readiness.


def test_the_bot_is_not_ready_until_every_platform_was_there():
    here, there = Odd(name="here"), Odd(name="there")
    readiness = Readiness([here, there])
    here.health = "up"
    assert not readiness.report(0.0)[0]
    there.health = "up"
    assert readiness.report(1.0)[0]


def test_a_platform_may_be_away_for_two_minutes():
    platform = Odd()
    readiness = Readiness([platform])
    course: list[tuple[float, Health, bool]] = [
        (0.0, "up", True),
        (10.0, "down", True),
        (10.0 + AWAY - 1, "starting", True),
        (10.0 + AWAY, "down", False),
        (200.0, "up", True),
        (201.0, "down", True),
    ]
    for now, health, ready in course:
        platform.health = health
        assert readiness.report(now)[0] is ready, now


def test_a_platform_that_believes_to_be_up_but_hears_nothing_is_away():
    platform = Odd()
    platform.health, platform.heard_at = "up", 5.0
    readiness = Readiness([platform])
    assert readiness.report(15.0)[1]["platforms"]["odd"] == {
        "ready": True,
        "health": "up",
        "heard_s": 10.0,
        "away_s": 0.0,
    }
    assert not readiness.report(5.0 + AWAY)[0]
    platform.heard_at = 5.0 + AWAY
    assert readiness.report(6.0 + AWAY)[0]


def test_a_store_that_can_not_keep_what_it_must_is_reported_and_the_bot_stays_ready():
    class Broken(Memory):
        health = "ok"

    store, platform = Broken(), Odd()
    platform.health = "up"
    readiness = Readiness([platform], core(store))
    assert readiness.report(0.0)[1]["store"] == "ok"
    assert readiness.report(0.0)[0]
    store.health = "degraded: the disk is full"
    ready, said = readiness.report(0.0)
    assert (ready, said["store"]) == (True, store.health)


@pytest.mark.rule(26)
async def test_healthz_says_that_the_loop_turns_and_readyz_what_was_heard():
    platform, it = Odd(), core()
    async with serving("127.0.0.1", 0, [platform], it) as port, aiohttp.ClientSession() as session:

        async def got(path):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                return response.status, await response.json()

        assert await got("healthz") == (200, {"ok": True})
        status, said = await got("readyz")
        assert (status, said["ready"]) == (503, False)
        platform.health = "up"
        await it.mention(ask(Sheet(latency=9.0)))
        status, said = await got("readyz")
        assert (status, said["ready"], said["store"]) == (200, True, "ok")
        assert said["model"] == "ok"
        assert said["answers"] == {"running": 1, "waiting": 0, "most": 1, "taken": 1}
        it.means.model.trouble = "The bot's API key is refused."
        status, said = await got("readyz")
        assert (status, said["ready"], said["model"]) == (503, False, "The bot's API key is refused.")
        platform.health = "down"
        assert await got("healthz") == (200, {"ok": True})
        await it.drain(0)
