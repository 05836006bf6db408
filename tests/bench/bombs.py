"""How long one step of an answer holds the event loop, whatever the text: `python -m tests.bench bombs`.

Each shape streams in parts of 1, 30 and 4,000 characters through an `Answer` of each platform, as the core
does it: parts are received, and what is to be written is asked for, taken and confirmed after every 512
characters, as often as a fast model's answer is edited.  A step is one such call, and counts with its CPU
time; the loop runs other tasks between steps, and one of them measures how late it is.

Before it measures, it plays a text once, so that modules, regular expressions and caches are there, as they
are in a bot that has run for a minute, and freezes what is there then, as the bot does when it is up
(`run/supervise.py`).  Python's collector runs in between as it does there; what the bench itself leaves
behind is collected between shapes.  A shape with a step that is too long plays again, and each step counts
with the shorter of its two times: what the machine did otherwise comes once, a bomb comes again.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import _lru_cache_wrapper, cache
from types import FrameType
from typing import Any, Self

from bot.events import Text
from bot.platform import Limits
from bot.show.answer import Answer
from bot.show.writes import Ending, Showing
from bot.text.safe import Links, deceives
from tests.bench.figures import percentile, spread
from tests.bench.oracles import SIDES
from tests.bench.shapes import HOST, LINEAR, SHAPES, SIZE, many, mutated

LIMITS = "none; pages of the platforms' own size, as many as it takes"

#: Characters of a part.
PARTS = (1, 30, 4_000)
#: Characters between two frames.
FRAME = 512
#: Milliseconds of CPU that a step may take.
LONGEST = 25.0
#: A step that takes so many times as long is no noise.
CLEAR = 4
#: Characters at which the cost of one is compared, and how long each is measured at least, in seconds of CPU.
SIZES, ENOUGH = (200, 1_000, 5_000, 20_000, 40_000), 0.05
#: Characters of a text in the quick form, and its parts.
QUICK, QUICK_PARTS = 3_000, (30,)
#: Seconds of CPU after which a shape is given up.
PATIENCE, QUICK_PATIENCE = 10.0, 1.0
#: Seconds between two looks at the loop.
LOOK = 0.005
#: Milliseconds that stand for those of a text that was given up.
HOPELESS = 1e6
#: Shapes that a search goes on with.
POOL = 24


class GivenUp(BaseException):
    """A shape takes longer than anybody waits; nothing that is measured may catch it."""


class Patience:
    """Ends a step when all steps together have taken *seconds* of CPU; never what runs between them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._within = False

    def __enter__(self) -> Self:
        signal.signal(signal.SIGVTALRM, self._over)
        signal.setitimer(signal.ITIMER_VIRTUAL, self._seconds, LOOK)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def take(self, step: Callable[[], object]) -> None:
        """Take *step*.

        Raises:
            GivenUp: It is over.
        """
        self._within = True
        try:
            step()
        finally:
            self._within = False

    def _over(self, _signal: int, _frame: FrameType | None) -> None:
        if self._within:
            raise GivenUp


@dataclass(frozen=True)
class Played:
    """What a text took.

    Attributes:
        steps: Milliseconds of CPU for each step.
        given_up: Whether it was not played to its end.
    """

    steps: Sequence[float]
    given_up: bool = False

    @property
    def worst(self) -> float:
        """Milliseconds of the longest step."""
        return max(self.steps, default=0.0)


def steps(answer: Answer, text: str, part: int) -> Iterator[Callable[[], object]]:
    """Yield what the core does with *answer* while *text* comes in parts of *part* characters."""
    shown = 0
    for begin in range(0, len(text), part):
        event = Text(text[begin : begin + part])
        yield lambda event=event: answer.receive(event)  # type: ignore[misc]
        if begin + part - shown >= FRAME:
            shown = begin + part
            yield from _frame(answer)
    yield lambda: answer.end(Ending.FINISHED)
    yield from _frame(answer)


