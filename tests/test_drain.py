"""SIGTERM with RIVULET_DRAIN: answers go on for a while, and nothing new is taken."""

from __future__ import annotations

import asyncio
import secrets
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import pytest

from bot.core.core import Core
from bot.core.sayings import interrupted
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Unavailable
from bot.run.stage import Stage, slack_stage, until
from bot.run.start import LAST
from bot.store.alone import Alone
from bot.store.memory import Memory
from tests.fakes import Sheet, ask
from tests.test_cli import TRACEBACK, good, started
from tests.test_cli import ended as has_ended
from tests.warm import Forked, spawned

jump = pytest.mark.jump
WORDS: tuple[str | float, ...] = ("one ", 2.0, "two ", 2.0, "three")
TEXT = "one two three"


@jump
async def test_an_answer_that_ends_in_time_is_whole_and_the_drain_waits_no_longer():
    sheet, it = Sheet(), Core(Script(*WORDS), Memory(), Access())
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    await it.drain(4.5, going_on=60.0)
    assert (sheet.last.text, sheet.last.note, sheet.last.live) == (TEXT, "", False)
    assert asyncio.get_running_loop().time() - before < 10


@jump
async def test_what_goes_on_for_too_long_is_ended_with_a_note_and_its_last_edit_is_in_time():
    sheet, it = Sheet(), Core(Script("one ", 2.0, "two ", {"stall": True}), Memory(), Access())
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    await it.drain(4.5, going_on=20.0)
    assert 20.0 <= asyncio.get_running_loop().time() - before <= 24.5
    assert sheet.last.text == "one two"
    assert sheet.last.note == interrupted(begun=True, calling="")[0]


@jump
async def test_while_answers_go_on_nothing_new_is_taken_and_what_waits_for_them_is_answered():
    first, second = Sheet("first"), Sheet("second")
    it = Core(Script(*WORDS), Memory(), Access())
    await it.mention(ask(first, "q1", conversation="C1"))
    await it.mention(ask(second, "q2", conversation="C1"))
    await asyncio.sleep(1)
    draining = asyncio.create_task(it.drain(4.5, going_on=60.0))
    await asyncio.sleep(0.1)
    assert it.draining
    with pytest.raises(Unavailable):
        await it.mention(ask(Sheet(), "q3"))
    await draining
    assert [first.last.text, second.last.text] == [TEXT, TEXT]


class Leaving(Alone):
    """Peers of a replica, which Redis may not hear."""

    def __init__(self, takes: float) -> None:
        super().__init__()
        self.takes = takes
        self.left = False

    async def leave(self):
        await asyncio.sleep(self.takes)
        self.left = True


@jump
@pytest.mark.parametrize(("takes", "left"), [(0.1, True), (60.0, False)])
async def test_others_are_told_first_and_a_store_that_does_not_hear_it_holds_up_nothing(takes, left):
    store, sheet = Memory(), Sheet()
    store._peers = peers = Leaving(takes)
    it = Core(Script("one ", {"stall": True}), store, Access())
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    await it.drain(4.5)
    assert asyncio.get_running_loop().time() - before <= 0.5 + 4.5
    assert (peers.left, sheet.last.live) == (left, False)


@dataclass
class Running:
    """A bot that answers one question, whose answer has begun to show."""

    process: Process | Forked
    world: Any
    stage: Stage
    asked: Any
    session: aiohttp.ClientSession
    url: str

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path) as response:
            return response.status

    async def over(self) -> bytes:
        _, err = await asyncio.wait_for(self.process.communicate(), 60)
        assert TRACEBACK.encode() not in err
        return err


