"""What the bot takes while nobody asks anything: memory and CPU, with both platforms connected.

It runs as the image runs it, its modules compiled before, beside emulators that only send heartbeats.  In the
second half somebody scrapes `/metrics`, as Prometheus does, so that what that costs shows.
"""

from __future__ import annotations

import asyncio
import compileall
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from typing import Any

import aiohttp
import psutil

from adapters.emulators.process import spawned
from tests.bench.rig import PATIENCE, ROOT, bots_environment

LIMITS = "no limits play a part; the platforms and Claude are emulators on this machine, and nobody asks"

#: Seconds without a question; the same again with a scrape every `EVERY` seconds.
SECONDS, QUICK = 300.0, 10.0
EVERY = 15.0
#: Seconds for caches and pools of the start to settle.
SETTLE = 3.0


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Watch an idle bot for five minutes, and five more while it is scraped; 20 s each if *quick*."""
    seconds = QUICK if quick else SECONDS
    for folder in ("bot", "adapters"):
        compileall.compile_dir(ROOT / folder, quiet=1)
    port, metrics = _free(), _free()
    where = {"RIVULET_PORT": str(port), "RIVULET_METRICS": f"127.0.0.1:{metrics}"}
    with tempfile.TemporaryDirectory() as folder:
        async with spawned() as world, aiohttp.ClientSession() as session:
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"),
                cwd=folder,
                env={**bots_environment(world), **where},
                stdout=DEVNULL,
            )
            try:
                await _ready(session, f"http://127.0.0.1:{port}/readyz")
                ready = time.monotonic() - began
                bot = psutil.Process(process.pid)
                await asyncio.sleep(SETTLE)
                alone = await _watched(bot, seconds, asyncio.sleep(seconds))
                scraping = _scraped(session, f"http://127.0.0.1:{metrics}/metrics", seconds)
                scraped = await _watched(bot, seconds, scraping)
            finally:
                process.terminate()
                code = await process.wait()
    return {"limits": LIMITS, "ready_s": round(ready, 2), "idle": alone, "scraped": scraped, "exit": code}


async def _watched(bot: psutil.Process, seconds: float, meanwhile: Any) -> dict[str, float]:
    """Return what *bot* takes during *meanwhile*."""
    before, switches = _cpu(bot), bot.num_ctx_switches().voluntary
    await meanwhile
    return {
        "cpu_percent": round(100 * (_cpu(bot) - before) / seconds, 2),
        "wakes_per_s": round((bot.num_ctx_switches().voluntary - switches) / seconds, 1),
        "rss_mb": round(bot.memory_info().rss / 2**20, 1),
    }


async def _scraped(session: aiohttp.ClientSession, url: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        async with session.get(url) as response:
            response.raise_for_status()
            await response.read()
        await asyncio.sleep(min(EVERY, max(0.0, until - time.monotonic())))


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with session.get(url) as response:
                    if response.ok:
                        return
            except aiohttp.ClientError:
                pass  # nobody listens yet
            await asyncio.sleep(0.01)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _free() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    heads = ("cpu_percent", "wakes_per_s", "rss_mb")
    kinds = ("idle", "scraped")
    return [("what", *heads), *((kind, *(str(measured[kind][head]) for head in heads)) for kind in kinds)]
