"""The core on the jumping clock: buttons under answers, of this run and of one that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.core.core import Core
from bot.core.intake import ANYBODY, Caps
from bot.core.sayings import RESTART, UNBEGUN
from bot.events import CONTINUE, RETRY, STOP, Page
from bot.guard.access import Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import (
    Actor,
    Asked,
    Command,
    Deleted,
    Gone,
    Outcome,
    Press,
    Receipt,
    Remains,
    Said,
    Stop,
    Surface,
)
from bot.show.words import AGAIN
from bot.show.writes import Showing
from bot.store import Entry, Part
from bot.store.memory import Memory
from tests.fakes import ANN, BOB, HERE, ROBOT, Sheet, ask, spoken
from tests.test_repair import NOW, SAID, Paper, core, done, left, question

pytestmark = pytest.mark.jump

EARLIER = [Said("before", ANN), Said("that", None)]
#: As a shutdown has left them.
CUT = Entry(question(), "Be", RESTART, (SAID,), done=NOW, controls=("continue",))
UNSAID = Entry(question(), "", UNBEGUN, (SAID,), done=NOW, controls=("retry",))


def press(control: str = "continue", actor: Actor = BOB, message: str = "sheet/1") -> Press:
    return Press(message, control, actor, HERE)


async def pressed(
    entry: Entry, *presses: Press, script: Script | None = None
) -> tuple[Sheet, list[Outcome], Paper, Memory]:
    """What becomes of presses after a restart that found *entry*."""
    sheet, store = Sheet(said=EARLIER), await left(entry)
    sheet.nonces["of the run before"] = "sheet/1"
    it, paper = core(store, script), Paper(sheet)
    await it.repair(paper)
    await asyncio.sleep(10)
    outcomes = [await it.press(each) for each in presses]
    await asyncio.sleep(30)
    return sheet, outcomes, paper, store


async def answered(script: Script, caps: Caps = ANYBODY) -> tuple[Core, Sheet]:
    """Let one mention be answered in this run."""
    sheet = Sheet(said=EARLIER)
    it = Core(script, Memory(), Access(), caps=caps)
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1", "why?"))
    await asyncio.sleep(30)
    return it, sheet


async def test_continue_asks_for_the_rest_once_in_the_name_of_who_pressed():
    it, sheet = await answered(script := Script("partly", {"finish": "max_tokens"}))
    outcomes = [await it.press(press(actor=who)) for who in (BOB, ANN)]
    assert outcomes == [Outcome.TAKEN, Outcome.UNKNOWN]
    await asyncio.sleep(60)
    assert spoken(script.requests[1]) == [
        *(("ann", "before"), ("", "that")),
        *(("ann", "why?"), ("", "partly"), ("bob", "continue")),
    ]
    assert list(sheet.shown) == ["sheet/1", "sheet/2"]
    assert len(script.requests) == 2


async def test_try_again_asks_the_same_again():
    """There is no text to go on from."""
    it, sheet = await answered(script := Script({"error": "overloaded_error"}))
    assert sheet.shown["sheet/1"].controls == (RETRY,)
    assert await it.press(press("retry", ANN)) is Outcome.SHOWN
    await asyncio.sleep(60)
    assert script.requests[0] == script.requests[1]


async def test_a_button_pressed_too_early_stays_and_serves_later():
    """Nobody loses the rest of an answer to a limit."""
    it, sheet = await answered(script := Script("partly", {"finish": "max_tokens"}), Caps(per_minute=1))
    assert await it.press(press(actor=ANN)) is Outcome.LATER
    await asyncio.sleep(60)
    assert await it.press(press(actor=ANN)) is Outcome.TAKEN
    await asyncio.sleep(10)
    assert sheet.shown["sheet/1"].controls == (CONTINUE, RETRY)
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("steps", "control"),
    [
        (["whole"], "continue"),
        (["partly", {"finish": "max_tokens"}], "explode"),
        (["x", {"finish": "refusal"}], "continue"),
    ],
)
async def test_a_button_that_is_not_there_does_nothing(steps, control):
    """Presses come from outside."""
    script = Script(*steps)
    it, _ = await answered(script)
    assert await it.press(press(control, ANN)) is Outcome.LAPSED
    await asyncio.sleep(60)
    assert len(script.requests) == 1


async def test_a_limit_that_one_reader_hears_of_takes_nothing_from_another():
    """What says so is no answer to the press, which the ledger keeps for who may ask."""
    script = Script("partly", {"finish": "max_tokens"})
    it, _ = await answered(script, Caps(per_minute=1))
    script._steps = (60.0, "the rest")
    assert await it.press(press(actor=ANN)) is Outcome.LATER
    assert await it.press(press(actor=BOB)) is Outcome.TAKEN
    await asyncio.sleep(10)
    assert [entry.asked.key for entry in await it._store.unfinished("sheet")] == ["sheet/1/continue"]
    assert await it.press(press(actor=ANN)) is Outcome.UNKNOWN  # too late, and not too much


class Away(Memory):
    """A ledger whose disk can't be read."""

    async def find_shown(self, message: str, *, first: bool = False) -> Entry | None:
        raise OSError("no disk")