def _frame(answer: Answer) -> Iterator[Callable[[], object]]:
    """Yield the steps of a frame: what has come is read, and each page that has changed is asked for twice.

    That is how `core.writer` does it.
    """
    write, more = None, True

    def read() -> object:
        nonlocal more
        more = answer.read()
        return more

    def ask() -> object:
        nonlocal write
        write = answer.next_write()
        return answer.text

    while more:
        yield read
    while True:
        yield answer.next_write
        yield ask
        if write is None:
            return
        yield lambda: answer.wrote(write, write.message or f"m{write.index}")


async def play(text: str, limits: Limits, part: int, patience: float = PATIENCE) -> Played:
    """Play *text* in parts of *part* characters; let the loop run between frames."""
    answer = Answer(limits, Links([HOST.removeprefix("https://")]), Showing())
    took: list[float] = []
    gc.collect()
    with Patience(patience) as waiting:
        for number, step in enumerate(steps(answer, text, part)):
            began = time.thread_time()
            try:
                waiting.take(step)
            except GivenUp:
                return Played([*took, (time.thread_time() - began) * 1e3], given_up=True)
            took.append((time.thread_time() - began) * 1e3)
            if part > 1 or number % FRAME == 0:
                await asyncio.sleep(0)
    return Played(took)


async def _fairly(text: str, limits: Limits, part: int, patience: float) -> Played:
    """Play *text*, and again if a step was too long: each counts with the shorter of its times."""
    played = await play(text, limits, part, patience)
    if not LONGEST < played.worst < CLEAR * LONGEST or played.given_up:
        return played
    again = await play(text, limits, part, patience)
    if again.given_up or len(again.steps) != len(played.steps):
        return again
    return Played([*map(min, played.steps, again.steps)])


async def _late(late: list[float]) -> None:
    """Record in *late* by how many milliseconds the loop is late, until cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(LOOK)
        late.append((time.perf_counter() - began - LOOK) * 1e3)


# The bench.


async def bench(*, quick: bool, seed: int, search: float = 0.0) -> dict[str, Any]:
    """Play all shapes; *search*: so many seconds of looking for worse ones instead."""
    size, parts = (QUICK, QUICK_PARTS) if quick else (SIZE, PARTS)
    patience = QUICK_PATIENCE if quick else PATIENCE
    for side in SIDES.values():
        await play(SHAPES["sections"][:QUICK], _limits(side.limits), PARTS[1], patience)
    gc.collect()
    gc.freeze()
    late: list[float] = []
    looking = asyncio.create_task(_late(late))
    try:
        if search:
            return _measured(await _search(random.Random(seed), search, patience), late, {})
        shapes = {name: text[:size] for name, text in SHAPES.items()}
        played = {name: await _all(text, parts, patience) for name, text in shapes.items()}
        growth = {name: await _growth(make, size, patience) for name, make in LINEAR.items()}
    finally:
        looking.cancel()
    return _measured(played, late, {**growth, "deceives": _deceives(size)})


def _limits(limits: Limits) -> Limits:
    return replace(limits, attach=0)  # no file takes what is too long for the pages


async def _all(text: str, parts: Sequence[int], patience: float) -> Mapping[tuple[str, int], Played]:
    """Play *text* on both platforms in all *parts*, until it is given up once."""
    runs = {}
    for name, part in itertools.product(SIDES, parts):
        runs[name, part] = await _fairly(text, _limits(SIDES[name].limits), part, patience)
        if runs[name, part].given_up:
            break
    return runs


async def _growth(make: Callable[[int], str], size: int, patience: float) -> float:
    """Return by how much the cost of a character grows with the size of the text, on the worse platform."""
    return max(
        [
            grown([await _cost(make(at), side.limits, patience) for at in SIZES if at <= size])
            for side in SIDES.values()
        ]
    )


async def _cost(text: str, limits: Limits, patience: float) -> float:
    """Return the CPU time of a character of *text*, of which the bot remembers nothing."""
    best, spent = HOPELESS, 0.0
    for number in range(100):
        for each in caches():
            each.cache_clear()
        played = await play(text, _limits(limits), PARTS[1], patience)
        took = sum(played.steps)
        best, spent = min(best, HOPELESS if played.given_up else took), spent + took
        if spent > ENOUGH * 1e3 and number > 1:
            break
    return best / len(text)


@cache
def caches() -> Sequence[_lru_cache_wrapper[Any]]:
    """Return what the bot's modules remember by `lru_cache`: all of a short text that was played before."""
    packages = ("bot.", "adapters.")
    modules = [module for name, module in sys.modules.items() if name.startswith(packages)]
    named = [each for module in modules for each in vars(module).values()]
    return list({id(each): each for each in named if isinstance(each, _lru_cache_wrapper)}.values())


