"""How long `rivulet doctor` takes, as a whole process, with all platforms set up and nothing wrong."""

from __future__ import annotations

import asyncio
import compileall
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from typing import Any

from adapters.emulators.process import spawned
from tests.bench.figures import spread
from tests.bench.rig import ROOT, bots_environment

LIMITS = "no limits play a part; the platforms and Claude are emulators on this machine"
#: Runs, and runs of a quick bench.
RUNS, QUICK = 10, 3


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Run the doctor ten times (three if *quick*)."""
    for folder in ("bot", "adapters"):
        compileall.compile_dir(ROOT / folder, quiet=1)
    wall, looks, wrong = list[float](), list[float](), 0
    with tempfile.TemporaryDirectory() as empty:
        async with spawned() as world:
            environment = bots_environment(world)
            for _ in range(QUICK if quick else RUNS):
                began = time.monotonic()
                told = await _told(environment, empty)
                wall.append(time.monotonic() - began)
                looks.append(told["took_s"])
                wrong += not told["ok"]
    return {"limits": LIMITS, "doctor": {"wall_s": spread(wall), "looks_s": spread(looks)}, "wrong": wrong}


async def _told(environment: dict[str, str], folder: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "doctor", "--json"),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    return json.loads(out)


def rows(measured: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a table of what was measured."""
    found = measured["doctor"]
    return [
        ("seconds", "median", "slowest"),
        *((name, f"{found[name]['p50']:.2f}", f"{found[name]['max']:.2f}") for name in ("wall_s", "looks_s")),
    ]
