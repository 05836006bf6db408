"""`pacing`: the real `bot/show/pacing.py` on a virtual clock, beside what comparable bots do.

Figures are of seeds 0 to 5 (3 of them for N = 64); `held_out` are seeds that nothing was tuned on.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.discord.wire.traffic import RATE
from adapters.slack.surface import POSTS, UPDATES
from bot.platform import Bucket
from bot.show.budget import Ticket
from bot.show.pacing import Pacing
from bot.show.writes import Rank
from tests.bench import hidden
from tests.bench.branching import Branching
from tests.bench.policies import Buffer, Fifo, FixedInterval, Ours
from tests.bench.scenario import LOADS, Spoken, summary
from tests.bench.servers import Channel, Gate, Window
from tests.bench.virtual import Call, Play, Policy, Servers

#: Threads that Discord lets a bot open in a server, and seconds: not documented, the largest that anybody
#: guesses at (`adapters.discord.outgoing.threads`).
THREADS = (50, 300.0)
UPDATE = Bucket("slack/T1/chat.update", *UPDATES)
#: chat.appendStream is Tier 4, 100+ a minute; half a second between previews.
APPEND = Bucket("slack/T1/chat.appendStream", 100 / 60, 100, 0.5)

#: Mean staleness in seconds of the clairvoyant optimum: a linear program over all times of edits, told every
#: arrival and end, with the mean round trip, text that comes evenly, and all edits within the limits.  For
#: Discord it knows threads and edits only, not that posts carry text as well.  For 64 in one server it is
#: what so many calls could do at best, each answer's spread evenly over it (docs/pacing.md).
BOUNDS = {
    "slack_update": {1: 0.50, 4: 1.48, 16: 5.98},
    "slack_lanes": {1: 0.49, 4: 1.36, 16: 4.16, 64: 8.9},
    "slack_native": {1: 0.32, 4: 0.80, 16: 2.99},
    "discord_channel": {1: 0.56, 4: 1.59, 16: 5.47},
    "discord_auto": {1: 0.55, 4: 0.55, 16: 0.55, 64: 0.8},
    "discord_crowd": {16: 0.55, 64: 3.1},
}

NS: Mapping[str, Sequence[int]] = {kind: tuple(bounds) for kind, bounds in BOUNDS.items()}
OTHERS: Mapping[str, Callable[[], Policy]] = {
    "fixed 1 s": FixedInterval,
    "FIFO 40/min": Fifo,
    "256 characters": Buffer,
}


def _posts(one: Spoken) -> Sequence[Bucket]:
    return [Bucket(f"slack/T1/chat.postMessage/{one.channel}", *POSTS)]


def staged(kind: str, limit: int = 50) -> tuple[Policy, Servers]:
    """Return our policy and the limiters for *kind*."""
    if kind.startswith("discord"):
        return _discord(kind)
    window = Window(100 if kind == "slack_native" else limit)
    bucket = APPEND if kind == "slack_native" else UPDATE
    escape = _posts if kind in {"slack_lanes", "slack_native"} else lambda _one: ()
    return Ours(lambda _one: [bucket], escape), lambda _one, _call: window


def _discord(kind: str) -> tuple[Policy, Servers]:
    """Return our policy and the limiters for *kind*: four answers a channel and server, or all in one."""
    everything: deque[float] = deque()
    limiters: dict[tuple[Call, str], Channel] = {}

    def channel(one: Spoken) -> str:
        return one.channel if kind == "discord_auto" else "C0"

    policy = Branching(channel, threads=kind != "discord_channel")

    def limiter(one: Spoken, call: Call) -> Channel:
        thread = call is Call.THREAD
        key = call, channel(one) if thread else policy.place(one)
        return limiters.setdefault(key, Channel(everything, *(THREADS if thread else ())))

    return policy, limiter


def played(
    kind: str,
    n: int,
    seeds: Sequence[int],
    load: str = "waves",
    limit: int = 50,
    other: Callable[[], Policy] | None = None,
) -> dict[str, float]:
    """Play *load* with *n* answers for each seed; return the figures of `scenario.summary`."""
    spoken: list[Spoken] = []
    refused = 0
    for seed in seeds:
        rng = random.Random(seed)
        answers = LOADS[load](n, rng)
        policy, server_of = staged(kind, limit)
        gate = Gate(RATE if kind.startswith("discord") else len(answers))
        refused += Play(answers, other() if other else policy, server_of, rng, gate.leaves).run()
        spoken += answers
    return summary(spoken, refused, len(seeds))


def decision_us(answers: int = 1000) -> float:
    """Return the CPU microseconds of a decision with so many live *answers* in one bucket."""
    pacing, now = Pacing(), 0.0
    for number in range(answers):
        pacing.enter(number, [UPDATE], now)
        pacing.wait(Ticket([UPDATE], Rank.PREVIEW, -1000.0 + number / answers), now)
    decisions, began = 0, time.process_time()
    while decisions < 2000:
        for ticket in pacing.admit(now):
            pacing.accepted(ticket.buckets, [], now)
            pacing.wait(Ticket([UPDATE], Rank.PREVIEW, now - 1000.0), now)
        wakes = pacing.wakes(now)
        decisions += 1
        now = max(now + 1.2, wakes or 0.0)
    return (time.process_time() - began) / decisions * 1e6


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Run everything; see the module."""
    seeds = range(2) if quick else range(6)
    measured: dict[str, Any] = {
        "limits": "Slack 50 in any 60 s, Retry-After 10; "
        "Discord 5 per 5 s, 50/s in all, 50 threads in 300 s a server"
    }
    for kind, ns in NS.items():
        measured[kind] = {}
        for n in ns:
            cell = played(kind, n, seeds[: 3 if n == 64 else None])
            bound = BOUNDS[kind][n]
            measured[kind][str(n)] = {**cell, "bound": bound, "ratio": round(cell["mean"] / bound, 2)}
    measured["others"] = {
        name: {str(n): played("slack_update", n, seeds, other=other) for n in (1, 4, 16)}
        for name, other in OTHERS.items()
    }
    measured["held_out"] = {str(n): played("slack_update", n, [100 + s for s in seeds]) for n in (1, 4, 16)}
    measured["unknown_40"] = {str(n): played("slack_update", n, seeds, limit=40) for n in (1, 4, 16)}
    measured["loads"] = {
        load: {str(n): played("slack_update", n, seeds, load) for n in (1, 4, 16)}
        for load in LOADS
        if load != "waves"
    }
    measured["hidden"] = hidden.measured(seeds)
    measured["decision_us"] = round(decision_us(), 1)
    return measured


def rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what was measured as a table for people."""
    head = (
        "what",
        "N",
        "mean s",
        "p95",
        "429s",
        "first",
        "final",
        "p95",
        "unshown",
        "posted",
        "threads",
        "to optimum",
    )
    found = [head]
    groups = [(kind, measured[kind]) for kind in NS]
    groups += [(f"others: {name}", cells) for name, cells in measured["others"].items()]
    groups += [("seeds 100 on", measured["held_out"]), ("true limit 40", measured["unknown_40"])]
    groups += [(f"load: {load}", cells) for load, cells in measured["loads"].items()]
    groups += [(f"hidden: {kind}", cells) for kind, cells in measured["hidden"].items()]
    for name, cells in groups:
        for n, cell in cells.items():
            keys = ("mean", "p95", "n429", "first", "final", "final_p95", "unshown", "posted", "threads")
            found.append((name, n, *(f"{cell[key]:g}" for key in keys), f"{cell.get('ratio', '')}"))
    return [*found, ("a decision, 1,000 live answers", "", f"{measured['decision_us']} us", *[""] * 9)]
