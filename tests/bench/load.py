"""How much the bot carries: 1,000 open streams at 5 deltas a second, then 300 at 20.

The emulators and the bench run on one core, the bot alone on the other.  How little lag there is says nothing
of a machine that others use too: the load average stands beside every figure.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil

from adapters.emulators.process import World
from tests.bench import crowds
from tests.bench.rig import UNBOUND_TEXT, Rig, Side, Watched, rigged
from tests.bench.texts import prose, tells

LIMITS = (
    "emulator limits and latency off; the bot's budgets (tests/bench/bot.py): Slack 40 edits/s, 80 posts/s, "
    f"Discord 5 edits/s in each of {(CHANNELS := 10)} channels, answers in the channel; {UNBOUND_TEXT}"
)

#: Streams, deltas a second, characters of a delta, of each part.
PARTS = {"slow": (1000, 5.0, 4), "fast": (300, 20.0, 1)}
#: What is played before them.
MORE = ("malformed", "edits")
#: Seconds in which the questions come, in which all streams are measured, and in which no text comes once
#: all is written that will be: on a busy machine streams and writes take longer.
RAMP, WINDOW, PATIENCE = 10.0, 60.0, 30.0
QUICK_RAMP, QUICK_WINDOW = 2.0, 3.0
#: In a quick run so many times fewer streams.
FEWER = 4
#: Seconds between the end of the questions and the measurement.
SETTLE = 1.0


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Carry both loads, 60 seconds each; *quick* means a quarter of the streams for 4 seconds."""
    measured: dict[str, Any] = {"limits": LIMITS}
    settings = {"RIVULET_BENCH_BUDGETS": "many", "RIVULET_DISCORD_REPLY": "channel"}
    ramp, window = (QUICK_RAMP, QUICK_WINDOW) if quick else (RAMP, WINDOW)
    async with rigged(limits=False, settings=settings) as rig, pinned(rig):
        measured["malformed"] = await crowds.malformed(rig)
        measured["edits"] = await crowds.edits(rig)
        for number, (name, (streams, rate, size)) in enumerate(PARTS.items()):
            deltas = int((ramp + SETTLE + window + 1.0) * rate)
            text = prose(random.Random(seed), deltas * size)[: deltas * size].strip()
            asked = streams // FEWER // 2 * 2 if quick else streams
            load = Load(rig.world, rig.bot, rig.sides, name, asked, rate, size, text)
            load.first_channel = number * CHANNELS
            measured[name] = await load.carried(ramp, window)
    return measured


@asynccontextmanager
async def pinned(rig: Rig) -> AsyncIterator[None]:
    """Give the bot the first core and everything else of ours the last, while the block runs."""
    cores = sorted(os.sched_getaffinity(0))
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.cpu_affinity([cores[0] if process.pid == rig.bot.process.pid else cores[-1]])
    try:
        yield
    finally:
        psutil.Process().cpu_affinity(cores)


class Load:
    """So many streams at once, as many on each platform."""

    first_channel = 0

    def __init__(
        self,
        world: World,
        bot: Watched,
        sides: Sequence[Side],
        name: str,
        streams: int,
        rate: float,
        size: int,
        text: str,
    ) -> None:
        self._world, self._bot, self._sides = world, bot, sides
        self._name = name
        self._streams = streams
        self._rate = rate
        self._text = text
        self._deltas = [text[start : start + size] for start in range(0, len(text), size)]
        self._rss: list[int] = []

    async def carried(self, ramp: float, window: float) -> dict[str, Any]:
        """Ask, measure while all streams are open, and see what is left on the screens at the end."""
        bot = self._bot
        steps = [step for delta in self._deltas for step in (delta, 1 / self._rate)]
        await self._world.claude.script(steps=[0.2, *steps], when=f"load {self._name}")
        watching = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._asked(side, ramp) for side in self._sides))
        await asyncio.sleep(SETTLE)
        await bot.report()
        said, cpu, load = await self._said(), bot.cpu, os.getloadavg()[0]
        await asyncio.sleep(window)
        report, cpu = await bot.report(), bot.cpu - cpu
        said, open_ = await self._said() - said, await self._open()
        lost = await self._lost()
        watching.cancel()
        await asyncio.wait({watching})
        return {
            "streams": self._streams,
            "open_at_the_end": open_,
            "deltas_per_s": round(said / len(self._deltas[0]) / report["seconds"]),
            "lag_ms": report["lag_ms"],
            "cpu_percent": round(cpu / report["seconds"] * 100, 1),
            "rss_mb": round(max(self._rss) / 2**20, 1),
            "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
            **lost,
        }

    async def _watch(self) -> None:
        while True:
            self._rss.append(self._bot.rss)
            await asyncio.sleep(1.0)

    async def _asked(self, side: Side, ramp: float) -> None:
        calls = [
            {"channel": channel, "user": side.person, "text": f"{side.mention} load {self._name} {number}"}
            for number in range(self._streams // len(self._sides))
            for channel in [side.channel(self.first_channel + number % CHANNELS)]
        ]
        await side.remote.many(method="say", calls=calls, seconds=ramp)

    async def _said(self) -> int:
        return sum(len(request["text"]) for request in await self._world.claude.requests())

    async def _open(self) -> int:
        return sum(request["state"] == "open" for request in await self._world.claude.requests())

    async def _lost(self) -> dict[str, int]:
        """Return how many answers are not whole on the screens, or still live, once no more text comes."""
        deadline, before = time.monotonic() + PATIENCE, -1
        while True:
            pages = [page for side in self._sides for page in await self._pages(side)]
            left, shown = sum(bool(page["live"]) for page in pages), sum(len(page["text"]) for page in pages)
            if shown != before:
                deadline, before = time.monotonic() + PATIENCE, shown
            if (len(pages) >= self._streams and not left) or time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
        whole = sum(tells([page["text"]], self._text) for page in pages)
        return {"lost": self._streams - whole, "live": left, "messages": len(pages)}

    async def _pages(self, side: Side) -> list[dict[str, Any]]:
        channels = [side.channel(self.first_channel + number) for number in range(CHANNELS)]
        return [page for channel in channels for page in await side.pages(channel) if not page["deleted"]]


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    names = list(PARTS)
    table: list[Sequence[str]] = [("what", *names)]
    keys = measured[names[0]]
    table += [(key, *(str(measured[name][key]) for name in names)) for key in keys]
    more = [(f"{name}: {key}", str(value), "") for name in MORE for key, value in measured[name].items()]
    return [*table, *more]
