"""The bot sees by itself that its event loop is held up, and by what."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.run import lag as module
from bot.run.lag import measured
from bot.run.server import listening
from tests.contract import until
from tests.test_supervise import Odd


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(module, "LATE", 0.2)
    monkeypatch.setattr(module, "TICK", 0.01)
    monkeypatch.setattr(module, "LOOK", 0.02)


def blocks(seconds: float) -> None:
    time.sleep(seconds)


async def test_what_holds_up_the_loop_is_logged_while_it_does_and_once_a_minute():
    async with measured() as lag:
        await asyncio.sleep(0.05)
        with capture_logs() as logs:
            for _ in range(3):
                blocks(0.4)
                await asyncio.sleep(0.05)
    [line] = [each for each in logs if each["event"] == "the event loop is held up"]
    assert line["where"][-1].startswith("tests/test_lag.py:")
    assert line["where"][-1].endswith(" blocks")
    assert line["seconds"] >= 0.2
    assert (lag.told, lag.report()["max_ms"] >= 300) == (1, True)


async def test_after_a_while_it_is_logged_again(monkeypatch):
    monkeypatch.setattr(module, "QUIET", 0.1)
    async with measured() as lag:
        for _ in range(2):
            await asyncio.sleep(0.15)
            blocks(0.3)
    assert lag.told >= 2  # more where the machine itself stands still


async def test_a_loop_that_waits_is_not_held_up(monkeypatch):
    monkeypatch.setattr(module, "LATE", 0.5)
    async with measured() as lag:
        with capture_logs() as logs:
            await asyncio.sleep(1.0)
    assert logs == []
    assert lag.told == 0


async def test_readyz_says_how_late_the_loop_is():
    platform = Odd()
    platform.health = "up"
    async with measured() as lag, listening("127.0.0.1", 0) as front, aiohttp.ClientSession() as session:
        await front.open([platform], None, lag)
        await asyncio.sleep(0.1)
        blocks(0.25)

        async def late() -> bool:
            async with session.get(f"http://127.0.0.1:{front.port}/readyz") as response:
                said = (await response.json())["loop"]
            return bool(said["max_ms"] >= 200 and said["last_ms"] <= said["max_ms"])

        await until(late)
