"""The keys of the questions that were taken: one number each, so that a busy week fits into memory.  Pure."""

from __future__ import annotations

from collections import defaultdict

#: Seconds of a day; the keys of one day are forgotten together.
DAY = 86_400.0


class Keys:
    """A set of keys, by the days of their questions.

    Holds what `hash` makes of a key (64 bits), in about 70 bytes.  That two of a million keys share a number,
    and one of them is taken for known, happens in one of 30 million runs.
    """

    def __init__(self) -> None:
        self._days: defaultdict[int, set[int]] = defaultdict(set)

    def add(self, key: str, at: float) -> None:
        """Keep *key*, of a question taken at *at*, seconds of the wall clock."""
        self._days[int(at // DAY)].add(hash(key))

    def prune(self, before: float) -> None:
        """Forget the days that ended before *before*."""
        for day in [day for day in self._days if (day + 1) * DAY <= before]:
            del self._days[day]

    def clear(self) -> None:
        """Forget all."""
        self._days.clear()

    def __contains__(self, key: str) -> bool:
        number = hash(key)
        return any(number in day for day in self._days.values())

    def __len__(self) -> int:
        return sum(len(day) for day in self._days.values())