async def test_a_button_that_cannot_be_looked_up_stays():
    store = Away()
    store._put(replace(CUT, done=None))
    it, paper = core(store, script := Script("cause.")), Paper(Sheet())
    await it.repair(paper)
    await asyncio.sleep(10)
    assert await it.press(press()) is Outcome.LATER
    assert not script.requests


async def test_continue_of_an_earlier_run_is_answered_once_below_what_was_said():
    script = Script("cause.")
    sheet, outcomes, paper, store = await pressed(CUT, press(), press(), script=script)
    assert outcomes == [Outcome.TAKEN, Outcome.UNKNOWN]
    assert sheet.shown == {"sheet/2": Page("cause.", live=False, controls=(RETRY,))}
    [request] = script.requests
    assert spoken(request) == [
        *(("ann", "before"), ("", "that")),
        *(("ann", "why?"), ("", "Be"), ("bob", "continue")),
    ]
    key, remains = paper.reopened[-1]
    assert (key, remains.address, remains.messages) == ("sheet/1/continue", "here", ("sheet/1",))
    assert await done(store, "sheet/1/continue")


async def test_try_again_of_an_earlier_run_asks_the_same_again():
    script = Script("Because.")
    _, outcomes, *_ = await pressed(UNSAID, press("retry"), press("retry"), script=script)
    assert outcomes == [Outcome.SHOWN, Outcome.UNKNOWN]
    [request] = script.requests
    assert spoken(request)[-1] == ("bob", "why?")


@pytest.mark.parametrize("text", ["", "Be"])
async def test_what_a_crash_has_cut_is_followed_too_with_all_that_was_said_before(text):
    script = Script("Because.")
    unfinished = replace(CUT, text=text, note=None, done=None, controls=(), runs=9)
    _, [outcome], *_ = await pressed(unfinished, press("continue" if text else "retry"), script=script)
    assert outcome is (Outcome.TAKEN if text else Outcome.SHOWN)
    texts = ["before", "that", "why?", "Be", "continue"] if text else ["before", "that", "why?"]
    assert [text for _, text in spoken(script.requests[0])] == texts


async def test_what_was_noted_and_not_shown_gets_its_button_with_its_note():
    sheet, *_ = await pressed(replace(CUT, done=None, note="Claude is overloaded."))
    assert sheet.last == Page("Be", "Claude is overloaded.", live=False, controls=(CONTINUE,))


@pytest.mark.parametrize(
    ("entry", "how"),
    [
        (CUT, press("retry")),
        (UNSAID, press("continue")),
        (CUT, press("explode")),
        (CUT, press(message="sheet/9")),
        (CUT, press(message="elsewhere/1")),
        (replace(CUT, controls=()), press()),
        (replace(CUT, text="", asked=replace(question(), text="")), press()),
        (replace(CUT, asked=replace(question(), conversation="")), press()),
    ],
)
async def test_a_press_that_means_no_button_of_an_earlier_run_does_nothing(entry, how):
    script = Script("Because.")
    sheet, outcomes, *_ = await pressed(entry, how, script=script)
    assert outcomes == [Outcome.LAPSED]
    assert (sheet.log, script.requests) == ([], [])