@asynccontextmanager
async def answering(folder: Any, port: int, drain: int, *steps: Any) -> AsyncIterator[Running]:
    """Run the bot in a process of its own until the first word of an answer is seen."""
    url = f"http://127.0.0.1:{port}"
    async with spawned() as world, aiohttp.ClientSession() as session:
        await world.claude.script(steps=[*steps])
        env = {**good(world), "DISCORD_BOT_TOKEN": "", "RIVULET_PORT": str(port), "RIVULET_DRAIN": str(drain)}
        async with started("run", cwd=folder, env=env) as process:
            stage = slack_stage(world)
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            asked = await stage.say("well?")
            await until(partial(_begun, stage, asked), 60)
            yield Running(process, world, stage, asked, session, url)


async def _begun(stage: Stage, asked: Any) -> bool:
    return any(message["text"] for message in await stage.answers(asked))


async def _gone(running: Running) -> bool:
    return await running.status("/readyz") == 503


async def test_a_running_answer_is_given_its_time_and_the_process_says_that_it_is_not_ready(
    tmp_path, unused_tcp_port
):
    # For longer than a bot may take to end that has no such time.
    async with answering(tmp_path, unused_tcp_port, 60, "one ", LAST + 1.0, "two") as bot:
        assert await bot.status("/readyz") == 200
        bot.process.send_signal(signal.SIGTERM)
        await until(partial(_gone, bot), 60)
        assert not await has_ended(bot.stage, bot.asked)  # it was not ended for that
        assert await bot.status("/healthz") == 200
        late = await bot.stage.say("and how?")
        await bot.over()
        [answer] = await bot.stage.answers(bot.asked)
        assert (answer["text"], answer["note"], answer["live"]) == ("one two", "", False)
        assert not await bot.stage.answers(late)
    assert bot.process.returncode == 0


async def test_what_is_asked_while_one_replica_drains_the_other_answers_and_a_second_signal_ends_that_at_once(
    tmp_path, redis_shared, unused_tcp_port_factory
):
    url = f"{redis_shared.url}?prefix=drain-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(spawned())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await world.claude.script(steps=["one ", 6.0, "two"])
        replicas = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            port = unused_tcp_port_factory()
            env = {**good(world), "DISCORD_BOT_TOKEN": "", "RIVULET_PORT": str(port)}
            env |= {"RIVULET_DRAIN": "60", "RIVULET_STORE": url, "RIVULET_METRICS": "off"}
            process = await stack.enter_async_context(started("run", cwd=tmp_path / name, env=env))
            replicas.append((process, f"http://127.0.0.1:{port}"))

        async def busy(at: str) -> int:
            async with session.get(f"{at}/readyz") as response:
                return int((await response.json()).get("answers", {}).get("running", 0))

        async def ready() -> bool:
            return all([await _status(session, f"{at}/readyz") == 200 for _, at in replicas])

        await until(ready, 60)
        stage = slack_stage(world)
        first = await stage.say("well?")
        await until(partial(_begun, stage, first), 60)
        loads = [await busy(at) for _, at in replicas]
        assert sorted(loads) == [0, 1]
        process, at = replicas[loads.index(1)]
        process.send_signal(signal.SIGTERM)
        await until(lambda: _is_draining(session, at), 60)
        second = await stage.say("and how?")
        await until(partial(has_ended, stage, second), 60)
        _, err = await asyncio.wait_for(process.communicate(), 60)
        for asked in (first, second):
            [answer] = await stage.answers(asked)
            assert (answer["text"], answer["note"], answer["live"]) == ("one two", "", False)
        assert process.returncode == 0
        assert TRACEBACK.encode() not in err
        process, at = replicas[loads.index(0)]
        third = await stage.say("and now?")
        await until(partial(_begun, stage, third), 60)
        process.send_signal(signal.SIGTERM)
        await until(lambda: _is_draining(session, at), 60)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 128 + signal.SIGTERM
        [answer] = await stage.answers(third)
        assert answer["live"]  # the next start ends it


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url) as response:
            return response.status
    except aiohttp.ClientError:
        return 0


async def _is_draining(session: aiohttp.ClientSession, at: str) -> bool:
    async with session.get(f"{at}/readyz") as response:
        return bool((await response.json()).get("draining"))
