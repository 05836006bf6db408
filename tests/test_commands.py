"""Commands, and what people hear who may not use the bot: on the core alone, on the jumping clock."""

import asyncio
from dataclasses import replace

import pytest

from bot.core.commands import TAKEN
from bot.core.core import Core
from bot.core.latest import CHANNELS, QUESTIONS, Latest
from bot.core.refusals import EACH_MINUTE, HOUR
from bot.core.sayings import AGAIN, COMMANDS, HINT, NOTHING, plain_answer
from bot.core.terms import Terms
from bot.guard.access import NOT_YOURS, REFUSED, Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import Actor, Command, Outcome, Place, Platform, Stop
from bot.store.memory import Memory
from tests.fakes import ANN, BOB, HERE, Sheet, ask

pytestmark = pytest.mark.jump

EVE = Actor("UX", "eve", workspace="T2")
LONG = tuple(piece for number in range(60) for piece in (f"word{number} ", 0.5))


class Whispering(Platform):
    """A platform on which people can be told things alone, or not."""

    name = "sheet"

    def __init__(self, *, able: bool = True, sheet: Sheet | None = None) -> None:
        self.able = able
        self.sheet = sheet or Sheet()
        self.whispers: list[tuple[str, str, str]] = []

    async def run(self, inbox):
        await inbox.repair(self)

    async def check(self):
        return ()

    def reopen(self, asked, remains):
        return self.sheet

    async def whisper(self, message, actor, place, text):
        self.whispers.append((message, actor.id, text))
        return self.able


def given(name, rest="", actor=ANN, conversation="talk", place=HERE):
    return Command(name, rest, actor, replace(place, platform="sheet"), conversation)


async def core(*script, able=True, stop="anyone", sheet=None, **more):
    model = Script(*(script or ("Because.",)))
    it = Core(model, more.pop("store", None) or Memory(), Access((), stop), **more)
    platform = Whispering(able=able, sheet=sheet)
    await platform.run(it)
    return it, model, platform


async def test_a_command_in_a_mention_asks_no_model_and_its_reply_is_whispered():
    it, model, platform = await core()
    sheet = Sheet()
    await it.mention(ask(sheet, "sheet/q1", "!help"))
    await asyncio.sleep(5)
    assert not model.requests
    assert not sheet.log
    assert [who for _, who, _ in platform.whispers] == ["U1"]
    assert "`forget`" in platform.whispers[0][2]
    assert await it._store.find("sheet/q1")


async def test_where_nobody_can_be_told_alone_the_reply_is_an_answer():
    it, model, _ = await core(able=False)
    sheet = Sheet()
    await it.mention(ask(sheet, "sheet/q1", "!model"))
    await asyncio.sleep(5)
    assert not model.requests
    assert "no other one to choose" in sheet.last.text


@pytest.mark.parametrize("text", ["! help", "!", "!!help", "!unheard of", "help", "!ask why?"])
async def test_what_is_no_command_is_a_question(text):
    it, model, _ = await core()
    await it.mention(ask(Sheet(), "sheet/q1", text))
    await asyncio.sleep(5)
    assert len(model.requests) == 1


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_that_a_restart_cut_off_is_asked_for_again(name):
    assert plain_answer(f"!{name} x") == AGAIN
    assert plain_answer("stop") == NOTHING
    assert plain_answer(" ") == HINT


async def test_stop_ends_the_answer_of_the_conversation():
    it, _, _ = await core(*LONG)
    sheet = Sheet()
    assert await it.command(given("stop")) == NOTHING
    await it.mention(ask(sheet, "sheet/q1", conversation="talk"))
    await asyncio.sleep(5)
    assert await it.command(given("stop")) == "Stopped."
    await asyncio.sleep(5)
    assert sheet.last.note == "Stopped by ann."


