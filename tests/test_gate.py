"""The one gate: whatever somebody does, `authorize` is asked before anything comes of it.

Adapters reach the core by `Inbox` alone (import-linter sees to that), so what `Inbox` takes is all there is.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import aiohttp
import pytest

from bot.core.core import Core
from bot.guard.access import Access, Action
from bot.model.script import Script
from bot.platform import Actor, Command, Edited, Inbox, Place, Press, Rating, Stop
from bot.store.memory import Memory
from tests.fakes import ANN, HERE, Sheet, ask
from tests.web import TOKENS, site

STRANGER = Actor("U9", "mallory", workspace="T9")
#: What a stranger does, by the method of `Inbox` that takes it, and what it is called at the gate.
DOES = [
    ("mention", ask(Sheet("other"), "q2", "why?", STRANGER), Action.ASK),
    ("stop", Stop("sheet/1", STRANGER, HERE), Action.STOP),
    ("press", Press("sheet/1", "retry", STRANGER, HERE), Action.PRESS),
    ("press", Press("sheet/1", "allow", STRANGER, HERE), Action.APPROVE),
    ("rated", Rating("sheet/1", STRANGER, HERE, good=True, on=True), Action.RATE),
    ("edited", Edited("q1", "something else", STRANGER, HERE), Action.EDIT),
    ("command", Command("forget", "me", STRANGER, HERE, "talk"), Action.COMMAND),
    ("barred", (STRANGER, HERE), Action.ASK),
]
#: What nobody does: the core asks while it answers.
WITHIN = {Action.FILE, Action.TOOL}
#: Routes of the chat page that are for whoever has not signed in.
DOORS = {"/web/page/{name}", "/web/sign-in", "/web/sign-out", "/"}


class Watched(Access):
    """The policy, and what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Actor, Place, Action]] = []

    async def authorize(self, actor: Actor, place: Place, action: Action) -> bool:
        self.asked.append((actor, place, action))
        return await super().authorize(actor, place, action)


def of_somebody() -> set[str]:
    """Return the methods of `Inbox` that take what somebody does, or who they are."""
    found = set()
    for name, method in inspect.getmembers(Inbox, inspect.isfunction):
        kinds = {kind for key, kind in get_type_hints(method).items() if key != "return"}
        told = {each.name for kind in kinds if is_dataclass(kind) for each in fields(kind)}
        if "actor" in told or Actor in kinds:
            found.add(name)
    return found


@pytest.mark.rule(2)
def test_every_kind_of_event_and_every_action_is_tried_here():
    assert of_somebody() == {method for method, _, _ in DOES}
    assert {action for _, _, action in DOES} | WITHIN == set(Action)


@pytest.mark.jump
@pytest.mark.rule(2)
@pytest.mark.parametrize(("method", "event", "action"), DOES)
async def test_nothing_comes_of_what_the_gate_does_not_let_through(method, event, action):
    access, script, sheet = Watched(), Script("So ", {"stall": True}), Sheet()
    it = Core(script, Memory(), access)
    await it.mention(ask(sheet))
    await asyncio.sleep(5)  # it has said something, and stalls
    [live] = it._lives.values()
    await getattr(it, method)(*(event if isinstance(event, tuple) else (event,)))
    assert access.asked == [(ANN, HERE, Action.ASK), (STRANGER, HERE, action)]
    assert live in it._lives.values()
    assert live.mention.text == "hello?"
    await it.drain()
    assert len(script.requests) == 1
    assert sheet.last.note.startswith("Interrupted")


@pytest.mark.rule(2)
async def test_no_route_of_the_chat_page_serves_whoever_has_not_signed_in():
    async with site(RIVULET_WEB_TOKENS=TOKENS) as there, aiohttp.ClientSession() as session:
        walked: list[tuple[str, Any]] = []
        for route in there.platform.routes:
            if route.path not in DOORS:
                url = there.url + route.path.format(talk="12345678-1234", file="12345678")
                async with session.request(route.method, url, headers={"Origin": there.url}) as answer:
                    walked.append((f"{route.method} {route.path}", answer.status))
        assert len(walked) > 8
        assert {status for _, status in walked} == {401}, walked
        async with session.get(there.url, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/web/sign-in"
