"""Sums for caps, and what people are told of a month."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.events import Usage
from bot.guard.prices import Price, prices
from bot.store import totals as module
from bot.store.accounts import Cap, Hold, Spent, Sum, first_of_month
from bot.store.months import TOGETHER
from bot.store.totals import Totals

ROW = Spent(20_000, "chat", "T1", "C1", "U1", "large", turns=1, output=7, cost=300)
DAY, MONTH = Cap("person", "day", 1_000), Cap("all", "month", 1_000)


@pytest.fixture
def totals():
    return Totals()


def test_a_sum_with_a_hold_outlives_its_day_until_that_is_released(totals):
    totals.add(ROW)
    totals.hold(Hold("a", 500, ROW))
    assert totals.sum(ROW, DAY) == Sum(300, 500)
    totals.prune(ROW.day + 100)
    assert totals.sum(ROW, DAY) == Sum(0, 500)
    totals.release("a")
    totals.prune(ROW.day + 100)
    assert not totals._sums
    assert totals.sum(ROW, DAY) == Sum()


def test_a_purge_leaves_what_is_held_and_counts_what_comes_after(totals):
    totals.add(ROW)
    totals.hold(Hold("a", 500, ROW))
    totals.clear()
    assert totals.sum(ROW, MONTH) == Sum(0, 500)
    totals.release("a")
    totals.add(ROW)
    assert totals.sum(ROW, MONTH) == Sum(300, 0)


def test_more_people_than_are_remembered_keep_their_sums(totals, monkeypatch):
    monkeypatch.setattr(module, "MET", 3)
    people = [replace(ROW, actor=f"U{number}") for number in range(10)]
    for number, who in enumerate(people):
        totals.add(who)
        totals.hold(Hold(str(number), 10, who))
    assert [totals.sum(who, DAY) for who in people] == [Sum(300, 300)] * 10
    assert totals.sum(ROW, MONTH) == Sum(3_000, 3_000)
    assert totals.forbids(ROW, [DAY, MONTH]) == MONTH


def test_a_look_at_somebody_leaves_nothing_behind(totals):
    for number in range(100):
        assert totals.forbids(replace(ROW, actor=f"U{number}"), [DAY]) is None
    totals.prune(ROW.day)
    assert not totals._sums


def test_a_cap_is_reached_with_one_row_alone(totals):
    reached = []
    for _ in range(6):
        totals.add(ROW)
        reached += totals.reached(ROW, [DAY, MONTH, Cap("workspace", "day", 10_000)])
    assert reached == [(DAY, 1_200), (MONTH, 1_200)]


@pytest.mark.parametrize("many", [1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 1])
def test_what_is_told_of_a_month_has_all_of_it(totals, many):
    for _ in range(many):
        totals.add(ROW)
    first = first_of_month(ROW.day)
    [told] = totals.months.of(first, ["actor"])
    assert (told.actor, told.turns, told.output, told.cost) == ("U1", many, 7 * many, 300 * many)
    totals.months.rename("U1", "U2")
    totals.add(ROW)
    assert {row.actor: row.turns for row in totals.months.of(first, ["actor"])} == {"U2": many, "U1": 1}


@pytest.mark.parametrize("reads", [0, 1, 999, 200_000, 200_001, 900_000])
def test_the_most_that_a_request_may_cost_is_the_dearest_way_to_read(reads):
    cheap = Price(3.0, 15.0, 0.5, 6.0, 0.3, above=200_000, long=Price(6.0, 22.5, 7.5, 12.0, 0.6))
    for price in (*prices().models.values(), cheap):
        ways = (Usage(reads, 800), Usage(0, 800, cache_write=reads), Usage(0, 800, cache_read=reads))
        assert price.most(reads, 800) == max(price.cost(way) for way in ways)
