"""A storm of questions: 2,000 of 50 people within a second, of which most are too many.

The limits are the ones that ship.  What must hold while it lasts: Slack has its acknowledgements in time, no
bound is passed, who asked too much is told once, every question is counted, and an answer that was running
before goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import aiohttp

from bot.core.intake import Caps
from bot.core.sayings import TOO_MUCH
from tests.bench import crowds
from tests.bench.figures import spread
from tests.bench.rig import Entry, Rig, Side, following, rigged
from tests.bench.texts import paced, prose
from tests.ports import free_port

LIMITS = (
    "emulator limits and latency off, the bot's own budgets wide (tests/bench/bot.py), no brake on log-ins; "
    "the intake as it ships: 200 questions, 32 turns, one running and one waiting of a person in a channel, "
    "8 a minute and 60 an hour"
)

#: Questions, people who ask them, channels of each person, and the seconds in which all come.
QUESTIONS, PEOPLE, CHANNELS, SPAN = 2000, 50, 4, 1.0
#: Deltas a second and characters of an answer: about a second, eight of the one that runs before.
RATE, CHARACTERS, BEFORE = 50.0, 250, 2000
#: Seconds for everything to be answered.
PATIENCE = 90.0

SHIPPED = {
    "RIVULET_TURNS": "32",
    "RIVULET_INTAKE": "200",
    "RIVULET_USER_TURNS": "1",
    "RIVULET_USER_PER_MINUTE": "8",
    "RIVULET_USER_PER_HOUR": "60",
    "RIVULET_SLACK_BOTS": crowds.ROBOT,
}


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Let the storm come, on Slack and then on Discord (in a quick run on Slack only)."""
    measured: dict[str, Any] = {"limits": LIMITS, "questions": QUESTIONS, "people": PEOPLE}
    for number in range(1 if quick else 2):
        port = free_port()
        async with rigged(limits=False, settings={**SHIPPED, "RIVULET_PORT": str(port)}) as rig:
            rng = random.Random(seed)
            await rig.world.claude.script(steps=paced(prose(rng, CHARACTERS), RATE, 0.2), when="storm")
            await rig.world.claude.script(steps=paced(prose(rng, BEFORE), RATE, 0.2), when="before")
            measured[rig.sides[number].name] = await _stormed(rig, rig.sides[number], port)
            if number == 0:
                await rig.world.claude.script(steps=["Sure."], when="crowd")
                measured["strangers"] = await crowds.strangers(rig)
                measured["bots"] = await crowds.bots(rig)
    return measured


async def _stormed(rig: Rig, side: Side, port: int) -> dict[str, Any]:
    """Return what became of the storm on one platform."""
    people = [f"U{500 + n}" if side.name == "slack" else str(500 + n) for n in range(PEOPLE)]
    if side.name == "slack":
        for person in people:
            await side.remote.user(id=person, name=f"person {person}")
    already = await _state(port)
    calls = [_question(side, people, number) for number in range(QUESTIONS)]
    async with following(side.remote, "post", "edit") as chat:
        before = side.channel(-2)
        await side.ask(before, "before")
        await chat.until(before, lambda entry: entry["kind"] in {"post", "edit"} and not entry["empty"])
        await rig.bot.report()
        began = len(await side.remote.events(kinds=["say"]))
        await side.remote.many(method="say", calls=calls, seconds=SPAN)
        cpu = (await rig.bot.report())["cpu_s"]
        said = (await side.remote.events(kinds=["say"]))[began:]
        state = await _settled(port, already)
        report = await rig.bot.report()
        gap = _gap(chat.about[before], said[0]["t"], said[-1]["t"] + 2.0)
        pages = await _pages(side)
    return {
        "span_s": round(said[-1]["t"] - said[0]["t"], 2),
        **await _acknowledged(side, said[0]["t"]),
        "turns_at_once": _at_once(await rig.world.claude.events()),
        "running_gap_s": gap,
        "cpu_s": round(cpu, 2),
        "lag_ms": report["lag_ms"],
        **_counted(state, already, pages, calls),
    }


