"""What needs no mention, and what a newer question replaces: the parts by themselves, then the core."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.config import Settings
from bot.core.core import Core
from bot.core.intake import Caps
from bot.core.sayings import BUSY, NOTHING, REPLACED
from bot.core.talks import REMEMBERED, Talks
from bot.events import CONTINUE, RETRY
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Actor, Deleted, Edited, Mention, Place, Stop
from bot.run.supervise import build
from bot.store import Entry
from bot.store.memory import Memory
from bot.text.words import wordy
from tests.fakes import ANN, BOB, HERE, ROBOT, Sheet, ask
from tests.test_repair import Paper, left, question
from tests.test_repair import core as restarted
from tests.test_spend import NONE, spend, spending

pytestmark = pytest.mark.jump

LONG: list[str | float] = ["begun ", 100.0, "over."]
REPLACES = Caps(user_turns=0, per_minute=0, per_hour=0, replaces=True)


@pytest.mark.parametrize("text", ["why?", "und ä", "なぜ", "1", "a :smile:", "https://a.b", "10:30:45"])
def test_a_text_with_a_letter_or_a_digit_has_words(text):
    assert wordy(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " \n", "?!", "👍", "👍🏽 🎉", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
        *("1\ufe0f\u20e3", "1\u20e3", "\u2139\ufe0f", ":smile:", ":+1::skin-tone-2:", ":wave: :tada:", "🇩🇪"),
    ],
)
def test_an_emoji_however_it_is_written_is_no_word(text):
    assert not wordy(text)


def test_of_too_many_conversations_the_newest_are_remembered_by_their_first_question():
    talks = Talks()
    for number in range(REMEMBERED):
        talks.add(f"talk {number}", f"key {number}")
        talks.add("talk", f"again {number}")
    assert talks.first("talk") == "again 0"
    assert talks.first("talk 1") == ""
    assert talks.first(f"talk {REMEMBERED - 1}") == f"key {REMEMBERED - 1}"


def follow_up(sheet: Sheet, key: str = "sheet/q2", text: str = "and how?", actor: Actor = ANN) -> Mention:
    """What somebody writes below a first question, without a mention."""
    return replace(ask(sheet, key, text, actor, "talk"), follow_up=True)


async def asked(script: Script, caps: Caps | None = None, access: Access | None = None) -> tuple[Core, Sheet]:
    """A core that ann has asked something."""
    sheet, caps = Sheet(), caps or replace(REPLACES, replaces=False)
    it = Core(script, Memory(), access or Access(), caps=caps)
    await it.mention(ask(sheet, "sheet/q1", conversation="talk"))
    await asyncio.sleep(3)
    return it, sheet


def whole(sheet: Sheet, text: str) -> bool:
    """Whether an answer has ended with *text*, and nothing is wrong with it."""
    return (sheet.last.text, sheet.last.note, sheet.last.live) == (text, "", False)


async def test_where_the_bot_was_asked_it_is_followed_and_nowhere_else():
    it, _ = await asked(Script("yes"))
    assert it.asked_in("talk")
    assert it.asked_in("sheet/q1")  # from which a thread may have been opened
    assert not it.asked_in("elsewhere")


@pytest.mark.rule(2)
async def test_who_may_not_ask_lets_nobody_follow():
    it = Core(Script("yes"), Memory(), Access())
    await it.mention(ask(Sheet(), actor=ROBOT, conversation="talk"))
    assert not it.asked_in("talk")


@pytest.mark.parametrize("text", ["stop", "  "])
async def test_a_stop_or_an_empty_mention_lets_nobody_follow(text):
    it = Core(Script("yes"), Memory(), Access())
    await it.mention(ask(Sheet(), text=text, conversation="talk"))
    assert not it.asked_in("talk")


@pytest.mark.parametrize(("setting", "follows"), [("thread", True), ("mention", False)])
async def test_the_operator_decides_whether_a_follow_up_needs_a_mention(setting, follows):
    paper = Paper(Sheet())
    it = build(Settings.model_validate({"RIVULET_FOLLOW_UPS": setting}), [paper], Script("yes"))
    await it.mention(replace(ask(paper.sheet, conversation="talk"), actor=replace(ANN, owner=True)))
    assert bool(it.asked_in("talk")) is follows
    await asyncio.sleep(10)


class Whispering(Paper):
    """A platform that can tell somebody something alone, or not."""

    def __init__(self, *, able: bool = True) -> None:
        super().__init__(Sheet())
        self.able = able
        self.whispered: list[tuple[str, str]] = []

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        if self.able:
            self.whispered.append((actor.id, text))
        return self.able


async def poor(paper: Paper) -> tuple[Core, Script, str]:
    """A core of *paper* whose money is spent, what it asks, and what is said of that."""
    money, script = spending(replace(NONE, day=0.01)), Script("yes")
    it = Core(script, Memory(), Access(), spend=money)
    await it.repair(paper)
    for talk in ("talk", "other"):
        await it.mention(ask(Sheet(), f"sheet/{talk}", conversation=talk))
    await asyncio.sleep(3)
    await spend(money, 0.01, ANN, HERE)
    return it, script, money.refusal(ANN, HERE)


async def test_who_follows_up_at_a_cap_is_told_it_alone_and_once_an_hour_in_each_thread():
    paper = Whispering()
    it, script, said = await poor(paper)
    for number, pause in enumerate((60.0, 3600.0, 0.0)):
        await it.mention(follow_up(Sheet(), f"sheet/f{number}"))
        await asyncio.sleep(pause)
    assert "used up its $0.01 for today, until" in said
    assert paper.whispered == [(ANN.id, said)] * 2
    await it.mention(follow_up(Sheet(), "sheet/f9", actor=BOB))
    await it.mention(replace(follow_up(Sheet(), "sheet/f10"), conversation="other"))
    await asyncio.sleep(1)
    assert paper.whispered[2:] == [(BOB.id, said), (ANN.id, said)]
    assert len(script.requests) == 2


async def test_who_was_told_that_they_may_not_stop_is_told_of_a_cap_too():
    money, paper = spending(replace(NONE, day=0.01)), Whispering()
    it = Core(Script(*LONG), Memory(), Access(stop="asker"), spend=money)
    await it.repair(paper)
    await it.mention(ask(Sheet(), "sheet/q1", actor=BOB, conversation="talk"))
    await asyncio.sleep(1)
    await it.stop(Stop("sheet/q1", ANN, HERE))
    await spend(money, 0.01, ANN, HERE)
    await it.mention(follow_up(Sheet()))
    await asyncio.sleep(1)
    assert [who for who, _ in paper.whispered] == [ANN.id, ANN.id]
    assert paper.whispered[-1] == (ANN.id, money.refusal(ANN, HERE))
    await asyncio.sleep(200)


async def test_where_nobody_can_be_told_alone_a_cap_is_said_in_the_thread_once_an_hour():
    it, script, said = await poor(Whispering(able=False))
    sheet = Sheet()
    for number in range(3):
        await it.mention(follow_up(sheet, f"sheet/f{number}"))
        await asyncio.sleep(100)
    assert [page.text for page in sheet.shown.values()] == [said]
    assert len(script.requests) == 2


async def test_a_stranger_who_follows_up_at_a_cap_is_told_nothing():
    for able in (True, False):
        paper, sheet = Whispering(able=able), Sheet()
        it, _, _ = await poor(paper)
        for actor in (Actor("U9", workspace="T9"), ROBOT):
            await it.mention(follow_up(sheet, f"sheet/{actor.id}", actor=actor))
        await asyncio.sleep(3)
        assert not paper.whispered
        assert not sheet.shown


async def test_a_follow_up_is_answered_after_what_runs_and_shows_that_it_waits():
    it, _ = await asked(Script("a", 5.0, "b"))
    second = Sheet()
    await it.mention(follow_up(second))
    await asyncio.sleep(1)
    assert second.statuses == [True]
    assert not second.log
    await asyncio.sleep(20)
    assert second.statuses == [True, False]
    assert whole(second, "ab")


async def test_nobody_is_told_of_a_follow_up_that_is_not_taken():
    it, _ = await asked(Script(*LONG))
    await it.mention(follow_up(Sheet()))
    third, mention = Sheet(), Sheet()
    await it.mention(follow_up(third, "sheet/q3"))
    await it.mention(ask(mention, "sheet/q4", conversation="talk"))
    await asyncio.sleep(5)
    assert not third.log
    assert mention.last.text == BUSY
    entry = await it._store.find("sheet/q3")
    assert entry
    assert entry.done


@pytest.mark.rule(23)
async def test_a_follow_up_of_who_may_not_ask_is_neither_answered_nor_logged():
    it, _ = await asked(Script("yes"))
    stranger = Sheet()
    await it.mention(follow_up(stranger, actor=Actor("UX", "x", workspace="T2")))
    await asyncio.sleep(5)
    assert not stranger.log
    assert it._refusals._logging is None


async def test_a_stop_without_a_mention_ends_the_answer():
    it, sheet = await asked(Script(*LONG))
    await it.mention(follow_up(Sheet(), text=" Stop "))
    await asyncio.sleep(3)
    assert sheet.last.note == "Stopped by ann."


async def test_a_stop_without_a_mention_says_nothing_where_nothing_runs():
    it, _ = await asked(Script("yes"))
    silent, told = Sheet(), Sheet()
    await it.mention(follow_up(silent, text="stop"))
    await it.mention(ask(told, "sheet/q3", "stop", conversation="talk"))
    await asyncio.sleep(3)
    assert not silent.log
    assert told.last.text == NOTHING


async def test_only_the_asker_stops_without_a_mention_where_the_operator_says_so():
    it, sheet = await asked(Script(*LONG), access=Access(stop="asker"))
    await it.mention(follow_up(Sheet(), text="stop", actor=BOB))
    await asyncio.sleep(3)
    assert sheet.last.live
    await it.mention(follow_up(Sheet(), "sheet/q3", text="stop"))
    await asyncio.sleep(3)
    assert sheet.last.note == "Stopped by ann."


async def test_a_follow_up_that_is_edited_before_the_first_word_is_asked_anew():
    it, _ = await asked(script := Script(5.0, "yes"))
    await asyncio.sleep(10)
    await it.mention(follow_up(Sheet()))
    await asyncio.sleep(1)
    await it.edited(Edited("sheet/q2", "and when?", ANN, HERE))
    await asyncio.sleep(20)
    assert [request.turns[-1].text for request in script.requests[1:]] == ["and how?", "and when?"]


async def test_a_follow_up_that_is_deleted_is_not_answered():
    it, _ = await asked(script := Script(5.0, "yes"))
    await asyncio.sleep(10)
    await it.mention(follow_up(sheet := Sheet()))
    await asyncio.sleep(1)
    await it.deleted(Deleted("sheet/q2"))
    await asyncio.sleep(20)
    assert all(not row.page.text for row in sheet.log)
    assert len(script.requests) == 2


async def test_after_a_restart_the_bot_knows_where_it_was_asked():
    old = replace(question("sheet/q0"), conversation="another")
    talk = replace(question(), conversation="talk")
    other = replace(question("elsewhere/q"), conversation="of another platform")
    store = await left(*(Entry(each, done=1.0, note="") for each in (old, talk, other)))
    it = restarted(store)
    assert not it.asked_in("talk")
    await it.repair(Paper(Sheet()))
    assert all(it.asked_in(name) for name in ("talk", "sheet/q1", "another"))
    assert not it.asked_in("of another platform")


async def test_what_was_forgotten_is_not_followed_after_a_restart():
    store = await left(Entry(replace(question(), conversation="talk"), done=1.0, note=""))
    await store.forget(ANN.id)
    it = restarted(store)
    await it.repair(Paper(Sheet()))
    assert not it.asked_in("talk")
    assert not it.asked_in("")


@pytest.mark.parametrize(("begun", "control"), [(3.0, CONTINUE), (0.0, RETRY)])
async def test_a_newer_question_ends_what_runs_and_begins_at_once(begun, control):
    it = Core(script := Script(0.5, *LONG), Memory(), Access(), caps=REPLACES)
    first, second = Sheet(bucket="a"), Sheet(bucket="b", latency=0.05)
    await it.mention(ask(first, "sheet/q1", conversation="talk"))
    await asyncio.sleep(0.2 + begun)
    first.latency = 20.0  # its last edit takes long, and nobody waits for that
    await it.mention(follow_up(second))
    await asyncio.sleep(1)
    assert len(script.requests) == 2
    assert second.log
    assert second.statuses == []
    await asyncio.sleep(60)
    assert (first.last.note, first.last.controls, first.last.live) == (REPLACED, (control,), False)
    await asyncio.sleep(60)
    assert whole(second, "begun over.")
    assert it.state["running"] == it.state["waiting"] == 0


async def test_a_newer_question_of_who_may_not_stop_the_answer_waits():
    it = Core(Script("a", 5.0, "b"), Memory(), Access(stop="asker"), caps=REPLACES)
    first, second, third = Sheet(), Sheet(), Sheet()
    await it.mention(ask(first, "sheet/q1", conversation="talk"))
    await asyncio.sleep(1)
    await it.mention(follow_up(second, actor=BOB))
    await asyncio.sleep(1)
    assert second.statuses == [True]
    await it.mention(follow_up(third, "sheet/q3", "and where?", BOB))
    await asyncio.sleep(30)
    assert whole(first, "ab")
    assert second.last.note == REPLACED  # their own, which waited
    assert whole(third, "ab")


async def test_a_question_that_is_not_taken_replaces_nothing():
    it, sheet = await asked(Script(*LONG), replace(REPLACES, per_minute=1))
    await it.mention(follow_up(Sheet()))
    await asyncio.sleep(3)
    assert sheet.last.live


async def test_an_answer_that_has_ended_is_not_said_to_be_replaced():
    it, sheet = await asked(Script("all of it"), REPLACES)
    await it.mention(follow_up(second := Sheet()))
    await asyncio.sleep(10)
    assert whole(sheet, "all of it")
    assert whole(second, "all of it")


@pytest.mark.parametrize(("setting", "note"), [("wait", ""), ("replace", REPLACED)])
async def test_the_operator_decides_whether_a_newer_question_waits(setting, note):
    paper = Paper(Sheet())
    it = build(Settings.model_validate({"RIVULET_WHEN_BUSY": setting}), [paper], Script("a", 5.0, "b"))
    owner = replace(ANN, owner=True)
    await it.mention(ask(paper.sheet, "sheet/q1", actor=owner, conversation="talk"))
    await asyncio.sleep(1)
    await it.mention(follow_up(second := Sheet("second"), actor=owner))
    await asyncio.sleep(30)
    assert paper.sheet.last.note == note
    assert whole(second, "ab")
