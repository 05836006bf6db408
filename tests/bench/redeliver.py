"""Every event delivered one to four times, shuffled, with restarts between: exactly one answer each.

Restarts alternate between SIGTERM and kill -9.  Nothing is delivered while the bot is down: what it
misses then is for the benches `kill` and `term`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from tests.bench.crashing import People, scripted
from tests.bench.kill import played
from tests.bench.rig import Side

LIMITS = (
    "emulator limits off, the bot's own budgets wide (tests/bench/bot.py), answers in the channel "
    "(RIVULET_DISCORD_REPLY=channel), the bot's intake unbounded and no brake on log-ins, fifty channels"
)

EVENTS = 10_000
CHANNELS = 50
#: Deliveries a second on each platform.
RATE = 15.0
PATIENCE = 300.0


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Deliver 10,000 events (100 if *quick*), half of them on each platform, through 20 restarts (2)."""
    events, restarts = (100, 2) if quick else (EVENTS, 20)
    rng = random.Random(seed)
    async with played(limits=False) as bot:
        await scripted(bot.world, 0.01)
        people = [People(side, random.Random(rng.random()), RATE) for side in bot.sides]
        plans = [_plan(events // 2, random.Random(rng.random())) for _ in people]
        for number in range(restarts + 1):
            await bot.start(wide=True)
            await asyncio.gather(
                *(_deliver(each, plan, number, restarts) for each, plan in zip(people, plans, strict=True))
            )
            if number < restarts:
                await (bot.end() if number % 2 else bot.kill())
        await asyncio.gather(*(each.quiet(PATIENCE) for each in people))
        await bot.end()
        measured = {each.side.name: await each.judge() for each in people}
        answers = sum(seen["whole"] + seen["noted"] for seen in measured.values())
        deliveries = sum(map(len, plans))
        return {
            "limits": LIMITS,
            "events": events,
            "deliveries": deliveries,
            "restarts": restarts,
            "answers": answers,
            "amiss": abs(answers - events),
            **measured,
        }


def _plan(events: int, rng: random.Random) -> list[int]:
    """Return the numbers of the events in the order of their deliveries."""
    plan = [number for number in range(events) for _ in range(rng.randint(1, 4))]
    rng.shuffle(plan)
    return plan


async def _deliver(people: People, plan: Sequence[int], number: int, restarts: int) -> None:
    """Deliver the part of the plan that comes after restart *number*."""
    size = len(plan) / (restarts + 1)
    asked = [*people.asked.items()]
    known = dict(zip(dict.fromkeys(plan[: round(number * size)]), asked, strict=True))
    for event in plan[round(number * size) : round((number + 1) * size)]:
        if event in known:
            await _again(people.side, *known[event])
        else:
            channel = people.side.channel(event % CHANNELS)
            question = await people.side.ask(channel, "8 words, please")
            people.asked[question] = channel
            known[event] = question, channel
        await asyncio.sleep(1 / RATE)


async def _again(side: Side, question: str, channel: str) -> None:
    """Deliver the event of *question* once more."""
    name = "ts" if side.name == "slack" else "message"
    await side.remote.again(channel=channel, **{name: question})


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    keys = ("questions", "whole", "noted", "stuck", "duplicates", "unended")
    table: list[Sequence[str]] = [("platform", "restarts", *keys)]
    table += [
        (name, str(measured["restarts"]), *(str(measured[name][key]) for key in keys))
        for name in ("slack", "discord")
    ]
    return table
