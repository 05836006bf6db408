"""The core and its answers, on a clock that jumps."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.core.core import Core
from bot.core.intake import WAITING
from bot.core.kept import Denied, _both
from bot.core.reader import BROKEN, READING
from bot.core.sayings import BUSY, HINT, NOTHING, RESTART
from bot.core.tries import RETRIES
from bot.core.waits import KEPT, SPREAD
from bot.core.writer import NOT_SENT
from bot.events import CONTINUE, RETRY, STOP, Again, Event, Finished, Page, Text, Waiting
from bot.guard.access import Access
from bot.model import Ask, Asking, Model, nobody
from bot.model.script import Script
from bot.platform import (
    Deleted,
    Edited,
    Finding,
    Gone,
    Inbox,
    Limits,
    Outcome,
    Platform,
    Press,
    Receipt,
    Said,
    SlowDown,
    Stop,
    Unavailable,
)
from bot.show.words import FOLLOWS, MORE, NOTES, TORN
from bot.show.writes import Showing
from bot.store.memory import Memory
from bot.store.peers import Taken
from bot.tally import Tally
from tests.fakes import ANN, BOB, HERE, ROBOT, Row, Sheet, ask, spoken

pytestmark = pytest.mark.jump

WORDS: list[str | float] = [step for i in range(50) for step in (f"w{i} ", 0.1)]
TEXT = "".join(step for step in WORDS if isinstance(step, str)).strip()


def core(model: Model, access: Access | None = None, ahead: int = 256 * 1024) -> Core:
    return Core(model, Memory(), access or Access(), Asking(ahead=ahead))


async def answered(script: Script, sheet: Sheet, seconds: float = 60, text: str = "hello?") -> Core:
    """Let one mention be answered."""
    it = core(script)
    await it.mention(ask(sheet, text=text))
    await asyncio.sleep(seconds)
    return it


async def test_an_answer_grows_by_edits_of_one_message():
    sheet = Sheet()
    await answered(Script(*WORDS), sheet)
    assert set(sheet.shown) == {"sheet/1"}
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))
    lengths = [len(row.page.text) for row in sheet.log]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert 4 <= len(lengths) <= 9  # 5 s of deltas, ten a second, at about an edit a second


async def test_half_a_character_is_in_no_ledger_which_could_not_be_read_again():
    sheet, it = Sheet(), core(Script(2.0, *WORDS))
    ann = replace(ANN, name="ann \udfff")
    await it.mention(replace(ask(sheet, "sheet/q1", "\ud800 why?"), actor=ann))
    [entry] = await it.means.store.unfinished("sheet")
    assert (entry.asked.text, entry.asked.actor.name) == ("\ufffd why?", "ann \ufffd")
    await asyncio.sleep(0.01)  # it is known by now
    await it.edited(Edited("sheet/q1", "\ud83d\ude00 \ud800 how?", ann, HERE))
    [entry] = await it.means.store.unfinished("sheet")
    assert entry.asked.text == "\U0001f600 \ufffd how?"
    await asyncio.sleep(60)
    assert sheet.last.text == TEXT


async def test_live_pages_have_a_stop_button_and_the_last_offers_another_try():
    sheet = Sheet()
    await answered(Script(*WORDS), sheet)
    assert all(row.page.live and row.page.controls == (STOP,) for row in sheet.log[:-1])
    assert sheet.last.controls == (RETRY,)


async def test_the_first_text_does_not_wait_behind_previews():
    """Six answers share a bucket; a seventh shows its first words before it would be its turn."""
    sheets = [Sheet(f"s{i}") for i in range(7)]
    it = core(Script(*WORDS * 2))
    for i, sheet in enumerate(sheets[:6]):
        await it.mention(ask(sheet, f"q{i}"))
    await asyncio.sleep(2)
    before = asyncio.get_running_loop().time()
    await it.mention(ask(sheets[6], "q6"))
    await asyncio.sleep(30)
    first = next(row for row in sheets[6].log if row.page.text)
    times = [row.time for row in sheets[0].log if row.page.live]
    turn = max(later - earlier for earlier, later in itertools.pairwise(times))
    assert first.time - before < turn
    assert sheets[6].log[0].time - before <= 2 * sheets[6].latency  # the placeholder waits for nobody


@pytest.mark.parametrize("key", ["sheet/1", "q1"])
async def test_a_stop_on_the_answer_or_the_question_ends_it_at_once(key):
    sheet, script = Sheet(), Script(*WORDS)
    it = core(script)
    await it.mention(ask(sheet))
    await asyncio.sleep(2.5)
    before = asyncio.get_running_loop().time()
    assert await it.stop(Stop(key, BOB, HERE)) is Outcome.STOPPED
    played = script.played
    await asyncio.sleep(20)
    assert sheet.last.note == "Stopped by bob."
    assert not sheet.last.live
    assert sheet.last.text
    assert sheet.log[-1].time - before <= 2 * sheet.latency
    assert script.played == played


async def test_a_stop_before_the_first_token_ends_it():
    sheet = Sheet()
    it = core(Script({"stall": True}))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    await it.stop(Stop("sheet/1", ANN, HERE))
    await asyncio.sleep(1)
    assert sheet.last == Page("", "Stopped by ann.", live=False, controls=(RETRY,))


async def test_a_stop_that_overtakes_the_reply_to_our_own_post_is_kept():
    sheet, script = Sheet(latency=1.0), Script(*WORDS)
    it = core(script)
    await it.mention(ask(sheet))
    await asyncio.sleep(0.5)
    assert await it.stop(Stop("sheet/1", ANN, HERE)) is Outcome.UNKNOWN
    await asyncio.sleep(5)
    assert sheet.last.note == "Stopped by ann."
    assert script.played < 20


@pytest.mark.parametrize("taken", [False, True])
async def test_a_message_is_known_as_soon_as_it_is_seen_though_the_ledger_hears_of_it_late(
    taken, monkeypatch
):
    sheet, script, store, told = Sheet(), Script(*WORDS), Memory(), asyncio.Event()
    kept = store.posted

    async def posted(key: str, nonce: str, message: str) -> None:
        await told.wait()
        if taken:
            raise Taken(key)
        await kept(key, nonce, message)

    monkeypatch.setattr(store, "posted", posted)
    it = Core(script, store, Access(), Asking())
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    assert it.knows("sheet/1")
    assert await it.stop(Stop("sheet/1", ANN, HERE)) is Outcome.STOPPED
    told.set()
    await asyncio.sleep(1)
    assert not it.knows("sheet/1")
    assert (sheet.last.note == "Stopped by ann.") is not taken


async def test_a_stop_that_came_too_long_ago_is_not_kept():
    sheet = Sheet()
    it = core(Script("hi"))
    await it.stop(Stop("sheet/1", ANN, HERE))
    await asyncio.sleep(31)
    await it.mention(ask(sheet))
    await asyncio.sleep(5)
    assert sheet.last == Page("hi", live=False, controls=(RETRY,))


async def test_two_stops_and_a_stop_that_races_the_end_make_one_final_edit():
    for pause in (1.0, 5.0):
        sheet = Sheet()
        it = core(Script(*WORDS))
        await it.mention(ask(sheet))
        await asyncio.sleep(pause)
        await asyncio.gather(*(it.stop(Stop("sheet/1", who, HERE)) for who in (ANN, BOB)))
        await it.stop(Stop("q1", BOB, HERE))
        await asyncio.sleep(10)
        assert [row.page.live for row in sheet.log].count(False) == 1
        assert sheet.last.note in {"Stopped by ann.", ""}


async def test_an_answer_that_is_stopped_again_and_again_keeps_its_place_among_last_edits():
    sheets, tally = [Sheet(f"s{i}", rate=0.2, burst=6) for i in range(12)], Tally()
    more: list[str | float] = ["w ", 1.0] * 200
    it = Core(Script(*WORDS, *more), Memory(), Access(), Asking(), tally=tally)
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"chat/q{i}"))
    await asyncio.sleep(100)
    stopped = []
    for i in range(len(sheets)):
        stopped.append(asyncio.get_running_loop().time())
        assert await it.stop(Stop(f"chat/q{i}", ANN, HERE)) is Outcome.STOPPED
        await asyncio.sleep(0.01)
    for who in (ANN, BOB) * 15:
        await it.stop(Stop("chat/q4", who, HERE))
        await asyncio.sleep(2)
    await asyncio.sleep(100)
    shown = [sheet.log[-1].time for sheet in sheets]
    assert shown == sorted(shown)
    [told] = tally.last_edit.values.values()
    assert told.total == pytest.approx(sum(shown) - sum(stopped))


async def test_the_ledger_has_the_end_of_an_answer_before_people_see_it_however_long_the_model_hangs_up():
    class Looking(Sheet):
        async def _put(self, message: str, page: Page) -> Receipt:
            known.append((page.live, (await store.find("q1")).note))  # type: ignore[union-attr]
            return await super()._put(message, page)

    store, known = Memory(), list[tuple[bool, str | None]]()
    await Core(Played([Text("all"), Finished(), 5.0]), store, Access(), Asking()).mention(ask(Looking()))
    await asyncio.sleep(20)
    assert known[-1] == (False, "")


async def test_a_stop_on_a_foreign_message_stops_nothing():
    sheet = Sheet()
    it = core(Script(*WORDS))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    assert await it.stop(Stop("other/1", ANN, HERE)) is Outcome.UNKNOWN
    await asyncio.sleep(20)
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


@pytest.mark.rule(2)
@pytest.mark.rule(3)
async def test_a_bot_stops_nothing_and_asks_nothing():
    sheet, script = Sheet(), Script(*WORDS)
    it = core(script)
    await it.mention(ask(sheet, actor=ROBOT))
    await it.mention(ask(sheet, "q2"))
    await asyncio.sleep(1)
    assert await it.stop(Stop("sheet/1", ROBOT, HERE)) is Outcome.REFUSED
    await asyncio.sleep(20)
    assert len(script.requests) == 1
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_only_the_asker_stops_where_the_operator_wants_that():
    sheet = Sheet()
    it = core(Script(*WORDS), Access(stop="asker"))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    assert await it.stop(Stop("sheet/1", BOB, HERE)) is Outcome.REFUSED
    assert await it.stop(Stop("sheet/1", ANN, HERE)) is Outcome.STOPPED


async def test_the_stop_button_stops():
    sheet = Sheet()
    it = core(Script(*WORDS))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    assert await it.press(Press("sheet/1", "stop", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(1)
    assert sheet.last.note == "Stopped by ann."


@pytest.mark.parametrize("control", ["stop", "retry"])
async def test_who_presses_a_button_too_often_is_not_told_that_they_may_not(control):
    it = core(Script(*WORDS))
    outcomes = [await it.press(Press("sheet/9", control, ANN, HERE)) for _ in range(100)]
    assert outcomes[0] is not Outcome.LATER
    assert outcomes[-1] is Outcome.LATER
    assert Outcome.REFUSED not in outcomes


@pytest.mark.parametrize("control", ["stop", "retry"])
@pytest.mark.rule(2)
async def test_a_button_pressed_by_somebody_who_may_not_use_the_bot_does_nothing(control):
    sheet = Sheet()
    it = core(Script(*WORDS))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    assert await it.press(Press("sheet/1", control, ROBOT, HERE)) is Outcome.REFUSED
    other = Outcome.UNKNOWN if control == STOP.name else Outcome.LAPSED
    assert await it.press(Press("sheet/9", control, ANN, HERE)) is other
    await asyncio.sleep(20)
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_the_word_stop_ends_the_newest_answer_of_the_conversation():
    first, word = Sheet("first"), Sheet("word")
    it = core(Script(*WORDS))
    await it.mention(ask(first, "q1", conversation="talk"))
    await asyncio.sleep(1)
    await it.mention(ask(word, "q2", " Stop ", conversation="talk"))
    await asyncio.sleep(5)
    assert first.last.note == "Stopped by ann."
    assert not word.log


async def test_the_word_stop_with_nothing_to_stop_says_so_and_asks_no_model():
    sheet, script = Sheet(), Script(*WORDS)
    await answered(script, sheet, text="stop")
    assert sheet.last.text == NOTHING
    assert not script.requests


async def test_an_empty_mention_gets_a_hint_and_asks_no_model():
    sheet, script = Sheet(), Script(*WORDS)
    await answered(script, sheet, text="  ")
    assert sheet.last == Page(HINT, live=False)
    assert not script.requests


async def test_a_redelivered_question_is_answered_once():
    sheet, script = Sheet(), Script("hi")
    it = core(script)
    await asyncio.gather(*(it.mention(ask(sheet)) for _ in range(4)))
    await asyncio.sleep(10)
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    assert len(script.requests) == 1
    assert len(sheet.shown) == 1


async def test_a_429_collapses_what_was_to_be_written():
    sheet = Sheet(errors=[None, SlowDown(3.0)])
    await answered(Script(*WORDS), sheet)
    gaps = [b.time - a.time for a, b in zip(sheet.log, sheet.log[1:], strict=False)]
    assert max(gaps) >= 3.0
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_a_long_429_is_shown_at_the_question_while_it_lasts():
    sheet = Sheet(errors=[None, SlowDown(12.0)])
    await answered(Script(*WORDS), sheet)
    assert sheet.statuses == [True, False]
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_a_429_of_one_bucket_does_not_hold_up_another():
    sheet = Sheet(errors=[None, SlowDown(30.0, "bucket/edit")])
    other = Sheet("other")
    it = core(Script("hi"))
    await it.mention(ask(sheet, "q1"))
    await asyncio.sleep(1)
    before = asyncio.get_running_loop().time()
    await it.mention(ask(other, "q2"))
    await asyncio.sleep(5)
    assert other.log[0].time - before <= 2 * other.latency  # posts, though edits are refused


async def test_a_429_of_no_bucket_of_the_write_holds_up_its_answer_alone():
    sheet, other = Sheet(errors=[None, SlowDown(30.0, "look-up")]), Sheet("other")
    it = core(Script(*WORDS * 8))
    await it.mention(ask(sheet, "q1"))
    await it.mention(ask(other, "q2"))
    await asyncio.sleep(100)
    gaps = [max(b.time - a.time for a, b in itertools.pairwise(each.log)) for each in (sheet, other)]
    assert gaps[0] >= 30.0 > gaps[1]
    assert sheet.last == other.last == Page(f"{TEXT} " * 7 + TEXT, live=False, controls=(RETRY,))
    assert sheet.statuses == [True, False]


@pytest.mark.parametrize(
    ("error", "failures", "when"),
    [
        (SlowDown(200.0, "look-up"), 1, "call"),
        (SlowDown(200.0, "look-up"), 1, "told"),
        (SlowDown(200.0, "look-up"), 1, "wait"),
        (OSError("no route"), 7, "call"),
        (OSError("no route"), 7, "wait"),
    ],
)
async def test_a_stop_ends_a_wait_also_if_it_comes_in_the_call_that_fails(error, failures, when):
    class Slow(Sheet):
        async def status(self, on: bool) -> None:
            await stop("told" if on else "")

        async def edit(self, message: str, page: Page) -> Receipt:
            if len(self.errors) == 1:
                await stop("call")
            return await super().edit(message, page)

    stopped: list[float] = []

    async def stop(now: str) -> None:
        if now == when and not stopped:
            assert await it.stop(Stop("chat/q", ANN, HERE)) is Outcome.STOPPED
            stopped.append(asyncio.get_running_loop().time())

    sheet = Slow(errors=[None, *[error] * failures])
    it = core(Script(*WORDS * 40))
    await it.mention(ask(sheet, "chat/q"))
    while sheet.errors:
        await asyncio.sleep(0.3)
    await asyncio.sleep(3)
    await stop("wait")
    await asyncio.sleep(3)
    assert not sheet.last.live
    assert sheet.log[-1].time - stopped[0] < 3.0


async def test_a_deletion_ends_the_wait_of_a_last_edit():
    sheet = Sheet(errors=[None, SlowDown(200.0, "look-up")])
    it = core(Script({"stall": True}))
    await it.mention(ask(sheet, "chat/q"))
    await asyncio.sleep(3)
    await it.stop(Stop("chat/q", ANN, HERE))
    await asyncio.sleep(3)
    assert it._lives
    await it.deleted(Deleted("chat/q"))
    await asyncio.sleep(3)
    assert not it._lives


@pytest.mark.parametrize("seconds", [0.1, 40.0])
async def test_a_429_of_another_call_is_tried_no_more_often_than_a_failure(seconds):
    sheet = Sheet(errors=[None, *[SlowDown(seconds, "look-up")] * 1_000])
    it = core(Script("Because.", 2.0))
    began = asyncio.get_running_loop().time()
    await it.mention(ask(sheet, "chat/q"))
    while it._lives:
        await asyncio.sleep(1)
    waited = asyncio.get_running_loop().time() - began
    assert waited >= sum(max(each, seconds) for each in RETRIES[1:])  # the end of the answer ends one
    assert sheet.statuses in ([], [True, False])


async def test_what_no_look_for_files_gets_through_for_is_shown_without_them():
    class Filed(Sheet):
        async def edit(self, message: str, page: Page) -> Receipt:
            if page.files:
                raise SlowDown(1.0, "look-up")
            return await super().edit(message, page)

    sheet = Filed(limits=Limits(500, attach=2**20))
    it = Core(Script("word " * 400), Memory(), Access(), Asking(), Showing(pages=1))
    await it.mention(ask(sheet))
    await asyncio.sleep(3_600)
    assert not it._lives
    assert not sheet.last.live
    assert any(NOT_SENT in page.note for page in sheet.shown.values())


async def test_what_is_refused_for_ever_by_a_429_of_no_bucket_of_the_write_is_left_to_a_repair():
    sheet = Sheet(errors=[None, *[SlowDown(30.0, "look-up")] * 1_000])
    it = core(Script("Because.", 2.0))
    await it.mention(ask(sheet, "chat/q"))
    await asyncio.sleep(3_600)
    assert not it._lives
    [entry] = await it._store.unfinished("chat")
    assert entry.asked.key == "chat/q"


async def test_a_429_of_no_bucket_of_the_last_edit_is_waited_out():
    sheet = Sheet(errors=[None, *[SlowDown(20.0, "look-up")] * 3])
    it = core(Script("Because.", 2.0))
    await it.mention(ask(sheet, "chat/q"))
    await asyncio.sleep(40)
    assert sheet.last.live
    await asyncio.sleep(30)
    assert sheet.last == Page("Because.", live=False, controls=(RETRY,))


async def test_finals_go_before_previews():
    """Many previews wait in one bucket; an answer that ends is written next."""
    sheets = [Sheet(f"s{i}", rate=1.0, burst=5) for i in range(4)]
    it = core(Script(*WORDS * 4))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}"))
    await asyncio.sleep(10)
    before = asyncio.get_running_loop().time()
    await it.stop(Stop("q3", ANN, HERE))
    await asyncio.sleep(30)
    after = [row for sheet in sheets for row in sheet.log if row.time >= before + sheet.latency]
    assert min(after, key=lambda row: row.time).page.note == "Stopped by ann."


async def test_among_many_answers_a_final_is_posted_anew_and_stops_still_find_it():
    sheets = [Sheet(f"s{i}", escapes=True) for i in range(16)]
    it = core(Script(*WORDS * 4, {"stall": True}))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}"))
    await asyncio.sleep(30)
    await asyncio.gather(*(it.stop(Stop(f"q{i}", ANN, HERE)) for i in range(16)))
    await asyncio.sleep(120)
    assert any(sheet.replaced for sheet in sheets)
    for sheet in sheets:
        visible = {key: page for key, page in sheet.shown.items() if key not in sheet.replaced}
        assert [page.note for page in visible.values()] == ["Stopped by ann."]
    await asyncio.wait_for(it.drain(), 1)


async def test_among_few_answers_no_message_is_ever_replaced():
    sheets = [Sheet(f"s{i}", escapes=True) for i in range(4)]
    it = core(Script(*WORDS * 4))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}"))
    await asyncio.sleep(120)
    assert not any(sheet.replaced for sheet in sheets)


async def test_an_answer_branches_off_when_another_is_live_there():
    room = Sheet("room", bucket="elsewhere")
    first, second, third = Sheet("first"), Sheet("second", room=room), Sheet("third", room=Sheet("no"))
    it = core(Script(*WORDS))
    await it.mention(ask(first, "q1"))
    await asyncio.sleep(1)
    await it.mention(ask(second, "q2"))
    await asyncio.sleep(60)
    await it.mention(ask(third, "q3"))
    await asyncio.sleep(60)
    assert (first.crowded, second.crowded, third.crowded) == ([False], [True], [False])
    assert room.last == third.last == Page(TEXT, live=False, controls=(RETRY,))
    assert not second.log


async def test_a_deleted_answer_stops_the_model():
    sheet, script = Sheet(errors=[None, None, Gone("message_not_found")]), Script(*WORDS)
    it = await answered(script, sheet, 10)
    assert script.played < 30
    await asyncio.wait_for(it.drain(), 1)


@pytest.mark.parametrize("key", ["q1", "sheet/1"])
async def test_a_deletion_that_the_platform_tells_of_stops_the_answer(key):
    sheet, script = Sheet(), Script(*WORDS)
    it = core(script)
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    await it.deleted(Deleted(key))
    played = script.played
    await asyncio.sleep(10)
    assert script.played == played
    assert "deleted" in sheet.last.note
    assert not sheet.last.live


async def test_an_edited_question_is_asked_anew_until_the_answer_begins():
    sheet, script = Sheet(), Script(1.0, *WORDS)
    it = core(script)
    await it.mention(ask(sheet))
    await asyncio.sleep(0.5)
    await it.edited(Edited("q1", "goodbye?", BOB, HERE))
    await it.edited(Edited("q1", "really?", ANN, HERE))
    await asyncio.sleep(3)
    await it.edited(Edited("q1", "too late", ANN, HERE))
    await asyncio.sleep(20)
    assert [request.turns[-1].text for request in script.requests] == ["hello?", "really?"]
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_questions_of_one_conversation_are_answered_in_order():
    sheets = [Sheet(f"s{i}") for i in range(1 + WAITING)]
    it = core(Script(*WORDS))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}", conversation="talk"))
    await asyncio.sleep(60)
    assert sheets[0].log[-1].time < sheets[1].log[0].time
    assert sheets[0].statuses == []
    assert sheets[1].statuses == [True, False]


async def test_a_waiting_question_can_be_stopped_before_its_turn():
    first, second = Sheet("first"), Sheet("second")
    script = Script(*WORDS)
    it = core(script)
    await it.mention(ask(first, "q1", conversation="talk"))
    await it.mention(ask(second, "q2", conversation="talk"))
    await asyncio.sleep(1)
    await it.stop(Stop("q2", ANN, HERE))
    await asyncio.sleep(1)
    assert second.last == Page("", "Stopped by ann.", live=False, controls=(RETRY,))
    await asyncio.sleep(20)
    assert len(script.requests) == 1
    assert first.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_too_many_questions_in_one_conversation_are_told_so():
    sheets = [Sheet(f"s{i}") for i in range(WAITING + 2)]
    it = core(Script({"stall": True}))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}", conversation="talk"))
    await asyncio.sleep(5)
    assert sheets[-1].last == Page(BUSY, live=False)


async def test_history_goes_before_the_question():
    sheet, script = Sheet(said=[Said("a", BOB), Said("b", None)]), Script("hi")
    await answered(script, sheet)
    assert spoken(script.requests[0]) == [("bob", "a"), ("", "b"), ("ann", "hello?")]


async def test_a_history_that_cannot_be_read_does_not_cost_the_answer():
    class Forgetful(Sheet):
        async def history(self, limit):
            raise SlowDown(30.0)

    sheet = Forgetful()
    await answered(Script("hi"), sheet)
    assert sheet.last == Page("hi", live=False, controls=(RETRY,))


@pytest.mark.parametrize("reason", [reason for reason in NOTES if NOTES[reason]])
async def test_every_early_end_is_said(reason):
    sheet = Sheet()
    await answered(Script("partly", {"finish": reason}), sheet)
    controls = (CONTINUE, RETRY) if reason in MORE else (RETRY,)
    assert sheet.last == Page("partly", NOTES[reason], live=False, controls=controls)


async def test_a_model_error_keeps_the_text_and_says_why():
    sheet = Sheet()
    await answered(Script("partly", 1.0, {"error": "overloaded_error"}), sheet)
    assert sheet.last == Page(
        "partly", "The script failed: overloaded_error.", live=False, controls=(CONTINUE,)
    )


async def test_what_is_waited_for_is_shown_until_the_next_word():
    """A person must not think that nothing happens."""
    it = core(Played([Waiting("patience …"), 5, Text("there"), 5]))
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(4)
    assert sheet.last == Page("", "patience …", controls=(STOP,))
    await asyncio.sleep(4)
    assert (sheet.last.text, sheet.last.note) == ("there", "")


async def test_an_answer_that_begins_anew_shows_only_the_new_text():
    """In the same message."""
    it = core(Played([Text("old"), 5, Waiting("again …"), 5, Again(), Text("new"), 5]))
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(60)
    assert {"old", "new"} <= {row.page.text for row in sheet.log}
    assert sheet.shown == {"sheet/1": Page("new", live=False, controls=(RETRY,))}


async def test_an_answer_that_begins_anew_shows_the_old_text_until_the_new_is_as_long():
    it = core(
        Played([Text("some old text"), 5, Again(), Text("a "), 5, Text("new text"), 5, Text(", more"), 5])
    )
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(60)
    texts = [row.page.text for row in sheet.log if row.page.text]
    assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    assert texts[-1] == "a new text, more"


async def test_an_answer_that_is_stopped_while_it_begins_anew_keeps_what_was_to_be_seen():
    it = core(Played([Text("some old text"), 5, Again(), Text("new"), 50]))
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(8)
    await it.stop(Stop("sheet/1", ANN, HERE))
    await asyncio.sleep(5)
    assert sheet.last == Page("some old text", "Stopped by ann.", live=False, controls=(CONTINUE,))


async def test_a_stop_that_does_not_say_the_name_of_the_asker_is_told_with_it():
    it = core(Played([Text("Because"), 50]))
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(5)
    await it.stop(Stop("sheet/1", replace(ANN, name=""), HERE))
    await asyncio.sleep(5)
    assert sheet.last.note == "Stopped by ann."


async def test_an_answer_whose_first_page_is_cut_can_not_begin_anew():
    """A message that is full never changes, so it ends with a word about that."""
    it = core(Played([Text("old " * 2000), 5, Again(), Text("new")]))
    await it.mention(ask(sheet := Sheet()))
    await asyncio.sleep(100)
    assert sheet.last.note == TORN
    assert "new" not in sheet.last.text


class Played:
    """A model that sends these events, with pauses between."""

    def __init__(self, events: list[Event | float]) -> None:
        self._events = events

    async def stream(self, request, ask: Ask = nobody):
        for event in self._events:
            if isinstance(event, int | float):
                await asyncio.sleep(event)
            else:
                yield event
        yield Finished()


@pytest.mark.rule(11)
async def test_a_bug_in_the_model_ends_the_answer_visibly():
    sheet = Sheet()
    await answered(Script("partly", {"bad": "step"}), sheet)
    assert sheet.last == Page("partly", BROKEN, live=False)


async def test_no_answer_text_is_said():
    sheet = Sheet()
    await answered(Script({"finish": "end_turn"}), sheet)
    assert sheet.last.note == "Claude gave no answer text."


async def test_long_answers_go_on_in_new_messages():
    sheet = Sheet(limits=Limits(80))
    await answered(Script(*WORDS), sheet)
    assert len(sheet.shown) == 3
    assert " ".join(page.text for page in sheet.shown.values()) == TEXT
    assert not any(page.live for page in sheet.shown.values())


async def test_a_write_that_was_lost_is_repeated_with_newer_text_and_no_second_message():
    sheet = Sheet(errors=[ConnectionError("reset"), None, ConnectionError("reset")], lands=True)
    await answered(Script(*WORDS), sheet)
    assert set(sheet.shown) == {"sheet/1"}
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_after_an_edit_that_timed_out_the_last_page_is_sent_once_more():
    sheet = Sheet(errors=[None, None, TimeoutError("10 s")])
    await answered(Script(*WORDS), sheet)
    assert [row.page.live for row in sheet.log].count(False) == 2
    assert sheet.last == Page(TEXT, live=False, controls=(RETRY,))


async def test_a_platform_that_stays_away_is_given_up():
    sheet, script = Sheet(errors=[OSError("no route")] * (len(RETRIES) + 1)), Script(*WORDS)
    it = await answered(script, sheet, sum(RETRIES) + 60)
    assert not sheet.log
    await asyncio.wait_for(it.drain(), 1)


async def test_a_history_that_never_comes_does_not_keep_the_model_waiting():
    class Endless(Sheet):
        async def history(self, limit):
            await asyncio.sleep(300)

    sheet = Endless()
    await answered(Script("Because."), sheet, seconds=READING + 5)
    assert sheet.last == Page("Because.", live=False, controls=(RETRY,))


async def test_a_reader_is_not_kept_waiting_by_text_that_cannot_be_seen():
    """Past the last page nothing is shown until the answer comes as a file."""
    sheet = Sheet(limits=Limits(500, attach=2**20))
    script = Script(*("word " * 100, 5.0) * 6, "End.")
    it = Core(script, Memory(), Access(), Asking(ahead=100), Showing(pages=1))
    await it.mention(ask(sheet))
    await asyncio.sleep(300)
    assert not it._lives
    assert not sheet.last.live


async def test_a_reader_far_ahead_of_the_screen_stops_reading():
    """The page is stuck for a minute; of 100 texts of 100 characters the reader takes those that fit."""
    sheet, script = Sheet(errors=[None, None, SlowDown(60.0)]), Script("x", 2.0, *("y" * 100, 0.001) * 100)
    it = core(script, ahead=1000)
    await it.mention(ask(sheet))
    await asyncio.sleep(30)
    assert 10 <= script.played <= 15
    await asyncio.sleep(200)
    assert script.played == 101
    assert "".join(page.text for page in sheet.shown.values()).count("y") == 10_000


async def test_shutdown_ends_every_answer_with_a_last_edit_and_takes_no_more():
    sheets = [Sheet(f"s{i}") for i in range(5)]
    it = core(Script(*WORDS))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"q{i}", conversation="talk" if i > 3 else ""))
    await asyncio.sleep(2)
    await it.drain()
    assert all(sheet.last.note == RESTART and not sheet.last.live for sheet in sheets)
    with pytest.raises(Unavailable):
        await it.mention(ask(sheets[0], "q9"))


# Files that are refused.


class Fileless(Sheet):
    """A sheet that takes pages without their files, or fails where there are some."""

    fails = False

    async def _put(self, message: str, page: Page) -> Receipt:
        if not page.files:
            return await super()._put(message, page)
        if self.fails:
            raise ConnectionError("no route")
        return replace(await super()._put(message, replace(page, files=())), unattached="No files here.")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("showing", "text"),
    [
        (Showing(pages=1), "word " * 90),
        (Showing(code=50), "Look:\n\n```py\n" + "x = 1\n" * 20 + "```\n\n" + "and more. " * 30),
        (Showing(code=50), "Look:\n\n```py\n" + "x = 1\n" * 20 + "```\n"),
    ],
    ids=["overflow", "code before", "code last"],
)
async def test_an_answer_whose_files_are_refused_has_the_buttons_that_the_ledger_knows(showing, text, fails):
    sheet, store = Fileless(limits=Limits(300, attach=10_000_000)), Memory()
    sheet.fails = fails
    await Core(Script(text), store, Access(), Asking(), showing).mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(60)
    entry = await store.find("sheet/q1")
    assert entry
    assert not sheet.last.live
    assert any(FOLLOWS in page.note for page in sheet.shown.values())
    assert entry.controls == tuple(control.name for control in sheet.last.controls)


# After an outage.


def outage(sheet: Sheet, until: float) -> None:
    """Let every write on *sheet* fail until *until*."""
    put = sheet._put

    async def fails(message: str, page: Page) -> Receipt:
        if asyncio.get_running_loop().time() < until:
            raise ConnectionError("no route")
        return await put(message, page)

    sheet._put = fails  # type: ignore[method-assign]


async def after(sheets: Sequence[Sheet], away: float, heard: str = "") -> tuple[Core, list[float]]:
    """Let answers begin and end in an outage; return how long after it each was there in full."""
    it = core(Script(*WORDS))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"{sheet.name.partition(' ')[0]}/q{i}", actor=replace(ANN, id=f"U{i}")))
    await asyncio.sleep(2)
    over = asyncio.get_running_loop().time() + away
    for sheet in sheets:
        outage(sheet, over)
    await asyncio.sleep(away + 0.1)
    if heard:
        it.back(Named(heard))
    await asyncio.sleep(120)
    assert all(sheet.last == Page(TEXT, live=False, controls=(RETRY,)) for sheet in sheets)
    return it, [sheet.log[-1].time - over for sheet in sheets]


class Named(Platform):
    """A platform of which no more than the name is known."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, inbox: Inbox) -> None: ...

    async def check(self) -> Sequence[Finding]:
        return ()


