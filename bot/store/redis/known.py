"""What a replica knows of the sums in Redis: as they were last seen, and what it has spent since.  Pure."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.store.accounts import Cap, Hold, Spent, Sum
from bot.store.redis.money import Field, fields, ordered

#: Seconds for which it is believed what is held; what is spent only grows.
FRESH = 10.0
#: Sums that are remembered, and of those that are read anew each time; of more, the oldest are let go.
MOST, READ = 8_192, 2_000


@dataclass(slots=True)
class _Seen:
    spent: int = 0
    held: int = 0
    at: float = float("-inf")


class Known:
    """The sums that caps of late were about; callers bring the time."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._own: defaultdict[str, int] = defaultdict(int)  # held for requests of this replica
        self._owed: defaultdict[str, int] = defaultdict(int)  # spent here, and not in `_seen` yet
        self._wanted: dict[Field, None] = {}
        self._before: dict[Field, None] = {}

    def sum(self, who: Spent, cap: Cap, now: float) -> Sum:
        """Return what counts for *cap* as *who* meets it."""
        if (field := fields(who).get((cap.scope, cap.span))) is None:
            return Sum()
        self._wanted[field] = None
        seen = self._seen.get(field.text, _Seen())
        held = seen.held if now - seen.at < FRESH else self._own.get(field.text, 0)
        return Sum(max(0, seen.spent + self._owed.get(field.text, 0)), max(0, held))

    def forbids(self, who: Spent, caps: Sequence[Cap], now: float) -> Cap | None:
        """Return the first of *caps* that lets *who* begin nothing."""
        known = fields(who)
        for cap in caps:
            if (cap.scope, cap.span) in known:
                found = self.sum(who, cap, now)
                if found.spent + found.held >= cap.most:
                    return cap
        return None

    def hold(self, hold: Hold, sign: int = 1) -> None:
        """Count what *hold* holds, or with *sign* -1 no more."""
        for field in ordered(hold.noted):
            self._own[field.text] += sign * hold.held
            if self._own[field.text] <= 0:
                del self._own[field.text]

    def release(self, hold: Hold) -> None:
        """Count *hold* no more, also in what was seen, until Redis says so itself."""
        self.hold(hold, -1)
        for field in ordered(hold.noted):
            if seen := self._seen.get(field.text):
                seen.held -= hold.held

    def owe(self, who: Spent, cost: int) -> None:
        """Count *cost*, which Redis is told of; with a minus, once it has counted that itself."""
        if cost:
            for field in ordered(who):
                self._owed[field.text] += cost
                if self._owed[field.text] <= 0:  # below: after a purge
                    del self._owed[field.text]

    def see(self, found: Iterable[tuple[Field, int, int]], now: float) -> None:
        """Take what Redis says: for each sum what is spent and held."""
        for field, spent, held in found:
            self._seen[field.text] = _Seen(spent, held, now)
            self._seen.move_to_end(field.text)
        while len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def wanted(self, always: Iterable[Field]) -> list[Field]:
        """Return *always*, and the sums that were asked for since this was called the last time but one."""
        since, self._before, self._wanted = self._before, self._wanted, {}
        newest = [*{**since, **self._before}][-READ:]
        return list(dict.fromkeys([*always, *newest]))

    def clear(self) -> None:
        """Take it that nothing was spent; what is held stays."""
        self._owed.clear()
        for seen in self._seen.values():
            seen.spent = 0