class Strict(Paper):
    """Knows none of the ids that it is asked for."""

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        return self.sheet if int(asked.key) else None


async def test_a_button_above_a_row_whose_ids_are_none_counts_as_one_that_is_not_there():
    it = core(await left(CUT))
    await it.repair(Strict(Sheet()))
    await asyncio.sleep(10)
    assert await it.press(press()) is Outcome.LAPSED


@pytest.mark.rule(2)
async def test_who_may_not_ask_may_not_press_either():
    _, outcomes, *_ = await pressed(CUT, press(actor=ROBOT))
    assert outcomes == [Outcome.REFUSED]


@pytest.mark.parametrize("entry", [CUT, replace(CUT, done=None)])
@pytest.mark.parametrize("how", ["purge", "forget"])
async def test_what_was_forgotten_is_not_followed(entry, how):
    """Neither from the ledger nor from memory."""
    store = await left(entry)
    it = core(store, script := Script("cause."))
    await it.repair(Paper(Sheet()))
    await asyncio.sleep(10)
    await (store.purge() if how == "purge" else store.forget(ANN.id))
    assert await it.press(press()) is Outcome.LAPSED
    await asyncio.sleep(10)
    assert not script.requests


async def test_a_press_during_a_shutdown_is_answered_after_the_restart():
    sheet, store = Sheet(said=EARLIER), Memory()
    first = core(store, Script("Be", 60.0))
    await first.repair(Paper(sheet))
    await first.mention(ask(sheet, "sheet/q1", "why?"))
    await asyncio.sleep(5)
    await first.drain()
    assert sheet.last == Page("Be", RESTART, live=False, controls=(CONTINUE,))
    assert await first.press(press()) is Outcome.TAKEN
    assert await first.press(press()) is Outcome.UNKNOWN
    await core(store, script := Script("cause.")).repair(Paper(sheet))
    await asyncio.sleep(30)
    assert sheet.shown["sheet/2"] == Page("cause.", live=False, controls=(RETRY,))
    assert [text for _, text in spoken(script.requests[0])] == ["before", "that", "why?", "Be", "continue"]


async def test_of_a_chain_of_presses_the_model_reads_all():
    """A retry puts its answer in the place of the one that there was not."""
    steps = [(UNSAID, "retry"), (None, "continue"), (None, "continue")]
    parts: Sequence[str] = ("sheet/1", "sheet/1", "sheet/2")
    store = await left(UNSAID)
    sheet = Sheet(said=EARLIER)
    sheet.nonces["of the run before"] = "sheet/1"
    for (_, control), message in zip(steps, parts, strict=True):
        it = core(store, script := Script("partly", {"finish": "max_tokens"}))
        await it.repair(Paper(sheet))
        await asyncio.sleep(5)
        assert await it.press(press(control, ANN, message)) in {Outcome.TAKEN, Outcome.SHOWN}
        await asyncio.sleep(30)
    said = ["why?", "partly", "continue", "partly", "continue"]
    assert [text for _, text in spoken(script.requests[0])] == ["before", "that", *said]


async def test_try_again_shows_under_what_a_shutdown_kept_from_beginning():
    sheet = Sheet()
    it = core(Memory(), Script(60.0, "Because."))
    await it.mention(ask(sheet, "sheet/q1"))
    await asyncio.sleep(5)
    await it.drain()
    assert sheet.last == Page("", UNBEGUN, live=False, controls=(RETRY,))


async def test_a_follow_up_that_a_crash_interrupted_goes_on_below_what_it_follows():
    store = await left(CUT, Entry(replace(question("sheet/1/continue", "continue"), conversation="sheet/q1")))
    paper = Paper(Sheet(said=EARLIER))
    await core(store, script := Script("cause.")).repair(paper)
    await asyncio.sleep(30)
    assert [text for _, text in spoken(script.requests[0])][-3:] == ["why?", "Be", "continue"]
    assert ("sheet/1",) in [remains.messages for _, remains in paper.reopened]


