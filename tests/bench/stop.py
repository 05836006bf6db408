"""How fast a stop is: from the reaction to the upstream stream closed, and to the last edit.

On the way also how soon a question is seen to be heard, and how soon first text is visible.  It measures the
way of a stop through adapter, core and model, never a budget: limits are off and the bot's budgets are wide.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from adapters.emulators.process import World
from tests.bench.figures import spread
from tests.bench.rig import UNBOUND_TEXT, Entry, Log, Side, following, rigged
from tests.bench.texts import paced, prose

LIMITS = (
    "emulator limits and latency off, the bot's own budgets wide (tests/bench/bot.py: Slack 40 edits/s, "
    f"Discord 5 edits/s a channel), {UNBOUND_TEXT}: this measures stopping, not pacing"
)

#: What is timed, by its name in the JSON: entries of the emulators' logs, all in one process.
TIMED = {
    "closed_ms": "reaction (the emulator's entry, before it is sent) -> upstream closed",
    "final_ms": "reaction -> last edit stored",
    "placeholder_ms": "question -> placeholder stored",
    "first_text_ms": "first delta written -> first text stored",
}

#: Answers that are live at once on a platform; each has a channel of its own.
LIVE = 4
#: Deltas a second, and the seconds for which an answer would go on if nobody stopped it.
RATE = 50.0
LONG = 20.0
#: Seconds from the request to the first delta, one of them for each answer; 0 races with the placeholder.
FIRST = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)
#: Seconds for which text is visible before the stop: spread, so that stops meet edits that are under way.
READ = (0.3, 1.3)
#: Seconds after which a stop counts as lost.
PATIENCE = 10.0


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Stop 200 answers (20 if *quick*) on each platform."""
    stops = 20 if quick else 200
    measured: dict[str, Any] = {"limits": LIMITS, "stops": stops, "live_at_once": LIVE}
    async with rigged(limits=False) as rig:
        rng = random.Random(seed)
        await scripted(rig.world, rng)
        for side in rig.sides:
            measured[side.name] = await stopped(rig.world, side, stops, rng)
        measured["bot"] = await rig.bot.report()
    return measured


async def scripted(world: World, rng: random.Random) -> None:
    """Let Claude say what is long enough to be stopped."""
    for first in FIRST:
        steps = paced(prose(rng, int(RATE * LONG * 5)), RATE, first)
        await world.claude.script(steps=[*steps, {"stall": True}], when=_word(first))


async def stopped(world: World, side: Side, stops: int, rng: random.Random) -> dict[str, Any]:
    """Stop so many answers on one platform, `LIVE` at a time."""
    numbers = iter(range(stops))
    timings: list[dict[str, float]] = []
    async with (
        following(side.remote, "say", "post", "edit", "react") as chat,
        following(world.claude, "first", "closed") as claude,
        asyncio.TaskGroup() as people,
    ):
        for _ in range(LIVE):
            person = _Person(world, side, chat, claude, random.Random(rng.random()))
            people.create_task(person.stop_all(numbers, timings))
    figures = {name: spread([each[name] for each in timings]) for name in TIMED}
    return {**figures, "lost": stops - len(timings)}


class _Person:
    """Asks, reads a little, stops; again and again."""

    def __init__(self, world: World, side: Side, chat: Log, claude: Log, rng: random.Random) -> None:
        self._world = world
        self._side = side
        self._chat = chat
        self._claude = claude
        self._rng = rng

    async def stop_all(self, numbers: Iterator[int], timings: list[dict[str, float]]) -> None:
        for number in numbers:
            try:
                async with asyncio.timeout(PATIENCE):
                    timings.append(await self._stop(number))
            except TimeoutError:
                print(f"{self._name(number)} was lost: not stopped within {PATIENCE:g} s")

    def _name(self, number: int) -> str:
        return f"{self._side.name} stop {number}"

    async def _stop(self, number: int) -> dict[str, float]:
        channel = self._side.channel(number)
        question = f"{self._name(number)}, {_word(self._rng.choice(FIRST))}"
        await self._side.ask(channel, question)
        shown = await self._chat.until(channel, _readable)
        await asyncio.sleep(self._rng.uniform(*READ))
        await self._side.react(shown)
        final = await self._chat.until(channel, lambda entry: entry["kind"] == "edit" and not entry["live"])
        request = (await self._world.claude.find(question=question))["id"]
        closed = await self._claude.until(request, lambda entry: entry["kind"] == "closed")
        first = await self._claude.until(request, lambda entry: entry["kind"] == "first")
        said, posted, reacted = (self._when(channel, kind) for kind in ("say", "post", "react"))
        seconds = {
            "closed_ms": closed["t"] - reacted,
            "final_ms": final["t"] - reacted,
            "placeholder_ms": posted - said,
            "first_text_ms": shown["t"] - first["t"],
        }
        return {name: each * 1000 for name, each in seconds.items()}

    def _when(self, channel: str, kind: str) -> float:
        return float(next(entry["t"] for entry in self._chat.about[channel] if entry["kind"] == kind))


def _readable(entry: Entry) -> bool:
    return entry["kind"] in {"post", "edit"} and not entry["empty"]


def _word(first: float) -> str:
    """Return what in a question makes Claude wait so long."""
    return f"begin after {first:g} s."


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("platform", "from -> to", "p50 ms", "p99 ms", "max ms", "n")]
    for side, (name, text) in itertools.product(("slack", "discord"), TIMED.items()):
        seen = measured[side][name]
        table.append((side, text, *(f"{seen[rank]:.1f}" for rank in ("p50", "p99", "max")), str(seen["n"])))
    return table
