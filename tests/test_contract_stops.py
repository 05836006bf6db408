"""Every platform: all the ways to stop an answer, and what does not stop one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import adapters.discord.surface
import adapters.slack.surface
from bot.platform import Deleted, Edited, Mention, Outcome, Stop
from tests.contract import HOLD, World, at, until
from tests.web_world import WebWorld
from tests.worlds import WORLDS


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def strict(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open(RIVULET_STOP="asker")
    yield world
    await world.close()


async def goes_on(world: World, question: str) -> None:
    """The answer is still live once everything is heard, and ends as it should."""
    await world.settled()
    assert (await world.first(question)).live
    assert world.model.running == 1
    world.model.go.set()
    [seen] = await world.final(question)
    assert (seen.text, seen.note) == ("Because of the rain.", "")


async def started(world: World) -> tuple[str, str]:
    """Ask something; return the question and its answer, which shows its first word and waits."""
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    return question, (await world.first(question, "Because")).id


async def test_a_reaction_on_the_answer_stops_it(world):
    question, answer = await started(world)
    await world.react(answer)
    seen = await world.stopped(question)
    assert seen.text.strip() == "Because"
    assert "Stopped by" in seen.note


async def test_the_note_of_a_direct_answer_says_who_stopped_it(world):
    world.model.steps = ("Because of ", HOLD)
    question = await world.dm("why?")
    answer = (await world.first(question, "Beca")).id
    [live] = world.core._lives.values()
    asker = live.mention.actor
    await world.react(answer, who=asker.id)
    assert (await world.stopped(question)).note == f"Stopped by {asker.name}."
    assert asker.name


async def test_a_reaction_on_the_question_stops_the_answer(world):
    question, _ = await started(world)
    await world.react(question, who=world.bob)
    await world.stopped(question)


async def test_a_reaction_before_the_first_word_stops_the_answer(world):
    question = await world.ask("why?", HOLD, "Because.")
    answer = await world.first(question)
    await world.asked()
    await world.react(answer.id)
    seen = await world.stopped(question)
    assert "Because" not in seen.text


@pytest.mark.parametrize("on", ["question", "answer"])
async def test_a_reaction_that_overtakes_the_reply_to_our_post_stops_the_answer(world, on):
    await world.slow("post", 0.5)
    question = await world.ask("why?", HOLD, "Because.")
    answer = await world.first(question)
    await world.react({"question": question, "answer": answer.id}[on])
    seen = await world.stopped(question)
    assert "Because" not in seen.text


async def test_a_second_stop_changes_nothing(world):
    question, answer = await started(world)
    await world.react(answer)
    await world.react(answer, world.stops[1], who=world.bob)
    await world.react(question)
    await world.stopped(question)
    await world.settled()
    first = await world.first(question)
    await world.unreact(answer)
    await world.react(answer)
    await world.settled()
    assert await world.first(question) == first


async def test_a_stop_that_races_the_end_leaves_one_final_message(world):
    question, answer = await started(world)
    world.model.go.set()
    await world.react(answer)
    [seen] = await world.final(question)
    assert seen.text.strip() in {"Because", "Because of the rain."}
    await world.settled()
    assert await world.final(question) == [seen]
    assert await world.quiet()


async def test_a_reaction_on_a_message_that_is_not_ours_stops_nothing(world):
    question, _ = await started(world)
    other = await world.chat("just talking")
    await world.react(other)
    await goes_on(world, question)


async def test_a_bots_reaction_stops_nothing(world):
    question, answer = await started(world)
    for bot in world.bots:
        await world.react(answer, who=bot)
        await world.react(question, who=bot)
    await goes_on(world, question)


async def test_other_reactions_stop_nothing(world):
    question, answer = await started(world)
    for emoji in world.others:
        await world.react(answer, emoji)
    await goes_on(world, question)


async def test_taking_a_reaction_back_stops_nothing(world):
    other = await world.chat("just talking")
    await world.react(other)
    question, answer = await started(world)
    await world.unreact(other)
    await world.react(answer, world.others[0])
    await world.unreact(answer, world.others[0])
    await goes_on(world, question)


async def test_every_stop_emoji_in_every_look_is_a_stop(world, monkeypatch):
    question, answer = await started(world)
    heard: list[str] = []

    async def stop(stop: Stop) -> Outcome:
        heard.append(stop.message)
        return Outcome.UNKNOWN

    monkeypatch.setattr(world.core, "stop", stop)
    for emoji in world.stops:
        await world.react(answer, emoji)
    await world.settled()
    assert len(heard) == len(world.stops)
    assert all(key.endswith(at(answer)[1]) for key in heard)
    await goes_on(world, question)


async def test_the_stop_button_stops(world):
    question, answer = await started(world)
    await world.press(answer, who=world.bob)
    seen = await world.stopped(question)
    assert seen.text.strip() == "Because"


@pytest.mark.rule(5)
async def test_only_the_asker_may_stop_where_the_operator_says_so(strict):
    if strict.alone:
        pytest.skip("nobody else sees the answer")
    question, answer = await started(strict)
    await strict.react(answer, who=strict.bob)
    await strict.react(question, who=strict.bob)
    await strict.press(answer, who=strict.bob)
    await strict.settled()
    assert (await strict.first(question)).live
    await strict.react(answer, strict.stops[1], who=strict.ann)
    await strict.stopped(question)


async def test_deleting_the_answer_stops_the_model_at_once(world):
    question, answer = await started(world)
    await world.delete(answer)
    await until(world.quiet)
    await world.settled()
    assert await world.answers(question) == []
    assert len(await world.calls("post")) == 1


async def test_deleting_the_question_stops_the_answer(world):
    question, _ = await started(world)
    await world.delete(question)
    seen = await world.stopped(question)
    assert "deleted" in seen.note


async def test_deleting_the_question_before_there_is_an_answer_stops_it(world):
    await world.slow("post", 0.3)
    question = await world.ask("why?", HOLD, "Because.")
    await world.asked()
    await world.delete(question)
    await until(world.quiet)


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_nothing_stays_of_a_question_deleted_before_the_first_word_and_none_waits_for_it(
    world, seconds, monkeypatch
):
    # These waits are for a message that another stands in place of.
    monkeypatch.setattr(adapters.slack.surface, "BESIDE", 3600.0)
    monkeypatch.setattr(adapters.discord.surface, "BESIDE", 3600.0)
    await world.slow("post", seconds)
    question = await world.ask("why?", HOLD, "Because.")
    if seconds:
        await world.asked()
    else:
        await world.first(question)
    await world.delete(question)
    await until(world.quiet)

    async def gone() -> bool:
        return not world.core.running.taken and await world.answers(question) == []

    await until(gone)


async def test_a_question_that_is_edited_before_the_first_word_is_asked_anew(world):
    question = await world.ask("why?", HOLD, "Because.")
    await world.asked()
    await world.edit(question, "how?")
    assert (await world.asked(2)).turns[-1].text == "how?"
    world.model.go.set()
    [seen] = await world.final(question)
    assert seen.text == "Because."
    assert world.model.running == 0


async def test_what_is_done_to_a_question_before_its_answer_is_known_is_kept(world, monkeypatch):
    """Another replica may be about to tell that it answers it."""
    if isinstance(world, WebWorld):
        pytest.skip("the page is served by one process")
    asked: list[Mention] = []

    async def take(mention: Mention) -> None:
        asked.append(mention)

    async def kept() -> Edited | Deleted | None:
        now = asyncio.get_running_loop().time()
        return world.core.means.stops.changed(asked[0].key, now) if asked else None

    monkeypatch.setattr(world.core, "mention", take)
    question = await world.ask("why?")
    await world.settled()
    await world.edit(question, "how?")
    edited = await until(kept)
    assert isinstance(edited, Edited)
    assert (edited.text, edited.actor.id) == ("how?", asked[0].actor.id)
    await world.delete(question)
    assert await until(kept) == Deleted(asked[0].key)


async def test_a_question_that_is_edited_after_the_first_word_is_not_asked_anew(world):
    question, _ = await started(world)
    await world.edit(question, "how?")
    await goes_on(world, question)
    assert len(world.model.requests) == 1


async def test_a_shutdown_ends_the_answer_visibly(world):
    question, _ = await started(world)
    await asyncio.wait_for(world.disconnect(), 5)
    [seen] = await world.final(question)
    assert "restart" in seen.note
    assert world.model.running == 0
