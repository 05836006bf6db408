"""Slack: whatever a payload looks like, it costs itself only, and the next mention is answered.

Every field of recorded and emulated payloads is left out, null, of another type, deep, or huge.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.emulators.slack import shapes
from adapters.slack.incoming.bolt import taker
from adapters.slack.incoming.events import Events
from bot.platform import Outcome
from tests.worlds import SlackWorld

RECORDED = os.environ.get("RECORDED_PAYLOADS", "")
GONE = object()


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    yield world
    await world.close()


def deep(levels: int = 300) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = {"elements": [found], "text": found, "type": "rich_text"}
    return found


OTHER: tuple[Any, ...] = (
    *(GONE, None, True, 0, -1, 1e308, "", "x", "<@UBOT> &gt; ```", [], {}, [None], [[]], [{}], {"x": None}),
)
HUGE: tuple[Any, ...] = (
    "9" * 400,
    "x" * 200_000,
    "`&gt;<@" * 9_000,
    ["x"] * 5_000,
    [{"type": "text"}] * 5_000,
)


def places(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each field of *found*."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield (*path, key)
            yield from places(value, (*path, key))
    if isinstance(found, list):
        for index, value in enumerate(found):
            yield (*path, index)
            yield from places(value, (*path, index))


def changed(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return *payload* with *value* at *path*."""
    if len(path) == 1:
        shallow = copy.copy(payload)
        if value is GONE:
            del shallow[path[0]]
        else:
            shallow[path[0]] = value
        return shallow
    shallow = copy.copy(payload)
    shallow[path[0]] = changed(payload[path[0]], path[1:], value)
    return shallow


async def emulated(world: SlackWorld) -> list[Any]:
    """Payloads of each kind, about an answer that runs, as the emulator makes them."""
    question, answer, _ = await world.begun()
    sent: list[Any] = []
    tell = world.emulator._workspace._send
    world.emulator._workspace._send = sent.append
    forward = {
        "is_share": True,
        "text": "x",
        "message_blocks": [{"message": {"blocks": [TABLE]}}],
        "fields": [{}],
    }
    channel, ts = question.split("/")
    await world.emulator.say("C1", "U1", "<@UBOT> see <#C2|x>", attachments=[forward], files=["a.pdf"])
    await world.emulator.say("DU1", "U1", "and <!subteam^S1> :x: `a`")
    await world.emulator.edit(channel, ts, "<@UBOT> new")
    last = answer.rpartition("/")[2]
    await world.emulator.react(channel, last, "U2", "octagonal_sign")
    await world.emulator.react(channel, last, "U2", "+1")
    await world.emulator.unreact(channel, last, "U2", "+1")
    await world.emulator.stop_session(channel, ts, "U2", [last])
    kept = world.emulator._workspace.get(channel, last)
    button = {"action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}, "type": "button"}
    who = world.emulator._workspace.person("U2")
    pressed = shapes.block_actions(kept, who, {"block_id": "x"}, button, ts=ts, url="http://x")
    world.emulator._workspace._send = tell
    sent += await given(world, "U2", channel, last)
    # What would end the answer at once does so for nobody who may not ask.
    return [*sent, pressed | {"message": world.emulator._workspace.shape(kept)}]


async def given(world: SlackWorld, user: str, channel: str, ts: str) -> list[Any]:
    """Payloads of a command, of a question by one, of a shortcut and of its modal."""
    emulator, who = world.emulator, world.emulator._workspace.person(user)
    assert await emulator.shortcut(channel, ts, user)
    view = await emulator.modal(user)
    by = emulator._by(who, "message_action")
    message = emulator._workspace.shape(emulator._workspace.get(channel, ts))
    chosen = {
        "callback_id": "ask_about",
        "channel": {"id": channel},
        "message": message,
        "response_url": "http://x",
    }
    return [
        emulator._slash(who, channel, "help", "/rivulet"),
        emulator._slash(who, channel, "ask why, <@U1>?", "/rivulet"),
        by | chosen,
        emulator._by(who, "view_submission") | {"view": emulator._views.filled(view, "why?")},
    ]


TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]]}


def recorded() -> list[Any]:
    """The payloads that were recorded, if they are at hand."""
    files = sorted((Path(RECORDED) / "slack").glob("*.json")) if RECORDED else []
    found = [each for file in files for each in json.loads(file.read_text()).values()]
    return [each for each in found if isinstance(each, dict) and "type" in each]


class Everything:
    """An inbox that takes whatever it is given."""

    def __init__(self, *, knows: bool) -> None:
        self._knows = knows

    def knows(self, _key: str) -> bool:
        return self._knows

    def asked_in(self, _conversation: str) -> str:
        return "slack/T1/C1/1.0"

    async def owns(self, _message: str, _actor: str) -> bool:
        return True

    async def take(self, _event: object) -> Outcome:
        return Outcome.REFUSED

    def back(self, _platform: object) -> None:
        """Take that too."""

    async def command(self, _command: object) -> str:
        return "Done."

    async def barred(self, _actor: object, _place: object) -> str | None:
        return None if self._knows else "No."

    mention = stop = press = rated = edited = deleted = repair = take


def events(world: SlackWorld, *, knows: bool) -> Events:
    """What takes payloads for *world*, but tells nobody."""
    known: Events = world.platform._here.events  # type: ignore[attr-defined]
    us = (known.web, known.team, known.me, known.people, known.surface)
    inbox: Any = Everything(knows=knows)
    return Events(inbox, *us, known.stop_emoji, known.errands)


@pytest.mark.parametrize("knows", [True, False])
async def test_no_payload_raises_or_keeps_the_next_mention_from_being_answered(world, knows):
    payloads = [*await emulated(world), *recorded()]
    inner, raised, count = events(world, knows=knows), [], 0
    for payload in payloads:
        for path in places(payload):
            for value in (*OTHER, deep(), *HUGE):
                count += 1
                for each in (inner._slashes, inner._shortcuts):
                    each._once._taken.clear()  # or nothing but the first would be looked at
                try:
                    await inner.take(changed(payload, path, value))
                except OSError:
                    continue  # Slack is to send it again
                except Exception as error:  # noqa: BLE001  all that may come
                    raised.append((repr(error), path, str(value)[:50]))
    assert count >= 2_000
    assert raised == []
    take = taker(world.platform._web, world.platform._here.events)
    bodies: list[Any] = [{}, {"type": []}, {"team": 5, "user": "x"}, {"authorizations": [None]}]
    bodies.append({"event": deep()})
    for body in bodies:
        assert await take(body) is not None
    world.model.go.set()
    world.model.steps = ("Yes.",)
    question = f"C9/{await world.emulator.say('C9', 'U2', '<@UBOT> still there?')}"
    [seen] = await world.final(question)
    assert seen.text == "Yes."
