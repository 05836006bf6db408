"""Discord: whatever an event looks like, it costs itself only, and the next mention is answered.

Every field of recorded and emulated events is left out, null, of another type, deep, or huge.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.incoming.interactions import FIELD
from adapters.emulators.discord.gateway import Link
from bot.platform import Outcome
from tests.contract import HOLD, at, until
from tests.worlds import DiscordWorld

RECORDED = os.environ.get("RECORDED_PAYLOADS", "")
GONE = object()
OTHER: tuple[Any, ...] = (
    *(GONE, None, True, -1, 1e300, 2**70, "", "x", "<@999> ``` > ", [], {}, [None], [{}], {"x": None}),
)  # fmt: skip
#: Of so many frames one is tried: all take minutes.
EVERY = 3
HUGE: tuple[Any, ...] = ("9" * 400, "`<@999>\n> " * 4_000, ["x"] * 2_000, [{"type": 1}] * 2_000)


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


def deep(levels: int = 200) -> Any:
    found: Any = "x"
    for level in range(levels):
        found = {("components", "message", "content")[level % 3]: [found] if level % 3 == 0 else found}
    return found


def too_deep(levels: int = 100_000) -> str:
    """Return JSON that is too deep for any parser."""
    return "[" * levels + "]" * levels


def places(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each field of *found*."""
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return *payload* with *value* at *path*."""
    key, *rest = path
    other = copy.copy(payload)
    if rest:
        other[key] = changed(payload[key], tuple(rest), value)
    elif value is GONE:
        del other[key]
    else:
        other[key] = value
    return other


class Everything:
    """An inbox that takes whatever it is given, and knows every second message."""

    def __init__(self) -> None:
        self._knows = False
        self.taken = 0

    def knows(self, _key: str) -> bool:
        self._knows = not self._knows
        return self._knows

    def asked_in(self, _conversation: str) -> str:
        return "discord/1/1"

    async def owns(self, _message: str, _actor: str) -> bool:
        return True

    async def barred(self, _actor: object, _place: object) -> None:
        return None

    async def command(self, _command: object) -> str:
        return "Done."

    async def take(self, _event: object) -> Outcome:
        self.taken += 1
        return Outcome.REFUSED

    def back(self, _platform: object) -> None:
        """Take that too."""

    mention = stop = press = rated = edited = deleted = repair = take


async def emulated(world: DiscordWorld) -> list[tuple[str, Any]]:
    """Events of each kind, about an answer that runs, as the emulator makes them."""
    world.model.steps = ("Because ", HOLD)
    question = await world.say("why?")
    answer = await world.first(question, "Beca")
    embed = {"type": "rich", "title": "t", "author": {"name": "a"}, "fields": [{"name": "b", "value": "c"}]}
    poll = {"question": {"text": "Lunch?"}, "answers": [{"answer_id": 1, "poll_media": {"text": "Pizza"}}]}
    snapshot = {"content": "x", "mentions": [], "attachments": [{"filename": "a"}], "embeds": [embed]}
    more = {
        "embeds": [embed],
        "poll": {**poll, "expiry": None, "allow_multiselect": False, "layout_type": 1},
        "message_snapshots": [{"message": snapshot}],
        "components": [
            {"type": 17, "components": [{"type": 10, "content": "x"}], "accessory": {"label": "y"}}
        ],
        "sticker_items": [{"id": "1", "name": "s", "format_type": 1}],
        "flags": 1 << 13,
    }
    emulator, sent = world.emulator, []
    for each in (emulator._messages, emulator._world, emulator._interactions):
        each._publish = lambda event, data, _guild: sent.append((event, copy.deepcopy(data)))
    try:
        last = answer.id.split("/")[1]
        asked = await emulator.say("200", "301", "<@999> `x` <#200>", last, more=more, files={"a": "eA=="})
        await emulator.edit("200", asked, "<@999> stop")
        await emulator.say(await emulator.dm("1"), "1", "hi")
        await emulator.react(*at(answer.id), "301", "🛑")
        await emulator.press(*at(answer.id), "301")
        thread = await emulator.open_thread("200", asked, "301", "t")
        await emulator.close_thread(thread)
        await emulator.remove_channel(thread)
        await emulator.delete("200", asked)
        sent.append(("MESSAGE_DELETE_BULK", {"ids": [asked], "channel_id": "200", "guild_id": "100"}))
        gone = {"user_id": "301", "channel_id": "200", "message_id": last, "guild_id": "100"}
        for kind in ("ADD", "REMOVE"):
            thumb = {**gone, "emoji": {"id": None, "name": "👍"}, "burst": False, "type": 0}
            sent.append((f"MESSAGE_REACTION_{kind}", thumb))
        await emulator.channel("4711")
        sent.append(("GUILD_CREATE", emulator._world.guild_create("100")))
    finally:
        for each in (emulator._messages, emulator._world, emulator._interactions):
            each._publish = emulator._gateway.publish
    bare = [each for each in sent if each[0] not in {"MESSAGE_UPDATE", "CHANNEL_CREATE"}]
    return [next(each for each in sent if each[0] == "MESSAGE_UPDATE"), *bare[:4], *bare[-10:]]


async def given(world: DiscordWorld) -> list[tuple[str, Any]]:
    """A command, a choice in a menu and a form that is filled in, as the emulator makes them."""
    emulator, sent = world.emulator, []
    post = await emulator.say("200", "301", "rain")
    opened = await emulator.choose("200", post, "300", "Ask about this")

    async def open_() -> bool:
        return await emulator.modal(opened) is not None

    await until(open_)
    emulator._interactions._publish = lambda event, data, _guild: sent.append((event, copy.deepcopy(data)))
    await emulator.command("200", "301", "forget", {"me": ""})
    await emulator.choose("200", post, "301", "Stop")
    await emulator.submit(opened, {FIELD: "why?"})
    emulator._interactions._publish = emulator._gateway.publish
    return sent


def recorded() -> list[tuple[str, Any]]:
    """The events that were recorded, if they are at hand."""
    file = Path(RECORDED) / "discord" / "gateway_and_interactions.json"
    found: list[tuple[str, Any]] = []
    names = (
        "gatewayMention",
        "gatewayDMRequest",
        "gatewayReactionAdd",
        "gatewayThreadCreate",
        "dmButtonClick",
    )
    kept = json.loads(file.read_text()) if RECORDED else {}
    for each in (kept[name] for name in names if name in kept):
        kind = str(each["type"])
        event = kind.removeprefix("GATEWAY_") if kind.startswith("GATEWAY_") else "INTERACTION_CREATE"
        found.append((event, each.get("data", {}) if kind.startswith("GATEWAY_") else each))
    return found


def mutations(events: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield frames with every field of *events* changed in every way, and frames of any shape at all."""
    for name, data in events:
        values = OTHER if name == "GUILD_CREATE" else (*OTHER, deep(), *HUGE)
        for path in places(data):
            for value in values:
                yield json.dumps({"op": 0, "s": 5, "t": name, "d": changed(data, path, value)})
        for value in OTHER[1:]:
            yield json.dumps({"op": 0, "s": 5, "t": name, "d": value})
        yield f'{{"op": 0, "s": 5, "t": "{name}", "d": {too_deep()}}}'
    for value in OTHER[1:]:
        yield json.dumps({"op": 0, "s": value, "t": "MESSAGE_CREATE", "d": {}})
        yield json.dumps({"op": 0, "s": 5, "t": value, "d": {}})
        yield json.dumps(value)
    yield "{"