def chat(many: int, name: str = "chat") -> list[Sheet]:
    return [Sheet(f"{name} {i}", bucket=f"{name}{i}") for i in range(many)]


async def test_a_platform_that_is_connected_again_gets_what_failed_at_once_and_not_all_in_one_moment():
    _, late = await after(sheets := chat(20), 47.0, heard="chat")
    assert max(late) < SPREAD + 1
    assert len({row.time for sheet in sheets for row in sheet.log if row.page.text == TEXT}) > 10


async def test_a_platform_that_is_connected_again_hurries_no_other_one():
    _, late = await after(chat(1), 47.0, heard="other")
    assert min(late) > SPREAD + 5


async def test_one_write_that_gets_through_wakes_all_others_that_failed_on_its_platform():
    sheets = [*chat(6), *chat(1, "other")]
    it = core(Script("one", {"stall": True}))
    for i, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"{sheet.name.partition(' ')[0]}/q{i}"))
    await asyncio.sleep(3)
    over = asyncio.get_running_loop().time() + 47.0
    for i, sheet in enumerate(sheets):
        outage(sheet, over)
        await it.stop(Stop(f"{sheet.name.partition(' ')[0]}/q{i}", ANN, HERE))
    await asyncio.sleep(47.1)
    await it.mention(ask(Sheet("new", bucket="new"), "chat/new"))
    await asyncio.sleep(SPREAD + 1)
    assert [sheet.last.live for sheet in sheets] == [False] * 6 + [True]
    await asyncio.sleep(60)
    assert not sheets[6].last.live


