"""Every platform: who is answered, where, how often, and what the model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.core.sayings import HINT, NOTHING
from bot.events import Page
from bot.platform import Asked, Remains
from tests.contract import HOLD, World, until
from tests.fakes import ANN, HERE, spoken
from tests.worlds import WORLDS

#: What would ping, unfurl or look different if anybody but a plain text took it.
LOUD = (
    "<!channel> <!here> <!subteam^S1> <@U1> <@UBOT> <@300> <@999> <@&101> <#C1> @everyone @here @channel "
    "<https://example.com|text> https://example.com & &amp; < > **bold**"
)


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def among(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world in which people talk to each other in the bot's threads."""
    world = await request.param.open(RIVULET_FOLLOW_UPS="mention")
    yield world
    await world.close()


def words(text: str) -> str:
    """The text without what a page may trim."""
    return " ".join(text.split())


async def nothing_asked(world: World, count: int = 0) -> None:
    """Nobody asked the model anything (more than *count* times)."""
    await world.settled()
    assert len(world.model.requests) == count


async def test_a_mention_is_answered_by_one_message_that_grows_and_ends_final(world):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    growing = await world.first(question, "Because")
    assert growing.live
    assert growing.under == question
    world.model.go.set()
    [seen] = await world.final(question)
    assert (seen.id, seen.text, seen.note) == (growing.id, "Because of the rain.", "")
    assert seen.edits > growing.edits
    assert [(turn.role, turn.text) for turn in world.model.requests[0].turns] == [("user", "why?")]


async def test_an_answer_shows_a_stop_button_before_the_first_word(world):
    question = await world.ask("why?", HOLD, "Because.")
    seen = await world.first(question, "…")
    assert seen.live
    world.model.go.set()
    assert (await world.final(question))[0].text == "Because."


async def test_a_direct_message_is_answered(world):
    question = await world.dm("why?")
    [seen] = await world.final(question)
    assert (seen.text, seen.under) == ("Yes.", question)


async def test_an_empty_mention_gets_a_hint_and_costs_nothing(world):
    question = await world.ask("  ")
    [seen] = await world.final(question)
    assert seen.text == HINT
    assert world.model.requests == []


async def test_the_word_stop_stops_the_answer_of_its_conversation(world):
    question = await world.ask("why?", "Because ", HOLD)
    first = await world.first(question, "Because")
    await world.reply(question, "  Stop ", after=first.id)
    seen = await world.stopped(question)
    assert seen.text.strip() == "Because"
    assert len(world.model.requests) == 1


async def test_the_word_stop_where_nothing_runs_says_so_and_costs_nothing(world):
    question = await world.ask("STOP")
    assert (await world.final(question))[0].text == NOTHING
    assert world.model.requests == []


async def test_what_is_said_to_others_is_not_answered(world):
    await world.chat("just talking")
    await world.chat("nobody <!here> @everyone")
    await nothing_asked(world)


@pytest.mark.rule(3)
async def test_the_bot_does_not_answer_bots_webhooks_or_itself(world):
    await world.others_say("why?")
    await nothing_asked(world)


async def test_the_bot_does_not_answer_its_own_answer(world):
    await world.final(await world.dm("why?"))
    await nothing_asked(world, 1)


@pytest.mark.rule(1)
@pytest.mark.rule(4)
async def test_strangers_get_no_answer_but_hear_once_that_they_may_not_ask(world):
    for _ in range(2):
        await world.strangers_say("why?")
        await nothing_asked(world)
    assert len(await world.calls("post")) <= 1


async def test_a_question_that_is_told_again_is_answered_once(world):
    question = await world.ask("why?")
    await world.final(question)
    await world.redeliver()
    await nothing_asked(world, 1)
    assert len(await world.final(question)) == 1


async def test_a_question_that_is_told_again_while_it_is_answered_is_answered_once(world):
    question = await world.ask("why?", "Because", HOLD)
    await world.first(question, "Because")
    await world.redeliver()
    await nothing_asked(world, 1)
    world.model.go.set()
    assert len(await world.final(question)) == 1


async def test_a_question_asked_while_the_connection_is_down_is_answered_once(world):
    await world.settled()
    await world.drop()
    question = await world.ask("why?")
    assert (await world.final(question))[0].text == "Yes."
    await nothing_asked(world, 1)


