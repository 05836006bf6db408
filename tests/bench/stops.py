"""The stop matrix: a stop in nine situations, each many times at random moments, on a clock that jumps.

Whatever happens, there is exactly one final state, it is the right one, and the model's stream is closed.
How soon that is in real time, over the real SDKs, is then measured by the bench `stop`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.core import Core
from bot.core.intake import Caps
from bot.events import Event
from bot.guard.access import Access
from bot.model import Ask, Model, ModelError, Request, nobody
from bot.model.script import Script, Step
from bot.platform import Actor, Outcome, SlowDown, Stop
from bot.run import logs
from bot.store.memory import Memory
from tests.bench import stop as real
from tests.bench.figures import spread
from tests.conftest import JumpLoop
from tests.fakes import ANN, BOB, HERE, Sheet, ask

LIMITS = (
    "matrix: a surface in memory on a clock that jumps, one write a second, the intake as it ships; "
    f"real time: {real.LIMITS}"
)

STRANGER = Actor("U9", "eve", workspace="T2")
#: Seconds after which a run is judged; longer than any pause in it.
JUDGED = 240.0
WORDS = [f"w{number} " for number in range(40)]
TEXT = "".join(WORDS).strip()
#: Runs at once: each has a core of its own, so that they only share the clock.
AT_ONCE = 50

#: The model that retries by itself, where there is one.
PATIENT = "bot.model.patient"


@dataclass
class Watched:
    """A model that says when its stream is closed, and fails as often as *fails* before it answers."""

    steps: Sequence[Step]
    fails: int = 0
    closed: list[float] = field(default_factory=list)
    asked: int = 0

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.asked += 1
        try:
            if self.asked <= self.fails:
                raise _overloaded()
            script = Script(*self.steps).stream(request)
            async for event in script:
                yield event
        finally:
            self.closed.append(_now())


@dataclass
class Case:
    """One run: who stops what, when, and what must come of it.

    Attributes:
        stops: Seconds, message and actor of each stop.
        ends: The endings that are right: "stopped", "whole".
        outcomes: What the stops were told.
        was_over: Whether the model had said all when the first stop came, so that only writing was left: such
            a stop is taken, and changes nothing.
    """

    model: Watched
    sheet: Sheet
    stops: list[tuple[float, str, Actor]]
    ends: frozenset[str]
    outcomes: list[Outcome] = field(default_factory=list)
    was_over: bool = False


def _now() -> float:
    return asyncio.get_running_loop().time()


def _patient() -> bool:
    return importlib.util.find_spec(PATIENT) is not None


def _overloaded() -> ModelError:
    """Return what makes a patient model try again, in 8 seconds."""
    kinds = importlib.import_module("bot.model").Kind
    return ModelError("Overloaded.", kinds.ILL, 8.0)  # where there is a patient model


# The situations.  Each draws one run.

STOPPED, WHOLE = frozenset({"stopped"}), frozenset({"whole"})


def _run(rng: random.Random, first: float, at: float, **more: Any) -> Case:
    """Return a run whose first word comes after *first* seconds and which ANN or BOB stops *at* some time."""
    pause = rng.uniform(0.1, 0.15)
    model = Watched([first, *(step for word in WORDS for step in (word, pause))])
    sheet = Sheet(latency=rng.uniform(0.02, 0.4))
    key = rng.choice(("q1", "sheet/1")) if at > sheet.latency + 0.01 else "q1"
    case = Case(model, sheet, [(at, key, rng.choice((ANN, BOB)))], STOPPED)
    for name, value in more.items():
        setattr(case, name, value)
    return case


def _before_create(rng: random.Random) -> Case:
    """The post is under way; half of the stops overtake its answer and name a message nobody knows yet."""
    case = _run(rng, rng.choice((0.0, 0.1, 1.0)), 0.0)
    at = rng.uniform(0.0, case.sheet.latency * 0.9)
    return _with(case, stops=[(at, rng.choice(("q1", "sheet/1")), ANN)])


def _before_token(rng: random.Random) -> Case:
    return _run(rng, 10.0, rng.uniform(0.5, 9.9))


def _mid_stream(rng: random.Random) -> Case:
    first = rng.uniform(0.0, 1.0)
    return _run(rng, first, first + rng.uniform(0.5, 0.75))


def _retry_sleep(rng: random.Random) -> Case:
    """The writer sleeps after a write that failed; with a patient model, half of the time that one sleeps."""
    if _patient() and rng.random() < 0.5:
        case = _run(rng, 0.5, rng.uniform(0.5, 7.5))
        case.model.fails = 1
        return case
    case = _run(rng, 0.0, 0.0)
    case.sheet.errors = [None, *[ConnectionError("reset")] * 3]
    return _with(case, stops=[(case.sheet.latency * 2 + rng.uniform(1.05, 1.5), "q1", ANN)])


def _slow_sleep(rng: random.Random) -> Case:
    case = _run(rng, 0.0, 0.0)
    case.sheet.errors = [None, SlowDown(rng.uniform(5.0, 30.0))]
    return _with(case, stops=[(case.sheet.latency * 2 + rng.uniform(1.05, 1.5), "sheet/1", BOB)])


def _racing(rng: random.Random) -> Case:
    """The stop comes when the model ends, at the very moment or a little before or after."""
    case = _run(rng, 0.3, 0.0, ends=STOPPED | WHOLE)
    steps = case.model.steps
    end = sum(step for step in steps if isinstance(step, float))
    about = rng.choice((0.0, rng.uniform(-0.2, 0.0), rng.uniform(0.0, case.sheet.latency * 3)))
    return _with(case, stops=[(end + about, rng.choice(("q1", "sheet/1")), ANN)])


def _double(rng: random.Random) -> Case:
    case = _mid_stream(rng)
    at = case.stops[0][0]
    second = at + rng.choice((0.0, rng.uniform(0.0, 0.5), 2.0))
    return _with(case, stops=[(at, "q1", ANN), (second, "sheet/1", BOB), (second, "q1", ANN)])


def _stranger(rng: random.Random) -> Case:
    case = _mid_stream(rng)
    return _with(case, stops=[(at, key, STRANGER) for at, key, _ in case.stops], ends=WHOLE)


def _unknown(rng: random.Random) -> Case:
    case = _mid_stream(rng)
    other = rng.choice(("other/1", "sheet/9", "q2", ""))
    return _with(case, stops=[(at, other, ANN) for at, _, _ in case.stops], ends=WHOLE)


def _with(case: Case, **more: Any) -> Case:
    for name, value in more.items():
        setattr(case, name, value)
    return case


SITUATIONS: dict[str, Callable[[random.Random], Case]] = {
    "before_create": _before_create,
    "before_first_token": _before_token,
    "mid_stream": _mid_stream,
    "retry_sleep": _retry_sleep,
    "429_sleep": _slow_sleep,
    "racing_the_end": _racing,
    "double": _double,
    "stranger": _stranger,
    "unknown": _unknown,
}


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Stop 500 answers in each situation (50 if *quick*), then 200 (20) on each platform in real time."""
    runs = 50 if quick else 500
    matrix = await asyncio.to_thread(_matrix, seed, runs)
    measured = await real.bench(quick=quick, seed=seed)
    timed = {side: measured[side] for side in ("slack", "discord")}
    return {"limits": LIMITS, "runs": runs, "patient": _patient(), "matrix": matrix, "real": timed}


