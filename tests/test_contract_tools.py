"""Every platform: a person is asked whether a tool may be called, by buttons under a message of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

import bot.core.repair
from bot.core.sayings import LAPSED, TOO_LATE
from bot.tools import tool
from tests.contract import HOLD, World, at, until
from tests.worlds import WORLDS

booked: list[str] = []


@tool(title="booking", writes=True, asks=True)
async def book(room: str) -> str:
    """Book a room."""
    booked.append(room)
    return "Booked."


@tool(title="booking", writes=True)
async def slowly(room: str) -> str:
    """Book a room, which takes a moment."""
    booked.append(room)
    await asyncio.sleep(0.5)
    return "Booked."


SLOWLY = {"tool": "slowly", "input": {"room": "1"}}
BOOK = {"tool": "book", "input": {"room": "<@U1> & <b>1</b> *2*"}}
CALL = '"room": "<@U1> & <b>1</b> *2*"'
LABELS = ["Allow once", "Allow for this conversation", "No"]


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    booked.clear()
    world = await request.param.open()
    world.tools += [book, slowly]
    world.core = world.fresh_core()
    await world.restart()
    yield world
    await world.close()


async def message(world: World, question: str, text: str) -> Any:
    """Return the message under *question* whose text has *text*, once it is there."""

    async def found() -> Any:
        return next((seen for seen in await world.answers(question) if text in seen.text), None)

    return await until(found)


async def controls(world: World, one: str) -> list[str]:
    shown: dict[str, Any] = await world.emulator.message(*at(one))
    return list(shown["controls"])


async def has_none(world: World, one: str) -> bool:
    return not await controls(world, one)


async def test_a_thumb_on_the_question_decides_nothing_and_is_no_rating(world):
    question = await world.ask("a room", "Let me see.", BOOK, "It is yours.")
    card = await message(world, question, "May I do this?")

    async def posted() -> bool:
        return await world.store.find_shown(world.key(card.id)) is not None

    await until(posted)
    await world.react(card.id, "+1" if world.name == "slack" else "👍")
    await world.settled()
    assert not booked
    assert await world.store.ratings() == []
    await world.emulator.press(*at(card.id), world.ann, "No")
    await message(world, question, "It is yours.")


@pytest.mark.rule(15)
async def test_the_exact_call_is_shown_and_made_once_somebody_allows_it(world):
    question = await world.ask("a room", "Let me see.", BOOK, "It is yours.")
    card = await message(world, question, "May I do this?")
    assert CALL in card.text
    assert await controls(world, card.id) == LABELS
    assert not booked
    if not world.alone:
        await world.emulator.press(*at(card.id), world.bob, "Allow once")
        await world.settled()
        assert not booked  # only who asked may
    await world.emulator.press(*at(card.id), world.ann, "Allow once")
    await message(world, question, "It is yours.")
    await until(partial(has_none, world, card.id))
    card = await message(world, question, "May I do this?")
    assert card.note.startswith("Allowed by ")
    assert booked == ["<@U1> & <b>1</b> *2*"]


async def test_a_press_before_the_reply_to_the_post_decides(world):
    await world.slow("post", 0.6)
    question = await world.ask("a room", BOOK, "It is yours.")
    card = await message(world, question, "May I do this?")
    await world.emulator.press(*at(card.id), world.ann, "Allow once")
    await message(world, question, "It is yours.")
    assert booked == ["<@U1> & <b>1</b> *2*"]


async def test_a_strangers_press_before_the_reply_to_the_post_takes_no_button_away(world):
    await world.slow("post", 0.6)
    question = await world.ask("a room", BOOK, "Then not.")
    card = await message(world, question, "May I do this?")
    await world.emulator.press(*at(card.id), world.bob, "Allow once")
    await world.settled()
    await world.emulator.press(*at(card.id), world.ann, "No")
    await message(world, question, "Then not.")
    assert not booked


async def test_a_refusal_is_told_to_the_model(world):
    question = await world.ask("a room", BOOK, "Then not.")
    card = await message(world, question, "May I do this?")
    await world.emulator.press(*at(card.id), world.ann, "No")
    await message(world, question, "Then not.")
    await until(partial(has_none, world, card.id))
    assert not booked


async def test_after_a_restart_the_question_has_lapsed(world):
    question = await world.ask("a room", BOOK, "Never.")
    card = await message(world, question, "May I do this?")
    world.model.steps = ("Again.",)
    await world.restart(remember=True)
    await until(partial(has_none, world, card.id))
    card = await message(world, question, "May I do this?")
    assert card.note == LAPSED
    assert not booked


async def asking(world: World, question: str) -> Any:
    """Return the question to a person under *question*, once presses on it find it."""
    card = await message(world, question, "May I do this?")
    await until(partial(known, world, card.id))
    return card


async def known(world: World, one: str) -> bool:
    return world.core.knows(world.key(one))


async def test_a_stop_of_the_question_refuses_the_call_and_leaves_no_button(world):
    question = await world.ask("a room", BOOK, "Then not.")
    card = await asking(world, question)
    await world.react(card.id)
    await message(world, question, "Then not.")
    await until(partial(has_none, world, card.id))
    assert (await message(world, question, "May I do this?")).note.startswith("Stopped by ")
    assert not booked


async def test_a_question_that_somebody_deletes_refuses_the_call(world):
    question = await world.ask("a room", BOOK, "Then not.")
    await world.delete((await asking(world, question)).id)
    await message(world, question, "Then not.")
    assert not booked


async def test_a_shutdown_lets_the_question_lapse_without_a_button(world):
    question = await world.ask("a room", BOOK, "Never.")
    card = await asking(world, question)
    await world.core.drain()
    assert await controls(world, card.id) == []
    assert (await message(world, question, "May I do this?")).note == LAPSED


async def test_each_restart_asks_anew_and_lets_the_last_question_lapse(world, monkeypatch):
    monkeypatch.setattr(bot.core.repair, "LATE", 0.05)

    async def asked(count: int) -> list[str]:
        cards = [each.id for each in await world.answers(question) if "May I do this?" in each.text]
        open_ = [card for card in cards if await controls(world, card)]
        return open_ if len(cards) == count and open_ == cards[-1:] else []

    question = await world.ask("a room", BOOK, "It is yours.")
    for count in (1, 2):
        [card] = await until(partial(asked, count))
        await until(partial(known, world, card))
        await world.restart(remember=True)
    [card] = await until(partial(asked, 3))
    await until(partial(known, world, card))
    await world.emulator.press(*at(card), world.ann, "Allow once")
    await message(world, question, "It is yours.")
    assert len(booked) == 1


async def test_a_press_that_comes_before_the_question_is_known_to_be_there_counts(world):
    await world.slow("post", 0.6)
    question = await world.ask("a room", BOOK, "It is yours.")
    card = await message(world, question, "May I do this?")
    await world.emulator.press(*at(card.id), world.bob, "Allow once")  # who may not
    await world.emulator.press(*at(card.id), world.ann, "Allow once")
    await message(world, question, "It is yours.")
    assert len(booked) == 1


async def test_an_edit_while_a_tool_changes_something_does_not_run_it_again(world):
    question = await world.ask("a room", SLOWLY, "It is yours.")

    async def ran() -> bool:
        return bool(booked)

    await until(ran)
    await world.edit(question, "another room")
    answer = await message(world, question, "It is yours.")
    await world.settled()
    assert answer.note == TOO_LATE
    assert booked == ["1"]


async def test_a_shutdown_while_a_tool_changes_something_says_so_and_offers_no_other_try(world):
    question = await world.ask("a room", SLOWLY, "It is yours.")

    async def ran() -> bool:
        return bool(booked)

    await until(ran)
    await world.core.drain()
    [answer] = await world.final(question)
    assert answer.note.startswith("Interrupted while calling slowly.")
    assert await controls(world, answer.id) == ["Continue"]


async def test_a_question_that_cannot_be_posted_refuses_the_call(world):
    question = await world.ask("a room", "Let me see. ", HOLD, BOOK, "Then not.")
    await world.first(question, "Let me see")
    await world.trouble("post", "gone")
    world.model.go.set()
    await message(world, question, "Then not.")
    assert not booked
