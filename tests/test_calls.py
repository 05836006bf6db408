"""Tools in an answer: for whom they run, what the ledger knows of them, and asking a person first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from bot.core.approvals import CONTROLS, LATE, LONGEST, PATIENCE, TOO_LONG
from bot.core.calls import AFTER, BEFORE, call_of
from bot.core.core import Core
from bot.core.sayings import CALLING, LAPSED, TOO_LATE
from bot.events import ALLOW, ALWAYS, CONTINUE, REFUSE, STOP
from bot.guard.access import Access
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Deleted, Edited, Limits, Outcome, Press, Stop
from bot.show.writes import Showing
from bot.store.memory import Memory
from bot.tools import Caller, Refused, tool
from tests.fakes import ANN, BOB, HERE, Sheet, ask
from tests.test_repair import Paper

pytestmark = pytest.mark.jump

BOOK = {"tool": "book", "input": {"room": "A ``` 1"}}


class Hotel:
    """A tool that writes, and what became of it."""

    def __init__(self, seconds: float = 0.0, *, asks: bool = False) -> None:
        self.booked: list[tuple[str, str]] = []
        self.cancelled = 0

        @tool(title="booking", writes=True, asks=asks)
        async def book(caller: Caller, room: str) -> str:
            """Book a room."""
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            if room == "none":
                raise Refused("There is no such room.")
            self.booked.append((caller.actor.id, room))
            return "Booked."

        self.book = book


def core(script: Script, hotel: Hotel, store: Memory | None = None) -> Core:
    return Core(Rounds(script), store or Memory(), Access(), tools=[hotel.book])


async def done(it: Core) -> None:
    await it.running.all_done()


async def test_a_tool_runs_for_who_asked():
    hotel, sheet = Hotel(), Sheet()
    it = core(Script(BOOK, "It is yours."), hotel)
    await it.mention(ask(sheet))
    await done(it)
    assert hotel.booked == [(ANN.id, "A ``` 1")]
    assert sheet.last.text == "It is yours."


async def test_the_page_shows_what_runs_and_for_how_long():
    sheet = Sheet()
    it = core(Script("Let me see.", BOOK, "It is yours."), Hotel(seconds=5))
    await it.mention(ask(sheet))
    await done(it)
    notes = [row.page.note for row in sheet.log]
    assert any(note.startswith("booking") and note.endswith("s") for note in notes)
    assert sheet.last.text == "Let me see.\n\nIt is yours."
    assert sheet.last.note == ""


async def test_a_stop_cancels_the_tool_and_keeps_the_text():
    hotel, sheet = Hotel(seconds=60), Sheet()
    it = core(Script("Let me see.", BOOK, "never"), hotel)
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    [message] = sheet.shown
    assert await it.stop(Stop(message, ANN, HERE)) is Outcome.STOPPED
    await done(it)
    assert hotel.cancelled == 1
    assert sheet.last.text == "Let me see."
    assert not hotel.booked


async def test_input_that_does_not_fit_and_a_refusal_are_told_to_the_model():
    script = Script(
        {"tool": "book", "input": {"rooms": 1}}, {"tool": "book", "input": {"room": "none"}}, "I can't."
    )
    it = core(script, Hotel())
    await it.mention(ask(Sheet()))
    await done(it)
    texts = [block["content"] for block in script.requests[-1].turns[-1].blocks]
    assert texts[0].startswith("The input is not valid: ")
    assert "room: Field required" in texts[0]
    assert texts[1] == "There is no such room."


class Dead(Memory):
    """A ledger whose process dies when it is told of a certain call."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    async def call(self, key, calling):
        await super().call(key, calling)
        if calling == self._at:
            await asyncio.Event().wait()


