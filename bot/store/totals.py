"""Sums of what was spent and is held, by what caps are for.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from bot.store.accounts import Cap, Hold, Scope, Span, Spent, Sum, first_of_month, month, pseudonym
from bot.store.months import Months

#: Scope, span, the day or the month, and who or where.
Key = tuple[str, str, int, str, str]


class Totals:
    """What is spent and held, by what caps are for; for a month, and the days in it.

    Attributes:
        holds: What is held, by its key.
        months: What was spent in each month, as people are told it.
    """

    def __init__(self) -> None:
        self.months = Months()
        self.holds: dict[str, Hold] = {}
        self._spent: defaultdict[Key, int] = defaultdict(int)
        self._held: defaultdict[Key, int] = defaultdict(int)

    def add(self, spent: Spent) -> None:
        """Count *spent*."""
        for key in counts_for(spent).values():
            self._spent[key] += spent.cost
        self.months.add(spent)

    def hold(self, hold: Hold) -> None:
        """Keep *hold*, in place of one with its key."""
        self.release(hold.key)
        self.holds[hold.key] = hold
        for key in counts_for(hold.noted).values():
            self._held[key] += hold.held

    def release(self, key: str) -> Hold | None:
        """Remove the hold *key* and return it."""
        if hold := self.holds.pop(key, None):
            for each in counts_for(hold.noted).values():
                self._held[each] -= hold.held
                if not self._held[each]:
                    del self._held[each]
        return hold

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """Return what counts for *cap* as *who* meets it."""
        key = counts_for(who).get((cap.scope, cap.span))
        return Sum(self._spent.get(key, 0), self._held.get(key, 0)) if key else Sum()

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        keys = counts_for(who)
        for cap in caps:
            key = keys.get((cap.scope, cap.span))
            if key and self._spent.get(key, 0) + self._held.get(key, 0) >= cap.most:
                return cap
        return None

    def forget(self, actor: str) -> None:
        """Let nothing name *actor*; what they have spent still counts for them."""
        self.months.rename(actor, pseudonym(actor))
        for key, hold in self.holds.items():
            if hold.noted.actor == actor:
                self.holds[key] = replace(hold, noted=replace(hold.noted, actor=pseudonym(actor)))

    def prune(self, day: int) -> None:
        """Drop what no cap of *day*, or of a day later, can ask for."""
        oldest = {"day": day - 2, "month": month(day - 2)}
        for key in [key for key in self._spent if key[2] < oldest[key[1]]]:
            del self._spent[key]
        self.months.prune(first_of_month(day - 2))

    def clear(self) -> None:
        """Drop what was spent; what is held stays."""
        self._spent.clear()
        self.months = Months()


def counts_for(who: Spent) -> Mapping[tuple[Scope, Span], Key]:
    """Return all that *who* counts for."""
    return _keys_of(who.day, who.platform, who.workspace, who.channel, who.actor)


@lru_cache(maxsize=8192)
def _keys_of(
    day: int, platform: str, workspace: str, channel: str, actor: str
) -> Mapping[tuple[Scope, Span], Key]:
    who: Mapping[Scope, tuple[str, str]] = {
        "person": (platform, pseudonym(actor)),
        "channel": (platform, channel),
        **({"workspace": (platform, workspace)} if workspace else {}),
        "all": ("", ""),
    }
    periods: Mapping[Span, int] = {"day": day, "month": month(day)}
    return {
        (scope, span): (scope, span, period, *names)
        for scope, names in who.items()
        for span, period in periods.items()
    }
