"""The bounds on what is taken on: the policy by itself, then the core that asks it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter

import pytest

from bot.config import Settings
from bot.core.core import Core
from bot.core.intake import ANYBODY, TOLD, WAITING, Caps, Intake, Refusal, Ticket
from bot.core.running import SAYINGS
from bot.core.sayings import BUSY, FULL, HINT, OFTEN, YOURS
from bot.events import Page
from bot.guard.access import Access
from bot.model.script import Script
from bot.platform import Actor, Stop
from bot.run.supervise import build
from bot.store.memory import Memory
from tests.fakes import ANN, HERE, Sheet, ask

WIDE = Caps(accepted=1000, turns=1000, user_turns=0, per_minute=0, per_hour=0)


NUMBERS = itertools.count()


def ticket(user: str = "u", channel: str = "c", conversation: str = "") -> Ticket[str]:
    return Ticket(user, channel, conversation or f"talk {next(NUMBERS)}", "")


def taken(intake: Intake[str], ticket: Ticket[str]) -> Ticket[str]:
    assert intake.take(ticket) is None
    return ticket


def test_so_many_turns_run_at_once_and_the_oldest_that_waits_is_next():
    intake = Intake[str](Caps(turns=2, user_turns=0))
    first, second, third, fourth = (taken(intake, ticket(f"u{n}")) for n in range(4))
    assert [each.begun for each in (first, second, third, fourth)] == [True, True, False, False]
    assert intake.leave(second) == [third]
    assert intake.leave(first) == [fourth]
    assert intake.state["running"] == 2


def test_more_than_the_intake_holds_is_refused_until_one_is_answered():
    intake = Intake[str](Caps(accepted=3, turns=1, user_turns=0))
    first, *_ = (taken(intake, ticket(f"u{n}")) for n in range(3))
    assert intake.take(ticket("late")) is Refusal.FULL
    intake.leave(first)
    assert intake.take(ticket("later")) is None


def test_in_a_conversation_one_question_runs_and_one_waits_whoever_asks():
    intake = Intake[str](WIDE)
    first, second = (taken(intake, ticket(f"u{n}", conversation="talk")) for n in range(1 + WAITING))
    assert (first.begun, second.begun) == (True, False)
    assert intake.take(ticket("other", conversation="talk")) is Refusal.CONVERSATION
    assert intake.newest("talk") is second
    assert intake.leave(first) == [second]
    assert intake.leave(second) == []
    assert intake.newest("talk") is None


def test_of_one_person_in_one_channel_one_question_runs_and_one_waits():
    intake = Intake[str](Caps())
    first, second = taken(intake, ticket()), taken(intake, ticket())
    elsewhere, somebody = taken(intake, ticket(channel="d")), taken(intake, ticket("v"))
    assert [each.begun for each in (first, second, elsewhere, somebody)] == [True, False, True, True]
    assert intake.take(ticket()) is Refusal.USER
    assert intake.leave(first) == [second]
    assert intake.take(ticket()) is None


def test_a_busy_conversation_or_person_holds_up_nobody_behind_them():
    intake = Intake[str](Caps(turns=2))
    first = taken(intake, ticket("a", conversation="talk"))
    other = taken(intake, ticket("b", "d"))
    blocked = taken(intake, ticket("c", conversation="talk"))
    also = taken(intake, ticket("b", "d"))
    free = taken(intake, ticket("e"))
    assert intake.leave(other) == [also]
    assert intake.leave(also) == [free]
    assert not blocked.begun
    assert intake.leave(first) == [blocked]


def test_a_question_that_is_owed_meets_no_bound_but_waits_for_its_turn():
    intake = Intake[str](Caps(accepted=1, turns=1, per_minute=1))
    running, owed = taken(intake, ticket()), [ticket() for _ in range(3)]
    for each in owed:
        intake.owe(each)
    assert not any(each.begun for each in owed)
    assert intake.leave(running) == [owed[0]]


def test_what_only_ends_takes_no_turn_and_keeps_its_place_in_the_conversation():
    intake = Intake[str](Caps(accepted=1, turns=1))
    ends = [Ticket("u", "c", "talk", "", idle=True) for _ in range(3)]
    for each in ends:
        intake.owe(each)
    question = taken(intake, ticket(conversation="talk"))
    assert (ends[0].begun, ends[1].begun, question.begun) == (True, False, False)
    assert intake.state == {"running": 0, "waiting": 1, "most": 1, "taken": 1}
    assert intake.leave(ends[0]) == [ends[1]]
    assert intake.leave(ends[1]) == [ends[2]]
    assert intake.leave(ends[2]) == [question]
    assert intake.leave(question) == []
    assert not intake._talks
    assert not intake._users


def test_somebody_is_told_once_a_minute_and_of_each_thing():
    intake = Intake[str](Caps())
    assert [intake.tell("u", "a", now) for now in (0.0, 1.0, TOLD - 1, TOLD, TOLD + 1)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert intake.tell("u", "b", 1.0)
    assert intake.tell("v", "a", 1.0)
    assert not intake.tell("w", "a", 1.0, free=False)
    assert intake.state["told"] == 4
    assert intake.state["silence"] == 4


def test_who_has_left_is_forgotten():
    intake = Intake[str](Caps())
    for n in range(100):
        intake.leave(taken(intake, ticket(f"u{n}")))
    taken(intake, ticket("late"))
    assert len(intake._talks) == len(intake._users) == 1


@pytest.mark.parametrize("seed", range(50))
def test_whatever_comes_no_bound_is_passed_and_nobody_is_left_waiting(seed):
    rng, caps = random.Random(seed), Caps(accepted=12, turns=5)
    intake = Intake[str](caps)
    inside: list[Ticket[str]] = []
    for _ in range(400):
        if rng.random() < 0.6 or not inside:
            new = Ticket(f"u{rng.randrange(6)}", f"c{rng.randrange(3)}", f"t{rng.randrange(8)}", "")
            inside += [new] if intake.take(new) is None else []
        else:
            intake.leave(inside.pop(rng.randrange(len(inside))))
        running = [each for each in inside if each.begun]
        assert len(inside) <= caps.accepted
        assert len(running) == intake.state["running"] <= caps.turns
        assert max(Counter(each.conversation for each in inside).values(), default=0) <= 1 + WAITING
        assert max(Counter((each.user, each.channel) for each in inside).values(), default=0) <= 2
        assert max(Counter((each.user, each.channel) for each in running).values(), default=0) <= 1
        assert len(running) == caps.turns or not any(_could(each, inside) for each in inside)
    while inside:
        first = next(each for each in inside if each.begun)
        inside.remove(first)
        intake.leave(first)


def _could(waiting: Ticket[str], inside: list[Ticket[str]]) -> bool:
    """Return whether a ticket waits for nothing."""
    first = next(each for each in inside if each.conversation == waiting.conversation)
    mine = [each for each in inside if (each.user, each.channel) == (waiting.user, waiting.channel)]
    return not waiting.begun and first is waiting and not any(each.begun for each in mine)


def test_the_defaults_are_those_of_the_documentation(monkeypatch):
    monkeypatch.chdir("/")
    core = build(Settings(), (), Script())
    assert core.running._intake._caps == Caps(accepted=200, turns=32, user_turns=1, per_minute=8, per_hour=60)


# The core.


def core(script: Script, caps: Caps) -> Core:
    return Core(script, Memory(), Access(), caps=caps)


def people(many: int) -> list[Actor]:
    return [Actor(f"U{n}", f"user {n}", workspace="T1") for n in range(many)]


jump = pytest.mark.jump


@jump
async def test_by_default_32_turns_run_at_once_and_the_others_wait_visibly():
    script, sheets = Script("one", {"stall": True}), [Sheet(f"s{n}") for n in range(40)]
    it = core(script, Caps())
    for n, (sheet, actor) in enumerate(zip(sheets, people(40), strict=True)):
        await it.mention(ask(sheet, f"chat/q{n}", actor=actor))
    await asyncio.sleep(60)
    assert len(script.requests) == 32
    assert [sheet.statuses for sheet in sheets] == [[]] * 32 + [[True]] * 8
    await it.stop(Stop("chat/q3", ANN, HERE))
    await asyncio.sleep(60)
    assert len(script.requests) == 33
    assert sheets[32].statuses == [True, False]


@jump
@pytest.mark.parametrize(
    ("caps", "asked", "said"),
    [
        (Caps(), {}, YOURS),
        (Caps(), {"conversation": "talk"}, BUSY),
        (Caps(user_turns=0, per_minute=2), {}, OFTEN),
        (Caps(accepted=2, user_turns=0), {}, FULL),
    ],
)
async def test_what_is_too_much_is_told_once_a_minute_and_then_passed_over(caps, asked, said):
    script, sheets = Script({"stall": True}), [Sheet(f"s{n}") for n in range(6)]
    it = core(script, caps)
    for n, sheet in enumerate(sheets):
        await it.mention(ask(sheet, f"chat/q{n}", **asked))
    await asyncio.sleep(20)
    assert [sheet.last for sheet in sheets[:2] if sheet.log and sheet.last.text] == []
    assert sheets[2].last == Page(said, live=False)
    assert not any(sheet.log or sheet.statuses for sheet in sheets[3:])
    assert it.state["refused"] == 4
    assert (it.state["told"], it.state["silence"]) == (1, 3)
    again = Sheet("again")
    await asyncio.sleep(TOLD)
    await it.mention(ask(again, "chat/q9", **asked))
    await asyncio.sleep(20)
    assert (again.last.text == said) is (said != OFTEN)


@jump
@pytest.mark.parametrize("asked", [{}, {"conversation": "talk"}])
async def test_the_third_question_while_one_runs_is_told_and_later_ones_once_a_minute_has_passed(asked):
    it = core(Script({"stall": True}), Caps())
    told = []
    for n, wait in enumerate((1, 1, 1, TOLD / 2, TOLD / 2 + 1, TOLD + 1, 1)):
        await it.mention(ask(sheet := Sheet(f"s{n}"), f"chat/q{n}", **asked))
        await asyncio.sleep(wait)
        told.append(bool(sheet.log and sheet.last.text))
    assert told == [False, False, True, False, False, True, True]


@jump
async def test_a_refused_question_is_not_asked_again_by_a_redelivery():
    script, sheet = Script("hi"), Sheet("late")
    it = core(script, Caps(accepted=1))
    await it.mention(ask(Sheet("first"), "chat/q1"))
    await it.mention(ask(sheet, "chat/q2"))
    await asyncio.sleep(60)
    await it.mention(ask(sheet, "chat/q2"))
    await asyncio.sleep(60)
    assert len(script.requests) == 1
    assert [page.text for page in sheet.shown.values()] == [FULL]


@jump
async def test_hints_are_given_once_a_minute_too_and_only_so_many_at_once():
    it, sheets = core(Script(), ANYBODY), [Sheet(f"s{n}") for n in range(SAYINGS + 20)]
    for n, (sheet, actor) in enumerate(zip(sheets, people(len(sheets)), strict=True)):
        await it.mention(ask(sheet, f"chat/q{n}", " ", actor=actor))
        await it.mention(ask(sheet, f"chat/again {n}", " ", actor=actor))
    await asyncio.sleep(600)
    assert [sheet.last.text for sheet in sheets if sheet.log] == [HINT] * SAYINGS


@jump
async def test_a_storm_is_refused_fast_and_a_running_answer_goes_on():
    running = Sheet("running", bucket="elsewhere")
    it = core(Script(*("word ", 0.1) * 100), Caps())
    await it.mention(ask(running, "q", actor=people(51)[50]))
    await asyncio.sleep(2)
    before = asyncio.get_running_loop().time()
    storm = [Sheet(f"s{n}") for n in range(2000)]
    await asyncio.gather(
        *(it.mention(ask(storm[n], f"chat/q{n}", actor=people(50)[n % 50])) for n in range(2000))
    )
    assert asyncio.get_running_loop().time() == before
    assert it.state["taken"] == 101
    assert it.state["refused"] == 1900
    assert it.state["told"] == 50
    await asyncio.sleep(60)
    gaps = [b.time - a.time for a, b in zip(running.log, running.log[1:], strict=False)]
    assert max(gaps) < 3
    assert not running.last.live


@jump
async def test_a_stop_is_never_refused_and_costs_no_turn():
    script, sheet = Script({"stall": True}), Sheet()
    it = core(script, Caps(accepted=1, turns=1, per_minute=1))
    await it.mention(ask(sheet, "q1", conversation="talk"))
    await asyncio.sleep(1)
    await it.mention(ask(Sheet("word"), "q2", "stop", conversation="talk"))
    await asyncio.sleep(1)
    assert sheet.last.note == "Stopped by ann."
    assert "refused" not in it.state
