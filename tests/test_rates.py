"""What one person may do how often, and what is logged of those who may not."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from bot.core.core import Core
from bot.core.intake import Caps
from bot.core.live import REWORDED
from bot.core.rates import EVENTS, SPAN, Rates, Refused
from bot.core.sayings import TOO_LATE
from bot.events import RETRY
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Actor, Edited, Outcome, Press, Stop
from bot.store.memory import Memory
from tests.fakes import ANN, HERE, Sheet, ask

pytestmark = pytest.mark.jump
STRANGER = Actor("U7", "eve", workspace="T2")


def core(script: Script, caps: Caps | None = None) -> Core:
    return Core(script, Memory(), Access(), caps=caps or Caps(per_minute=0, per_hour=0))


async def edit(it: Core, text: str, actor: Actor = ANN) -> None:
    await it.edited(Edited("q1", text, actor, HERE))
    await asyncio.sleep(0.1)


async def test_edits_before_the_first_word_ask_anew_at_most_twice():
    it = core(script := Script({"stall": True}))
    await it.mention(ask(Sheet()))
    await asyncio.sleep(1)
    for number in range(100):
        await edit(it, f"{number}?")
    assert len(script.requests) == 1 + REWORDED
    await it.drain()


async def test_an_edit_that_asks_anew_counts_as_a_question():
    it = core(script := Script({"stall": True}), Caps(per_minute=2))
    await it.mention(ask(Sheet()))
    await asyncio.sleep(1)
    for text in ("a?", "b?"):
        await edit(it, text)
    assert [request.turns[-1].text for request in script.requests] == ["hello?", "a?"]
    await it.drain()


async def test_edits_that_are_too_many_are_told_once_below_the_answer():
    it, sheet = core(Script(10.0, "Because.")), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    for number in range(5):
        await edit(it, f"{number}?")
    await asyncio.sleep(30)
    assert (sheet.last.text, sheet.last.note) == ("Because.", TOO_LATE)


async def test_an_edit_that_would_be_a_question_too_many_is_told():
    it, sheet = core(Script(10.0, "Because."), Caps(per_minute=1)), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    await edit(it, "why not?")
    await asyncio.sleep(30)
    assert sheet.last.note == TOO_LATE


@pytest.mark.parametrize("texts", [("a?", "b?"), ("a?", "b?", "b?")])
async def test_nothing_is_told_where_the_last_text_was_asked(texts):
    it, sheet = core(Script(10.0, "Because.")), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    for text in texts:
        await edit(it, text)
    await asyncio.sleep(30)
    assert sheet.last.note == ""


async def test_an_edit_of_others_is_not_told_to_the_asker():
    it, sheet = core(Script(10.0, "Because.")), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    for text in ("a?", "b?"):
        await edit(it, text)
    await edit(it, "c?", Actor("U8", workspace="T1"))
    await asyncio.sleep(30)
    assert sheet.last.note == ""


async def test_a_stopped_answer_says_too_that_edits_came_too_late():
    it, sheet = core(Script({"stall": True})), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    for number in range(3):
        await edit(it, f"{number}?")
    await edit(it, "stop")
    await asyncio.sleep(5)
    assert sheet.last.note == f"Stopped by ann. {TOO_LATE}"


async def test_a_question_that_is_edited_to_stop_stops_also_when_much_was_said():
    it, sheet = core(Script("word ", {"stall": True})), Sheet()
    await it.mention(ask(sheet))
    await asyncio.sleep(5)
    await edit(it, "stop", STRANGER)
    assert sheet.last.live
    await edit(it, "STOP")
    await asyncio.sleep(5)
    assert sheet.last.note == "Stopped by ann."


@pytest.mark.parametrize("kind", ["stop", "press"])
async def test_every_kind_of_event_is_heard_of_one_person_so_often_only(kind):
    it = core(Script())
    heard = 0
    for number in range(1_000):
        if kind == "stop":
            heard += await it.stop(Stop(f"m{number}", ANN, HERE)) is not Outcome.LATER
        else:
            heard += await it.press(Press(f"m{number}", RETRY.name, ANN, HERE)) is not Outcome.LATER
    assert heard == EVENTS
    await asyncio.sleep(SPAN)
    assert await it.stop(Stop("m", ANN, HERE)) is Outcome.UNKNOWN
    assert await it.stop(Stop("m", Actor("U8", workspace="T1"), HERE)) is Outcome.UNKNOWN


@pytest.mark.parametrize("by", ["conversation", "message"])
async def test_all_of_ones_own_answers_can_be_stopped_at_once_and_each_stop_of_nothing_counts(by):
    it, sheets = core(Script({"stall": True})), [Sheet(f"s{number}") for number in range(3 * EVENTS)]
    for number, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{number}"))
    await asyncio.sleep(5)
    where = [(f"q{number}", "") if by == "message" else ("", f"q{number}") for number in range(len(sheets))]
    stops = [Stop(message, ANN, HERE, talk) for message, talk in where]
    assert {await it.stop(stop) for stop in stops} == {Outcome.STOPPED}
    assert [await it.stop(stop) for stop in stops].count(Outcome.LATER) == len(stops) - EVENTS
    await it.drain()


async def test_who_stops_the_answers_of_others_is_heard_so_often_only():
    it, bob = core(Script({"stall": True})), Actor("U2", "bob", workspace="T1")
    for number in range(EVENTS + 1):
        await it.mention(ask(Sheet(f"s{number}"), f"q{number}"))
    await asyncio.sleep(5)
    outcomes = [await it.stop(Stop(f"q{number}", bob, HERE)) for number in range(EVENTS + 1)]
    assert outcomes == [*[Outcome.STOPPED] * EVENTS, Outcome.LATER]
    await it.drain()


async def test_strangers_who_are_refused_are_logged_once_a_minute_in_sum():
    it = core(Script())
    with capture_logs() as logs:
        for number in range(500):
            await it.mention(ask(Sheet(), f"q{number}", actor=Actor(f"X{number}", workspace="T2")))
            await asyncio.sleep(0.2)
        await asyncio.sleep(61)
    told = [line for line in logs if line["event"] == "refused"]
    assert len(told) <= 3
    assert sum(line["ask"] for line in told) == 500


def test_people_who_did_something_are_not_remembered_for_ever():
    rates = Rates()
    for number in range(30_000):
        assert rates.admit(f"U{number}", "stop", 0.0)
    assert len(rates._times) <= 10_000


def test_nothing_is_logged_where_nobody_was_refused():
    assert Refused().line(0.0) == {}
