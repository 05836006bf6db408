"""Twenty minutes of two questions a second: one in twenty meets a fault, and every minute all reconnects.

Nothing may be left at the end: no task, no file descriptor, no live message; and the memory must not grow.
Before that come an hour's questions, faster, that fill what has a bound (caches, the allocator's free lists).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bot.core.thumbs import LOOKING, PAUSE
from tests.bench.rig import UNBOUND_TEXT, Rig, Side, allocator, rigged
from tests.bench.texts import paced, prose

LIMITS = (
    "emulator limits and latency off, the bot's own budgets wide (tests/bench/bot.py), "
    f"answers in the channel; {UNBOUND_TEXT}; the C library's allocator as in the Dockerfile: "
    + ", ".join(f"{name}={value}" for name, value in allocator().items())
)

#: Minutes of a full run; seconds of a quick one.
MINUTES, QUICK = 20.0, 10.0
#: Questions a second, channels of each platform, and of how many questions one meets a fault.
RATE, CHANNELS, FAULTY = 2.0, 20, 20
#: In a quick run more meet one, so that some do.
QUICK_FAULTY = 4
#: Deltas a second and characters of an answer: about two seconds.
DELTAS, CHARACTERS = 25.0, 250
#: Seconds between two reconnects, in a full and in a quick run.
RECONNECT, QUICK_RECONNECT = 60.0, 4.0
#: Seconds of the warming up of a full run, and its questions a second: as many as an hour has.
WARM_UP, WARM_RATE = 450.0, 16.0
#: Seconds for idle connections to go, which are kept for 15.
PATIENCE = 40.0
#: Seconds for all that is left to go: the last reconnect's look for thumbs waits for so long.
LONGEST = PATIENCE + PAUSE + LOOKING
#: Growth in MB/h that nobody would notice in a month of restarts for updates.
NOTHING = 1.0


async def bench(*, quick: bool, seed: int, minutes: float = 0.0) -> dict[str, Any]:
    """Soak for 20 minutes or so many (10 seconds if *quick*)."""
    seconds = 60.0 * minutes if minutes else QUICK if quick else 60.0 * MINUTES
    settings = {"RIVULET_DISCORD_REPLY": "channel", "RIVULET_BENCH_LAG": "off"}
    async with rigged(limits=False, settings=settings) as rig:
        soak = Soak(rig, random.Random(seed), quick=quick)
        return {"limits": LIMITS, **await soak.run(seconds, 0.0 if quick else WARM_UP)}


class Soak:
    """Asks, breaks and watches."""

    def __init__(self, rig: Rig, rng: random.Random, *, quick: bool) -> None:
        self._rig = rig
        self._rng = rng
        self._reconnect = QUICK_RECONNECT if quick else RECONNECT
        self._faulty = QUICK_FAULTY if quick else FAULTY
        self._met: Counter[str] = Counter()
        self._memory: list[tuple[float, float]] = []

    async def run(self, seconds: float, warm_up: float) -> dict[str, Any]:
        """Return what is left after *seconds*, and so many more of warming up before."""
        await self._scripts()
        base, load = await self._idle(), os.getloadavg()[0]
        before = await self._warm_up(warm_up) if warm_up else 0
        self._met.clear()
        watching = [
            asyncio.create_task(self._watch()),
            asyncio.create_task(self._reconnects(self._reconnect)),
        ]
        asked = await self._ask(seconds, RATE)
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
        left = await self._left(base)
        left["unanswered"] = asked + before - await self._answered()
        return {
            "seconds": seconds,
            "warmed_up_with": before,
            "asked": asked,
            "faults": dict(self._met),
            "base": base,
            **left,
            "rss_mb": {"first": self._memory[0][1], "last": self._memory[-1][1]},
            "slope": self._slope(),
            "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
        }

    async def _warm_up(self, seconds: float) -> int:
        """Fill what has a bound; return how many questions that took."""
        breaking = asyncio.create_task(self._reconnects(self._reconnect * RATE / WARM_RATE))
        asked = await self._ask(seconds, WARM_RATE)
        breaking.cancel()
        await asyncio.wait({breaking})
        await asyncio.sleep(PATIENCE)
        return asked

    async def _scripts(self) -> None:
        steps = paced(prose(self._rng, CHARACTERS), DELTAS, 0.2)
        claude = self._rig.world.claude
        await claude.script(steps=steps, when="well")
        await claude.script(steps=[{"status": 529, "times": 1}, *steps], when="overloaded")
        await claude.script(steps=[*steps[: len(steps) // 2], {"cut": True}], when="cut")

    async def _ask(self, seconds: float, rate: float) -> int:
        """Ask *rate* questions a second, round all channels."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while number < seconds * rate:
            side = self._rig.sides[number % 2]
            word = await self._fault(side) if self._rng.random() < 1 / self._faulty else "well"
            await side.ask(side.channel(number // 2 % CHANNELS), f"soak {number}, {word}")
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        return number

    async def _fault(self, side: Side) -> str:
        """Let the next question or the next writes meet a fault; return the word that the question says."""
        kind = self._rng.choice(("overloaded", "cut", "edit refused", "edit lost", "post lost"))
        self._met[f"{side.name}: {kind}"] += 1
        slack = side.name == "slack"
        edit, post = ("chat.update", "chat.postMessage") if slack else ("PATCH messages", "POST messages")
        match kind:
            case "overloaded" | "cut":
                return kind
            case "edit refused":
                await self._rig_fault(side, edit, times=2, status=500)
            case "edit lost":
                await self._rig_fault(side, edit, drop=True, apply=True)
            case "post lost":
                await self._rig_fault(side, post, drop=True, apply=True)
        return "well"

    async def _rig_fault(self, side: Side, what: str, **fault: Any) -> None:
        await side.remote.fault(**{"method" if side.name == "slack" else "route": what}, **fault)

    async def _reconnects(self, every: float) -> None:
        """Let both platforms hang up now and then: told before on Slack, cut off on Discord."""
        while True:
            await asyncio.sleep(every)
            self._met["reconnects"] += 1
            await self._rig.sides[0].remote.disconnect(reason="refresh_requested")
            await self._rig.sides[1].remote.drop()

    async def _watch(self) -> None:
        began = time.monotonic()
        while True:
            rss = self._rig.bot.seen.memory_info().rss / 2**20
            self._memory.append((time.monotonic() - began, round(rss, 2)))
            await asyncio.sleep(1.0)

    async def _idle(self) -> dict[str, Any]:
        """Return the bot's tasks, counted by what they do, and its file descriptors."""
        tasks: Counter[str] = Counter((await self._rig.bot.report())["tasks"])
        return {"tasks": tasks, "fds": self._rig.bot.seen.num_fds()}

    async def _left(self, base: dict[str, Any]) -> dict[str, Any]:
        """Return what there is more than at first, after some time for it to go, and what is still live."""
        deadline = time.monotonic() + LONGEST
        while True:
            live = sum([len((await side.remote.verdict())["never_final"]) for side in self._rig.sides])
            now = await self._idle()
            tasks, fds = now["tasks"] - base["tasks"], max(0, now["fds"] - base["fds"])
            if not (live or tasks or fds) or time.monotonic() > deadline:
                return {"tasks_left": tasks.total(), "left": tasks, "fds_left": fds, "stuck": live}
            await asyncio.sleep(1.0)

    async def _answered(self) -> int:
        """Return how many messages of the bot are final: an answer is short enough for one."""
        channels = [(side, side.channel(number)) for side in self._rig.sides for number in range(CHANNELS)]
        pages = [page for side, channel in channels for page in await side.pages(channel)]
        return sum(not page["live"] and not page["deleted"] for page in pages)

    def _slope(self) -> dict[str, dict[str, float]]:
        """Return how fast the memory grew; nothing for a run that is too short to tell."""
        samples = [(at / 3600, mb) for at, mb in self._memory]
        if len(samples) < 60:
            return {}
        slope, error = fitted(samples)
        beyond = max(0.0, slope - 2 * error - NOTHING)
        seen = {"mb_per_h": slope, "error": error, "beyond_noise": beyond}
        return {"rss": {name: round(value, 2) for name, value in seen.items()}}


def fitted(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope of a straight line through *samples* and its standard error.

    Neighbours are alike (memory moves in steps), so the error counts as many independent samples as the
    correlation of the residuals leaves.
    """
    n = len(samples)
    mean_x, mean_y = (sum(each[axis] for each in samples) / n for axis in (0, 1))
    wide = sum((x - mean_x) ** 2 for x, _ in samples)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in samples) / wide
    rest = [y - mean_y - slope * (x - mean_x) for x, y in samples]
    square = sum(each**2 for each in rest)
    alike = sum(a * b for a, b in itertools.pairwise(rest)) / square if square else 0.0
    alike = min(max(alike, 0.0), 0.99)
    return slope, math.sqrt(square / max(n - 2, 1) / wide * (1 + alike) / (1 - alike))


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    names = [name for name in measured if name not in {"limits", "bench", "quick", "seed", "machine"}]
    return [("what", "measured"), *((name, str(measured[name])) for name in names)]
