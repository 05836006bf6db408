"""SIGTERM under load: how long the process takes to go, and that nothing it had taken is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.crashing import CHANNELS, QUIET, REST, People, rest, scripted, slowed
from tests.bench.figures import spread
from tests.bench.kill import played

LIMITS = (
    "emulator limits off, posts take 200 ms and edits 60 ms, answers in the channel "
    "(RIVULET_DISCORD_REPLY=channel), the bot's intake unbounded, no brake on log-ins; its own budgets"
)

#: Questions a second on each platform, and seconds between the parts of an answer, so that some are live.
RATE = 3.0
PAUSE = 0.25
#: Seconds from both platforms connected to the signal.
ALIVE = (0.0, 4.0)


async def bench(*, quick: bool, seed: int, runs: int = 0) -> dict[str, Any]:
    """Send SIGTERM *runs* times, by default 100 (3 if *quick*), while people ask; judge when all is quiet."""
    rng, runs = random.Random(seed), runs or (3 if quick else 100)
    ends: list[tuple[int, float]] = []
    async with played(limits=False) as bot:
        await scripted(bot.world, PAUSE)
        await slowed(bot.world)
        rate = RATE / 3 if quick else RATE
        people = [People(side, random.Random(rng.random()), rate) for side in bot.sides]
        await bot.start()
        for each in people:
            await each.visit(2 if quick else CHANNELS)
        asking = [asyncio.create_task(each.ask()) for each in people]
        rested = time.monotonic()
        for number in range(runs):
            if number:
                await bot.start()
            if time.monotonic() - rested > REST:
                await rest(people, asking, QUIET)
                asking = [asyncio.create_task(each.ask()) for each in people]
                rested = time.monotonic()
            await asyncio.sleep(rng.uniform(*ALIVE))
            ends.append(await bot.end())
        await bot.start()
        await rest(people, asking, QUIET)
        for each in people:
            await each.tell()
        ends.append(await bot.end())
        measured = {each.side.name: await each.judge() for each in people}
        return {
            "limits": LIMITS,
            "runs": runs,
            **measured,
            "exit_s": spread([seconds for _, seconds in ends]),
            "not_0": sum(code != 0 for code, _ in ends),
            "tracebacks": bot.log.count("Traceback (most recent"),
        }


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    keys = ("questions", "whole", "noted", "stuck", "duplicates", "unended", "torn")
    table: list[Sequence[str]] = [("platform", "signals", *keys)]
    table += [
        (name, str(measured["runs"]), *(str(measured[name][key]) for key in keys))
        for name in ("slack", "discord")
    ]
    return table
