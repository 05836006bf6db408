"""Several replicas of the bot on one Redis: any of them may die, and users notice nothing.

The parts are in `cluster_faults` (kills, stops, partitions, a Redis that dies, rolling restarts, clocks that
differ), `cluster_costs` (stops across replicas, pacing, round trips, load, what an answer costs) and
`unit_costs` (what a guild, a row of what was spent and an answer's calls cost).
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.store.peers import LEASE
from tests.bench import cluster_costs as costs
from tests.bench import cluster_faults as faults
from tests.bench import unit_costs
from tests.bench.cluster_faults import played
from tests.bench.cluster_world import Cluster

LIMITS = (
    "Slack alone, each event to another replica than the one before; faults, stop, load and units: emulator "
    "limits off, the bot's own budgets wide (tests/bench/bot.py); trips: limits and budgets as they are; "
    "guilds and calls: Discord, limits and budgets as they are"
)

#: Seconds of a replica's lease in a quick run, which has no time to wait for the bot's own.
QUICK_LEASE = 3.0

Part = Callable[[bool, int, int], Awaitable[dict[str, Any]]]


async def _fault(
    fault: faults.Fault, times: int, quick: bool, seed: int, runs: int, **options: Any
) -> dict[str, Any]:
    """Play one kind of fault so many *times*."""
    size, lease = (2, QUICK_LEASE) if quick else (4, LEASE)
    return await played(fault, runs or (1 if quick else times), seed, size, lease=lease, **options)


async def _each(cluster: Cluster, rng: random.Random, times: int) -> None:
    """Let all kinds of faults come to one cluster, started once; Redis is last, as it unsettles all."""
    for fault in (faults.kills, faults.stopped, faults.partitions, faults.redis):
        await fault(cluster, rng, times)


PARTS: Mapping[str, Part] = {
    "kills": partial(_fault, faults.kills, 100),
    "stopped": partial(_fault, faults.stopped, 50),
    "redis": partial(_fault, faults.redis, 20),
    "partitions": partial(_fault, faults.partitions, 20, proxied=True),
    "each": partial(_fault, _each, 1, proxied=True),
    "paced": costs.paced_alike,
    "rolling": partial(_fault, faults.rolling, 1, rate=15.0, pause=1.5),
    "skew": partial(_fault, faults.kills, 12, own={1: {"RIVULET_BENCH_SKEW": "3600"}}),
    "stop": costs.stops,
    "trips": costs.trips,
    "load": costs.load,
    "units": costs.units,
    "guilds": unit_costs.guilds,
    "rows": unit_costs.rows,
    "calls": unit_costs.calls,
}
#: What a quick run plays, unless it is told what.
QUICK = ("each", "paced")
#: What of a part is shown to people.
SHOWN = ("times", "questions", "hit", "whole", "noted", "stuck", "duplicates", "lost", "tracebacks")


async def bench(*, quick: bool, seed: int, only: Sequence[str] = (), runs: int = 0) -> dict[str, Any]:
    """Play all parts, or *only* some; each fault comes *runs* times, or as often as the issue asks for."""
    measured: dict[str, Any] = {"limits": LIMITS}
    for name in only or (QUICK if quick else [part for part in PARTS if part != "each"]):
        measured[name] = await PARTS[name](quick, seed, runs)
        print(name, json.dumps(measured[name]), flush=True)
    return measured


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("part", *SHOWN, "repair s")]
    for name, seen in measured.items():
        if isinstance(seen, dict) and "questions" in seen and "stuck" in seen:
            repair = seen.get("repair_s", {}).get("max", "-")
            table.append((name, *(str(seen[key]) for key in SHOWN), str(repair)))
    return table
