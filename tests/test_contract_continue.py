"""Every platform: the buttons under an answer that ended early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bot.show.words import AGAIN, NOTES
from tests.contract import HOLD, World, at, until
from tests.fakes import spoken
from tests.worlds import WORLDS


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


async def buttons(world: World, message: str) -> list[str]:
    """What can be pressed under *message*."""
    shown: dict[str, Any] = await world.emulator.message(*at(message))
    return list(shown["controls"])


async def gone(world: World, message: str) -> bool:
    return not await buttons(world, message)


async def followed(world: World, question: str) -> bool:
    """Whether there is a second answer, which has ended."""
    answers = await world.answers(question)
    return len(answers) == 2 and not answers[-1].live and bool(answers[-1].text)


async def test_continue_asks_for_the_rest_and_is_gone_then(world):
    """Whoever presses it asks, and the answer follows the first."""
    world.model.reason = "max_tokens"
    question = await world.ask("why?", "Because of")
    [first] = await world.final(question)
    assert first.note == NOTES["max_tokens"]
    assert await buttons(world, first.id) == ["Continue", "Try again"]
    world.model.steps, world.model.reason = ("the rain.",), "end_turn"
    await world.emulator.press(*at(first.id), world.bob, "Continue")
    await until(partial(followed, world, question))
    first, second = await world.answers(question)
    assert (first.text, second.text, second.note) == ("Because of", "the rain.", "")
    assert [text for _, text in spoken(world.model.requests[-1])] == ["why?", "Because of", "continue"]
    await until(partial(gone, world, first.id))
    assert await buttons(world, second.id) == ["Try again"]


async def test_a_stopped_answer_goes_on_at_a_press(world):
    question = await world.ask("why?", "Because of", HOLD)
    await world.first(question, "of")
    await world.react(question)
    first = await world.stopped(question)
    assert await buttons(world, first.id) == ["Continue"]
    world.model.steps = ("the rain.",)
    await world.emulator.press(*at(first.id), world.bob, "Continue")
    await until(partial(followed, world, question))
    first, second = await world.answers(question)
    assert (first.text, second.text, second.note) == ("Because of", "the rain.", "")
    assert [text for _, text in spoken(world.model.requests[-1])] == ["why?", "Because of", "continue"]


async def test_an_answer_that_is_stopped_before_its_first_word_can_be_tried_again(world):
    question = await world.ask("why?", HOLD)
    await world.first(question)
    await world.react(question)
    first = await world.stopped(question)
    assert await buttons(world, first.id) == ["Try again"]


async def test_two_presses_ask_once(world):
    world.model.reason = "max_tokens"
    question = await world.ask("why?", "Because of")
    [first] = await world.final(question)
    world.model.steps, world.model.reason = ("the rain.",), "end_turn"
    presses = [world.emulator.press(*at(first.id), who, "Continue") for who in (world.ann, world.bob)]
    await asyncio.gather(*presses)
    await until(partial(followed, world, question))
    await world.settled()
    assert len(world.model.requests) == 2


async def test_another_try_takes_the_place_of_the_answer_when_it_is_complete(world):
    question = await world.ask("why?", "Because of rain.")
    [first] = await world.final(question)
    world.model.steps = ("It is ", HOLD, "the sun.")
    await world.emulator.press(*at(first.id), world.ann, "Try again")

    async def trying() -> bool:
        [seen] = await world.answers(question)
        return (seen.live, seen.text, seen.note) == (True, "Because of rain.", AGAIN)

    async def tried() -> bool:
        [seen] = await world.answers(question)
        return not seen.live and seen.text == "It is the sun."

    await until(trying)
    world.model.go.set()
    await until(tried)
    assert await buttons(world, first.id) == ["Try again"]
    assert [text for _, text in spoken(world.model.requests[-1])] == ["why?"]


async def test_a_button_that_is_forgotten_says_so_to_who_presses_it(world):
    question = await world.ask("why?", "Because of rain.")
    [first] = await world.final(question)
    await world.settled()
    await world.store.purge()
    await world.emulator.press(*at(first.id), world.ann, "Try again")
    await world.settled()
    assert len(world.model.requests) == 1
    assert len(await world.answers(question)) == 1
