"""What requests cost, with Claude's SDK on a socket and an API that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from adapters.emulators.claude import Claude as Emulated
from bot.config import Settings
from bot.config.rules import Caps
from bot.core.core import Core
from bot.events import Finished, Text, Turn, Usage
from bot.guard.metered import Metered
from bot.guard.spend import Spend
from bot.model import ModelError, Payer, Request
from bot.model.claude import Claude
from bot.model.patient import Patient
from bot.run.places import Places
from bot.run.supervise import build
from bot.store.accounts import Spent
from bot.tally import Tally
from bot.tools import tool
from tests.contract import World
from tests.test_spend import ANN, HERE, NONE, spending
from tests.worlds import WORLDS

REQUEST = Request((Turn("user", "Why does a river bend? " * 200),), payer=Payer(ANN, HERE, "chat/1"))


@pytest.fixture
async def emulator() -> AsyncIterator[Emulated]:
    emulator = Emulated()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def claude(emulator: Emulated) -> AsyncIterator[Claude]:
    claude = Claude("sk-good", emulator.url)
    yield claude
    await claude.close()


async def cost(money: Spend) -> Spent:
    """What all has cost; nothing is held."""
    assert all(standing.sum.held == 0 for standing in money.standing(ANN, HERE))
    [row] = await money.accounts.usage(0, ("model",))
    return row


async def finished(model: Patient) -> Usage:
    async with aclosing(model.stream(REQUEST)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.usage
    raise AssertionError


async def test_an_answer_costs_what_the_api_says_that_it_has_used(emulator, claude):
    money = spending(Caps())
    await emulator.script(["Because ", "of its banks."])
    usage = await finished(Patient(Metered(claude, money)))
    row = await cost(money)
    assert usage.output > 0
    assert row.cost == money.cost_of(claude.model, usage) > 0
    assert (row.output, row.estimated, row.turns, row.model) == (usage.output, 0, 1, claude.model)


async def test_searches_are_counted_by_the_api(emulator, claude):
    money = spending(Caps())
    await emulator.script([{"server_tool": "web_search", "input": {"query": "a"}, "result": []}, "Found."])
    await finished(Patient(Metered(claude, money)))
    row = await cost(money)
    assert row.searches == row.tools == 1
    assert row.cost >= 10_000


async def test_of_a_stopped_answer_the_api_has_told_what_it_has_read(emulator, claude):
    money = spending(Caps())
    await emulator.script(["x" * 1000, {"stall": True}])
    async with aclosing(Patient(Metered(claude, money)).stream(REQUEST)) as events:
        async for event in events:
            if isinstance(event, Text):
                break
    stopped = await cost(money)
    await emulator.script(["x" * 1000])
    await finished(Patient(Metered(claude, money)))
    whole = await cost(money)
    read = stopped.input + stopped.cache_read + stopped.cache_write
    assert 0 < read < whole.input + whole.cache_read + whole.cache_write
    assert stopped.output == 300
    assert stopped.estimated == stopped.cost


async def test_an_answer_that_breaks_off_and_goes_on_is_paid_twice(emulator, claude):
    money = spending(Caps())
    await emulator.script(["0123456789 " * 50, {"error": "overloaded_error"}], when="river")
    await emulator.script(["and on."], when="Continue exactly after")
    await finished(Patient(Metered(claude, money)))
    row = await cost(money)
    assert row.turns == 1
    assert 0 < row.estimated < row.cost


async def test_a_request_that_the_api_refuses_is_not_paid(emulator, claude):
    money = spending(Caps())
    await emulator.script([{"status": 400, "type": "invalid_request_error"}])
    with pytest.raises(ModelError):
        await finished(Patient(Metered(claude, money)))
    assert await money.accounts.usage(0, ("model",)) == []


async def test_the_first_counts_come_before_the_text(emulator, claude):
    counts: list[Usage] = []
    await emulator.script(["One", 0.05, "two"])
    async with aclosing(claude.stream(replace(REQUEST, counted=counts.append))) as events:
        async for event in events:
            if isinstance(event, Text):
                assert counts[0].input + counts[0].cache_write > 0
                break
    await asyncio.sleep(0)


looked: list[str] = []


@tool(title="looking")
async def look() -> str:
    """Look how wide the river is."""
    looked.append("once")
    return "7 m"


@pytest.mark.parametrize("kind", WORLDS, ids=lambda kind: kind.__name__)
async def test_a_cap_between_two_rounds_of_tools_is_told_below_the_answer_as_one(
    kind, emulator, claude, monkeypatch
):
    money, tally = spending(replace(NONE, day=0.0001), contact="the ops team"), Tally()

    def fresh(world: World) -> Core:
        settings = Settings.model_validate(world.settings)
        places = Places.alike(settings, [look])
        places.spend = money
        model = Patient(Metered(claude, money), tally=tally)
        return build(settings, [world.platform], model, world.store, places=places, tally=tally)

    monkeypatch.setattr(kind, "fresh_core", fresh)
    looked.clear()
    await emulator.script(["I look how wide it is. ", {"tool": "look", "input": {}}, "It is wide."])
    world = await kind.open()
    [answer] = await world.final(await world.say("why?"))
    assert answer.text.strip() == "I look how wide it is."
    said = "The bot has used up its $0.0001 for today, until 00:00 UTC, in 5 hours."
    assert answer.note == f"{said} the ops team can raise that."
    assert looked == ["once"]
    assert not tally.failures.values
    assert len(await emulator.events(kinds=["request"])) == 1
    await world.close()
