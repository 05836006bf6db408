"""Claude's SDK is imported while platforms connect: a question that comes meanwhile waits for it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from adapters.emulators.claude import Claude as Emulated
from bot.config import Settings
from bot.events import Event, Text, Turn
from bot.model import Request
from bot.run import model as model_of
from bot.run.model import Coming, claude_of

QUESTION = Request((Turn("user", "why?"),))


@pytest.fixture
async def emulator() -> AsyncIterator[Emulated]:
    emulator = Emulated()
    await emulator.start()
    await emulator.script(["Because."])
    yield emulator
    await emulator.stop()


@pytest.fixture
async def claude(emulator, monkeypatch) -> AsyncIterator[Coming]:
    for name, value in {"ANTHROPIC_API_KEY": "sk-first", "ANTHROPIC_BASE_URL": emulator.url}.items():
        monkeypatch.setenv(name, value)
    async with claude_of(Settings()) as claude:
        yield claude


@pytest.fixture
def imported(monkeypatch) -> threading.Event:
    """Set when the SDK may be there."""
    may, real = threading.Event(), model_of._claude

    def slow(settings):
        assert may.wait(30)
        return real(settings)

    monkeypatch.setattr(model_of, "_claude", slow)
    return may


async def answer(claude: Coming) -> list[Event]:
    async with aclosing(claude.stream(QUESTION)) as events:
        return [event async for event in events]


async def test_a_question_that_comes_before_the_sdk_waits_for_it_and_the_loop_turns(claude, imported):
    claude.prepare()
    first, second = asyncio.create_task(answer(claude)), asyncio.create_task(answer(claude))
    done, _ = await asyncio.wait({first, second}, timeout=0.1)
    assert not done
    imported.set()
    assert [(await each)[0] for each in (first, second)] == [Text("Because.")] * 2


async def test_a_question_that_is_given_up_takes_nothing_from_the_next(claude, imported):
    given_up = asyncio.create_task(answer(claude))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    imported.set()
    assert (await answer(claude))[0] == Text("Because.")


@pytest.mark.rule(24)
async def test_a_key_that_is_changed_before_the_sdk_is_there_is_the_one_that_is_used(
    claude, emulator, imported
):
    claude.prepare()
    claude.rekey("sk-second")
    imported.set()
    await answer(claude)
    claude.rekey("sk-third")
    await answer(claude)
    assert [seen["key"] for seen in await emulator.events(kinds=["request"])] == ["cond", "hird"]


async def test_what_the_check_was_told_of_the_model_counts_once_it_is_there(claude, emulator):
    await emulator.configure(window=1_000)
    assert await claude.check() == ""
    await answer(claude)
    with pytest.raises(Exception, match="too long"):
        async with aclosing(claude.stream(Request((Turn("user", "word " * 5_000),)))) as events:
            await anext(events)
    assert await emulator.events(kinds=["refused"]) == []  # it was not even asked


async def test_who_ends_during_the_import_does_not_wait_for_it(claude, imported):
    making = claude.prepare()
    await asyncio.wait_for(claude.close(), 10)
    assert making.cancelled()
    imported.set()


@pytest.mark.parametrize("collects", [True, False])
async def test_the_garbage_collector_is_as_it_was_before(claude, collects):
    was = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        await claude.prepare()
        assert gc.isenabled() is collects
    finally:
        gc.unfreeze()
        (gc.enable if was else gc.disable)()


def test_all_that_serves_is_imported_without_the_sdk():
    program = "import sys, bot.run.start, bot.run.supervise, bot.run.model; print('anthropic' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
    )
