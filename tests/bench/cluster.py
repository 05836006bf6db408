"""Several replicas of the bot on one Redis: any of them may die, and users notice nothing.

The parts are in `cluster_faults` (kills, stops, partitions, a Redis that dies, rolling restarts, clocks that
differ) and `cluster_costs` (stops across replicas, pacing, round trips, load).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tests.bench import cluster_faults as faults
from tests.bench.cluster_faults import played

LIMITS = (
    "Slack alone, each event to another replica than the one before; faults, stop and load: emulator limits off, "
    "the bot's own budgets wide (tests/bench/bot.py); trips at saturation: limits and budgets as they are"
)

Part = Callable[[bool, int, int], Awaitable[dict[str, Any]]]


async def _fault(
    fault: faults.Fault, times: int, quick: bool, seed: int, runs: int, **options: Any
) -> dict[str, Any]:
    return await played(fault, runs or (1 if quick else times), seed, 2 if quick else 4, **options)


PARTS: Mapping[str, Part] = {
    "kills": partial(_fault, faults.kills, 100),
    "stopped": partial(_fault, faults.stopped, 50),
    "redis": partial(_fault, faults.redis, 20),
    "partitions": partial(_fault, faults.partitions, 20, proxied=True),
}


async def bench(*, quick: bool, seed: int, only: Sequence[str] = (), runs: int = 0) -> dict[str, Any]:
    """Play all parts, or *only* some; each fault comes *runs* times, or as often as the issue asks for."""
    measured: dict[str, Any] = {"limits": LIMITS}
    for name, part in PARTS.items():
        if not only or name in only:
            measured[name] = await part(quick, seed, runs)
            print(name, json.dumps(measured[name]), flush=True)
    return measured


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    return [("part", "figures")]
