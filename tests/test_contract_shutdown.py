"""Every platform: what comes during a shutdown is neither acknowledged nor lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import bot.core.repair
from tests.contract import World
from tests.worlds import WORLDS


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest, monkeypatch) -> AsyncIterator[World]:
    monkeypatch.setattr(bot.core.repair, "LATE", 0.05)
    world = await request.param.open()
    yield world
    await world.close()


async def test_a_mention_during_a_shutdown_is_answered_once_after_the_next_start(world, caplog):
    await world.final(await world.ask("why?", "Because."))
    await world.core.drain()
    question = await world.say("and how?")
    await asyncio.sleep(0.3)
    assert not await world.store.find(world.key(question))
    acks = {each["envelope_id"] for each in await world.emulator.events(kinds=["ack"])}
    sent = await world.emulator.events(kinds=["envelope"])
    assert [each for each in sent if each["event"] == "app_mention" and each["envelope_id"] not in acks] or (
        world.name != "slack"
    )
    await world.restart(remember=True)
    [seen] = await world.final(question)
    assert seen.text == "Because."
    await world.settled()
    assert len(await world.answers(question)) == 1
    assert not [record for record in caplog.records if record.exc_info]