async def handled() -> None:
    """Wait until discord.py's handlers are done."""
    while tasks := [task for task in asyncio.all_tasks() if task.get_name().startswith("discord.py: ")]:
        await asyncio.wait(tasks)


async def test_no_event_ends_the_session_or_raises_in_a_handler(world):
    events = [*await emulated(world), *await given(world), *recorded()]
    client: Any = world.platform._running
    inbox, raised = Everything(), []

    async def on_error(event: str, /, *args: object, **_: object) -> None:
        raised.append((event, repr(sys.exception()), str(args)[:300]))

    kept, client.inbox, client.on_error = client.inbox, inbox, on_error
    client.questions.asked_in = inbox.asked_in
    [shard] = client.shards.values()
    socket, sequence, count = shard._parent.ws, shard._parent.ws.sequence, 0
    for frame in islice(mutations(events), 0, None, EVERY):
        count += 1
        await socket.received_message(frame)
        if count % 50 == 0:
            await handled()
    await handled()
    del client.on_error
    client.inbox, socket.sequence = kept, sequence
    client.questions.asked_in = kept.asked_in
    assert count >= 2_000
    assert inbox.taken > 100
    assert raised == []
    world.model.steps = ("Yes.",)
    world.model.go.set()
    [seen] = await world.final(f"200/{await world.emulator.say('200', '301', '<@999> still there?')}")
    assert seen.text == "Yes."
    assert len(await world.emulator.events(kinds=["identify"])) == 1


async def test_a_poll_without_an_expiry_costs_no_session(world):
    poll: dict[str, Any] = {"question": {"text": "?"}, "answers": [], "expiry": None}
    await world.emulator.say("200", "301", "", more={"poll": poll})
    [seen] = await world.final(await world.ask("why?", "Because."))
    assert seen.text == "Because."
    assert len(await world.emulator.events(kinds=["connect"])) == 1


async def test_a_first_event_that_cannot_be_read_is_answered_by_a_new_session(world):
    frame = {
        "op": 0,
        "t": "READY",
        "s": 1,
        "d": {"session_id": "x", "resume_gateway_url": world.emulator._gateway.url},
    }

    def tell(link: Link) -> None:
        link.frames.put_nowait(frame)

    for each in world.emulator._gateway.links:
        tell(each)

    async def again() -> bool:
        return len(await world.emulator.events(kinds=["identify"])) > 1

    await until(again)
    [seen] = await world.final(await world.ask("why?", "Because."))
    assert seen.text == "Because."


async def test_a_message_of_the_history_that_cannot_be_read_costs_itself_only(world):
    first = await world.emulator.say("200", "300", "the first")
    odd = await world.emulator.say("200", "301", "", first, more={"poll": {"expiry": 5, "answers": 7}})
    world.model.steps = ("Yes.",)
    asked = await world.emulator.say("200", "300", "<@999> so?", odd)
    [seen] = await world.final(f"200/{asked}")
    assert seen.text == "Yes."
    assert "the first" in "".join(turn.text for turn in world.model.requests[0].turns)