def _matrix(seed: int, runs: int) -> dict[str, Any]:
    logs.configure("error")  # each refusal of a stranger is told at "info"
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        return {name: runner.run(_situation(name, seed, runs)) for name in SITUATIONS}


async def _situation(name: str, seed: int, runs: int) -> dict[str, Any]:
    wrong: list[str] = []
    closed: list[float] = []
    for start in range(0, runs, AT_ONCE):
        cases = [SITUATIONS[name](random.Random(f"{seed}.{name}.{n}")) for n in range(start, start + AT_ONCE)]
        began = _now()
        await asyncio.gather(*(_played(case) for case in cases))
        for number, case in enumerate(cases, start):
            wrong += [f"{seed}.{name}.{number}: {trouble}" for trouble in judged(case)]
            if _stopped(case) and case.model.closed:
                closed.append((case.model.closed[-1] - began - case.stops[0][0]) * 1000)
    for trouble in wrong[:5]:
        print(trouble)
    late = [max(0.0, each) for each in closed]
    return {"runs": runs, "wrong": len(wrong), "closed_virtual_ms": spread(late)}


async def _played(case: Case) -> None:
    """Ask, stop as the case says, and wait until all is over."""
    model: Model = case.model
    if case.model.fails:
        model = importlib.import_module(PATIENT).Patient(model)
    core = Core(model, Memory(), Access(), caps=Caps())
    await core.mention(ask(case.sheet))

    async def stopping(after: float, message: str, actor: Actor) -> None:
        await asyncio.sleep(after)
        case.was_over |= not case.outcomes and len(case.model.closed) > case.model.fails
        case.outcomes.append(await core.stop(Stop(message, actor, HERE)))

    await asyncio.gather(*(stopping(*each) for each in case.stops))
    await asyncio.sleep(JUDGED)
    if core._lives:
        case.outcomes.clear()
        case.ends = frozenset({"over"})  # which it is not
    await core.drain(0)


def _stopped(case: Case) -> bool:
    return bool(case.sheet.log) and case.sheet.last.note.startswith("Stopped by")


def judged(case: Case) -> list[str]:
    """Return what is wrong with a run that is over: it must have one final state, and a right one."""
    sheet = case.sheet
    if not sheet.log:
        return ["nothing was written"]
    last, finals = sheet.last, sum(not row.page.live for row in sheet.log)
    end = "stopped" if _stopped(case) else "whole" if last.text == TEXT and not last.note else "other"
    checks = {
        f"{finals} final edits": finals == 1 and not last.live,
        f"{len(sheet.shown)} messages": len(sheet.shown) == 1,
        f"ended as {end}, {last.note!r}": end in case.ends,
        f"told {case.outcomes}": end == "stopped" or Outcome.STOPPED not in case.outcomes or case.was_over,
        "text that the model never said": TEXT.startswith(last.text),
        "a stream that was left open": len(case.model.closed) == case.model.asked,
        "asked again after the stop": end != "stopped" or case.model.asked <= 1 + case.model.fails,
    }
    return [trouble for trouble, well in checks.items() if not well]


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("situation", "runs", "wrong", "closed p99 (virtual ms)")]
    for name, seen in measured["matrix"].items():
        virtual = seen["closed_virtual_ms"]
        table.append((name, str(seen["runs"]), str(seen["wrong"]), f"{virtual['p99']:.1f} of {virtual['n']}"))
    for side, seen in measured["real"].items():
        table.append((f"{side}, real time", str(seen["closed_ms"]["n"]), str(seen["lost"]), ""))
    return table
