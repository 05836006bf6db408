"""Several replicas on one budget, on a virtual clock: what they show, beside what one process would."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import partial

from tests.bench.fleet import Fleet
from tests.bench.pacing import APPEND, UPDATE
from tests.bench.policies import Ours
from tests.bench.scenario import LOADS, Spoken, summary
from tests.bench.servers import Gate, Window
from tests.bench.virtual import Call, Play

#: The limits, by their names in the table: the bucket, and calls in any minute.
KINDS = {"slack_update": (UPDATE, 50), "slack_native": (APPEND, 100)}


def shared(
    size: int, answers: int, seeds: Iterable[int], kind: str = "slack_update", load: str = "waves"
) -> dict[str, float]:
    """Play *load* with so many *answers* on *size* replicas; return the figures of `scenario.summary`.

    With several, also how many of the claims were `denied`, in percent.
    """
    bucket, calls = KINDS[kind]
    spoken: list[Spoken] = []
    refused = claims = denied = runs = 0
    for seed in seeds:
        rng = random.Random(seed)
        said, window, runs = LOADS[load](answers, rng), Window(calls), runs + 1
        fleet = Fleet(lambda: Ours(lambda _one: [bucket]), size) if size > 1 else None
        policy = fleet or Ours(lambda _one: [bucket])
        refused += Play(said, policy, partial(_to, window), rng, Gate(len(said)).leaves).run()
        spoken += said
        if fleet:
            claims, denied = claims + fleet.bank.claims, denied + fleet.bank.denied
    return {**summary(spoken, refused, runs), "denied": round(100 * denied / claims, 1) if claims else 0.0}


def _to(window: Window, _one: Spoken, _call: Call) -> Window:
    return window
