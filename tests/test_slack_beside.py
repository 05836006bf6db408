"""Slack: a question to a person beside an answer, and the session that shows that the answer goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.contract import HOLD, at, until
from tests.test_contract_tools import BOOK, book, has_none, message
from tests.worlds import SlackWorld


@pytest.fixture
async def world() -> AsyncIterator[SlackWorld]:
    world = await SlackWorld.open()
    assert isinstance(world, SlackWorld)
    world.tools.append(book)
    world.core = world.fresh_core()
    await world.restart()
    yield world
    await world.close()


async def statuses(world: SlackWorld) -> list[str]:
    return [each["status"] for each in await world.emulator.events(kinds=("status",))]


@pytest.mark.parametrize("native", [False, True], ids=["edits", "native"])
async def test_the_end_of_a_card_leaves_the_session_of_an_answer_that_goes_on_alone(world, native):
    steps = ("Let me see.", BOOK, "It is ", HOLD, "yours.")
    if native:
        world.model.steps = steps
        question = await world.dm("a room")
    else:
        question = await world.ask("a room", *steps)
    card = await message(world, question, "May I do this?")
    await world.emulator.press(*at(card.id), world.ann, "Allow once")
    await until(partial(has_none, world, card.id))
    await world.settled()
    assert await statuses(world) == ["processing"]
    world.model.go.set()
    await message(world, question, "It is yours.")

    async def rests() -> bool:
        return await statuses(world) == ["processing", "active"]

    await until(rests)
