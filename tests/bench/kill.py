"""kill -9 at random moments: nothing stuck, nothing twice, every question ended; and how long a repair takes.

The control is the same bot without intent rows; that one must fail, or the bench sees nothing.
`kill_tools` adds kills around calls of tools.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.emulators.process import spawned
from tests.bench import kill_tools
from tests.bench.crashing import (
    CHANNELS,
    NO_INTENTS,
    QUIET,
    REST,
    Crashing,
    People,
    crashing,
    rest,
    scripted,
    slowed,
)
from tests.bench.rig import Side

LIMITS = (
    "kills: emulator limits off, posts take 200 ms and edits 60 ms, answers in the channel "
    "(RIVULET_DISCORD_REPLY=channel), the bot's intake unbounded, no brake on log-ins; repair: with limits "
    "off the bot's own budgets are wide (tests/bench/bot.py), with limits on they are its own"
)

#: Questions a second on each platform.
RATE = 3.0
#: Seconds from both platforms connected to the kill: a repair begins 2 s after the start, so many kills fall
#: before it or into it.
ALIVE = (0.0, 5.0)
#: Seconds before a repair writes anything; see `bot.core.repair.LATE`.
WAIT = 2.0
#: What the platforms allow the edits of the orphans: Slack's 50 a minute and workspace, Discord's 5 in 5 s of
#: one channel.
ALLOWED = {"slack": 50 / 60, "discord": 1.0}
HOLD = "hold on, please"


async def bench(*, quick: bool, seed: int, runs: int = 0, tools: bool = False) -> dict[str, Any]:
    """Kill *runs* times, by default 200 (3 if *quick*); repair 100 orphans (10), with and without limits.

    Besides, `kill_tools.bench` kills; of *tools*, nothing but that.
    """
    if tools:
        return {
            "limits": kill_tools.LIMITS,
            "tools": await kill_tools.bench(quick=quick, seed=seed, runs=runs),
        }
    usual, control, orphans = (3, 3, 10) if quick else (200, 40, 100)
    around_tools = runs
    runs = runs or usual
    control = min(control, runs)
    alive = (0.0, 2.5) if quick else ALIVE
    measured: dict[str, Any] = {"limits": LIMITS, "runs": runs, "orphans": orphans}
    free = await _repaired(orphans, limits=False)
    bound = {} if quick else await _repaired(orphans, limits=True)
    killed, without = await asyncio.gather(
        _killed(runs, seed, alive), _killed(control, seed + 1, alive, NO_INTENTS, patience=6.0)
    )
    for name in ("slack", "discord"):
        measured[name] = {"runs": runs, **killed[name], "repair_s": free[name]}
        if bound:
            asked = orphans / ALLOWED[name]
            ratio = round(bound[name] / asked, 3)
            measured[name] |= {"repair_limits_s": bound[name], "repair_limits_ratio": ratio}
    bad = ("stuck", "duplicates", "unended")
    failed = sum(without[name][key] for name in ("slack", "discord") for key in bad)
    measured["control"] = {"runs": control, **without, "failed": failed > 0}
    return {**measured, "tools": await kill_tools.bench(quick=quick, seed=seed, runs=around_tools)}


@asynccontextmanager
async def played(*, limits: bool, **settings: str) -> AsyncIterator[Crashing]:
    """Yield a bot that is yet to be started, and its emulators, with the platforms' limits or without."""
    async with spawned() as world:
        if not limits:
            await world.slack.limits(on=False)
            await world.discord.limits(on=False)
        with tempfile.TemporaryDirectory() as folder:
            bot = Crashing(world, Path(folder), {"RIVULET_DISCORD_REPLY": "channel", **settings})
            async with crashing(bot):
                yield bot


