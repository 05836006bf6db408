"""What caps forbid, and the words for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.config.rules import Caps
from bot.guard.prices import prices
from bot.guard.spend import BUSY, DAY, WHOSE, Spend, dollars, ending, listed
from bot.platform import Actor, Place
from bot.store.accounts import SPENT_KEPT, Accounts, Cap, Hold, Spent, first_of_month, grouped
from bot.store.accounts_memory import MemoryAccounts
from bot.store.memory import Memory

#: 1 December 2026, 19:00 UTC.
NOW = 1_796_151_600.0
TODAY = int(NOW // DAY)
ANN, BOB = Actor("U1", "Ann"), Actor("U2", "Bob")
HERE = Place("C1", "T1", platform="chat")
THREAD = Place("C1/7", "T1", platform="chat", parent="C1")
THERE = Place("C2", "T1", platform="chat")
ABROAD = Place("C3", "T2", platform="chat")
DIRECT = Place("D1", platform="chat", direct=True)
ELSEWHERE = Place("C1", "T1", platform="talk")
NONE = Caps(person_day=0, day=0)


class Clock:
    """Seconds of the wall clock, as a test sets them."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Told:
    """What admins were told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, _place: Place) -> None:
        self.texts.append(text)


def spending(
    caps: Caps = NONE, accounts: Accounts | None = None, clock: Clock | None = None, tell=None, contact=""
) -> Spend:
    return Spend(
        accounts or MemoryAccounts(),
        prices(),
        lambda _place: caps,
        "claude-sonnet-5-5",
        lambda _place: contact,
        tell or Told(),
        clock or Clock(),
    )


async def spend(spend: Spend, cost: float, actor: Actor = ANN, place: Place = HERE) -> str:
    """Reserve and spend *cost* dollars; return why that may not be, if it may not."""
    who = replace(spend.who(actor, place, "claude-sonnet-5-5"), cost=round(cost * 1e6), turns=1)
    if refused := await spend.reserve(Hold("a request", who.cost, who), place):
        return refused
    spend.settle("a request", who, place)
    return ""


#: Whom each cap is for, once Ann has used it up in the channel `HERE`.
STOPS = {
    "person": lambda actor, place: actor is ANN and place.platform == "chat",
    "channel": lambda _actor, place: place in (HERE, THREAD),
    "workspace": lambda _actor, place: place in (HERE, THREAD, THERE),
    "all": lambda _actor, _place: True,
    "none": lambda _actor, _place: False,
}


@pytest.mark.parametrize("span", ["day", "month"])
@pytest.mark.parametrize("scope", STOPS)
@pytest.mark.rule(30)
async def test_a_cap_that_is_used_up_stops_those_whom_it_is_for_and_nobody_else(scope, span):
    name = {"all": span, "none": "channel_day"}.get(scope, f"{scope}_{span}")
    money = spending(replace(NONE, **{name: 0 if scope == "none" else 1}))
    assert await spend(money, 1.0) == ""
    for actor in (ANN, BOB):
        for place in (HERE, THREAD, THERE, ABROAD, DIRECT, ELSEWHERE):
            refused = money.refusal(actor, place)
            assert bool(refused) is STOPS[scope](actor, place), (actor, place)
            if refused:
                assert await spend(money, 0.1, actor, place) == refused


async def test_what_a_request_has_cost_less_than_was_held_is_free_again():
    money = spending(replace(NONE, person_day=1))
    who = money.who(ANN, HERE, "claude-sonnet-5-5")
    assert await money.reserve(Hold("first", 2_000_000, who), HERE) == ""
    assert money.refusal(ANN, HERE).startswith(BUSY["person"])
    assert "when they have ended" in money.refusal(ANN, HERE)
    money.settle("first", replace(who, cost=1000), HERE)
    assert money.refusal(ANN, HERE) == ""


async def test_of_a_request_that_cost_nothing_nothing_is_kept():
    money = spending(replace(NONE, person_day=1))
    assert (
        await money.reserve(Hold("first", 2_000_000, money.who(ANN, HERE, "claude-sonnet-5-5")), HERE) == ""
    )
    money.settle("first", None, HERE)
    assert money.refusal(ANN, HERE) == ""
    assert await money.accounts.usage(0, ["actor"]) == []


@pytest.mark.rule(30)
async def test_a_refusal_says_how_much_until_when_and_whom_to_ask():
    money = spending(replace(NONE, person_day=2), contact="@ann")
    await spend(money, 2.0)
    assert money.refusal(ANN, HERE) == (
        "You have used up your $2.00 for today, until 00:00 UTC, in 5 hours. @ann can raise that."
    )
    money = spending(replace(NONE, month=20))
    await spend(money, 20)
    assert money.refusal(BOB, DIRECT) == (
        "The bot has used up its $20.00 for this month, until 1 January, 00:00 UTC, in 30 days. "
        "Whoever runs this bot can raise that."
    )


async def test_of_two_caps_that_are_used_up_people_are_told_the_one_that_lasts():
    money = spending(replace(NONE, person_day=1, channel_month=1))
    await spend(money, 1)
    assert money.refusal(ANN, HERE).startswith(WHOSE["channel"])


async def test_a_cap_of_a_day_ends_with_it_and_one_of_a_month_does_not():
    clock = Clock()
    money = spending(replace(NONE, person_day=1), clock=clock)
    monthly = spending(replace(NONE, person_month=1), clock=clock)
    await spend(money, 1)
    await spend(monthly, 1)
    clock.now = (TODAY + 1) * DAY - 1
    assert money.refusal(ANN, HERE)
    clock.now += 1
    assert money.refusal(ANN, HERE) == ""
    clock.now = (TODAY + 31) * DAY - 1
    assert monthly.refusal(ANN, HERE)
    clock.now += 1
    assert monthly.refusal(ANN, HERE) == ""


async def test_a_cap_that_is_raised_holds_at_once():
    caps = [replace(NONE, person_day=1)]
    money = Spend(MemoryAccounts(), prices(), lambda _place: caps[0], clock=Clock())
    await spend(money, 1)
    assert money.refusal(ANN, HERE)
    caps[0] = replace(NONE, person_day=2)
    assert money.refusal(ANN, HERE) == ""
    assert await spend(money, 1) == ""
    assert money.refusal(ANN, HERE)


@pytest.mark.parametrize("back", [60, 3600, DAY])
async def test_a_clock_that_is_set_back_begins_no_cap_anew(back):
    clock = Clock(TODAY * DAY + 30)
    money = spending(replace(NONE, person_day=1), clock=clock)
    await spend(money, 1)
    clock.now -= back
    assert money.refusal(ANN, HERE)


async def test_a_clock_that_was_far_ahead_is_believed_when_it_is_right():
    clock = Clock(NOW + 400 * DAY)
    money = spending(clock=clock)
    assert money.day == TODAY + 400
    clock.now = NOW
    assert money.day == TODAY


async def test_admins_are_told_once_when_most_of_a_cap_for_several_is_used():
    told = Told()
    money = spending(replace(NONE, person_day=1, channel_day=10, day=20), tell=told)
    for actor in map(str, range(16)):
        await spend(money, 0.5, Actor(actor))
    assert told.texts == [
        "Channel C1 of chat has used $8.00 of its $10.00 for today, until 00:00 UTC, in 5 hours."
    ]
    for actor in map(str, range(20)):
        await spend(money, 0.5, Actor(actor), THERE)
    assert [text.partition(" has")[0] for text in told.texts] == [
        "Channel C1 of chat",
        "Channel C2 of chat",
        "The bot",
    ]


@pytest.mark.rule(30)
async def test_a_model_without_a_price_is_not_asked_where_there_are_caps():
    for caps, refused in ((NONE, False), (Caps(), True)):
        money = spending(caps)
        hold = Hold("first", 0, money.who(ANN, HERE, "nobody-knows"))
        assert ("nobody-knows" in await money.reserve(hold, HERE)) is refused


@pytest.mark.rule(30)
def test_caps_are_two_dollars_for_a_person_and_twenty_for_all_unless_said_otherwise():
    assert listed(Caps()) == (Cap("person", "day", 2_000_000), Cap("all", "day", 20_000_000))
    assert not NONE


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "$0.00"),
        (50, "$0.0001"),
        (1234, "$0.0012"),
        (10_000, "$0.01"),
        (1_999_999, "$2.00"),
        (1.5e9, "$1,500.00"),
    ],
)
def test_money_is_told_in_dollars(micro, text):
    assert dollars(int(micro)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "in a minute"),
        (59, "in a minute"),
        (90, "in 2 minutes"),
        (3600, "in 1 hour"),
        (20 * 3600, "in 20 hours"),
    ],
)
def test_people_are_told_in_how_long_a_cap_ends(seconds, text):
    assert ending("day", TODAY, (TODAY + 1) * DAY - seconds) == f"00:00 UTC, {text}"


def test_months_end_where_the_calendar_says():
    day = TODAY
    for _ in range(800):
        first = first_of_month(day)
        assert first <= day < first + 31
        day += 1
    february = first_of_month(int(1_803_000_000 // DAY))
    assert ending("month", february, february * DAY).startswith("1 March, 00:00 UTC, in 28 days")


# What is kept in memory.


async def test_what_is_old_is_forgotten_and_what_caps_need_is_not():
    accounts = MemoryAccounts()
    for age in (0, 30, SPENT_KEPT, SPENT_KEPT + 1):
        row = Spent(TODAY - age, "chat", "T1", "C1", "U1", "m", cost=1)
        await accounts.reserve(Hold("a", 1, row), ())
        accounts.settle("a", row)
    accounts.prune(TODAY)
    assert [row.day for row in await accounts.usage(0, ["day"])] == [TODAY - 400, TODAY - 30, TODAY]
    assert accounts.sum(Spent(TODAY, "chat", actor="U1"), Cap("person", "day", 1)).spent == 1


async def test_a_store_in_memory_forgets_people_and_all():
    store = Memory()
    money = spending(replace(NONE, person_month=5), store.accounts)
    await spend(money, 1)
    await store.forget("U1")
    assert money.accounts.sum(money.who(ANN, HERE), Cap("person", "month", 1)).spent == 1_000_000
    assert "U1" not in {row.actor for row in await store.accounts.usage(0, ["actor"])}
    await store.purge()
    assert await store.accounts.usage(0, ["actor"]) == []
    assert money.refusal(ANN, HERE) == ""


def test_rows_are_summed_up_by_what_is_asked_for():
    rows = [
        Spent(1, "chat", "T", "C", actor, model, cost=cost, turns=1)
        for actor, model, cost in (("a", "m", 1), ("a", "n", 2), ("b", "m", 4))
    ]
    assert grouped(rows, ()) == [Spent(0, cost=7, turns=3)]
    assert [(row.actor, row.cost) for row in grouped(rows, ["actor"])] == [("a", 3), ("b", 4)]
    assert [(row.day, row.model, row.cost) for row in grouped(rows, ["day", "model"])] == [
        (1, "m", 5),
        (1, "n", 2),
    ]