def _question(side: Side, people: Sequence[str], number: int) -> dict[str, str]:
    """Return the call that asks question *number*; a person's questions go round their channels."""
    who, turn = number % PEOPLE, number // PEOPLE
    channel = side.channel(who * CHANNELS + turn % CHANNELS)
    return {"channel": channel, "user": people[who], "text": f"{side.mention} storm {number}"}


async def _pages(side: Side) -> list[Entry]:
    """Return all that the bot has said to the storm, once no preview is left to be deleted."""
    channels = [side.channel(number) for number in range(PEOPLE * CHANNELS)]
    posted = {entry["channel"] for entry in await side.remote.events(kinds=["post"])}
    channels += posted - {
        *channels,
        side.channel(-1),
        side.channel(-2),
    }  # threads of answers
    for _ in range(20):
        pages = [page for channel in channels for page in await side.pages(channel) if not page["deleted"]]
        if not any(page["live"] for page in pages):
            break
        await asyncio.sleep(1.0)
    return pages


async def _state(port: int) -> Counter[str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        return Counter((await response.json())["answers"])


async def _settled(port: int, already: Counter[str]) -> Counter[str]:
    """Return the intake's counts once every question is counted, and nothing runs or waits."""
    async with asyncio.timeout(PATIENCE):
        while True:
            state = await _state(port)
            counted = state["taken"] + state["refused"] - already["taken"] - already["refused"]
            if counted > QUESTIONS and not state["running"] and not state["waiting"]:
                await asyncio.sleep(1.0)  # for the last notices
                return state
            await asyncio.sleep(0.5)


async def _acknowledged(side: Side, since: float) -> dict[str, Any]:
    """Return how long Slack waited for its acknowledgements; Discord has none."""
    if side.name != "slack":
        return {}
    entries = await side.remote.events(kinds=["envelope", "ack"])
    asked = [e for e in entries if e["kind"] == "envelope" and e["event"] == "app_mention"]
    sent = {e["envelope_id"]: e["t"] for e in asked if e["t"] >= since}
    times = [
        (e["t"] - sent[e["envelope_id"]]) * 1000
        for e in entries
        if e["kind"] == "ack" and e["envelope_id"] in sent
    ]
    return {"ack_ms": spread(times), "unacknowledged": len(sent) - len(times)}


def _at_once(entries: Sequence[Entry]) -> int:
    """Return how many of Claude's streams were open at once, the one from before not counted off."""
    most, open_ = 0, set()
    for entry in entries:
        if entry["kind"] == "request":
            open_.add(entry["id"])
        elif entry["kind"] in {"finished", "broken", "closed"}:
            open_.discard(entry["id"])
        most = max(most, len(open_))
    return most


def _gap(entries: Sequence[Entry], since: float, until: float) -> float:
    """Return the longest time between two edits of the answer that was running."""
    times = [entry["t"] for entry in entries if since - 1.0 <= entry["t"] <= until]
    return round(max((b - a for a, b in itertools.pairwise(times)), default=until - since), 2)


def _counted(
    state: Counter[str], already: Counter[str], pages: Sequence[Entry], calls: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Return what the bot counted, and whether it agrees with what people see."""
    told = sum(page["text"] in TOO_MUCH.values() for page in pages)
    counts = {name: state[name] - already[name] for name in ("taken", "refused", "told", "silence")}
    counts["taken"] -= 1  # the one from before
    answered = sum(not page["live"] for page in pages) - told
    return {
        **counts,
        "uncounted": len(calls) - counts["taken"] - counts["refused"],
        "over_intake": max(0, state["most"] - Caps().accepted),
        "told_not_once": abs(told - PEOPLE) + abs(counts["told"] - PEOPLE),
        "unanswered": counts["taken"] - answered,
        "live": sum(bool(page["live"]) for page in pages),
    }


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("platform", "what", "measured")]
    for side in ("slack", "discord", "strangers", "bots"):
        for name, value in measured.get(side, {}).items():
            shown = value if not isinstance(value, dict) else ", ".join(f"{k} {v}" for k, v in value.items())
            table.append((side, name, str(shown)))
    return table
