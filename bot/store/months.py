"""What was spent in a month, in all and by model, person and channel, as people are told it.  Pure.

It is kept because adding it up from the rows of a busy month takes too long while people wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, attrgetter
from typing import Any

from bot.store.accounts import NUMBERS, Spent, first_of_month

#: What is kept by; and in all, which is "".
BY = ("", "model", "actor", "channel")
#: Spendings that are added up at a time, if nobody asks before.
TOGETHER = 50
_numbers = attrgetter(*NUMBERS)
_names = attrgetter(*BY[1:])

#: By what, and the name; what was counted, as `NUMBERS` has it.
Sums = dict[tuple[str, str], tuple[int, ...]]


class Months:
    """Sums of what was spent, for some months."""

    def __init__(self) -> None:
        self._sums: dict[int, Sums] = {}
        self._new: list[Spent] = []  # not in the sums yet

    def add(self, spent: Spent) -> None:
        """Count *spent*."""
        self._new.append(spent)
        if len(self._new) >= TOGETHER:
            self._add_up()

    def of(self, since: int, by: Sequence[str]) -> list[Spent] | None:
        """Return what `Accounts.usage` returns, where it is kept; else None.

        It is, from the first day of the newest month on, in all or by one of `BY`.
        """
        self._add_up()
        name = by[0] if by else ""
        if len(by) > 1 or name not in BY or since != max(self._sums, default=-1):
            return None
        rows = []
        for (kind, who), numbers in self._sums[since].items():
            if kind == name:
                fields: dict[str, Any] = dict(zip(NUMBERS, numbers, strict=True))
                fields |= {name: who} if name else {}
                rows.append(Spent(0, **fields))
        return sorted(rows, key=lambda row: -row.cost)

    def rename(self, actor: str, other: str) -> None:
        """Call *actor* by an*other* name."""
        self._add_up()
        for sums in self._sums.values():
            if numbers := sums.pop(("actor", actor), None):
                known = sums.get(("actor", other))
                sums["actor", other] = tuple(map(add, known, numbers)) if known else numbers

    def prune(self, oldest: int) -> None:
        """Drop the months before the one that begins on the day *oldest*."""
        self._add_up()
        for first in [first for first in self._sums if first < oldest]:
            del self._sums[first]

    def _add_up(self) -> None:
        for spent in self._new:
            sums = self._sums.setdefault(first_of_month(spent.day), {})
            numbers = _numbers(spent)
            for key in zip(BY, ("", *_names(spent)), strict=True):
                known = sums.get(key)
                sums[key] = tuple(map(add, known, numbers)) if known else numbers
        self._new.clear()
