"""Sums of what was spent and is held, by what caps are for.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.store.accounts import Cap, Hold, Scope, Span, Spent, Sum, month, pseudonym

SCOPES: tuple[Scope, ...] = ("person", "channel", "workspace", "all")
SPANS: tuple[Span, ...] = ("day", "month")
#: Scope, span, the day or the month, and who or where.
Key = tuple[str, str, int, str, str]


class Tally:
    """What is spent and held, by what caps are for.  Pure; for one month and the days in it, and longer."""

    def __init__(self) -> None:
        self.holds: dict[str, Hold] = {}
        self._spent: defaultdict[Key, int] = defaultdict(int)
        self._held: defaultdict[Key, int] = defaultdict(int)

    def add(self, spent: Spent) -> None:
        """Count *spent*."""
        for key in _keys(spent):
            self._spent[key] += spent.cost

    def hold(self, hold: Hold) -> None:
        """Keep *hold*, in place of one with its key."""
        self.release(hold.key)
        self.holds[hold.key] = hold
        for key in _keys(hold.noted):
            self._held[key] += hold.held

    def release(self, key: str) -> Hold | None:
        """Remove the hold *key* and return it."""
        if hold := self.holds.pop(key, None):
            for each in _keys(hold.noted):
                self._held[each] -= hold.held
                if not self._held[each]:
                    del self._held[each]
        return hold

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """Return what counts for *cap* as *who* meets it."""
        key = _key(who, cap.scope, cap.span)
        return Sum(self._spent.get(key, 0), self._held.get(key, 0)) if key else Sum()

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        for cap in caps:
            found = self.sum(who, cap)
            if found.spent + found.held >= cap.most:
                return cap
        return None

    def forget(self, actor: str) -> None:
        """Let the holds of *actor* name nobody; what they have spent still counts for them."""
        for key, hold in self.holds.items():
            if hold.noted.actor == actor:
                self.holds[key] = replace(hold, noted=replace(hold.noted, actor=pseudonym(actor)))

    def prune(self, day: int) -> None:
        """Drop what no cap of *day*, or of a day later, can ask for."""
        oldest = {"day": day - 2, "month": month(day - 2)}
        for key in [key for key in self._spent if key[2] < oldest[key[1]]]:
            del self._spent[key]

    def clear(self) -> None:
        """Drop what was spent; what is held stays."""
        self._spent.clear()


def _keys(who: Spent) -> Iterator[Key]:
    """Yield all that *who* counts for."""
    for scope in SCOPES:
        for span in SPANS:
            if key := _key(who, scope, span):
                yield key


def _key(who: Spent, scope: Scope, span: Span) -> Key | None:
    """Return what *who* counts for in *scope* and *span*; None if that is nothing."""
    period = who.day if span == "day" else month(who.day)
    match scope:
        case "person":
            return scope, span, period, who.platform, pseudonym(who.actor)
        case "channel":
            return scope, span, period, who.platform, who.channel
        case "workspace" if who.workspace:
            return scope, span, period, who.platform, who.workspace
        case "all":
            return scope, span, period, "", ""
    return None
