"""What a request costs, however it ends; and whether caps hold over thousands of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.config.rules import Caps
from bot.events import Event, File, Finished, Text, Thinking, ToolStarted, Turn, Usage
from bot.guard.metered import STEP, THINKING, Metered, Weights, reserve
from bot.guard.prices import prices
from bot.guard.spend import Spend
from bot.model import Ask, Kind, ModelError, Payer, Request, Result, Tool, nobody
from bot.model.course import Patience
from bot.model.patient import Patient
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.store.accounts import Spent, Sum
from bot.store.accounts_memory import MemoryAccounts
from bot.tally import Tally
from tests.test_spend import ANN, HERE, NONE, spending

pytestmark = pytest.mark.jump

MODEL = "claude-sonnet-5-5"
PAYER = Payer(ANN, HERE, "chat/1")
ASKED = Request((Turn("user", "why? " * 100),), payer=PAYER, max_tokens=4000)
READ = Usage(input=1000, output=1, cache_read=500)
WHOLE = Usage(input=1000, output=300, cache_read=500)
#: What the whole answer costs, and what was read of it, in micro-dollars.
COST, READING = 2000 + 3000 + 50, 2000 + 50


class Api:
    """Plays one script per request: usage is told, an int is a pause, an error is raised."""

    def __init__(self, *scripts: Sequence[object]) -> None:
        self._scripts = scripts
        self.requests: list[Request] = []

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        for step in script:
            match step:
                case int():
                    await asyncio.sleep(step)
                case Usage():
                    assert request.counted
                    request.counted(step)
                case Exception():
                    raise step
                case _:
                    yield step  # type: ignore[misc]


async def heard(model, request: Request = ASKED, events: int = 100) -> list[Event]:
    """Return the first events of the answer; close it then."""
    found: list[Event] = []
    async with aclosing(model.stream(request, nobody)) as stream:
        async for event in stream:
            found.append(event)
            if len(found) == events:
                break
    return found


async def only(money: Spend) -> Spent:
    """Return what all has cost; nothing is held."""
    assert isinstance(money.accounts, MemoryAccounts)
    assert not money.accounts._totals.holds
    assert not any(each.held for each in money.accounts._totals._sums.values())
    [*rows] = await money.accounts.usage(0, ("actor", "model"))
    return rows[0] if rows else Spent(0)


async def test_a_whole_answer_costs_what_the_api_has_counted():
    money = spending(Caps())
    told = [READ, Text("Because."), Finished(usage=WHOLE, model=MODEL)]
    assert await heard(Metered(Api(told), money)) == told[1:]
    assert await only(money) == Spent(
        0, actor="U1", model=MODEL, turns=1, input=1000, output=300, cache_read=500, cost=COST
    )


async def test_the_model_that_has_answered_is_the_one_that_is_paid():
    money = spending(Caps())
    await heard(Metered(Api([Finished(usage=WHOLE, model="claude-opus-5-5")]), money))
    found = await only(money)
    assert (found.model, found.cost) == ("claude-opus-5-5", 4000 + 6000 + 100)


async def test_a_request_that_nobody_pays_for_is_passed_on_as_it_is():
    money = spending(Caps())
    api = Api([Finished(usage=WHOLE)])
    request = replace(ASKED, payer=None)
    await heard(Metered(api, money), request)
    assert api.requests[0] is request
    assert await only(money) == Spent(0)


@pytest.mark.rule(31)
async def test_of_a_stopped_answer_what_had_arrived_is_counted_by_estimate():
    money = spending(Caps())
    await heard(Metered(Api([READ, Text("x" * 1000), 1000]), money), events=1)
    found = await only(money)
    assert (found.input, found.cache_read, found.output, found.turns) == (1000, 500, 300, 1)
    assert found.cost == found.estimated == READING + 3000


async def test_a_stop_that_cancels_costs_what_had_arrived():
    money = spending(Caps())
    task = asyncio.create_task(heard(Metered(Api([READ, Text("x" * 1000), 1000]), money)))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    assert (await only(money)).cost == READING + 3000


async def test_a_stop_before_anything_arrives_costs_what_was_probably_read():
    money = spending(Caps())
    task = asyncio.create_task(heard(Metered(Api([1000]), money)))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    found = await only(money)
    assert (found.input, found.output, found.turns) == (150, 0, 0)
    assert found.cost == found.estimated == 300


async def test_thoughts_that_do_not_arrive_are_counted_by_the_time_they_take():
    money = spending(Caps())
    task = asyncio.create_task(heard(Metered(Api([READ, Thinking(), 1000]), money)))
    await asyncio.sleep(50)
    task.cancel()
    await asyncio.wait({task})
    assert (await only(money)).output == 50 * THINKING


@pytest.mark.parametrize(
    "kind", [Kind.LIMITED, Kind.ILL, Kind.AWAY, Kind.MISSING, Kind.BARRED, Kind.LONG, Kind.OTHER]
)
async def test_a_request_that_the_api_refuses_costs_nothing(kind):
    money = spending(Caps())
    with pytest.raises(ModelError):
        await heard(Metered(Api([ModelError("No.", kind)]), money))
    assert await only(money) == Spent(0)


@pytest.mark.parametrize("kind", [Kind.SILENT, Kind.CUT])
async def test_a_request_that_was_lost_costs_what_was_probably_read(kind):
    money = spending(Caps())
    with pytest.raises(ModelError):
        await heard(Metered(Api([ModelError("Lost.", kind)]), money))
    assert (await only(money)).cost == 300


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.ILL])
async def test_an_answer_that_breaks_off_costs_what_had_arrived(kind):
    money = spending(Caps())
    with pytest.raises(ModelError):
        await heard(Metered(Api([READ, Text("x" * 1000), ModelError("Cut.", kind)]), money))
    assert (await only(money)).cost == READING + 3000


async def test_a_gateway_that_counts_nothing_is_paid_by_estimate():
    money = spending(Caps())
    await heard(Metered(Api([Text("x" * 1000), Finished()]), money))
    found = await only(money)
    assert (found.input, found.output, found.cost) == (150, 300, 300 + 3000)
    assert found.estimated == found.cost


async def test_searches_and_code_that_the_api_runs_are_paid():
    money = spending(Caps())
    usage = replace(WHOLE, searches=2)
    calls = [
        ToolStarted("a", "web_search"),
        ToolStarted("b", "code_execution"),
        ToolStarted("c", "code_execution"),
    ]
    await heard(Metered(Api([READ, *calls, Finished(usage=usage)]), money))
    found = await only(money)
    assert (found.searches, found.tools) == (2, 3)
    assert found.cost == COST + 20_000 + prices().code
    assert found.estimated == prices().code


async def test_searches_of_a_stopped_answer_are_those_that_were_seen():
    money = spending(Caps())
    await heard(Metered(Api([READ, ToolStarted("a", "web_search"), 1000]), money), events=1)
    assert (await only(money)).searches == 1


@pytest.mark.rule(30)
async def test_nobody_is_asked_for_somebody_who_has_no_money_left():
    money = spending(replace(NONE, person_day=0.001))
    api = Api([Finished(usage=WHOLE)])
    await heard(Metered(api, money))
    with pytest.raises(ModelError) as raised:
        await heard(Metered(api, money))
    assert str(raised.value) == money.refusal(ANN, HERE) != ""
    assert not raised.value.retryable
    assert len(api.requests) == 1
    assert (await only(money)).turns == 1


@pytest.mark.rule(31)
async def test_every_try_and_every_continuation_is_paid():
    money = spending(Caps())
    long = "0123456789 " * 50
    api = Api(
        [ModelError("Busy.", Kind.ILL)],
        [READ, Text(long), ModelError("Cut.", Kind.CUT)],
        [READ, Text("and on"), Finished(usage=WHOLE)],
    )
    await heard(Patient(Metered(api, money), Patience()))
    found = await only(money)
    assert len(api.requests) == 3
    assert found.cost == COST + READING + 1650
    assert found.turns == 1


@pytest.mark.rule(31)
async def test_every_round_of_tools_is_paid_and_all_are_one_answer():
    async def run(_given, _ask):
        raise AssertionError("its result does not matter")

    money = spending(Caps())
    tool = Tool({"name": "clock"}, run)
    script = Script("One ", {"tool": "clock"}, "two ", {"tool": "clock"}, "three.")
    model = Rounds(Patient(Metered(script, money)))
    await heard(model, replace(ASKED, tools=(tool,)))
    found = await only(money)
    assert len(script.requests) == 3
    assert (found.turns, found.tools) == (1, 2)


async def test_a_question_that_is_edited_while_it_is_answered_is_one_answer():
    money = spending(Caps())
    model = Metered(Api([READ, Text("One"), Text("two")], [READ, Finished(usage=WHOLE)]), money)
    await heard(model, events=1)
    await heard(model)
    found = await only(money)
    assert found.turns == 1
    assert found.cost > COST


async def test_the_same_question_asked_again_is_another_answer():
    money = spending(Caps())
    model = Metered(Api([READ, Finished(usage=WHOLE)]), money)
    await heard(model)
    await heard(model)
    assert (await only(money)).turns == 2


async def test_a_cap_that_is_reached_in_mid_answer_ends_it_with_the_sentence():
    money = spending(replace(NONE, person_day=0.001))
    api = Api([READ, Text("0123456789 " * 50), ModelError("Cut.", Kind.CUT)], [Finished(usage=WHOLE)])
    with pytest.raises(ModelError, match="You have used up your"):
        await heard(Patient(Metered(api, money)))
    assert len(api.requests) == 1


async def test_a_cap_that_is_reached_between_two_rounds_of_tools_reads_as_one_and_is_no_failure():
    async def looked(_given, _ask):
        return Result("7 m")

    money, tally = spending(replace(NONE, person_day=0.001)), Tally()
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    turns = (*ASKED.turns, Turn("assistant", "", blocks=({"type": "text", "text": "I look."}, call)))
    api = Api([READ, Text("I look. " * 60), Finished("tool_use", WHOLE, turns=turns)])
    asked = replace(ASKED, tools=(Tool({"name": "look"}, looked),))
    with pytest.raises(ModelError) as caught:
        await heard(Rounds(Patient(Metered(api, money), tally=tally)), asked)
    said = money.refusal(ANN, HERE)
    assert "You have used up your" in said
    assert str(caught.value) == said
    assert len(api.requests) == 1
    assert not tally.failures.values


async def test_what_arrives_is_noted_for_the_case_that_the_process_dies(monkeypatch):
    money = spending(Caps())
    noted: list[Spent] = []
    monkeypatch.setattr(money.accounts, "note", lambda _key, row: noted.append(row))
    pieces = [Text("x" * 1000)] * 40  # 300 tokens each
    await heard(Metered(Api([READ, *pieces, Finished(usage=WHOLE)]), money))
    assert [row.output - STEP for row in noted] == [1, 2100, 4200, 6300, 8400, 10_500]
    assert all(row.cost == READING + row.output * 10 for row in noted)


async def test_a_request_that_costs_more_than_was_held_holds_more():
    money = spending(Caps())
    who = money.who(ANN, HERE)
    model = Metered(Api([READ, Text("x" * 100_000), 1000]), money)
    task = asyncio.create_task(heard(model))
    await asyncio.sleep(1)
    held = money.standing(ANN, HERE)[0].sum
    assert held == Sum(0, READING + (30_000 + STEP) * 10)
    task.cancel()
    await asyncio.wait({task})
    assert money.accounts.sum(who, money.standing(ANN, HERE)[0].cap) == Sum(READING + 300_000, 0)


# What a request may cost.


def test_what_is_held_is_what_a_request_costs_at_most():
    money = spending()
    asked = replace(ASKED, turns=(Turn("user", "x" * 10_000),))
    reads = Weights().tokens(asked)
    assert reads == 3000
    assert reserve(money, asked, reads) == (3750 + 500) * 2.5 + 4000 * 10
    assert reserve(money, replace(asked, model="claude-opus-5-5"), reads) == (3750 + 500) * 5 + 4000 * 20
    assert reserve(money, replace(asked, model="nobody-knows"), reads) == 0


def test_what_the_api_may_find_is_held_too():
    money = spending()
    bare = reserve(money, ASKED, 0)
    search = Tool({"name": "web_search", "type": "web_search_20260318", "max_uses": 5})
    fetch = Tool({"name": "web_fetch", "max_uses": 2, "max_content_tokens": 1000})
    assert reserve(money, replace(ASKED, tools=(search,)), 0) - bare == 5 * 10_000 + 5 * 5000 * 2.5
    assert reserve(money, replace(ASKED, tools=(fetch,)), 0) - bare == 2 * 1000 * 2.5


def test_pictures_documents_and_tools_weigh_something():
    bare = Weights().tokens(ASKED)
    picture = Turn("user", "see", (File("a.png", "image/png", 9, data=b"x" * 9),))
    document = Turn("user", "see", (File("a.pdf", "application/pdf", 9, data=b"x" * 100_000),))
    text = Turn("user", "", (File("a.txt", "text/plain", 9, data=b"x" * 100_000),))
    tool = Tool({"name": "a", "description": "x" * 1000}, None)
    assert Weights().tokens(replace(ASKED, turns=(*ASKED.turns, picture))) >= bare + 5000
    assert Weights().tokens(replace(ASKED, turns=(*ASKED.turns, document))) >= bare + 10_000
    assert Weights().tokens(replace(ASKED, turns=(*ASKED.turns, text))) >= bare + 30_000
    assert Weights().tokens(replace(ASKED, tools=(tool,))) >= bare + 300
    assert Weights().tokens(replace(ASKED, system="x" * 1000)) == bare + 300


async def test_what_requests_weigh_is_learnt_from_what_the_api_counts():
    money = spending(NONE)
    usage = Usage(input=8000, output=10)
    asked = replace(ASKED, turns=(Turn("user", "x" * 10_000),))
    model = Metered(Api([Finished(usage=usage)]), money)
    for _ in range(20):
        await heard(model, asked)
    assert 7500 < model._weights.tokens(asked) <= 8000