async def test_what_fails_while_all_else_gets_through_is_tried_little_more_often_and_given_up():
    broken, tries = Sheet("broken", bucket="broken"), 0

    async def fails(message: str, page: Page) -> Receipt:
        nonlocal tries
        tries += 1
        raise ConnectionError("no route")

    broken._put = fails  # type: ignore[method-assign]
    it = core(Script(*WORDS * 8))
    await it.mention(ask(broken, "chat/broken", actor=BOB))
    for i in range(5):
        await it.mention(ask(Sheet(f"{i}", bucket=f"b{i}"), f"chat/q{i}"))
        await asyncio.sleep(40)
    await asyncio.sleep(200)
    assert len(RETRIES) < tries <= len(RETRIES) + len(KEPT) + 1
    assert not it._lives


# What is in the way of a late edit, and of an end.


class Late(Sheet):
    """Its first preview of page 1 lands long after it timed out; so does the first post of page 2."""

    slow = 2

    async def _put(self, message: str, page: Page) -> Receipt:
        previews = message == "sheet/1" and page.live and bool(page.text)
        if (self.slow == 2 and previews) or (self.slow == 1 and message == "sheet/2"):
            self.slow -= 1
            if previews:
                row = Row(asyncio.get_running_loop().time() + 24.0, message, page)
                asyncio.get_running_loop().call_at(row.time, self.log.append, row)
            await asyncio.sleep(10)
            raise TimeoutError
        return await super()._put(message, page)