async def test_a_message_that_took_the_place_of_another_has_the_button():
    instead = Part("n" * 18 + "r0", 0, "here", "sheet/7", replaces="sheet/1")
    _, outcomes, *_ = await pressed(replace(CUT, parts=(SAID, instead)), press(message="sheet/7"))
    assert outcomes == [Outcome.TAKEN]


async def test_try_again_keeps_the_old_text_until_the_new_one_is_complete():
    it, sheet = await answered(script := Script("The old answer."))
    script._steps = ("The ", 20.0, "new one.")
    assert await it.press(press("retry", ANN)) is Outcome.SHOWN
    await asyncio.sleep(10)
    assert sheet.last == Page("The old answer.", AGAIN, controls=(STOP,))
    await asyncio.sleep(30)
    assert sheet.shown == {"sheet/1": Page("The new one.", live=False, controls=(RETRY,))}


@pytest.mark.parametrize("how", ["stopped", "failed"])
async def test_another_try_that_comes_to_nothing_leaves_the_old_text(how):
    it, sheet = await answered(script := Script("The old answer."))
    script._steps = ("The ", 20.0, {"error": "overloaded_error"})
    await it.press(press("retry", ANN))
    await asyncio.sleep(10)
    if how == "stopped":
        assert await it.stop(Stop("sheet/1", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(30)
    [page] = sheet.shown.values()
    assert page.text == "The old answer."
    assert page.controls == (RETRY,)  # there is no more of it to say
    assert page.note.startswith("Stopped by ann." if how == "stopped" else "The script failed")


async def test_it_can_be_tried_as_often_as_people_like_and_continued_then():
    it, sheet = await answered(script := Script("one"))
    for text in ("two", "three"):
        script._steps = (text, {"finish": "max_tokens"})
        assert await it.press(press("retry", ANN)) is Outcome.SHOWN
        await asyncio.sleep(60)
        assert sheet.last.text == text
    script._steps = ("four",)
    assert await it.press(press("continue", ANN)) is Outcome.TAKEN
    await asyncio.sleep(60)
    assert [page.text for page in sheet.shown.values()] == ["three", "four"]
    assert [text for _, text in spoken(script.requests[-1])][-3:] == ["why?", "three", "continue"]


async def test_a_new_answer_that_takes_fewer_messages_leaves_none_of_the_old():
    removed = []

    class Erasing(Sheet):
        async def remove(self, message):
            removed.append(message)

    sheet = Erasing()
    it = core(Memory(), script := Script("\n\n".join(f"Paragraph {n}. " * 20 for n in range(20))))
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1", "why?"))
    await asyncio.sleep(60)
    old = [*sheet.shown]
    assert len(old) > 2
    script._steps = ("Short.",)
    assert await it.press(press("retry", ANN, old[-1])) is Outcome.SHOWN
    await asyncio.sleep(60)
    assert sheet.shown[old[0]] == Page("Short.", live=False, controls=(RETRY,))
    assert removed == old[1:]


async def test_a_crash_in_another_try_loses_no_text():
    sheet, store = Sheet(said=EARLIER), Memory()
    first = core(store, script := Script("The old answer."))
    await first.repair(Paper(sheet))
    await first.mention(ask(sheet, "sheet/q1", "why?"))
    await asyncio.sleep(20)
    script._steps = ("The ", 60.0, "never")
    await first.press(press("retry", ANN))
    await asyncio.sleep(10)
    for task in first.running.lives:
        task.cancel()
    after = Sheet(said=EARLIER)
    await core(store, Script("other")).repair(Paper(after))
    await asyncio.sleep(30)
    assert after.last.text == "The old answer."
    assert after.last.note == RESTART


async def test_an_answer_in_one_piece_is_posted_when_it_is_complete_and_shows_at_the_question_till_then():
    sheet = Sheet()
    it = Core(Script("The ", 20.0, "answer."), Memory(), Access(), showing=Showing(stream=False))
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    assert (sheet.log, sheet.statuses) == ([], [True])
    await asyncio.sleep(20)
    assert [row.page for row in sheet.log] == [Page("The answer.", live=False, controls=(RETRY,))]
    assert sheet.statuses == [True, False]


async def test_an_answer_in_one_piece_can_be_stopped_before_it_is_posted():
    sheet = Sheet()
    it = Core(Script("The ", 20.0, "answer."), Memory(), Access(), showing=Showing(stream=False))
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    assert await it.stop(Stop("q1", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(10)
    assert sheet.last == Page("The", "Stopped by ann.", live=False, controls=(CONTINUE,))


async def test_an_answer_in_one_piece_that_is_far_ahead_is_read_to_its_end():
    sheet = Sheet()
    it = Core(Script("word " * 400), Memory(), Access(), Asking(ahead=100), showing=Showing(stream=False))
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    assert sheet.last.text == ("word " * 400).strip()


async def test_of_an_answer_in_one_piece_whose_question_is_deleted_nothing_is_posted():
    sheet = Sheet()
    it = Core(Script("The ", 20.0, "answer."), Memory(), Access(), showing=Showing(stream=False))
    await it.mention(ask(sheet))
    await asyncio.sleep(10)
    await it.deleted(Deleted("q1"))
    await asyncio.sleep(30)
    assert (sheet.log, sheet.statuses) == ([], [True, False])


async def test_an_answer_in_one_piece_takes_its_mark_off_where_it_has_set_it():
    """Even if it is posted elsewhere, as in a thread that the platform opens for it."""

    class Opening(Sheet):
        async def branch(self, crowded):
            return room

    sheet, room = Opening(), Sheet("room")
    it = Core(Script("The answer."), Memory(), Access(), showing=Showing(stream=False))
    await it.mention(ask(sheet))
    await asyncio.sleep(20)
    assert room.last.text == "The answer."
    assert (sheet.statuses, room.statuses) == ([True, False], [])


OLD = tuple(Part(f"{number}" * 19, number, "here", f"sheet/{number + 1}") for number in range(3))
LONG = "\n\n".join(f"Paragraph {number}. " + "word " * 200 for number in range(3))


class Erasing(Sheet):
    """Keeps what was removed."""

    def __init__(self) -> None:
        super().__init__(said=EARLIER)
        self.removed: list[str] = []

    async def remove(self, message: str) -> None:
        self.removed.append(message)


async def tried_again(text: str, note: str | None, *script: str | float) -> Erasing:
    """Return what becomes of another try at an answer of three pages, of which a crash left *text*."""
    old = replace(CUT, text=LONG, note="", parts=OLD, controls=("retry",))
    asked = replace(question("sheet/1/retry"), conversation="sheet/q1")
    parts = tuple(replace(part, nonce=f"a{part.nonce[1:]}") for part in OLD)
    entry = Entry(asked, text, note, parts, controls=() if note is None else ("retry",))
    sheet = Erasing()
    it = core(await left(old, entry), Script(*script))
    await it.repair(Paper(sheet))
    await asyncio.sleep(20)
    return sheet


async def test_a_crash_after_the_last_edit_of_another_try_leaves_nothing_of_the_old_text():
    sheet = await tried_again("Short.", "")
    assert sheet.shown == {"sheet/1": Page("Short.", live=False, controls=(RETRY,))}
    assert sheet.removed == ["sheet/2", "sheet/3"]


async def test_a_crash_amid_the_last_edits_of_another_try_mixes_no_old_page_with_the_new():
    sheet = await tried_again(LONG.replace("word", "news"), "")
    assert [*sheet.shown] == ["sheet/1", "sheet/2", "sheet/3"]
    assert all("news" in page.text for page in sheet.shown.values())


async def test_a_crash_before_the_first_edit_of_another_try_keeps_the_old_text_until_the_new_is_complete():
    sheet = await tried_again("", None, "The ", 60.0, "new one.")
    assert sheet.last.note == AGAIN
    assert all("word" in page.text for page in sheet.shown.values())
    await asyncio.sleep(60)
    assert sheet.shown["sheet/1"] == Page("The new one.", live=False, controls=(RETRY,))
    assert sheet.removed == ["sheet/2", "sheet/3"]


async def test_another_try_stops_when_its_question_is_deleted_and_the_old_text_stays():
    it, sheet = await answered(script := Script("The old answer."))
    script._steps = ("The ", 60.0, "new one.")
    await it.press(press("retry", ANN))
    await asyncio.sleep(10)
    await it.deleted(Deleted("sheet/q1"))
    await asyncio.sleep(10)
    assert sheet.last.text == "The old answer."
    assert not sheet.last.live


async def test_a_stop_on_the_question_stops_what_continue_goes_on_with():
    it, sheet = await answered(script := Script("partly", {"finish": "max_tokens"}))
    script._steps = ("more ", 60.0, "and more.")
    await it.press(press("continue", ANN))
    await asyncio.sleep(10)
    assert await it.stop(Stop("sheet/q1", ANN, HERE)) is Outcome.STOPPED
    await asyncio.sleep(10)
    assert not sheet.last.live


class WithoutFirst(Sheet):
    """A platform that has deleted the message that was replaced."""

    async def edit(self, message: str, page: Page) -> Receipt:
        if message == "sheet/1":
            raise Gone("message_not_found")
        return await super().edit(message, page)


async def test_another_try_goes_where_the_answer_stands_now():
    """The first message was replaced and deleted, and the replacement has the button."""
    instead = Part("n" * 18 + "r0", 0, "here", "sheet/7", replaces="sheet/1")
    entry = replace(CUT, parts=(SAID, instead), controls=("retry",))
    sheet, store = WithoutFirst(), await left(entry)
    it = core(store, Script("Because."))
    await it.repair(Paper(sheet))
    assert await it.press(press("retry", ANN, "sheet/7")) is Outcome.SHOWN
    await asyncio.sleep(30)
    assert sheet.shown == {"sheet/7": Page("Because.", live=False, controls=(RETRY,))}
    assert await done(store)


async def test_another_try_by_command_goes_there_too():
    instead = Part("n" * 18 + "r0", 0, "here", "sheet/7", replaces="sheet/1")
    sheet, store = WithoutFirst(), await left(replace(CUT, parts=(SAID, instead), controls=("retry",)))
    it = core(store, Script("Because."))
    await it.repair(Paper(sheet))
    await it.command(Command("again", "", ANN, HERE, CUT.asked.conversation))
    await asyncio.sleep(30)
    assert sheet.shown == {"sheet/7": Page("Because.", live=False, controls=(RETRY,))}


async def test_a_message_to_which_an_edit_went_instead_has_the_buttons():
    """A platform lets an old message be changed no more: the last edit is a new one in its place."""

    class Moves(Sheet):
        async def edit(self, message: str, page: Page) -> Receipt:
            return await self._put(message if page.live else "sheet/9", page)

    sheet = Moves(said=EARLIER)
    it = Core(Script("partly", {"finish": "max_tokens"}), store := Memory(), Access())
    await it.repair(Paper(sheet))
    await it.mention(ask(sheet, "sheet/q1", "why?"))
    await asyncio.sleep(30)
    assert sheet.shown["sheet/9"].controls == (CONTINUE, RETRY)
    assert await store.find_shown("sheet/9")
    assert await it.press(press(message="sheet/9")) is Outcome.TAKEN


def test_replacements_of_replacements_are_what_is_shown():
    parts = (
        SAID,
        Part("n1", 1, "here", "sheet/2"),
        Part("r0", 0, "here", "sheet/3", replaces="sheet/1"),
        Part("r1", 0, "here", "sheet/4", replaces="sheet/3"),
        Part("r2", 1, "here", "", replaces="sheet/2"),  # its post was never heard of
    )
    assert [part.message for part in replace(CUT, parts=parts).shown] == ["sheet/4", "sheet/2"]


def test_messages_that_replace_each_other_end_nowhere():
    """No platform does that; a ledger that was written over may say it."""
    parts = (SAID, Part("r0", 0, "", "sheet/1", replaces="sheet/1"))
    assert [part.message for part in replace(CUT, parts=parts).shown] == ["sheet/1"]
