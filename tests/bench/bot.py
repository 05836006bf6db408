"""The bot as `rivulet run` starts it, watched from inside; never started but by `rig.py`.

Prints one JSON line on SIGUSR1 and one at the end: how late its event loop was since the line before, and
the CPU time it took.  `RIVULET_BENCH_BUDGETS=wide` lifts the bot's own pacing, which a bench must say;
`RIVULET_BENCH_LENGTH=n` lets an answer have n characters, where it would else end at 40,000;
`RIVULET_BENCH_LAG=off` measures no lag, where what is measured would be seen in the memory;
`RIVULET_BENCH_SKEW=n` sets its wall clock so many seconds ahead;
`RIVULET_BENCH_LEASE=n` takes other replicas for dead after so many seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from typing import Any

import adapters.discord.surface
import adapters.slack.surface
import adapters.slack.wire.errands
from bot.model.course import Patience
from bot.run import cli, start
from bot.store import Store
from bot.store.redis.peers import RedisPeers
from bot.store.redis.store import RedisStore
from tests.bench import trips
from tests.bench.figures import spread

#: Seconds between two looks at the loop.
TICK = 0.01

#: Calls a second and at once (and seconds between two previews) that replace the platforms' own limits: each
#: answer is then edited about five times a second, and no first text and no last edit ever waits for a call.
#: The window of Slack's edits has ten seconds: one that is shorter than the time for whose last edits calls
#: are kept would be kept whole, and of a longer one replicas tell each other thousands of calls.
SLACK_UPDATES = (40.0, 400, 0.05)
SLACK_POSTS = (20.0, 20)
#: Deletions a minute, of messages that were replaced.
SLACK_DELETES = 2400
SLACK_MANY_POSTS = (80.0, 80)
DISCORD_CHANNEL = (5.0, 10)


class Watch:
    """Measures the lag of the event loop: how much longer than asked a sleep takes."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._cpu = time.process_time()
        self._since = time.monotonic()
        self._store: Store | None = None
        self._trips = trips.counting()

    async def opened(self, open_: Callable[..., Awaitable[Store]], *args: Any) -> Store:
        """Return the store that *open_* opens, of which reports tell from then on."""
        self._store = await open_(*args)
        return self._store

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + TICK
            await asyncio.sleep(TICK)
            self._lags.append((clock() - due) * 1000)

    def report(self) -> None:
        """Print what was measured since the last report."""
        cpu, now = time.process_time(), time.monotonic()
        seen = {
            "lag_ms": spread(self._lags) if self._lags else {},
            "cpu_s": cpu - self._cpu,
            "seconds": now - self._since,
            "tasks": Counter(task.get_coro().__qualname__ for task in asyncio.all_tasks()),  # type: ignore[union-attr]
        }
        if isinstance(self._store, RedisStore):
            seen |= {
                "name": self._store.peers.name,
                "trips": self._store._wire.trips,
                "kinds": dict(self._trips),
            }
        print(json.dumps(seen), flush=True)
        self._lags, self._cpu, self._since = [], cpu, now


async def watched() -> int:
    """Do what `rivulet run` does, with a watch beside it."""
    watch = Watch()
    start._opened = partial(watch.opened, start._opened)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, watch.report)
    ticking = None if os.environ.get("RIVULET_BENCH_LAG") == "off" else asyncio.create_task(watch.run())
    try:
        return await cli._run(argparse.Namespace(debug_content=False))
    finally:
        if ticking:
            ticking.cancel()
        watch.report()


def widen() -> None:
    """Replace the bot's own budgets by wider ones."""
    adapters.slack.surface.UPDATES = SLACK_UPDATES
    adapters.slack.surface.POSTS = SLACK_POSTS
    adapters.slack.wire.errands.DELETES = SLACK_DELETES
    adapters.discord.surface.CHANNEL = DISCORD_CHANNEL


def lengthen(characters: int) -> None:
    """Let answers have so many characters."""
    module = import_module("bot.run.model")  # imports the SDK
    module.Patience = partial(Patience, characters=characters)  # type: ignore[attr-defined]


def skew(seconds: float) -> None:
    """Set the wall clock so many seconds ahead."""
    right = time.time
    time.time = lambda: right() + seconds


def shorten(lease: float) -> None:
    """Let replicas be dead that have not beaten for so many seconds."""
    module = import_module("bot.store.redis.opening")
    module.RedisPeers = partial(RedisPeers, lease=lease)  # type: ignore[attr-defined]


def narrow() -> None:
    """Replace the bot's budgets by ones that a thousand answers together keep busy, and no more."""
    widen()
    adapters.slack.surface.POSTS = SLACK_MANY_POSTS


if __name__ == "__main__":
    if os.environ.get("RIVULET_BENCH_BUDGETS") == "wide":
        widen()
    elif os.environ.get("RIVULET_BENCH_BUDGETS") == "many":
        narrow()
    if length := os.environ.get("RIVULET_BENCH_LENGTH"):
        lengthen(int(length))
    if ahead := os.environ.get("RIVULET_BENCH_SKEW"):
        skew(float(ahead))
    if lease := os.environ.get("RIVULET_BENCH_LEASE"):
        shorten(float(lease))
    cli._finish(watched)