async def test_every_page_of_which_an_edit_timed_out_is_sent_once_more():
    sheet = Late(limits=Limits(300))
    it = core(Script("Start of it. ", 12.0, " ".join(f"word{i}" for i in range(90))))
    await it.mention(ask(sheet))
    await asyncio.sleep(120)
    assert len(sheet.shown) > 2
    assert not any(page.live for page in sheet.shown.values())


async def test_of_an_answer_that_was_given_up_no_old_page_is_sent_again():
    class Deaf(Sheet):
        """Last edits land, and are never answered."""

        unanswered = len(RETRIES) + 1

        async def edit(self, message: str, page: Page) -> Receipt:
            receipt = await super().edit(message, page)
            if not page.live and self.unanswered:
                self.unanswered -= 1
                raise TimeoutError
            return receipt

    sheet = Deaf()
    await answered(Script("Because ", 3.0, "of the rain."), sheet, sum(RETRIES) + 60)
    assert sheet.last == Page("Because of the rain.", live=False, controls=(RETRY,))


async def test_a_question_whose_asker_is_looked_up_when_the_shutdown_begins_is_not_taken():
    class Unhurried(Access):
        async def authorize(self, *args, **more):
            await asyncio.sleep(0.3)
            return await super().authorize(*args, **more)

    sheet = Sheet()
    it = core(Script(*WORDS), Unhurried())
    asking = asyncio.create_task(it.mention(ask(sheet)))
    await asyncio.sleep(0.1)
    await it.drain()
    with pytest.raises(Unavailable):
        await asking
    assert not sheet.log