async def _killed(
    runs: int, seed: int, alive: tuple[float, float], broken: str = "", patience: float = QUIET
) -> dict[str, Any]:
    """Kill the bot so often while people ask; judge when all is quiet, or after *patience* seconds."""
    rng = random.Random(seed)
    async with played(limits=False) as bot:
        bot.broken = broken
        await scripted(bot.world)
        await slowed(bot.world)
        people = [People(side, random.Random(rng.random()), RATE) for side in bot.sides]
        await bot.start()
        for each in people:
            await each.visit(4 if runs < 10 else CHANNELS)
        asking = [asyncio.create_task(each.ask()) for each in people]
        rested = time.monotonic()
        for number in range(runs):
            if number:
                await bot.start()
            if time.monotonic() - rested > REST:
                await rest(people, asking, patience)
                asking = [asyncio.create_task(each.ask()) for each in people]
                rested = time.monotonic()
            await asyncio.sleep(rng.uniform(*alive))
            await bot.kill()
        await bot.start()
        await rest(people, asking, patience)
        code, _ = await bot.end()
        if not broken:
            for each in people:
                await each.tell()
            print("the bot's warnings:", dict(bot.warnings), flush=True)
        seen = {each.side.name: await each.judge() for each in people}
        return {**seen, "exit": code, "tracebacks": bot.log.count("Traceback (most recent")}


async def _repaired(orphans: int, *, limits: bool) -> dict[str, float]:
    """Let so many answers be live on each platform, kill, and time the repair."""
    async with played(limits=limits) as bot:
        await bot.world.claude.script(steps=["Well, ", {"stall": True, "pings": True}], when=HOLD)
        if limits:  # making the orphans is not what is timed
            await bot.world.slack.limits(on=False)
            await bot.world.discord.limits(on=False)
        await bot.start(wide=True)
        for side in bot.sides:
            for number in range(orphans):
                await side.ask(_channel(side, number, limits), HOLD)
        await asyncio.gather(*(_until_live(side, orphans) for side in bot.sides))
        await bot.kill()
        if limits:
            await bot.world.slack.limits(on=True)
            await bot.world.discord.limits(on=True)
        before = {side.name: len(await side.remote.events()) for side in bot.sides}
        await bot.start(wide=not limits)
        return {side.name: await _time(side, before[side.name], orphans) for side in bot.sides}


def _channel(side: Side, number: int, limits: bool) -> str:
    """Under limits all of Discord's orphans stand in one channel; Slack counts edits by workspace."""
    return side.channel(0 if limits and side.name == "discord" else number)


async def _until_live(side: Side, orphans: int) -> None:
    async with asyncio.timeout(120):
        while True:
            writes = await side.remote.events(kinds=["post", "edit"])
            shown = {write.get("ts") or write.get("message") for write in writes if not write["empty"]}
            if len(shown) >= orphans:
                return
            await asyncio.sleep(0.2)


async def _time(side: Side, since: int, orphans: int) -> float:
    """Return the seconds from the end of the wait to the last orphan's last edit."""
    async with asyncio.timeout(300):
        while (await side.remote.verdict())["never_final"]:
            await asyncio.sleep(0.2)
    log = await side.remote.events(since=since)
    first = next(entry["t"] for entry in log if entry["kind"] == "call")
    last = [entry["t"] for entry in log if entry["kind"] in {"edit", "post", "delete"}][-1]
    return round(float(last - first) - WAIT, 2)


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    keys = ("questions", "whole", "noted", "stuck", "duplicates", "unended", "torn")
    table: list[Sequence[str]] = [("platform", "kills", *keys, "repair s", "under limits s")]
    for name in ("slack", "discord") if "control" in measured else ():
        seen, control = measured[name], measured["control"]
        repair = (str(seen["repair_s"]), str(seen.get("repair_limits_s", "-")))
        table.append((name, str(seen["runs"]), *(str(seen[key]) for key in keys), *repair))
        without = (str(control[name][key]) for key in keys)
        table.append((f"{name}, no intents", str(control["runs"]), *without, "-", "-"))
    return [*table, *kill_tools.rows(measured["tools"])]