@pytest.mark.parametrize("moment", [BEFORE, AFTER], ids=["before", "after"])
async def test_a_tool_that_writes_is_never_run_again_by_a_repair(moment):
    calling = moment.format("book")
    hotel, sheet, store = Hotel(), Sheet(name="sheet"), Dead(calling)
    it = core(Script(BOOK, "It is yours."), hotel, store)
    await it.mention(ask(sheet, key="sheet/q1"))
    await asyncio.sleep(5)  # and here the process dies
    booked = len(hotel.booked)
    assert booked == (moment is AFTER)
    after = Sheet(name="sheet")
    await core(Script("again", BOOK), hotel, store).repair(Paper(after))
    await asyncio.sleep(10)
    assert len(hotel.booked) == booked
    assert after.last.note == CALLING.format(calling)
    assert after.last.controls == (CONTINUE,)
    for task in (*it.running.lives, *it.running._errands):
        task.cancel()


async def asked(script: Script, hotel: Hotel, store: Memory | None = None, **more) -> tuple[Core, Sheet, str]:
    """Ask, and wait until somebody is asked to allow a call; return the message that asks."""
    sheet = Sheet(name="sheet")
    it = core(script, hotel, store)
    await it.mention(ask(sheet, key="sheet/q1", **more))
    await asyncio.sleep(10)
    [card] = [message for message, page in sheet.shown.items() if ALLOW in page.controls]
    return it, sheet, card


@pytest.mark.rule(15)
async def test_a_person_is_shown_the_exact_call_and_allows_it():
    hotel = Hotel(asks=True)
    it, sheet, card = await asked(Script(BOOK, "It is yours."), hotel)
    page = sheet.shown[card]
    assert '"room": "A ``` 1"' in page.text
    assert "````json" in page.text
    assert page.controls == (ALLOW, ALWAYS, REFUSE)
    assert not hotel.booked
    assert await it.press(Press(card, "allow", ANN, HERE)) is Outcome.SHOWN
    await done(it)
    assert len(hotel.booked) == 1
    assert sheet.shown[card].note == "Allowed by ann."
    assert sheet.shown[card].controls == ()


@pytest.mark.rule(15)
async def test_two_presses_allow_one_call():
    hotel = Hotel(seconds=3, asks=True)
    it, _, card = await asked(Script(BOOK, "It is yours."), hotel)
    outcomes = [await it.press(Press(card, "allow", ANN, HERE)) for _ in range(2)]
    assert outcomes == [Outcome.SHOWN, Outcome.UNKNOWN]
    await done(it)
    assert len(hotel.booked) == 1


@pytest.mark.rule(5)
@pytest.mark.rule(15)
async def test_only_who_asked_or_an_admin_may_allow():
    hotel = Hotel(asks=True)
    it, _, card = await asked(Script(BOOK, "It is yours."), hotel)
    assert await it.press(Press(card, "allow", BOB, HERE)) is Outcome.REFUSED
    assert not hotel.booked
    assert await it.press(Press(card, "allow", replace(BOB, owner=True), HERE)) is Outcome.SHOWN
    await done(it)
    assert len(hotel.booked) == 1


@pytest.mark.parametrize("way", ["refused", "late"])
async def test_what_is_not_allowed_is_not_done_and_the_model_goes_on(way):
    hotel = Hotel(asks=True)
    script = Script(BOOK, "Then not.")
    it, sheet, card = await asked(script, hotel)
    if way == "refused":
        await it.press(Press(card, "refuse", ANN, HERE))
    else:
        await asyncio.sleep(PATIENCE)
    await done(it)
    assert not hotel.booked
    assert "did not allow" in script.requests[-1].turns[-1].blocks[0]["content"]
    assert sheet.shown[card].note == ("Refused by ann." if way == "refused" else LATE)
    assert any(page.text == "Then not." for page in sheet.shown.values())


async def test_a_call_that_is_allowed_for_the_conversation_is_not_asked_again():
    hotel = Hotel(asks=True)
    it, sheet, card = await asked(Script(BOOK, "Yours."), hotel, conversation="talk")
    await it.press(Press(card, "always", ANN, HERE))
    await done(it)
    await it.mention(ask(sheet, key="sheet/q2", conversation="talk"))
    await done(it)
    assert len(hotel.booked) == 2
    assert sum("May I do this?" in page.text for page in sheet.shown.values()) == 1
    await it.mention(ask(sheet, key="sheet/q3", conversation="another"))
    await asyncio.sleep(10)
    assert len(hotel.booked) == 2
    await it.drain()


