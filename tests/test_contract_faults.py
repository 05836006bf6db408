"""Every platform: what happens to an answer when the platform refuses, fails or hangs up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract import HOLD, World, until
from tests.worlds import WORLDS


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_429_is_obeyed_and_nothing_is_lost(world, call):
    await world.trouble(call, "slow")
    question = await world.ask("why?", "Because ", "of the rain.")
    [seen] = await world.final(question)
    assert seen.text == "Because of the rain."
    refused, again, *_ = await world.calls(call)
    assert again - refused >= world.pause


async def test_a_429_holds_back_a_stop_but_does_not_lose_it(world):
    await world.trouble("edit", "slow")
    question = await world.ask("why?", "Because ", HOLD)
    await until(lambda: world.calls("edit"))
    await world.react(question)
    seen = await world.stopped(question)
    assert seen.text.strip() == "Because"


@pytest.mark.parametrize("call", ["post", "edit"])
async def test_an_answer_that_cannot_be_written_ends_the_model_and_all_writing(world, call):
    world.leaves_open = call == "edit"
    await world.trouble(call, "gone")
    question = await world.ask("why?", "Because ", HOLD)
    await until(lambda: world.calls(call))
    await until(world.quiet)
    await world.settled()
    assert len(await world.calls(call)) == 1
    assert len(await world.answers(question)) == (call == "edit")


@pytest.mark.parametrize("lands", [False, True], ids=["lost", "lands"])
@pytest.mark.parametrize("how", ["ill", "cut"])
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_call_that_fails_is_made_again_and_makes_no_second_message(world, call, how, lands):
    await world.trouble(call, how, lands=lands)
    question = await world.ask("why?", "Because ", "of the rain.")
    [seen] = await world.final(question)
    assert seen.text == "Because of the rain."
    again = call == "post" and not lands  # one that has landed is found, not sent again
    assert len(await world.calls("post")) == 1 + again


async def test_an_answer_outlives_a_lost_connection(world):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.drop()
    world.model.go.set()
    [seen] = await world.final(question)
    assert seen.text == "Because of the rain."


async def test_an_answer_outlives_a_new_start_of_the_adapter(world):
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.vanish()
    await world.connect()
    world.model.go.set()
    [seen] = await world.final(question)
    assert (seen.text, seen.note) == ("Because of the rain.", "")


async def test_a_history_that_cannot_be_read_does_not_prevent_an_answer(world):
    question = await world.ask("what is a?")
    await world.final(question)
    await world.hide_history()
    again = await world.reply(question, "and b?")
    assert (await world.final(again))[0].text == "Yes."
    assert [turn.text for turn in world.model.requests[1].turns] == ["and b?"]