@pytest.mark.rule(5)
async def test_who_may_not_stop_an_answer_is_told_so_by_the_command():
    it, _, _ = await core(*LONG, stop="asker")
    await it.mention(ask(Sheet(), "sheet/q1", conversation="talk"))
    await asyncio.sleep(5)
    assert "Only whoever asked" in await it.command(given("stop", actor=BOB))


async def test_again_needs_an_answer_that_can_be_given_anew():
    it, _, _ = await core()
    assert "no answer here" in await it.command(given("again"))


#: An answer with *Try again* below.
SHORT = ("Because", {"finish": "max_tokens"})


async def test_again_in_a_mention_is_about_the_question_before_it_and_works_as_often_as_it_is_said():
    it, model, platform = await core(*SHORT)
    await it.mention(ask(platform.sheet, "sheet/q1", conversation="talk"))
    for number in (1, 2):
        await asyncio.sleep(10)
        assert len(model.requests) == number
        await it.mention(ask(platform.sheet, f"sheet/c{number}", "!again", conversation="talk"))
    await asyncio.sleep(10)
    assert len(model.requests) == 3
    assert [text for _, _, text in platform.whispers] == [TAKEN, TAKEN]


async def test_a_command_in_a_channel_is_about_its_newest_question_also_after_a_restart():
    it, model, platform = await core(*SHORT)
    await it.mention(ask(platform.sheet, "sheet/q1", conversation="talk"))
    await asyncio.sleep(10)
    elsewhere = replace(HERE, channel="C9")
    assert "no answer here" in await it.command(given("again", conversation="", place=elsewhere))
    assert await it.command(given("again", conversation="")) == TAKEN
    await asyncio.sleep(10)
    assert len(model.requests) == 2
    later, model, _ = await core(*SHORT, store=it._store, sheet=platform.sheet)
    assert await later.command(given("again", conversation="")) == TAKEN
    await asyncio.sleep(10)
    assert len(model.requests) == 1


async def test_stop_in_a_channel_stops_an_answer_that_runs_there():
    it, _, platform = await core(*LONG)
    assert await it.command(given("stop", conversation="")) == NOTHING
    await it.mention(ask(platform.sheet, "sheet/q1", conversation="talk"))
    await asyncio.sleep(5)
    assert await it.command(given("stop", conversation="")) == "Stopped."


@pytest.mark.parametrize(
    ("runs", "actor", "means"),
    [
        ({"p/1", "p/2"}, "a", "talk 1"),
        ({"p/2"}, "a", "talk 2"),
        (set(), "a", "talk 3"),
        (set(), "c", "talk 4"),
    ],
)
def test_the_conversation_meant_is_ones_own_that_runs_then_any_that_runs_then_ones_own(runs, actor, means):
    latest = Latest()
    assert latest.meant("p", "C1", actor, runs.__contains__) == ""
    for number, asker in enumerate("abab", 1):
        asked = ask(Sheet(), f"p/{number}", conversation=f"talk {number}")
        latest.note(replace(asked, actor=Actor(asker)))
    assert latest.meant("p", "C1", actor, runs.__contains__) == means
    assert latest.meant("p", "C2", actor, runs.__contains__) == ""
    assert latest.meant("q", "C1", actor, runs.__contains__) == ""


def test_the_questions_that_are_remembered_are_bounded():
    latest = Latest()
    for number in range(CHANNELS + 10):
        for turn in range(QUESTIONS + 2):
            asked = ask(Sheet(), f"p/{number}/{turn}", conversation=f"talk {number}")
            latest.note(replace(asked, place=replace(HERE, channel=f"C{number}")))
    assert len(latest._channels) == CHANNELS
    assert max(map(len, latest._channels.values())) == QUESTIONS
    assert latest.newest("talk 20") == f"p/20/{QUESTIONS + 1}"


