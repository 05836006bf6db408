"""The patient model over the real SDK and a real socket, on the jumping clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.emulators.claude import Claude as Emulated
from bot.core.core import Core
from bot.guard.access import Access
from bot.model.claude import Claude
from bot.model.patient import Patient
from bot.platform import Outcome, Stop
from bot.store.memory import Memory
from tests.bench.jump import SocketJumpLoop
from tests.fakes import ANN, HERE, Sheet, ask


class Stage:
    """A core with one question asked."""

    def __init__(self, emulator: Emulated, core: Core) -> None:
        self.emulator = emulator
        self.core = core
        self.sheet = Sheet()

    async def asked(self) -> float:
        """Ask, wait for the end, and return how long it took."""
        began = asyncio.get_running_loop().time()
        await self.core.mention(ask(self.sheet))
        await asyncio.wait(self.core._lives)
        return asyncio.get_running_loop().time() - began

    async def requests(self) -> list[Any]:
        return await self.emulator.requests()


@asynccontextmanager
async def staged(steps: Sequence[Any], **limits: Any):
    emulator = Emulated()
    await emulator.start()
    await emulator.script(steps)
    claude = Claude("sk-good", emulator.url)
    try:
        yield Stage(emulator, Core(Patient(claude, chance=lambda most: most), Memory(), Access()))
    finally:
        await claude.close()
        await emulator.stop()


def on_stage(steps: Sequence[Any], play: Callable[[Stage], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with staged(steps) as stage:
            return await play(stage)

    with asyncio.Runner(loop_factory=SocketJumpLoop) as runner:
        return runner.run(run())


LONG = "word " * 100


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        ({"hang": True}, 60, 75),
        ({"stall": True}, 60, 75),
        ({"stall": True, "pings": True}, 120, 135),
        ({"status": 529}, 5, 10),
        ({"status": 429, "headers": {"retry-after": "20"}}, 20, 25),
        ({"status": 429, "headers": {"retry-after": "3600"}}, 30, 35),
    ],
)
def test_one_fault_costs_its_limit_and_no_more(fault, least, most):
    """Then the answer comes, whole."""

    async def play(stage: Stage) -> None:
        assert least <= await stage.asked() <= most
        assert (stage.sheet.last.text, stage.sheet.last.note) == ("fine", "")

    on_stage([{**fault, "times": 1}, "fine"], play)


@pytest.mark.parametrize(("pings", "least", "most"), [(False, 60, 70), (True, 120, 130)])
def test_a_stream_that_goes_silent_in_the_middle_goes_on_after_its_limit(pings, least, most):
    """No byte for a minute, or nothing but pings for two."""

    async def play(stage: Stage) -> None:
        assert least <= await stage.asked() <= most
        assert stage.sheet.last.text.split() == [*LONG.split(), "end"]
        assert "went on from there" in stage.sheet.last.note

    on_stage([{"resumes": 0}, LONG, {"stall": True, "pings": pings, "times": 1}, "end"], play)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 2.0, 4.9, 20.0, 30.0])
@pytest.mark.parametrize("fault", [{"status": 529}, {"hang": True}, {"stall": True, "pings": True}])
def test_a_stop_during_retries_ends_them_at_once(fault, seconds):
    """Whatever it waits for: no request is made after it."""

    async def play(stage: Stage) -> None:
        await stage.core.mention(ask(stage.sheet))
        await asyncio.sleep(seconds)
        assert await stage.core.stop(Stop("q1", ANN, HERE)) is Outcome.STOPPED
        before, began = len(await stage.requests()), asyncio.get_running_loop().time()
        await asyncio.wait(stage.core._lives)
        assert asyncio.get_running_loop().time() - began < 3
        assert stage.sheet.last.note == "Stopped by ann."
        await asyncio.sleep(200)
        assert len(await stage.requests()) == before
        assert all(request["state"] != "open" for request in await stage.requests())

    on_stage([fault], play)


def test_the_wait_is_shown_and_gone_with_the_first_word():
    async def play(stage: Stage) -> None:
        await stage.asked()
        notes = [row.page.note for row in stage.sheet.log]
        assert "Claude is overloaded; trying again …" in notes
        assert not notes[-1]

    on_stage([{"status": 529, "times": 1}, "fine"], play)
