"""Sums of what was spent and is held, by what caps are for.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bot.store.accounts import Cap, Hold, Scope, Span, Spent, Sum, first_of_month, month, pseudonym
from bot.store.months import Months

#: Scope, span, the day or the month, and who or where.
Key = tuple[str, str, int, str, str]
#: People in a channel on a day whose sums are found at once; of more, all are looked up anew.
MET = 8192


@dataclass(slots=True)
class Counted:
    """What is spent and held, in micro-dollars."""

    spent: int = 0
    held: int = 0


class Totals:
    """What is spent and held, by what caps are for; for a month, and the days in it.

    Attributes:
        holds: What is held, by its key.
        months: What was spent in each month, as people are told it.
    """

    def __init__(self) -> None:
        self.months = Months()
        self.holds: dict[str, Hold] = {}
        self._sums: dict[Key, Counted] = {}
        self._met: dict[tuple[object, ...], Mapping[tuple[Scope, Span], Counted]] = {}

    def add(self, spent: Spent) -> None:
        """Count *spent*."""
        for each in self._of(spent).values():
            each.spent += spent.cost
        self.months.add(spent)

    def hold(self, hold: Hold) -> None:
        """Keep *hold*, in place of one with its key."""
        self.release(hold.key)
        self.holds[hold.key] = hold
        held = hold.held
        for each in self._of(hold.noted).values():
            each.held += held

    def release(self, key: str) -> Hold | None:
        """Remove the hold *key* and return it."""
        if hold := self.holds.pop(key, None):
            held = hold.held
            for each in self._of(hold.noted).values():
                each.held -= held
        return hold

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """Return what counts for *cap* as *who* meets it."""
        found = self._of(who).get((cap.scope, cap.span))
        return Sum(found.spent, found.held) if found else Sum()

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        sums = self._of(who)
        for cap in caps:
            found = sums.get((cap.scope, cap.span))
            if found and found.spent + found.held >= cap.most:
                return cap
        return None

    def reached(self, spent: Spent, caps: Sequence[Cap]) -> list[tuple[Cap, int]]:
        """Return those of *caps* that were reached with *spent*, which was counted last; and their sums."""
        sums, found = self._of(spent), []
        for cap in caps:
            now = each.spent if (each := sums.get((cap.scope, cap.span))) else 0
            if now - spent.cost < cap.most <= now:
                found.append((cap, now))
        return found

    def forget(self, actor: str) -> None:
        """Let nothing name *actor*; what they have spent still counts for them."""
        self.months.rename(actor, pseudonym(actor))
        for key, hold in self.holds.items():
            if hold.noted.actor == actor:
                self.holds[key] = replace(hold, noted=replace(hold.noted, actor=pseudonym(actor)))

    def prune(self, day: int) -> None:
        """Drop what no cap of *day*, or of a day later, can ask for."""
        oldest = {"day": day - 2, "month": month(day - 2)}
        for key, each in self._sums.items():
            if key[2] < oldest[key[1]]:
                each.spent = 0
        self._tidy()
        self.months.prune(first_of_month(day - 2))

    def clear(self) -> None:
        """Drop what was spent; what is held stays."""
        for each in self._sums.values():
            each.spent = 0
        self._tidy()
        self.months = Months()

    def _of(self, who: Spent) -> Mapping[tuple[Scope, Span], Counted]:
        """Return the sums of all that *who* counts for."""
        names = who.day, who.platform, who.workspace, who.channel, who.actor
        if (found := self._met.get(names)) is None:
            if len(self._met) >= MET:
                self._tidy()
            found = {which: self._sums.setdefault(key, Counted()) for which, key in counts_for(who).items()}
            self._met[names] = found
        return found

    def _tidy(self) -> None:
        """Drop the sums that are 0."""
        self._met.clear()
        self._sums = {key: each for key, each in self._sums.items() if each.spent or each.held}


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
