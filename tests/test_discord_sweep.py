"""Whatever is wrong with an event of Discord's, it costs itself alone."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worlds import DiscordWorld

RECORDED = os.environ.get("RECORDED_PAYLOADS", "")
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
#: What a field is replaced by; `...` takes it away.
WRONG: tuple[Any, ...] = (
    ...,
    None,
    -1,
    2**70,
    "no number",
    "x" * 20_000,
    [],
    {},
    [None],
    {"id": None},
    DEEP,
    True,
    1.5,
)
#: Mutations that go to one session before it has to answer.
ROUND = 500


@pytest.fixture
async def world() -> AsyncIterator[DiscordWorld]:
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return where each field within *value* is."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*above, name)
        yield from paths(inner, (*above, name))


def mutations(frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return *frame* with each field of its data, and the data itself, replaced by all that is wrong."""
    for path in [("t",), ("d",), *(("d", *path) for path in paths(frame["d"]))]:
        for wrong in WRONG:
            changed = copy.deepcopy(frame)
            *above, last = path
            inside: Any = changed
            for name in above:
                inside = inside[name]
            if wrong is not ...:
                inside[last] = wrong
            elif isinstance(inside, dict):
                del inside[last]
            else:
                inside.pop(last)
            yield changed


async def frames(world: DiscordWorld) -> list[dict[str, Any]]:
    """Let every kind of event happen; return one of each, and the recorded ones."""
    question = await world.say("first?")
    await world.final(question)
    _, asked = question.split("/")
    await world.emulator.edit("200", asked, "<@999> changed?")
    await world.emulator.react("200", asked, world.ann, "👍")
    above = await world.emulator.say("200", world.bob, "see <#200> <t:0:R>", asked)
    await world.emulator.delete("200", above)
    await asyncio.sleep(0.2)
    sent = [frame for each in world.emulator._gateway._sessions.values() for frame in each.sent]
    kinds = {frame["t"]: frame for frame in sent if frame["t"] not in {"READY", "RESUMED"}}
    return [*kinds.values(), *recorded()]


async def send(world: DiscordWorld, frame: dict[str, Any]) -> None:
    """Send *frame* as it is; the emulator's own queue takes events only."""
    (session,) = world.emulator._gateway._sessions.values()
    assert session.link, "the session is lost"
    await session.link.socket.send_str(json.dumps({**frame, "s": None}))


async def identifies(world: DiscordWorld) -> int:
    """Return how often the bot has logged in to the gateway."""
    return len(await world.emulator.events(kinds=["identify"]))


def recorded() -> list[dict[str, Any]]:
    """Return the gateway's recorded events, one of a kind; none without the folder."""
    path = Path(RECORDED, "discord", "gateway_and_interactions.json")
    if not RECORDED or not path.exists():
        return []
    found: dict[str, Any] = {}
    for value in json.loads(path.read_text()).values():
        name = "INTERACTION_CREATE" if "token" in value else str(value.get("type", ""))
        found.setdefault(name.removeprefix("GATEWAY_"), value.get("data") if "timestamp" in value else value)
    found.pop("", None)  # who and where
    return [{"op": 0, "s": None, "t": name, "d": data} for name, data in found.items()]


async def test_whatever_is_wrong_with_an_event_the_session_stays_and_the_next_mention_is_answered(world):
    made = [changed for frame in await frames(world) for changed in mutations(frame)]
    assert len(made) >= 2_000
    before = await identifies(world)
    for start in range(0, len(made), ROUND):
        for frame in made[start : start + ROUND]:
            await send(world, frame)
        await world.final(await world.say("still there?", world.bob))
    assert await identifies(world) == before


async def test_a_poll_without_an_expiry_costs_itself_only(world):
    (session,) = world.emulator._gateway._sessions.values()
    question = await world.say("one?")
    await world.final(question)
    frame = next(copy.deepcopy(each) for each in session.sent if each["t"] == "MESSAGE_CREATE")
    frame["d"]["poll"] = {"question": {"text": "?"}, "answers": []}
    await send(world, frame)
    await world.final(await world.say("two?"))
    assert list(world.emulator._gateway._sessions.values()) == [session]