async def test_of_two_calls_that_ask_one_yes_for_the_conversation_is_enough():
    hotel = Hotel(asks=True)
    sheet = Sheet(name="sheet")
    it = core(Script(BOOK, BOOK, "Both are yours."), hotel)
    await it.mention(ask(sheet, key="sheet/q1"))
    await asyncio.sleep(10)
    asking = [message for message, page in sheet.shown.items() if ALLOW in page.controls]
    assert len(asking) == 2
    await it.press(Press(asking[0], "always", ANN, HERE))
    began = asyncio.get_running_loop().time()
    await done(it)
    assert asyncio.get_running_loop().time() - began < PATIENCE / 2
    assert len(hotel.booked) == 2
    cards = [page for page in sheet.shown.values() if "May I do this?" in page.text]
    assert [page.note for page in cards] == ["Allowed for this conversation by ann."] * 2


async def test_a_stop_of_the_answer_ends_the_question_too():
    hotel = Hotel(asks=True)
    it, sheet, card = await asked(Script("Let me see.", BOOK), hotel)
    [answer] = [message for message, page in sheet.shown.items() if STOP in page.controls]
    await it.stop(Stop(answer, ANN, HERE))
    await done(it)
    assert sheet.shown[card].controls == ()
    assert await it.press(Press(card, "allow", ANN, HERE)) is Outcome.LAPSED
    assert not hotel.booked


async def test_after_a_restart_the_question_says_that_it_has_lapsed():
    hotel, store = Hotel(asks=True), Memory()
    it, _, card = await asked(Script(BOOK, "never"), hotel, store)
    other, after = core(Script("again"), hotel, store), Sheet(name="sheet")
    await other.repair(Paper(after))
    await asyncio.sleep(10)
    assert after.shown[card].note == LAPSED
    assert after.shown[card].controls == ()
    assert await other.press(Press(card, "allow", ANN, HERE)) is Outcome.LAPSED
    assert not hotel.booked
    for task in (*it.running.lives, *it.running._errands):
        task.cancel()


async def test_no_button_shows_before_the_call_does():
    _it, sheet, card = await asked(Script(BOOK, "It is yours."), Hotel(asks=True))
    pages = [row.page for row in sheet.log if row.message == card]
    assert all("A ``` 1" in page.text for page in pages)
    await _it.drain()


async def test_tools_that_are_asked_for_when_an_answer_begins_stand_behind_the_others_and_replace_none():
    asked_for: list[bool] = []

    @tool()
    async def later() -> str:
        """Come later."""
        return "Late."

    async def more():
        asked_for.append(True)
        return [later, Hotel().book]

    hotel, script = Hotel(), Script(BOOK, {"tool": "later", "input": {}}, "It is yours.")
    it = Core(Rounds(script), Memory(), Access(), tools=[hotel.book], more=more)
    assert not asked_for
    await it.mention(ask(Sheet()))
    await done(it)
    assert asked_for == [True]
    assert hotel.booked
    assert [each.name for each in script.requests[0].tools] == ["book", "later"]
    assert [block["content"] for block in script.requests[-1].turns[-1].blocks] == ["Booked.", "Late."]


async def test_an_edit_asks_nothing_anew_once_a_tool_has_changed_something():
    hotel, sheet = Hotel(), Sheet()
    it = core(Script(BOOK, 5.0, "It is yours."), hotel)
    await it.mention(ask(sheet))
    await asyncio.sleep(2)
    await it.edited(Edited("q1", "hello there?", ANN, HERE))
    await done(it)
    assert len(hotel.booked) == 1
    assert sheet.last.note == TOO_LATE