async def test_a_model_of_the_list_is_chosen_kept_and_used_by_its_person_alone():
    terms = Terms(Asking(model="usual"), models=("usual", "small"))
    it, model, _ = await core(terms=lambda _place, _actor: terms)
    assert "usual" in await it.command(given("model"))
    assert "no model “huge”" in await it.command(given("model", "huge"))
    assert "small" in await it.command(given("model", "small"))
    place = replace(HERE, platform="sheet")
    for number, actor in enumerate((ANN, BOB)):
        await it.mention(replace(ask(Sheet(), f"sheet/q{number}", actor=actor), place=place))
        await asyncio.sleep(5)
    assert [request.model for request in model.requests] == ["small", "usual"]


@pytest.mark.parametrize("said", ["`small`", "*small*", "Small", "“SMALL”", "small."])
async def test_a_model_may_be_named_as_it_was_copied_from_the_reply(said):
    it, _, _ = await core(
        terms=lambda _place, _actor: Terms(Asking(model="usual"), models=("usual", "small"))
    )
    assert "small answers you" in await it.command(given("model", said))
    assert "usual answers you" in await it.command(given("model", "`default`"))


async def test_a_choice_that_is_on_no_list_any_more_counts_for_nothing():
    terms = Terms(Asking(model="usual"), models=("usual", "small"))
    it, model, _ = await core(terms=lambda _place, _actor: terms)
    await it.command(given("model", "small"))
    terms = replace(terms, models=("usual", "other"))
    await it.mention(replace(ask(Sheet(), "sheet/q1"), place=replace(HERE, platform="sheet")))
    await asyncio.sleep(5)
    assert model.requests[0].model == "usual"


@pytest.mark.rule(32)
async def test_forget_me_deletes_what_is_kept_of_its_person():
    store = Memory()
    it, _, _ = await core(store=store, terms=lambda *_: Terms(models=("a", "b")))
    for number, actor in enumerate((ANN, BOB, ANN)):
        await it.mention(ask(Sheet(), f"sheet/q{number}", actor=actor))
        await asyncio.sleep(5)
    for actor in (ANN, BOB):
        await it.command(given("model", "b", actor=actor))
    assert "Say `forget me`" in await it.command(given("forget"))
    assert "2 questions" in await it.command(given("forget", "Me"))
    assert not store.chosen("sheet/U1")
    assert store.chosen("sheet/U2") == "b"
    bobs = await store.find("sheet/q1")
    assert bobs
    assert bobs.asked.text


@pytest.mark.rule(2)
async def test_a_stranger_gives_no_command_and_hears_why():
    it, _, _ = await core()
    assert await it.command(given("help", actor=EVE)) == REFUSED


async def test_commands_that_come_faster_than_hands_are_get_no_reply():
    it, _, _ = await core()
    replies = [await it.command(given("help")) for _ in range(30)]
    assert replies.count("") == 10


@pytest.mark.rule(4)
async def test_a_stranger_hears_once_an_hour_that_they_may_not_ask():
    it, model, platform = await core()
    for number in range(3):
        await it.mention(ask(Sheet(), f"sheet/q{number}", actor=EVE))
    await asyncio.sleep(5)
    assert [who for _, who, _ in platform.whispers] == ["UX"]
    await asyncio.sleep(HOUR)
    await it.mention(ask(Sheet(), "sheet/q9", actor=EVE))
    await asyncio.sleep(5)
    assert len(platform.whispers) == 2
    assert not model.requests


async def test_where_nobody_can_be_told_alone_a_stranger_is_answered_without_the_model():
    it, model, _ = await core(able=False)
    sheet = Sheet()
    for number in range(3):
        await it.mention(ask(sheet, f"sheet/q{number}", actor=EVE))
        await asyncio.sleep(5)
    assert [page.text for page in sheet.shown.values()] == [REFUSED]
    assert not model.requests


async def test_bots_and_follow_ups_of_strangers_are_told_nothing():
    it, _, platform = await core()
    await it.mention(ask(Sheet(), "sheet/q1", actor=replace(EVE, bot=True)))
    await it.mention(replace(ask(Sheet(), "sheet/q2", actor=EVE), follow_up=True))
    await asyncio.sleep(5)
    assert not platform.whispers


