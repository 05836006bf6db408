"""What a crowd of strangers, bots or edits may cost: rows of `storm` and of `load` that count calls.

Each plays one thing, counts what it made the bot do, and sees that whoever asks meanwhile is answered.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from tests.bench.rig import Entry, Rig, Side, following

#: People of whom nothing is known; what they do within a second in all; where they do it.
STRANGERS, EVENTS, SPAN = 300, 1_000, 1.0
#: Rounds that another bot asks back, in one conversation, and the id by which it may ask.
ROUNDS, ROBOT = 8, "BOTHER"
#: Edits before the first word, and seconds until that comes.
EDITS, SILENCE = 100, 2.0
#: Messages that make no sense, all of one person, and how many others ask among them.
MALFORMED, ASKERS = 300, 20
#: Fields of Discord's messages that discord.py's parsers refuse, or that are of another type.
ODD: Sequence[dict[str, Any]] = (
    {"poll": {"question": {"text": "x"}, "answers": []}},
    {"embeds": 7},
    {"attachments": [None, 7, {"id": "x"}]},
    {"message_snapshots": [{"message": None}]},
    {"sticker_items": {"id": 1}},
)
#: Seconds that anybody waits at most for an answer here.
PATIENCE = 30.0


async def strangers(rig: Rig) -> dict[str, Any]:
    """Let strangers react to, edit and press what is not theirs, while a member who is not known asks."""
    side = rig.sides[0]
    people = [f"UX{number}" for number in range(STRANGERS)]
    accounts = [{"id": person, "name": person, "is_stranger": True, "team_id": "T2"} for person in people]
    await side.remote.many(method="user", calls=accounts)
    await side.remote.user(id="UNEW", name="new")
    await rig.world.claude.script(steps=["Held ", 8.0, "on."], when="held")
    async with following(side.remote, "post", "edit") as chat:
        running = side.channel(-3)
        await side.ask(running, "held")
        shown = await chat.until(running, lambda entry: entry["live"] and not entry["empty"])
    say = {"channel": side.channel(-4), "text": "nothing for you"}
    theirs = [await side.remote.say(user=person, **say) for person in people[:10]]
    infos, seen = await _infos(side), len(await side.remote.events(kinds=["envelope"]))
    flood = asyncio.gather(*(side.remote.many(**each) for each in _flood(side, people, theirs, shown)))
    await asyncio.sleep(SPAN / 2)
    asked = await _asked(side, side.channel(-5), "UNEW")
    await flood
    (page,) = [each for each in await side.pages(running) if not each["deleted"]]
    envelopes = (await side.remote.events(kinds=["envelope"]))[seen:]
    return {
        "events": len(envelopes),
        "users_info": await _infos(side) - infos,
        "answered_s": asked,
        "acknowledged_s": await _slowest(side, envelopes),
        "stopped": int("Stopped" in page["note"]),
    }


def _flood(
    side: Side, people: Sequence[str], theirs: Sequence[str], shown: Entry
) -> Iterator[dict[str, Any]]:
    """Yield the three thirds of what strangers do: reactions, edits, presses."""
    here, third = side.channel(-4), range(EVENTS // 3)
    reactions = [
        {"channel": here, "ts": theirs[n % 10], "user": people[n % STRANGERS], "reaction": "x"} for n in third
    ]
    edits = [{"channel": here, "ts": theirs[n % 10], "text": f"nor you {n}"} for n in third]
    button = {"channel": shown["channel"], "ts": shown["ts"]}
    presses = [button | {"user": people[n % STRANGERS]} for n in third]
    for method, calls in (("react", reactions), ("edit", edits), ("press", presses)):
        yield {"method": method, "calls": calls, "seconds": SPAN}


async def _infos(side: Side) -> int:
    return sum(call["method"] == "users.info" for call in await side.remote.events(kinds=["call"]))


async def _slowest(side: Side, envelopes: Sequence[Entry]) -> float:
    """Return the longest time until a mention among *envelopes* was acknowledged; inf if one was not."""
    acks = {each["envelope_id"]: each["t"] for each in await side.remote.events(kinds=["ack"])}
    sent = [each for each in envelopes if each["event"] == "app_mention"]
    waits = [float(acks.get(each["envelope_id"], math.inf)) - float(each["t"]) for each in sent]
    return round(max(waits), 2)


async def _asked(side: Side, channel: str, user: str, text: str = "crowd") -> float:
    """Let *user* ask in *channel*; return the seconds until the answer is whole, inf if it never is."""
    began = time.monotonic()
    async with following(side.remote, "post", "edit") as chat:
        await side.remote.say(channel=channel, user=user, text=f"{side.mention} {text}")
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await chat.until(channel, lambda entry: _ours(side, entry) and not entry["live"])
                return round(time.monotonic() - began, 2)
    return math.inf


def _ours(side: Side, entry: Entry) -> bool:
    return side.name != "slack" or entry["user"] == "UBOT"


async def bots(rig: Rig) -> dict[str, Any]:
    """Let a bot that may ask answer each of ours with a question, in one thread; count our answers."""
    side, channel, thread = rig.sides[0], rig.sides[0].channel(-6), ""
    answers = asked = 0
    while asked < ROUNDS and answers == asked:
        ask = {"channel": channel, "user": "UROBOT", "text": f"{side.mention} crowd", "bot_id": ROBOT}
        ts = await side.remote.post_as(**ask, **({"thread_ts": thread} if thread else {}))
        thread, asked = thread or ts, asked + 1
        answers = await _ended(side, channel, asked)
    return {"questions": asked, "answers": answers}


async def _ended(side: Side, channel: str, wanted: int) -> int:
    """Return how many answers there are in *channel*, once there are *wanted* or nothing comes for 1.5 s."""
    for _ in range(15):
        pages = [page for page in await side.pages(channel) if not page["deleted"] and not page["live"]]
        if len(pages) >= wanted:
            break
        await asyncio.sleep(0.1)
    return len(pages)


async def edits(rig: Rig) -> dict[str, Any]:
    """Edit a question many times before the first word; count what the model was asked."""
    measured = {}
    await rig.world.claude.script(steps=[SILENCE, "Edited."], when="often")
    for side in rig.sides:
        before, channel = len(await rig.world.claude.requests()), side.channel(-7)
        asked = await side.ask(channel, "often")
        await asyncio.sleep(0.2)
        where = {"channel": channel, "ts" if side.name == "slack" else "message": asked}
        calls = [where | {"text": f"{side.mention} often {number}"} for number in range(EDITS)]
        await side.remote.many(method="edit", calls=calls, seconds=SILENCE / 4)
        await asyncio.sleep(0.2)
        measured[side.name] = len(await rig.world.claude.requests()) - before
    return {"edits": EDITS, "requests": measured}


async def malformed(rig: Rig) -> dict[str, Any]:
    """Let one person's messages on Discord make no sense, while others ask: all are answered."""
    side = rig.sides[1]
    await rig.world.claude.script(steps=["Sure."], when="crowd")
    before = await _sessions(side)
    odd = [
        {"channel": side.channel(-8), "user": "301", "text": "x", "more": ODD[number % len(ODD)]}
        for number in range(MALFORMED)
    ]
    flood = asyncio.gather(side.remote.many(method="say", calls=odd, seconds=SPAN))
    waits = await asyncio.gather(
        *(_asked(side, side.channel(-20 - number), str(700 + number)) for number in range(ASKERS))
    )
    await flood
    waits.append(await _asked(side, side.channel(-9), "300"))
    return {
        "messages": MALFORMED,
        "unanswered": sum(math.isinf(wait) for wait in waits),
        "longest_s": max(waits),
        "sessions": await _sessions(side) - before,
    }


async def _sessions(side: Side) -> int:
    """Return how many sessions were begun or gone on with."""
    return len(await side.remote.events(kinds=["identify", "resume"]))
