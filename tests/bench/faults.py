"""Every fault on every hop's wire, at every moment, a hundred times: does the answer end as it should?

A case is a hop, a fault, a moment and a seed, and is one line to see again.  Real SDKs talk to the emulators
on loopback, on a clock that jumps: SDK, bot and emulator share one event loop.

A hop is a module of its own, named in `HOPS`.  It has `FAULTS` and `MOMENTS` (names), and `opened()`, an
async context manager that yields what plays a `Case` and returns what was wrong with it, or "".
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import structlog

from tests.bench.jump import SocketJumpLoop

#: By name, the module of each hop that there is.
HOPS = {
    hop: module
    for hop in ("claude", "slack", "slack_http", "discord")
    if find_spec(module := f"tests.bench.faults_{hop}") is not None
}

LIMITS = "none of a platform's; the bot's own: the defaults"
#: Seeds of each fault at each moment.
SEEDS, QUICK_SEEDS = 100, 1
#: Cases that a loop runs one after the other.
BATCH = 40
#: Virtual seconds after which an answer is stuck, if the hop has no `PATIENCE` of its own.
PATIENCE = 3_600.0
#: Failures that are shown; the others are counted.
SHOWN = 20

Player = Callable[["Case"], Awaitable[str]]


class Hop(Protocol):
    """What a hop's module has."""

    FAULTS: Sequence[str]
    MOMENTS: Sequence[str]

    @staticmethod
    def opened() -> AbstractAsyncContextManager[Player]:
        """Start what the cases need; see above."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """One injection."""

    hop: str
    fault: str
    moment: str
    seed: int

    def __str__(self) -> str:
        return f"{self.hop}/{self.fault}/{self.moment}/{self.seed}"

    @classmethod
    def of(cls, text: str) -> Case:
        """Return the case that prints as *text*."""
        hop, fault, moment, seed = text.split("/")
        return cls(hop, fault, moment, int(seed))


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that failed, and how: "property: detail"."""

    case: Case
    wrong: str

    @property
    def line(self) -> str:
        """What says how to see it again."""
        return f"python -m tests.bench faults --replay '{self.case}'  # {self.wrong}"


class Watch:
    """Keeps what must not happen while a case runs: errors in the log, and in the loop's own care."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch *loop* and all logs of this process."""
        loop.set_exception_handler(lambda _loop, context: self._loop_says(context))
        structlog.configure(processors=[self._log_says], cache_logger_on_first_use=False)

    def take(self) -> str:
        """Return what was seen since the last time, as a complaint; "" if nothing."""
        seen, self._seen = self._seen, []
        return f"unhandled: {'; '.join(seen)[:400]}" if seen else ""

    def _loop_says(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        name = "never retrieved" if "never retrieved" in context["message"] else "loop"
        self._seen.append(f"{name}: {context['message']}: {error!r}")

    def _log_says(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        if error := event.get("exc_info"):
            self._seen.append(f"log: {event['event']}: {error!r}")
        raise structlog.DropEvent


def hop_of(name: str) -> Hop:
    """Return the hop of this name."""
    return import_module(HOPS[name])  # type: ignore[return-value]  # a module fits its protocol


def cases(seeds: Sequence[int], only: Sequence[str] = ()) -> list[Case]:
    """Return all cases of these seeds, or those of the hops *only*."""
    hops = {name: hop_of(name) for name in only or HOPS}
    return [
        Case(name, fault, moment, seed)
        for name, hop in hops.items()
        for fault in hop.FAULTS
        for moment in hop.MOMENTS
        for seed in seeds
    ]


def played(batch: Sequence[Case]) -> list[Failure]:
    """Play cases of one hop one after the other; return those that fail."""
    failures: list[Failure] = []
    logs = structlog.get_config()
    try:
        with asyncio.Runner(loop_factory=SocketJumpLoop) as runner:
            runner.run(_play(batch, failures))
    except RuntimeError as error:  # a deadlock; whom it hit, only a replay can tell
        failures.append(Failure(batch[0], f"stuck: {error} (in this case or the {len(batch) - 1} after it)"))
    finally:
        structlog.configure(**logs)
    return failures


async def _play(batch: Sequence[Case], failures: list[Failure]) -> None:
    watch = Watch()
    watch.attach(asyncio.get_running_loop())
    hop = hop_of(batch[0].hop)
    patience = getattr(hop, "PATIENCE", PATIENCE)
    async with hop.opened() as player:
        for case in batch:
            try:
                async with asyncio.timeout(patience):
                    wrong = await player(case)
            except TimeoutError:
                wrong = f"stuck: for {patience:.0f} s"
            except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
                wrong = f"unhandled: {error!r}"
            if wrong := wrong or watch.take():
                failures.append(Failure(case, wrong))
    gc.collect()  # the garbage collector says which task failed unseen
    if wrong := watch.take():
        failures.append(Failure(batch[-1], f"{wrong} (in this case or the {len(batch) - 1} before it)"))


async def bench(
    *, quick: bool, seed: int, only: Sequence[str] = (), seeds: int = 0, again: str = ""
) -> dict[str, Any]:
    """Play every case with so many *seeds*, from *seed* on; *again*: only that one case."""
    count = seeds or (QUICK_SEEDS if quick else SEEDS)
    chosen = [Case.of(again)] if again else cases(range(seed, seed + count), only)
    began = time.monotonic()
    failures = await asyncio.to_thread(_all, chosen)
    took = time.monotonic() - began
    lines = [failure.line for failure in failures[:SHOWN]]
    print("\n".join(lines))
    kinds = Counter(failure.wrong.partition(":")[0] for failure in failures)
    return {
        "limits": LIMITS,
        "injections": len(chosen),
        "hops": dict(Counter(case.hop for case in chosen)),
        "seeds": count,
        "per_s": round(len(chosen) / took, 1),
        "text": kinds["text"],
        "stuck": kinds["stuck"],
        "unhandled": kinds["unhandled"],
        "other": sum(kinds.values()) - sum(kinds[name] for name in ("text", "stuck", "unhandled")),
        "never_retrieved": sum("never retrieved" in failure.wrong for failure in failures),
        "failed": lines,
    }


def _all(chosen: Sequence[Case]) -> list[Failure]:
    """Play all cases, on all cores."""
    batches = [
        batch[start : start + BATCH]
        for hop in HOPS
        if (batch := [case for case in chosen if case.hop == hop])
        for start in range(0, len(batch), BATCH)
    ]
    if len(batches) == 1:
        return played(batches[0])
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        return [failure for failures in pool.map(played, batches) for failure in failures]


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    return [
        ("what", "figure"),
        *((f"injections: {hop}", str(count)) for hop, count in measured["hops"].items()),
        ("seeds", str(measured["seeds"])),
        ("injections a second", str(measured["per_s"])),
    ]