async def test_a_question_that_is_being_kept_when_the_shutdown_begins_is_there_for_the_next_start():
    class Unhurried(Memory):
        async def accept(self, asked):
            await asyncio.sleep(0.3)
            return await super().accept(asked)

    sheet, store = Sheet(), Unhurried()
    it = Core(Script(*WORDS), store, Access())
    asking = asyncio.create_task(it.mention(ask(sheet, "sheet/q1")))
    await asyncio.sleep(0.1)
    await it.drain()
    await asking
    await asyncio.sleep(60)
    assert not sheet.log
    assert [entry.asked.key for entry in await store.unfinished("sheet")] == ["sheet/q1"]


async def test_a_call_that_is_denied_while_the_ledger_refuses_counts_as_denied_and_as_nothing_else():
    """It counts as not made then; a failure besides would give one call back too many."""

    async def refuses() -> None:
        raise Taken("q1")

    async def denied() -> bool:
        await asyncio.sleep(1)
        return False

    with pytest.raises(Denied):
        await _both(refuses(), denied())


async def test_a_refusal_of_the_ledger_waits_for_the_claim():
    ended = []

    async def refuses() -> None:
        raise Taken("q1")

    async def granted() -> bool:
        await asyncio.sleep(1)
        ended.append(True)
        return True

    with pytest.raises(Taken):
        await _both(refuses(), granted())
    assert ended