def _deceives(size: int) -> float:
    """Return by how much the cost of a character of a link's label grows with its length."""
    costs = []
    for at in (each for each in SIZES if each <= size):
        label, best = many("a.", at), HOPELESS
        for _ in range(20):
            began = time.thread_time()
            deceives(label, HOST)
            best = min(best, time.thread_time() - began)
        costs.append(best / at)
    return grown(costs)


def grown(costs: Sequence[float]) -> float:
    """Return the most that one of *costs* is of one before it; falling ones are no growth."""
    return round(max(max(costs[at:]) / cost for at, cost in enumerate(costs)), 2)


def _measured(
    played: Mapping[str, Mapping[tuple[str, int], Played]], late: Sequence[float], growth: Mapping[str, float]
) -> dict[str, Any]:
    """Return all that was measured, for JSON."""
    shapes: dict[str, dict[str, Any]] = {}
    for name, runs in played.items():
        times = [time for run in runs.values() for time in run.steps]
        side, part = max(runs, key=lambda key: runs[key].worst)
        shapes[name] = {
            **{f"p{rank}": round(percentile(times, rank), 3) for rank in (50, 99, 100)},
            "worst": f"{side}, parts of {part}",
            "total_ms": round(sum(times)),
            "given_up": sum(run.given_up for run in runs.values()),
        }
    return {
        "limits": LIMITS,
        "shapes": shapes,
        "p100_ms": max((shape["p100"] for shape in shapes.values()), default=0.0),
        "over": sum(shape["p100"] > LONGEST for shape in shapes.values()),
        "given_up": sum(shape["given_up"] for shape in shapes.values()),
        "growth": growth,
        "late_ms": spread(late),
    }


async def _search(rng: random.Random, seconds: float, patience: float) -> Mapping[str, Any]:
    """Look for shapes that are worse than those that are known; print them as rows."""
    units = [text[:80] for text in SHAPES.values()]
    found: dict[str, Mapping[tuple[str, int], Played]] = {}
    scores: dict[str, float] = dict.fromkeys(units, 0.0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        best = sorted(scores, key=lambda unit: -scores[unit])[:POOL]
        unit = mutated(rng, [*best, *rng.choices(units, k=POOL // 2)])[:200]
        if not unit or unit in scores:
            continue
        runs = {}
        for name, side in SIDES.items():
            runs[name, PARTS[1]] = await _fairly(many(unit, QUICK), _limits(side.limits), PARTS[1], patience)
        found[unit], scores[unit] = runs, max(run.worst for run in runs.values())
    worst = sorted(found, key=lambda unit: -scores[unit])[:10]
    for unit in worst:
        print(f"    {unit[:20]!a}: many({unit!a}),  # {scores[unit]:.1f} ms")
    return {f"{unit[:40]!a}": found[unit] for unit in worst}


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people: the worst ten."""
    worst = sorted(measured["shapes"].items(), key=lambda item: -item[1]["p100"])[:10]
    table = [("shape", "step, p50 / p99 / p100", "where", "all steps")]
    for name, shape in worst:
        step = " / ".join(f"{shape[key]:.3g}" for key in ("p50", "p99", "p100"))
        given_up = f", given up {shape['given_up']} times" if shape["given_up"] else ""
        table.append((name, f"{step} ms", f"{shape['worst']}{given_up}", f"{shape['total_ms']} ms"))
    late = measured["late_ms"]
    table.append(
        ("the loop is late", f"{late['p50']:.3g} / {late['p99']:.3g} / {late['max']:.3g} ms", "", "")
    )
    return table