async def test_many_strangers_are_told_a_bounded_number_of_times_a_minute():
    it, _, platform = await core()
    for number in range(100):
        await it.mention(ask(Sheet(), f"sheet/q{number}", actor=Actor(f"X{number}")))
    await asyncio.sleep(5)
    assert len(platform.whispers) == EACH_MINUTE


@pytest.mark.parametrize("actor", [BOB, EVE])
async def test_whose_stop_is_refused_is_told_once(actor):
    it, _, platform = await core(*LONG, stop="asker")
    await it.mention(ask(Sheet(), "sheet/q1"))
    await asyncio.sleep(5)
    for _ in range(2):
        assert await it.stop(Stop("sheet/q1", actor, HERE)) is Outcome.REFUSED
    await asyncio.sleep(5)
    assert [who for _, who, _ in platform.whispers] == [actor.id]


@pytest.mark.parametrize(
    ("stop", "actor", "said"),
    [
        ("asker", BOB, NOT_YOURS["asker"]),
        ("asker_and_admins", BOB, NOT_YOURS["asker_and_admins"]),
        ("asker", EVE, REFUSED),
        ("anyone", EVE, REFUSED),
    ],
)
async def test_whose_stop_is_refused_reads_why_and_later_why_they_may_not_ask(stop, actor, said):
    it, _, platform = await core(*LONG, stop=stop)
    await it.mention(ask(Sheet(), "sheet/q1"))
    await asyncio.sleep(1)
    assert await it.stop(Stop("sheet/q1", actor, HERE)) is Outcome.REFUSED
    await asyncio.sleep(1)
    assert [text for *_, text in platform.whispers] == [said]
    await it.mention(replace(ask(Sheet(), "sheet/q2", conversation="other"), actor=EVE))
    await asyncio.sleep(1)
    assert [text for *_, text in platform.whispers] == [said, REFUSED]


async def test_whose_stop_of_a_conversation_is_refused_is_told_where_the_question_is():
    it, _, platform = await core(*LONG, stop="asker")
    await it.mention(ask(Sheet(), "sheet/q1", conversation="talk"))
    await asyncio.sleep(1)
    assert await it.stop(Stop("", BOB, HERE, "talk")) is Outcome.REFUSED
    assert await it.stop(Stop("", BOB, HERE, "silent")) is Outcome.UNKNOWN
    await asyncio.sleep(1)
    assert [(where, text) for where, _, text in platform.whispers] == [("sheet/q1", NOT_YOURS["asker"])]


async def test_who_says_stop_to_the_answer_of_somebody_else_reads_why_it_goes_on():
    it, _, _ = await core(*LONG, stop="asker")
    answer, reply = Sheet(), Sheet()
    await it.mention(ask(answer, "sheet/q1", conversation="talk"))
    await asyncio.sleep(1)
    await it.mention(ask(reply, "sheet/q2", "stop", actor=BOB, conversation="talk"))
    await asyncio.sleep(1)
    assert reply.last.text == NOT_YOURS["asker"]
    assert answer.last.live


async def test_who_may_stop_and_does_it_too_often_hears_of_no_right_that_is_missing():
    it, _, platform = await core(*LONG, stop="asker_and_admins")
    owner = Actor("U0", "own", owner=True)
    for number in range(30):
        await it.mention(ask(Sheet(), f"sheet/q{number}", conversation=f"talk{number}"))
    outcomes = [await it.stop(Stop(f"sheet/q{number}", owner, HERE)) for number in range(30)]
    await asyncio.sleep(1)
    assert Outcome.LATER in outcomes
    assert Outcome.REFUSED not in outcomes
    assert not platform.whispers


async def test_a_stop_of_what_is_no_answer_is_told_nobody():
    it, _, platform = await core()
    assert await it.stop(Stop("sheet/x", EVE, Place("C1"))) is Outcome.REFUSED
    await asyncio.sleep(5)
    assert not platform.whispers
