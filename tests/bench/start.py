"""How long whole processes take to start: the help, a mistake in the settings, `run` until it listens.

Beside the wall's seconds stand those of CPU, which are the same whoever else uses the cores.  For `run` there
are also the seconds until all platforms are ready, and the memory once nothing happens any more.
"""

from __future__ import annotations

import asyncio
import compileall
import os
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import psutil

from adapters.emulators.process import World, spawned
from tests.bench.figures import spread
from tests.bench.rig import PATIENCE, ROOT, bots_environment

LIMITS = (
    "no limits play a part; our modules are compiled before, the platforms and Claude are emulators on this "
    "machine"
)

#: Runs of each, and of a quick bench, in which both platforms are always there.
RUNS, QUICK = 10, 2
#: Seconds from when all is ready until the memory is looked at: Claude's SDK is still being imported then.
IDLE = 6.0
#: Seconds between two looks whether it listens.
LOOK = 0.005
#: What is wrong in the settings, which have all credentials but that.
MISTAKES = {
    "no_key": {"ANTHROPIC_API_KEY": ""},
    "bad_value": {"RIVULET_PORT": "http"},
    "half_of_slack": {"SLACK_APP_TOKEN": ""},
}
WRONG = 78
#: What is not configured, by what is.
WITHOUT = {
    "slack": {"DISCORD_BOT_TOKEN": ""},
    "discord": {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""},
    "both": {},
}

Times = defaultdict[str, list[float]]


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Start each ten times (twice if *quick*)."""
    for folder in ("bot", "adapters"):
        compileall.compile_dir(ROOT / folder, quiet=1)
    runs = QUICK if quick else RUNS
    without = {"both": WITHOUT["both"]} if quick else WITHOUT
    with tempfile.TemporaryDirectory() as empty:
        async with spawned() as world:
            starts = Starts(world, empty)
            return {
                "limits": LIMITS,
                "help": await starts.whole(runs, "--help", wanted=0),
                "mistake": {
                    name: await starts.whole(runs, "run", settings=wrong, wanted=WRONG)
                    for name, wrong in MISTAKES.items()
                },
                "run": {name: await starts.run(runs, off) for name, off in without.items()},
                "wrong": starts.wrong,
            }


class Starts:
    """Starts processes and takes their times.

    Args:
        world: The emulators.
        folder: Where they run; no .env of the operator's is there.

    Attributes:
        wrong: How many did not end as they should.
    """

    def __init__(self, world: World, folder: str) -> None:
        self._folder = folder
        self._environment = bots_environment(world)
        self.wrong = 0

    async def whole(
        self, runs: int, command: str, *, settings: Mapping[str, str] | None = None, wanted: int
    ) -> dict[str, Any]:
        """Return the seconds of wall and of CPU that *command* takes to its end."""
        times: Times = defaultdict(list)
        for _ in range(runs):
            code, wall, cpu = await asyncio.to_thread(self._whole, command, settings or {})
            self.wrong += code != wanted
            times["wall_s"].append(wall)
            times["cpu_s"].append(cpu)
        return {name: spread(values) for name, values in times.items()}

    def _whole(self, command: str, settings: Mapping[str, str]) -> tuple[int, float, float]:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", command],
            cwd=self._folder,
            env={**self._environment, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, time.monotonic() - began, used.ru_utime + used.ru_stime

    async def run(self, runs: int, without: Mapping[str, str]) -> dict[str, Any]:
        """Return the seconds until it listens and until it is ready, and the MB that it has when idle."""
        times: Times = defaultdict(list)
        for _ in range(runs):
            for name, value in (await self._run(without)).items():
                times[name].append(value)
        return {name: spread(values) for name, values in times.items()}

    async def _run(self, without: Mapping[str, str]) -> dict[str, float]:
        port = _free()
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run"),
            cwd=self._folder,
            env={**self._environment, **without, "RIVULET_PORT": str(port)},
            stdout=DEVNULL,
        )
        try:
            seen = psutil.Process(process.pid)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await _answered(session, "/healthz")
                listening, cpu = time.monotonic() - began, _cpu(seen)
                await _answered(session, "/readyz")
                ready, in_all = time.monotonic() - began, _cpu(seen)
            await asyncio.sleep(IDLE)
            rss = seen.memory_info().rss / 2**20
        finally:
            process.terminate()
            self.wrong += await process.wait() != 0
        figures = {"listening_s": listening, "listening_cpu_s": cpu}
        return {**figures, "ready_s": ready, "ready_cpu_s": in_all, "idle_rss_mb": rss}


async def _answered(session: aiohttp.ClientSession, path: str) -> None:
    """Wait until *path* is answered with 200."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with session.get(path) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass  # nobody listens yet
            await asyncio.sleep(LOOK)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _free() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("what", "median", "worst", "n")]
    kinds = {"help": measured["help"]}
    kinds |= {f"mistake {name}": seen for name, seen in measured["mistake"].items()}
    kinds |= {f"run {name}": seen for name, seen in measured["run"].items()}
    table += [
        (f"{kind} {name}", str(seen["p50"]), str(seen["max"]), str(seen["n"]))
        for kind, times in kinds.items()
        for name, seen in times.items()
    ]
    return table
