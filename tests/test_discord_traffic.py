"""What all calls to Discord share: 40 a second, finals first; bans; refused calls; rights; failures."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.wire.bars import FAILURES, MEMORY, REST, Bars, Breaker
from adapters.discord.wire.traffic import INVALID_WINDOW, LONGEST_PAUSE, PAUSE, RATE, Flow, Traffic, Urgency

pytestmark = pytest.mark.jump


def now() -> float:
    return asyncio.get_running_loop().time()


async def gone(flow: Flow, *urgencies: Urgency) -> list[tuple[float, Urgency]]:
    """When calls of *urgencies*, all wished for now, go out, in that order."""
    times: list[tuple[float, Urgency]] = []

    async def one(urgency: Urgency) -> None:
        await flow.enter(urgency)
        times.append((now(), urgency))

    await asyncio.gather(*map(one, urgencies))
    return times


async def test_no_second_has_more_than_forty_calls():
    times = [at for at, _ in await gone(Flow(), *[Urgency.EDIT] * 200)]
    assert max(sum(one <= other < one + 1 for other in times) for one in times) == RATE
    assert times[-1] == 4.0


async def test_last_edits_go_first_and_the_rest_after_them():
    flow = Flow()
    await gone(flow, *[Urgency.OTHER] * RATE)
    order = await gone(flow, *[Urgency.OTHER, Urgency.EDIT, Urgency.POST, Urgency.FINAL] * 20)
    assert [urgency for _, urgency in order] == sorted(urgency for _, urgency in order)


async def test_nobody_starves_behind_a_stream_of_urgent_calls():
    flow = Flow()
    await gone(flow, *[Urgency.OTHER] * RATE)
    waiting = asyncio.create_task(gone(flow, Urgency.OTHER))
    for _ in range(5):
        await gone(flow, *[Urgency.FINAL] * RATE)
    assert waiting.done()


async def test_a_caller_who_gives_up_costs_no_call():
    flow = Flow()
    await gone(flow, *[Urgency.EDIT] * RATE)
    given_up = asyncio.create_task(flow.enter(Urgency.FINAL))
    await asyncio.sleep(0)
    given_up.cancel()
    times = await gone(flow, *[Urgency.EDIT] * RATE)
    assert {at for at, _ in times} == {1.0}


async def test_a_ban_lasts_ten_minutes_and_the_next_twice_as_long_up_to_an_hour():
    traffic, pauses = Traffic(), []
    for _ in range(5):
        pauses.append(traffic.ban())
        assert traffic.closed() == pauses[-1]
        await asyncio.sleep(pauses[-1])
    assert pauses == [PAUSE, 2 * PAUSE, 4 * PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    traffic.free()
    assert traffic.ban() == PAUSE


async def test_answers_to_calls_that_were_under_way_are_one_ban():
    traffic = Traffic()
    first = traffic.ban()
    await asyncio.sleep(1)
    assert traffic.ban() == first - 1


async def test_refused_calls_of_the_last_ten_minutes_are_counted_and_shared_limits_are_not():
    traffic = Traffic()
    for status in (200, 204, 400, 404, 500, 401, 403, 429):
        traffic.refused(status)
    traffic.refused(429, shared=True)
    assert traffic.invalid == 3
    await asyncio.sleep(INVALID_WINDOW)
    assert traffic.invalid == 0


# Rights.


@pytest.mark.parametrize(
    ("code", "right", "barred"),
    [
        (50001, "View Channel", {"POST messages", "PATCH messages", "PUT reactions"}),
        (50013, "Send Messages", {"POST messages"}),
        (160002, "Read Message History", {"POST messages"}),
        (20016, "", set()),
    ],
)
async def test_a_missing_right_is_remembered_for_what_needs_it_and_for_ten_minutes(code, right, barred):
    bars = Bars()
    found, news = bars.learn("POST", "channels/1/messages", code, "no", 0.0)
    assert (found.right, news) == (right, bool(right))
    calls = {
        "POST messages": ("POST", "channels/1/messages"),
        "PATCH messages": ("PATCH", "channels/1/messages/2"),
        "PUT reactions": ("PUT", "channels/1/messages/2/reactions/x/@me"),
    }
    assert {name for name, call in calls.items() if bars.find(*call, MEMORY - 1)} == barred
    assert not any(bars.find(*call, MEMORY) for call in calls.values())
    assert bars.find("POST", "channels/2/messages", 1.0) is None
    assert bars.learn("POST", "channels/1/messages", code, "no", 1.0)[1] is False


# A Discord that is ill.


async def test_progress_rests_after_two_failures_in_a_row_until_a_call_gets_through():
    breaker = Breaker()
    for _ in range(FAILURES):
        assert not breaker.open("1", 0.0)
        breaker.failed("1", 0.0)
    assert breaker.open("1", REST - 1)
    assert not breaker.open("2", 0.0)
    assert not breaker.open("1", REST)
    breaker.failed("1", REST)
    assert breaker.open("1", 2 * REST - 1)
    breaker.passed("1")
    assert not breaker.open("1", REST)