@pytest.mark.parametrize("way", ["stop", "shutdown"])
async def test_what_was_done_already_is_not_offered_to_be_done_again(way):
    hotel, sheet = Hotel(), Sheet()
    it = core(Script(BOOK, 60.0, "It is yours."), hotel)
    await it.mention(ask(sheet))
    await asyncio.sleep(5)
    if way == "stop":
        await it.stop(Stop("q1", ANN, HERE))
        await done(it)
    else:
        await it.drain()
        assert sheet.last.note == CALLING.format(AFTER.format("book"))
    assert sheet.last.controls == (CONTINUE,)


@pytest.mark.parametrize("way", ["stopped", "deleted"])
async def test_the_answer_goes_on_when_the_question_to_a_person_is_ended(way):
    hotel = Hotel(asks=True)
    it, sheet, card = await asked(Script(BOOK, "Then not."), hotel)
    began = asyncio.get_running_loop().time()
    await (it.stop(Stop(card, ANN, HERE)) if way == "stopped" else it.deleted(Deleted(card)))
    await done(it)
    assert asyncio.get_running_loop().time() - began < PATIENCE / 2
    assert any(page.text == "Then not." for page in sheet.shown.values())
    assert sheet.shown[card].controls == ()
    assert not hotel.booked


async def test_what_one_asker_was_allowed_is_asked_again_of_another():
    hotel = Hotel(asks=True)
    it, sheet, card = await asked(Script(BOOK, "Yours."), hotel, conversation="talk")
    await it.press(Press(card, "always", ANN, HERE))
    await done(it)
    await it.mention(ask(sheet, key="sheet/q2", conversation="talk", actor=BOB))
    await asyncio.sleep(10)
    assert len(hotel.booked) == 1
    await it.drain()


async def test_a_person_who_is_asked_again_after_a_restart_is_asked_by_a_message_that_the_ledger_knows():
    hotel, store = Hotel(asks=True), Memory()
    it, _, card = await asked(Script(BOOK, "never"), hotel, store)
    other, after = core(Script(BOOK, "It is yours."), hotel, store), Sheet(name="sheet")
    after.nonces["of the run before"] = "sheet/1"
    after.nonces["of the run before, too"] = "sheet/2"
    await other.repair(Paper(after))
    await asyncio.sleep(20)
    [again] = [message for message, page in after.shown.items() if ALLOW in page.controls]
    assert again != card
    assert await store.find_shown(again)
    await other.drain()
    for task in (*it.running.lives, *it.running._errands):
        task.cancel()


async def test_a_call_that_is_too_long_to_be_read_is_not_asked_for():
    hotel, sheet = Hotel(asks=True), Sheet()
    script = Script({"tool": "book", "input": {"room": "1" * LONGEST}}, "Then not.")
    it = core(script, hotel)
    await it.mention(ask(sheet))
    await done(it)
    assert not hotel.booked
    assert [page.text for page in sheet.shown.values()] == ["Then not."]
    [block] = script.requests[-1].turns[-1].blocks
    assert block["content"] == TOO_LONG.format(LONGEST)


async def test_a_call_is_shown_whole_however_short_answers_are_kept():
    hotel = Hotel(asks=True)
    sheet = Sheet(limits=Limits(2000, attach=100_000))
    script = Script({"tool": "book", "input": {"room": "1" * 9_000}}, "It is yours.")
    showing = Showing(pages=2, code=1_000)
    it = Core(Rounds(script), Memory(), Access(), tools=[hotel.book], showing=showing)
    await it.mention(ask(sheet))
    await asyncio.sleep(60)
    assert CONTROLS in [page.controls for page in sheet.shown.values()]
    assert sum(page.text.count("1") for page in sheet.shown.values()) == 9_000
    await it.drain()


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u200b", "\ufe0f", "\u3164", "\u2028", "\xa0", "\ud800", "\U000e0041"]
)
def test_what_nobody_sees_in_a_call_is_spelt(hidden):
    shown = call_of("book", {"room": f"a{hidden}b ü😀"})
    assert hidden not in shown
    assert json.loads(shown.removeprefix("book")) == {"room": f"a{hidden}b ü😀"}
    assert "ü😀" in shown
