"""What models cost: the table beside this file, and the operator's own prices.

Money is in micro-dollars, so that a price in dollars for a million tokens is one for each token.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.events import Usage

TABLE = Path(__file__).with_name("prices.toml")
#: What the cache costs where nobody says so, beside a token that is read (docs, "Prompt caching").
WRITE, HOUR, READ = 1.25, 2.0, 0.1
#: Micro-dollars of a dollar.
MICRO = 1_000_000
#: What the API calls the same model of one day.
DATED = re.compile(r"-20\d{6}$|-latest$")
#: The least that code runs, in hours.
CODE = 5 / 60


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in micro-dollars a token.

    Attributes:
        input: A token that is read.
        output: A token that is written.
        cache_write: A token that the cache takes.
        cache_hour: The same, to keep it for an hour.
        cache_read: A token that the cache has.
        above: Tokens that a request reads, from which on `long` holds instead.
        long: What it costs then; None where that makes no difference.
    """

    input: float
    output: float
    cache_write: float
    cache_hour: float
    cache_read: float
    above: int = 0
    long: Price | None = None

    def fitting(self, tokens: int) -> Price:
        """Return what a request costs that reads *tokens*."""
        return self.long if self.long and tokens > self.above else self

    def most(self, reads: int, writes: int) -> int:
        """Return micro-dollars for *reads* tokens where they cost the most, and for *writes*; rounded up."""
        price = self.fitting(reads)
        return rounded(reads * max(price.input, price.cache_write) + writes * price.output)

    def cost(self, usage: Usage) -> int:
        """Return micro-dollars for *usage*, without its searches; rounded up."""
        price = self.fitting(usage.input + usage.cache_read + usage.cache_write)
        hour = min(usage.cache_hour, usage.cache_write)
        return rounded(
            usage.input * price.input
            + usage.output * price.output
            + (usage.cache_write - hour) * price.cache_write
            + hour * price.cache_hour
            + usage.cache_read * price.cache_read
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What all models cost.

    Attributes:
        models: Their prices, by the API's names.
        search: Micro-dollars for a search of the web.
        code: Micro-dollars for the least that code runs.
        date: When the table was made.
        source: Where it is from.
    """

    models: Mapping[str, Price] = field(default_factory=dict)
    search: int = 0
    code: int = 0
    date: str = ""
    source: str = ""

    def of(self, model: str) -> Price | None:
        """Return what *model* costs, also if its name says of which day it is; None if nobody knows."""
        return self.models.get(model) or self.models.get(DATED.sub("", model))

    def cost(self, model: str, usage: Usage) -> int:
        """Return micro-dollars for *usage*; 0 for a model whose price nobody knows, but for its searches."""
        price = self.of(model)
        return (price.cost(usage) if price else 0) + usage.searches * self.search

    def unpriced(self, models: Collection[str]) -> list[str]:
        """Return those of *models* whose price nobody knows."""
        return [model for model in dict.fromkeys(models) if model and not self.of(model)]


def prices(own: Mapping[str, Mapping[str, float]] | None = None) -> Prices:
    """Return the prices of the table, with the operator's *own* in place of them.

    Args:
        own: Dollars for a million tokens, by model: "input", "output", and "cache_write", "cache_hour" and
            "cache_read" where those differ from what is usual.
    """
    table = _table()
    told = {**table["models"], **(own or {})}
    return Prices(
        {model: _price(each) for model, each in told.items()},
        rounded(table["searches"] * MICRO / 1000),
        rounded(table["code_hour"] * MICRO * CODE),
        table["date"],
        table["source"],
    )


def rounded(cost: float) -> int:
    """Return *cost* rounded up; what is nearly whole, since fractions are not exact, to that."""
    return math.ceil(round(cost, 6))


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def _price(told: Mapping[str, Any]) -> Price:
    read = float(told["input"])
    long = told.get("long")
    return Price(
        read,
        float(told["output"]),
        float(told.get("cache_write", read * WRITE)),
        float(told.get("cache_hour", read * HOUR)),
        float(told.get("cache_read", read * READ)),
        int(long["above"]) if long else 0,
        _price(long) if long else None,
    )
