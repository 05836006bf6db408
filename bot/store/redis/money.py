"""How money is given to Redis: keys, and rows as `bot.store.redis.money_scripts` takes them.  Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from bot.store.accounts import (
    NAMES,
    NUMBERS,
    SPENT_KEPT,
    Scope,
    Span,
    Spent,
    first_of_month,
    month,
    pseudonym,
)
from bot.store.months import BY
from bot.store.redis.keys import Names
from bot.store.totals import counts_for

DAY = 86_400
#: Days for which sums outlive their day or month, in case a clock is set back.
LATER = 4
#: Hashes that the rows of a day are in, by who spent.
SHARDS = 16


class Field(NamedTuple):
    """What a cap is for.

    Attributes:
        span: "day" or "month".
        period: Which; see `bot.store.accounts.month`.
        text: What its sum is called in Redis.
    """

    span: str
    period: int
    text: str


@lru_cache(maxsize=8192)
def _fields(
    day: int, platform: str, workspace: str, channel: str, actor: str
) -> Mapping[tuple[Scope, Span], Field]:
    found = counts_for(Spent(day, platform, workspace, channel, actor))
    return {which: Field(which[1], key[2], json.dumps(key)) for which, key in found.items()}


def fields(who: Spent) -> Mapping[tuple[Scope, Span], Field]:
    """Return all that *who* counts for."""
    return _fields(who.day, who.platform, who.workspace, who.channel, who.actor)


def ordered(who: Spent) -> list[Field]:
    """Return the `fields` of *who* as the script has them: those of the day, then those of the month."""
    found = fields(who).values()
    return [*(each for each in found if each.span == "day"), *(each for each in found if each.span != "day")]


def packed(row: Spent) -> str:
    """Return *row* as the script takes it."""
    rest = json.dumps([row.platform, row.workspace, row.channel, row.model])
    return json.dumps(
        {
            "day": str(row.day),
            "actor": json.dumps(row.actor),
            "mark": json.dumps(pseudonym(row.actor)),
            "model": json.dumps(row.model),
            "channel": json.dumps(row.channel),
            "rest": f", {rest[1:]}",
            "numbers": ",".join(str(getattr(row, name)) for name in NUMBERS),
            "cost": str(row.cost),
            "fields": [each.text for each in ordered(row)],
            "ends": [str(each) for each in _ends(row.day)],
        }
    )


def rows_end(day: int) -> int:
    """Return when the rows of *day* are deleted, in case nobody does it before."""
    return (day + SPENT_KEPT + 2) * DAY


@lru_cache(maxsize=64)
def _ends(day: int) -> tuple[int, int, int]:
    """Return when the rows of *day*, its sums and those of its month are deleted."""
    following = first_of_month(first_of_month(day) + 31)
    return rows_end(day), (day + LATER) * DAY, (following + LATER) * DAY


def shard(actor: str) -> int:
    """Return which of a day's hashes has the rows of *actor*, also after they are forgotten."""
    return crc32(pseudonym(actor).encode("utf-8", "surrogatepass")) % SHARDS


def start(actor: str) -> str:
    """Return what the rows of *actor* begin with."""
    return f"[{json.dumps(actor)}"


def row_of(day: int, field: bytes, numbers: bytes) -> tuple[Any, ...]:
    """Return a row of *day* as `bot.store.rows.spent_of` takes it; raise ValueError where it is none."""
    names = json.loads(field)
    if not isinstance(names, list) or len(names) != len(NAMES) - 1:
        raise ValueError("it has other names")
    actor, platform, workspace, channel, model = names
    return day, platform, workspace, channel, actor, model, *map(int, numbers.split(b","))


class Keys:
    """The keys of Redis that are about money."""

    def __init__(self, names: Names) -> None:
        self._of = names.of
        self._lists: dict[tuple[int, int], Sequence[str]] = {}
        self.holds, self.held = names.of("holds"), names.of("held")
        self.days, self.marked, self.gone = names.of("days"), names.of("marked"), names.of("gone")

    def money(self, key: str, row: Spent) -> list[str]:
        """Return what `MONEY` is given, for the request *key* and *row*."""
        which = row.day, shard(row.actor)
        if which not in self._lists:
            self._lists = {which: self._list(*which), **dict([*self._lists.items()][: SHARDS * LATER])}
        return [*self._lists[which], self._of("settled", json.dumps(key)), self.gone]

    def _list(self, day: int, number: int) -> Sequence[str]:
        sums = self.sums("day", day), self.sums("month", month(day))
        own = self.holds, self.held, self.rows(day)[number]
        return *own, *sums, *self.months(day).values(), self.days, self.marked

    def rows(self, day: int) -> Sequence[str]:
        """Return where the rows of *day* are."""
        return [self._of("spent", day, number) for number in range(SHARDS)]

    def packed(self, day: int) -> Sequence[str]:
        """Return where the rows of *day* are once they are packed; see `bot.store.redis.packed`."""
        return [self._of("packed", day, number) for number in range(SHARDS)]

    def aside(self, day: int) -> Sequence[str]:
        """Return where the rows of *day* are while they are packed."""
        return [self._of("aside", day, number) for number in range(SHARDS)]

    def all_rows(self, day: int) -> Sequence[str]:
        """Return all places where rows of *day* may be."""
        return [*self.rows(day), *self.aside(day), *self.packed(day)]

    def sums(self, span: str, period: int) -> str:
        """Return where sums for caps are."""
        return self._of("sums", span, period)

    def months(self, day: int) -> Mapping[str, str]:
        """Return where the sums of the month of *day* are that people are told, by what of `BY`."""
        return {by: self._of("month", first_of_month(day), by or "all") for by in BY}
