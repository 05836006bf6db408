"""How much later a model is asked where there is much to read: each call of a platform takes 100 ms.

A bare mention is compared with one in a thread of several people, a file with it.  Where the people are new
to the bot, or the file came earlier in the thread, one thing must be known before the next can be asked for;
that is measured beside it.
"""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Mapping
from typing import Any

from tests.bench.figures import spread
from tests.bench.rig import Entry, Rig, Side

#: Seconds that each call takes.
TRIP = 0.1
#: Questions of each kind on each platform.
QUESTIONS, QUICK = 200, 8
#: Kinds of questions; the last ones are asked fewer times.
BARE, FULL, EARLIER, NEW = KINDS = ("bare", "full", "earlier file", "new people")
FEWER = 4
#: People of a thread, and what each says there.
PEOPLE, SAID = 6, 2
#: Seconds that a question may take to come to the model.
PATIENCE = 10.0
FILE = {"plan.txt": base64.b64encode(b"We ship on Friday. " * 200).decode()}


async def bench(rig: Rig, *, quick: bool, rng: random.Random) -> dict[str, Any]:
    """Ask so often on each platform, and return the milliseconds from mention to request."""
    questions = QUICK if quick else QUESTIONS
    await rig.world.claude.script(steps=["Yes."], when="first")
    await _latency(rig, TRIP)
    timed = [await _timed(rig, side, questions, rng) for side in rig.sides]
    await _latency(rig, 0.0)
    return {side.name: _told(found) for side, found in zip(rig.sides, timed, strict=True)}


def _told(found: Mapping[str, list[float]]) -> Entry:
    spreads = {kind: spread(each) for kind, each in found.items()}
    bare = spreads[BARE]["p50"]
    more = {f"{kind} more_ms".replace(" ", "_"): round(spreads[kind]["p50"] - bare, 1) for kind in KINDS[1:]}
    return {**{kind.replace(" ", "_"): each for kind, each in spreads.items()}, **more}


async def _latency(rig: Rig, seconds: float) -> None:
    await rig.world.slack.latency(method="*", seconds=seconds)
    await rig.world.discord.latency(route="*", seconds=seconds)


async def _timed(rig: Rig, side: Side, questions: int, rng: random.Random) -> dict[str, list[float]]:
    wanted = [BARE, FULL] * questions + [EARLIER, NEW] * (questions // FEWER)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    known = _people(side, 0)
    await _asked(rig, side, FULL, known, f"first of all on {side.name}")  # who they are is known from now on
    for number, kind in enumerate(rng.sample(wanted, len(wanted))):
        people = _people(side, number + 1) if kind == NEW else known
        found[kind].append(await _asked(rig, side, kind, people, f"first {number} on {side.name}"))
    return found


def _people(side: Side, number: int) -> list[str]:
    """Return the ids of the people of a thread."""
    return [f"{'U7' if side.name == 'slack' else '7'}{number:04}{each}" for each in range(PEOPLE)]


async def _asked(rig: Rig, side: Side, kind: str, people: list[str], text: str) -> float:
    """Ask, and return the milliseconds until the model is asked."""
    channel = side.channel(0)
    place, sent = {"channel": channel}, dict[str, str]()
    if kind != BARE:
        sent, before = ({}, FILE) if kind == EARLIER else (FILE, {})
        place = await opened(side, channel, people, before)
        await asyncio.sleep(TRIP)  # what was said is told to the bot before the question
    began = time.monotonic()  # the emulators' clock, too; a call of theirs is in all figures
    await said(side, place, side.person, f"{side.mention} {text}", sent)
    return (await _request(rig, text) - began) * 1000


async def opened(side: Side, channel: str, people: list[str], files: Mapping[str, str]) -> dict[str, str]:
    """Open a thread in which *people* speak, the first with *files*; return where to say more."""
    if side.name == "slack":
        await asyncio.gather(*(side.remote.user(id=who, name=f"p{who}") for who in people))
        root = await side.remote.say(channel=channel, user=side.person, text="How is it going?")
        place = {"channel": channel, "thread_ts": root}
    else:
        root = await side.remote.say(channel=channel, user=side.person, text="How is it going?")
        opening = {"channel": channel, "message": root, "user": side.person, "name": "going"}
        place = {"channel": await side.remote.open_thread(**opening)}
    for number in range(SAID * len(people)):
        text, sent = f"{number}: it goes as it went before, and will.", files if not number else {}
        await said(side, place, people[number % len(people)], text, sent)
    return place


async def said(
    side: Side, place: Mapping[str, str], who: str, text: str, files: Mapping[str, str] | None = None
) -> str:
    """Let *who* say *text* there; return the message's id."""
    more = {"files": dict(files)} if files else {}
    return str(await side.remote.say(user=who, text=text, **place, **more))


async def _request(rig: Rig, text: str) -> float:
    """Return when the model was asked *text*."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return float((await rig.world.claude.find(question=text))["times"]["start"])
            except LookupError:
                await asyncio.sleep(0.05)


def rows(measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was measured, for the table."""
    return [
        (f"{name}: mention -> request, {kind}, ms p50", f"{seen[kind.replace(' ', '_')]['p50']:.1f}")
        for name, seen in measured.items()
        for kind in KINDS
    ]