@pytest.mark.parametrize("error", [TimeoutError(), SlowDown(10.0, "an edit after it")])
async def test_what_was_posted_though_its_call_failed_goes_with_its_question(error):
    class Removing(Sheet):
        async def remove(self, message: str) -> None:
            removed.append(message)

    removed: list[str] = []
    sheet = Removing(errors=[error, error], lands=True)
    it = core(Script(30.0, "Because."))
    await it.mention(ask(sheet))
    await asyncio.sleep(0.3)
    await it.deleted(Deleted("q1"))
    await asyncio.sleep(100)
    assert removed == [*sheet.shown] == ["sheet/1"]
    await asyncio.wait_for(it.drain(), 1)


@pytest.mark.parametrize("error", [OSError("no route"), SlowDown(20.0, "look-up")])
async def test_a_post_that_never_gets_through_is_not_tried_for_ever_when_its_question_is_gone(error):
    sheet = Sheet(errors=[error] * 1_000)
    it = core(Script(30.0, "Because."))
    await it.mention(ask(sheet))
    await asyncio.sleep(1)
    await it.deleted(Deleted("q1"))
    await asyncio.sleep(3_600)
    assert len(sheet.errors) >= 1_000 - len(RETRIES) - 1
    assert not await it._store.unfinished("")
    await asyncio.wait_for(it.drain(), 1)


async def test_an_answer_that_ends_while_a_preview_fails_counts_from_its_end():
    sheet, tally = Sheet(rate=0.2, burst=3, latency=1.0), Tally()
    more: list[str | float] = ["more ", 1.0] * 200
    it = Core(Script(*more), Memory(), Access(), Asking(), tally=tally)
    await it.mention(ask(sheet, "chat/q"))
    await asyncio.sleep(40)
    put, failed, loop = sheet._put, [], asyncio.get_running_loop()

    async def fails(message: str, page: Page) -> Receipt:
        if not page.live:
            return await put(message, page)
        await it.stop(Stop("chat/q", ANN, HERE))
        failed.append(loop.time())
        await asyncio.sleep(1)
        raise ConnectionError("no route")

    sheet._put = fails  # type: ignore[method-assign]
    await asyncio.sleep(100)
    [told] = tally.last_edit.values.values()
    assert len(failed) == 1
    assert told.total == pytest.approx(sheet.log[-1].time - failed[0])
