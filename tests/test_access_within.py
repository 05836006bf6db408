"""What the core asks of the gate while it answers: for earlier files, approvals, and each call of a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bot.config.rules import Who
from bot.core.calls import BARRED
from bot.core.core import Core
from bot.core.files import FOREIGN
from bot.events import ALLOW, File
from bot.guard.access import Access
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Actor, Outcome, Place, Press, Said
from bot.store.memory import Memory
from bot.tools import Caller, tool
from tests.fakes import ANN, BOB, HERE, ROBOT, Sheet, ask

STRANGER = Actor("U9", "mallory", workspace="T9")
GUEST = Actor("U8", "gus", workspace="T1", guest=True)


class Rules:
    """Who may, which a test changes."""

    def __init__(self, **who: Any) -> None:
        self.who = Who(**who)

    def at(self, _place: Place) -> Who:
        """Return who may."""
        return self.who


class Folder(Sheet):
    """A surface whose messages have files."""

    asked: Sequence[str] = ()

    async def fetch(self, file: File, most: int) -> bytes:
        """See `Surface.fetch`."""
        self.asked = [*self.asked, file.name]
        return b"what is in it"


def sent(actor: Actor | None, name: str) -> Said:
    return Said(f"here is {name}", actor, files=(File(name, "text/plain", 13, key=name),))


async def done(it: Core) -> None:
    await it.running.all_done()


@pytest.mark.rule(2)
@pytest.mark.rule(13)
async def test_files_of_those_who_may_not_ask_are_named_and_not_fetched():
    folder, script = Folder(), Script("Yes.")
    folder.said = [sent(each, f"{each.name}.txt") for each in (ANN, BOB, STRANGER, GUEST, ROBOT)]
    it = Core(script, Memory(), Access())
    await it.mention(ask(folder))
    await done(it)
    assert sorted(folder.asked) == ["ann.txt", "bob.txt"]
    [request] = script.requests
    read = "\n".join(turn.text for turn in request.turns)
    for name in ("mallory.txt", "gus.txt", "robot.txt"):
        assert f"(Attached, and not read: {name} ({FOREIGN}))" in read
    assert sum(len(turn.files) for turn in request.turns) == 2


@pytest.mark.rule(13)
async def test_a_file_that_somebody_who_may_ask_has_sent_too_is_read():
    folder = Folder()
    folder.said = [sent(STRANGER, "same.txt"), sent(BOB, "same.txt")]
    it = Core(Script("Yes."), Memory(), Access())
    await it.mention(ask(folder))
    await done(it)
    assert folder.asked == ["same.txt"]


@pytest.mark.rule(13)
async def test_a_tool_is_given_no_file_of_those_who_may_not_ask():
    seen: list[str] = []

    @tool()
    async def listing(caller: Caller) -> str:
        """List the files."""
        seen.extend(file.name for file in caller.files)
        return "done"

    folder = Folder()
    folder.said = [sent(STRANGER, "bad.txt"), sent(ANN, "good.txt")]
    it = Core(Rounds(Script({"tool": "listing", "input": {}}, "Yes.")), Memory(), Access(), tools=[listing])
    await it.mention(ask(folder))
    await done(it)
    assert seen == ["good.txt"]


@pytest.mark.rule(2)
@pytest.mark.jump
@pytest.mark.rule(15)
async def test_no_tool_is_called_for_somebody_whose_rights_were_taken_away_meanwhile():
    rules, called = Rules(), list[int]()

    @tool()
    async def count() -> str:
        """Count, and lose the right to be asked again."""
        called.append(1)
        rules.who = Who(deny=(ANN.id,))
        return "one"

    script = Script({"tool": "count", "input": {}}, {"tool": "count", "input": {}}, "I can't go on.")
    it = Core(Rounds(script), Memory(), Access(who=rules.at), tools=[count])
    sheet = Sheet()
    await it.mention(ask(sheet))
    await done(it)
    assert called == [1]
    results = [block["content"] for block in script.requests[-1].turns[-1].blocks]
    assert results[-1:] == [BARRED]
    assert "I can't go on." in sheet.last.text


class Hotel:
    """A tool that asks before it books."""

    def __init__(self) -> None:
        self.booked = 0

        @tool(asks=True)
        async def book() -> str:
            """Book a room."""
            self.booked += 1
            return "Booked."

        self.book = book


async def waiting(rules: Rules) -> tuple[Core, Hotel, str]:
    """Return a core that asks a person, and the message in which it does."""
    hotel, sheet = Hotel(), Sheet()
    script = Script({"tool": "book", "input": {}}, "Done.")
    it = Core(Rounds(script), Memory(), Access(who=rules.at), tools=[hotel.book])
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    [message] = [key for key, page in sheet.shown.items() if ALLOW in page.controls]
    return it, hotel, message


@pytest.mark.jump
@pytest.mark.rule(15)
@pytest.mark.parametrize(
    ("who", "actor", "outcome"),
    [
        ({}, ANN, Outcome.SHOWN),
        ({}, BOB, Outcome.REFUSED),
        ({"admins": (BOB.id,)}, BOB, Outcome.SHOWN),
        ({"admins": (ROBOT.id,)}, ROBOT, Outcome.REFUSED),
        ({}, STRANGER, Outcome.REFUSED),
        ({"admins": (STRANGER.id,)}, STRANGER, Outcome.SHOWN),
    ],
)
async def test_a_call_is_allowed_by_its_asker_or_an_admin(who, actor, outcome):
    it, hotel, message = await waiting(Rules(**who))
    assert await it.press(Press(message, ALLOW.name, actor, HERE)) is outcome
    await asyncio.sleep(200)
    await done(it)
    assert hotel.booked == (outcome is Outcome.SHOWN)


@pytest.mark.jump
@pytest.mark.rule(15)
async def test_an_asker_who_is_denied_meanwhile_allows_no_call_and_neither_does_an_admin_for_them():
    for actor, admins in ((ANN, ()), (BOB, (BOB.id,))):
        rules = Rules()
        it, hotel, message = await waiting(rules)
        rules.who = Who(deny=(ANN.id,), admins=admins)
        await it.press(Press(message, ALLOW.name, actor, HERE))
        await asyncio.sleep(200)
        await done(it)
        assert hotel.booked == 0


@pytest.mark.rule(2)
@pytest.mark.jump
async def test_where_the_bot_is_shut_meanwhile_an_answer_calls_nothing_and_can_be_stopped():
    rules = Rules()
    it, hotel, message = await waiting(rules)
    rules.who = Who(open=False)
    assert await it.press(Press(message, ALLOW.name, ANN, HERE)) is Outcome.REFUSED
    assert await it.press(Press("sheet/1", "stop", ANN, HERE)) is Outcome.STOPPED
    await done(it)
    assert hotel.booked == 0
