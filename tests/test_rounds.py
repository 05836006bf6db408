"""Rounds of tools: what runs, when, and what the model and people get of it; on the jumping clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from bot.events import (
    Again,
    Cited,
    Finished,
    Source,
    Text,
    Thinking,
    ToolFinished,
    ToolRunning,
    ToolStarted,
    Turn,
    Usage,
)
from bot.model import Ask, Kind, ModelError, Request, Result, Tool
from bot.model.patient import Patient
from bot.model.rounds import AT_ONCE, CLOSING, ENDLESS, RESULT, WALL, Rounds
from bot.model.script import Script
from tests.test_patient import Scripted, heard

pytestmark = pytest.mark.jump

QUESTION = (Turn("user", "how much?"),)
ADD = {"tool": "add", "input": {"a": 1}}


def tool(run: Callable[[Mapping[str, Any]], Awaitable[Result]], **more: Any) -> Tool:
    """Return a tool that asks nobody."""

    async def ran(given: Mapping[str, Any], _ask: Ask) -> Result:
        return await run(given)

    return Tool({"name": "add", "input_schema": {"type": "object"}}, ran, **more)


def asking(*tools: Tool) -> Request:
    return Request(QUESTION, tools=tools)


async def two(_given: Mapping[str, Any]) -> Result:
    return Result("2")


def results(request: Request) -> list[Mapping[str, Any]]:
    """What tools have answered in *request*, newest last."""
    return [block for turn in request.turns if turn.role == "user" for block in turn.blocks]


async def test_a_tool_runs_once_its_call_is_complete_and_the_model_reads_its_result():
    given = []

    async def add(told):
        given.append(told)
        return Result("2")

    script = Script("Let me see.", ADD, "It is 2.")
    got = await heard(Rounds(script), asking(tool(add, title="adding")))
    assert given == [{"a": 1}]
    assert got.text == "Let me see.\n\nIt is 2."
    assert got.end.reason == "end_turn"
    [call] = [event for event in got.events if isinstance(event, ToolStarted)]
    assert call.title == "adding"
    assert ToolFinished(call.id) in got.events
    first, second = script.requests
    assert second.turns[: len(QUESTION)] == first.turns
    assert second.turns[1].blocks[0]["id"] == call.id
    [result] = results(second)
    assert result == {"type": "tool_result", "tool_use_id": call.id, "content": "2"}


async def test_tools_of_one_round_run_at_once():
    async def slow(_given):
        await asyncio.sleep(1)
        return Result("2")

    got = await heard(Rounds(Script(ADD, ADD, ADD, "It is 2.")), asking(tool(slow)))
    assert got.text == "It is 2."
    assert 1 <= got.seconds < 2


async def test_people_are_told_how_long_a_tool_runs():
    async def slow(_given):
        await asyncio.sleep(3.5)
        return Result("2")

    got = await heard(Rounds(Script(ADD, "2")), asking(tool(slow)))
    assert [event.seconds for event in got.events if isinstance(event, ToolRunning)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "words"), [("raises", "The tool failed: KeyError."), ("late", "longer than 5 seconds")]
)
@pytest.mark.rule(15)
async def test_a_tool_that_fails_is_a_result_and_no_failed_answer(name, words):
    async def run(_given):
        if name == "raises":
            raise KeyError("secret")
        await asyncio.Event().wait()

    script = Script(ADD, "I can't say.")
    got = await heard(Rounds(script), asking(tool(run, seconds=5)))
    assert got.text == "I can't say."
    [result] = results(script.requests[1])
    assert result["is_error"]
    assert words in result["content"]
    assert "secret" not in result["content"]
    assert any(isinstance(event, ToolFinished) and not event.ok for event in got.events)


async def test_a_tool_that_ignores_its_cancellation_holds_nothing_up():
    over = asyncio.Event()

    async def stubborn(_given):
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue
        return Result("too late")

    rounds = Rounds(Script(ADD, "Without."))
    got = await heard(rounds, asking(tool(stubborn, seconds=5)))
    assert got.text == "Without."
    assert got.seconds < 7
    over.set()
    await asyncio.wait(rounds._strays)


async def test_a_stop_cancels_the_tools_and_closes_the_model():
    cancelled = []

    async def slow(_given):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def read():
        async with aclosing(rounds.stream(asking(tool(slow)))) as events:
            async for event in events:
                if isinstance(event, ToolRunning):
                    running.set()

    running = asyncio.Event()
    rounds = Rounds(Script(ADD, ADD, "never"))
    task = asyncio.create_task(read())
    await running.wait()
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert task.cancelled()
    assert cancelled == [True, True]


async def test_a_tool_that_there_is_not_is_told_to_the_model():
    finished = Finished("tool_use", turns=(*QUESTION, Turn("assistant", "", blocks=(CALL,))))
    model = Scripted([finished], ["I have none."])
    got = await heard(Rounds(model), asking(tool(two)))
    assert got.text == "I have none."
    [result] = results(model.requests[1])
    assert result["content"] == "There is no tool subtract."


CALL = {"type": "tool_use", "id": "t1", "name": "subtract", "input": {}}


async def test_a_result_that_is_too_long_is_cut_and_the_model_knows():
    async def run(_given):
        return Result("x" * (RESULT + 1234))

    script = Script(ADD, "Long.")
    await heard(Rounds(script), asking(tool(run)))
    [result] = results(script.requests[1])
    assert result["content"] == "x" * RESULT + "\n[1,234 more characters were left out.]"


@pytest.mark.rule(15)
async def test_after_the_last_round_the_model_must_answer():

    async def add(_given):
        return Result("2")

    model = Scripted(*[[called(number)] for number in range(4)])
    got = await heard(Rounds(model, most=3), asking(tool(add)))
    assert [request.closing for request in model.requests] == [False, False, False, True]
    assert results(model.requests[-1])[-1] == {"type": "text", "text": CLOSING}
    assert got.end.note == ENDLESS.format(rounds=3)


def called(number: int) -> Finished:
    block = {"type": "tool_use", "id": f"t{number}", "name": "add", "input": {}}
    return Finished("tool_use", turns=(*QUESTION, Turn("assistant", "", blocks=(block,))))


async def test_of_very_many_calls_at_once_the_first_are_made():
    ran = []

    async def add(_given):
        ran.append(True)
        return Result("2")

    script = Script(*[ADD] * 60, "It is 2.")
    await heard(Rounds(script), asking(tool(add)))
    assert len(ran) == AT_ONCE
    given = results(script.requests[1])
    assert len(given) == 60
    assert [result.get("is_error", False) for result in given] == [False] * AT_ONCE + [True] * (60 - AT_ONCE)


async def test_an_answer_that_has_gone_on_for_long_begins_no_other_round():
    async def slow(_given):
        await asyncio.sleep(WALL / 2)
        return Result("2")

    model = Scripted(*[[called(number)] for number in range(9)])
    got = await heard(Rounds(model), asking(tool(slow, seconds=WALL)))
    assert len(model.requests) == 3
    assert got.end.note == ENDLESS.format(rounds=2)


@pytest.mark.rule(31)
async def test_all_rounds_are_paid_for():
    model = Scripted(
        [
            replace(called(1), usage=Usage(1, 2, 3, 4)),
        ],
        ["Done.", Finished(usage=Usage(5, 6, 7, 8))],
    )
    got = await heard(Rounds(model), asking(tool(two)))
    assert got.end.usage == Usage(6, 8, 10, 12)


async def test_a_tool_that_ran_is_not_run_again_when_the_next_request_breaks_off():
    ran = []

    async def add(_given):
        ran.append(True)
        return Result("2")

    cut = ModelError("Cut.", Kind.CUT)
    for broken in ([cut], ["It", cut], ["It is a long story. " * 30, cut]):
        ran.clear()
        model = Scripted(["Let me see.", called(1)], broken, ["fine."])
        got = await heard(Rounds(Patient(model, chance=lambda _most: 0.0)), asking(tool(add)))
        assert ran == [True]
        assert got.text.startswith("Let me see.")
        assert got.text.endswith("fine.")
        assert all(results(request) == results(model.requests[1]) for request in model.requests[1:])


async def test_a_fresh_try_of_the_first_round_begins_the_text_anew():
    cut = ModelError("Cut.", Kind.CUT)
    model = Scripted(["Let", cut], ["Let me see.", called(1)], ["It is 2."])
    got = await heard(Rounds(Patient(model, chance=lambda _most: 0.0)), asking(tool(two)))
    assert Again() in got.events
    assert got.text == "Let me see.\n\nIt is 2."


async def test_the_model_that_took_over_goes_on_with_its_own_calls():
    model = Scripted([ModelError("None.", Kind.MISSING)], [replace(called(1), model="other")], ["It is 2."])
    await heard(Rounds(Patient(model, fallback="other")), asking(tool(two)))
    assert [request.model for request in model.requests] == ["", "other", "other"]


async def test_text_of_a_round_without_words_adds_no_blank_line():
    got = await heard(Rounds(Script(ADD, ADD, "It is 2.")), asking(tool(two)))
    assert [event.text for event in got.events if isinstance(event, Text)] == ["It is 2."]


SUN = Source("https://sun.example/a_b", "The *sun*")
RAIN = Source("https://rain.example/", "Rain")


async def test_sources_are_numbered_once_and_listed_below():
    model = Scripted(
        ["It shines.", Cited((SUN,)), called(1)], ["It rains.", Cited((RAIN, SUN)), " So.", Finished()]
    )
    got = await heard(Rounds(model), asking(tool(two)))
    sun, rain = f"(<{SUN.url}>)", f"(<{RAIN.url}>)"
    assert got.text == (
        f"It shines. [1]{sun}\n\nIt rains. [1]{sun} [2]{rain} So."
        f"\n\nSources:\n1. [The \\*sun\\*]{sun}\n2. [Rain]{rain}"
    )


async def test_a_source_whose_address_is_none_is_no_link():
    odd = Source("javascript:alert(1)", "Odd\n](x) one")
    model = Scripted(["So.", Cited((odd,)), Finished()])
    got = await heard(Rounds(model), asking())
    assert got.text == "So. 1\n\nSources:\n1. Odd \\]\\(x\\) one"


async def test_sources_of_what_is_said_anew_count_from_the_beginning():
    cut = ModelError("Cut.", Kind.CUT)
    model = Scripted(["It", Cited((SUN,)), cut], ["It rains.", Cited((RAIN,)), Finished()])
    got = await heard(Rounds(Patient(model, chance=lambda _most: 0.0)))
    assert got.text == f"It rains. [1](<{RAIN.url}>)\n\nSources:\n1. [Rain](<{RAIN.url}>)"


async def test_thinking_is_told_by_the_second_until_the_first_word():
    model = Scripted([Thinking(), 3, Thinking("So."), 2, "Yes.", 2, "No.", Finished()])
    got = await heard(Rounds(model))
    assert [event.seconds for event in got.events if isinstance(event, Thinking) and event.seconds] == [
        1,
        2,
        4,
    ]


async def test_a_stop_while_the_model_thinks_closes_it():
    model = Scripted([Thinking(), 60, "never"])
    task = asyncio.create_task(heard(Rounds(model)))
    await asyncio.sleep(5)
    assert model.open == 1
    task.cancel()
    await asyncio.wait({task})
    assert model.open == 0