@pytest.mark.rule(7)
@pytest.mark.rule(8)
@pytest.mark.rule(9)
@pytest.mark.rule(10)
async def test_no_text_of_the_models_pings_unfurls_or_is_hidden(world):
    question = await world.ask("why?", LOUD, HOLD, "\n" + LOUD)
    await world.first(question, "bold")
    world.model.go.set()
    text = (await world.final(question))[0].text
    for word in LOUD.split():
        assert text.count(word.strip("<>*")) >= 2 * LOUD.split().count(word), word


@pytest.mark.rule(7)
@pytest.mark.rule(8)
async def test_nothing_that_a_person_asks_pings_or_is_changed(world):
    question = await world.ask("what is a < b && c > d, or `<x>`?")
    await world.final(question)
    assert world.model.requests[0].turns[-1].text == "what is a < b && c > d, or `<x>`?"


async def test_an_answer_longer_than_a_page_goes_on_below(world):
    text = " ".join(f"word{number}" for number in range(world.page // 4))
    question = await world.ask("tell me all", text[:50], text[50:])

    async def whole() -> bool:
        return words(" ".join(page.text for page in await world.answers(question))) == text

    await until(whole)
    pages = await world.final(question)
    assert len(pages) >= 2
    assert all(0 < len(page.text) <= world.page for page in pages)
    world.model.steps = ("That was all.",)
    next_question = await world.reply(question, "and then?")
    await world.final(next_question)
    asked, answer, again = world.model.requests[1].turns
    assert (asked.role, answer.role, again.role) == ("user", "assistant", "user")
    assert words(answer.text) == text


async def test_the_model_reads_the_conversation_so_far_without_notes_and_mentions(world):
    question = await world.ask("what is a?", "a is < b ", HOLD)
    first = await world.first(question, "a is")
    await world.react(first.id)
    await world.stopped(question)
    again = await world.reply(question, "and c?")
    asked, answer, latest = (await world.asked(2)).turns
    world.model.go.set()
    await world.final(again)
    assert [turn.role for turn in (asked, answer, latest)] == ["user", "assistant", "user"]
    assert [turn.text.strip() for turn in (asked, answer, latest)] == ["what is a?", "a is < b", "and c?"]


async def test_the_model_reads_a_direct_conversation_so_far(world):
    first = await world.dm("what is a?")
    await world.final(first)
    await world.dm("and b?")
    turns = [(turn.role, turn.text) for turn in (await world.asked(2)).turns]
    assert turns == [("user", "what is a?"), ("assistant", "Yes."), ("user", "and b?")]


async def test_a_fresh_mention_knows_nothing_of_what_was_said_before(world):
    await world.final(await world.ask("what is a?"))
    await world.final(await world.ask("and b?"))
    assert [turn.text for turn in world.model.requests[1].turns] == ["and b?"]


async def test_the_model_reads_at_most_forty_messages_of_which_the_first_began_it(among):
    question = await among.ask("what do you all think?")
    await among.final(question)
    said = [f"opinion {number}" for number in range(46)]
    last = await among.talk(question, said)
    await among.final(await among.reply(question, "so?", after=last))
    *before, asked = spoken(among.model.requests[1])
    assert asked[1] == "so?"
    assert [text for _, text in before[-39:]] == said[-39:]
    assert len({name for name, _ in before[-39:]}) == 2


async def test_a_button_that_a_restart_left_behind_goes_away_when_pressed(world):
    question = await world.ask("why?", "Because", HOLD)
    left = await world.first(question, "Because")
    await world.restart()
    await world.press(left.id)

    async def gone() -> bool:
        return not (await world.first(question)).live

    await until(gone)
    assert (await world.first(question)).text == left.text


async def test_a_message_from_before_a_restart_can_be_opened_again_and_closed(world):
    question = await world.ask("why?", "Because", HOLD)
    left = await world.first(question, "Because")
    await world.restart()
    key = next(key for key in world.left if key.endswith(left.id))
    surface = world.reopened(question)
    elsewhere = Asked("elsewhere/1/2", "elsewhere/1/2", ANN, HERE, "", 0.0)
    assert world.platform.reopen(elsewhere, Remains()) is None
    await surface.edit(key, Page("Because", "Interrupted.", live=False))
    [seen] = await world.final(question)
    assert (seen.text, seen.note) == ("Because", "Interrupted.")


async def test_a_platform_that_is_up_says_when_it_was_heard(world):
    async def heard():
        return world.platform.heard_at is not None

    await until(heard)
    assert world.platform.heard_at <= asyncio.get_running_loop().time()
