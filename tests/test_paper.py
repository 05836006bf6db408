"""The figures that docs/scale.md has on paper follow from what was measured."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.bench.paper import Costs, Load, breaks_first, cores, replicas, shown, table

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
LOAD = Load(
    guilds=2500, workspaces=1100, answers=36_000, hours=10, seconds=20, discord=0.5, heard=1.0, deploys=3
)
#: Round numbers, by which each row can be worked out in one's head.
COSTS = Costs(
    answer_cpu=0.1,
    heard_cpu=0.2,
    base_memory=109.6,
    answer_memory=1.0,
    guild_memory=0.04,
    trips=10.0,
    trips_second=2.0,
    trip_cpu=0.0001,
    live_bytes=2**20,
    text_bytes=0.0,
    row_bytes=0.0,
    spent_bytes=0.0,
    packed_bytes=0.0,
    calls=8.0,
    least_calls=2.0,
)


def needed(load: Load, costs: Costs) -> dict[str, float]:
    return {row.what: row.need for row in table(load, costs, 4096.0)}


def test_each_figure_is_the_measured_cost_times_how_often_it_is_paid():
    found = needed(LOAD, COSTS)
    assert LOAD.rate == 10
    assert found["answers live at once"] == 200
    assert found["cores of all replicas"] == pytest.approx(10 * 0.1 + 3600 * 1 / 3600 * 0.2)
    assert found["round trips to Redis"] == 10 * 10 + found["replicas"] * 2
    assert found["memory of Redis"] == 200
    assert found["Discord shards"] == 3
    assert found["Discord sessions begun, if none resumes"] == 9
    assert found["calls of Discord's API, as alone"] == 10 * 0.5 * 8
    assert found["calls of Discord's API, the least"] == 10 * 0.5 * 2
    assert found["requests to Claude"] == 600


def test_replicas_are_as_many_as_the_scarcer_of_cores_and_memory_wants_and_one_more():
    assert cores(LOAD, COSTS) / 0.6 == pytest.approx(2)
    assert replicas(LOAD, replace(COSTS, answer_memory=0.1)) == 2 + 1
    assert replicas(LOAD, replace(COSTS, answer_memory=10.0)) == 7 + 1  # 2,100 MB, 300 of them in each
    assert replicas(replace(LOAD, answers=1, guilds=1, workspaces=1), COSTS) == 1 + 1


def test_replicas_have_two_sockets_each_until_the_eight_of_the_app_are_given_out():
    assert needed(LOAD, COSTS)["Slack sockets"] == 3 * 2
    assert needed(LOAD, replace(COSTS, answer_memory=10.0))["Slack sockets"] == 8


def test_what_is_kept_for_a_day_and_for_a_week_fills_redis():
    daily = LOAD.answers * LOAD.hours
    kept = replace(COSTS, live_bytes=0.0, text_bytes=2.0, row_bytes=3.0)
    assert needed(LOAD, kept)["memory of Redis"] == pytest.approx(daily * (2 + 7 * 3) / 2**20)


def test_a_row_of_what_was_spent_is_for_several_answers_and_is_packed_after_its_month():
    rows = LOAD.answers * LOAD.hours / LOAD.asks
    costs = replace(COSTS, live_bytes=0.0, spent_bytes=200.0, packed_bytes=50.0)
    found = needed(LOAD, costs)
    assert found["memory of Redis"] == pytest.approx(rows * (35 * 200 + 365 * 50) / 2**20)
    assert found["of it what was spent"] == found["memory of Redis"]


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"least_calls": 7.0, "calls": 70.0}, "calls of Discord's API, the least"),
        ({"trip_cpu": 0.01}, "round trips to Redis"),
        ({"row_bytes": 3000.0}, "memory of Redis"),
    ],
)
def test_what_breaks_first_is_what_is_used_most_of_what_there_may_be(change, first):
    assert breaks_first(table(LOAD, replace(COSTS, **change), 4096.0)).what == first


def test_the_page_names_every_cost_that_is_to_be_measured_and_every_row():
    page = PAGE.read_text()
    for each in fields(Costs):
        assert f"`{each.name}`" in page, each.name
    for row in table(Load(), COSTS, 4096.0):
        assert row.what in page, row.what
    assert shown(table(Load(), COSTS, 4096.0)).count("\n| ") == len(table(Load(), COSTS, 4096.0))
