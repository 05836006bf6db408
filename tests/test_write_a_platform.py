"""The adapter in adapters/README.md, as it stands there."""

from __future__ import annotations

import asyncio
import io
import re
import types
from pathlib import Path

import pytest

from bot.core.core import Core
from bot.guard.access import Access
from bot.model.script import Script
from bot.store.memory import Memory

README = (Path(__file__).parent.parent / "adapters" / "README.md").read_text()


@pytest.fixture
def module() -> types.ModuleType:
    """The code of the README as a module."""
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    made = types.ModuleType("terminal")
    exec(compile(code[1], "adapters/README.md", "exec"), made.__dict__)
    return made


class Lines:
    """Standard input: hands out a line when it is told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()

    def readline(self) -> str:
        return asyncio.run_coroutine_threadsafe(self.queue.get(), self.loop).result()


async def until(true) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def test_it_answers_and_stops(module):
    script = Script("Hello ", 0.1, "there.", {"stall": True})
    lines, out = Lines(), io.StringIO()
    platform = module.Terminal(lines, out)
    running = asyncio.create_task(platform.run(Core(script, Memory(), Access())))
    await lines.queue.put("hi\n")
    await until(lambda: "there." in out.getvalue())
    await lines.queue.put("/stop\n")
    await until(lambda: "Stopped" in out.getvalue())
    assert out.getvalue() == "Hello there.\n[Stopped by you.]\n"
    assert script.requests[0].turns[-1].text == "hi"
    running.cancel()
    await lines.queue.put("")
    await asyncio.wait([running])


def test_it_is_left_out_until_it_is_configured(module, monkeypatch):
    assert module.load(module.Settings()) is None
    monkeypatch.setenv("TERMINAL", "true")
    assert module.load(module.Settings())().name == "terminal"
