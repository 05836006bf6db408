"""What models cost."""

from __future__ import annotations

from datetime import date

import pytest

from bot.events import Usage
from bot.guard.prices import prices

MODEL = "claude-sonnet-5-5"
OWN = {"mine": {"input": 3.0, "output": 15.0}}


def test_the_table_says_when_and_from_where_it_is():
    table = prices()
    assert date.fromisoformat(table.date)
    assert table.source.startswith("https://")


def test_every_price_is_as_dear_as_what_it_stands_for():
    for model, price in prices().models.items():
        assert 0 < price.cache_read < price.input < price.cache_write < price.cache_hour, model
        assert price.input < price.output, model
        if price.long:
            assert price.long.input > price.input, model


def test_each_kind_of_token_has_its_price():
    usage = Usage(
        input=1_000_000, output=100_000, cache_read=1_000_000, cache_write=200_000, cache_hour=100_000
    )
    assert prices().cost(MODEL, usage) == 2_000_000 + 1_000_000 + 100_000 + 250_000 + 400_000


def test_a_part_of_a_micro_dollar_counts_as_one():
    assert prices().cost(MODEL, Usage(cache_read=1)) == 1
    assert prices().cost(MODEL, Usage(cache_read=10)) == 1


def test_a_search_costs_beside_its_tokens():
    assert prices().cost(MODEL, Usage(searches=3)) == 30_000
    assert prices().cost("nobody-knows", Usage(input=5, searches=3)) == 30_000


def test_a_long_request_costs_more_for_all_its_tokens():
    haiku = "claude-haiku-5-5"
    assert prices().cost(haiku, Usage(input=100_000, output=1000)) == 10_000 + 500
    assert prices().cost(haiku, Usage(input=1, cache_read=100_000, output=1000)) == 5_001 + 2_500


@pytest.mark.parametrize("model", [MODEL, f"{MODEL}-20261001", f"{MODEL}-latest"])
def test_a_model_of_one_day_costs_what_its_family_does(model):
    assert prices().of(model) == prices().of(MODEL)


@pytest.mark.parametrize("model", ["", "claude-sonnet-5-6", "claude-sonnet", f"my-{MODEL}", f"{MODEL}-fast"])
def test_another_model_has_no_price(model):
    assert prices().of(model) is None


def test_prices_of_the_operator_take_the_place_of_the_tables():
    known = prices({MODEL: {"input": 1.0, "output": 2.0}, **OWN})
    assert known.cost(MODEL, Usage(1_000_000, 1_000_000)) == 3_000_000
    assert known.cost("mine", Usage(cache_write=1_000_000, cache_read=1_000_000)) == 3_750_000 + 300_000


def test_models_whose_price_nobody_knows_are_named_once():
    assert prices().unpriced([MODEL, f"{MODEL}-20261001", ""]) == []
    assert prices(OWN).unpriced([MODEL, "mine", "new", "newer", "new"]) == ["new", "newer"]
