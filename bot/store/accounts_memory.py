"""What was spent since the start, in memory; see `bot.store.accounts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.store.accounts import (
    FORGOTTEN,
    LAST,
    SPENT_KEPT,
    Cap,
    Hold,
    Reached,
    Spent,
    Sum,
    called,
    first_of_month,
    grouped,
    nobody,
    pseudonym,
)
from bot.store.totals import Totals


class MemoryAccounts:
    """What was spent since the start; see `Accounts`."""

    def __init__(self) -> None:
        self._totals = Totals()
        self._rows: dict[tuple[object, ...], Spent] = {}

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        return self._totals.forbids(who, caps)

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """See `Accounts.sum`."""
        return self._totals.sum(who, cap)

    async def reserve(self, hold: Hold, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.reserve`."""
        return self._hold(hold, caps)

    def note(self, key: str, noted: Spent) -> None:
        """See `Accounts.note`."""
        if hold := self._totals.holds.get(key):
            self._totals.hold(replace(hold, noted=called(noted, hold.noted.actor)))

    async def look(self, who: Spent) -> None:
        """See `Accounts.look`."""

    def settle(
        self, key: str, spent: Spent | None, nearly: Sequence[Cap] = (), reached: Reached = nobody
    ) -> None:
        """See `Accounts.settle`."""
        hold = self._totals.release(key)
        if hold and spent:
            self._count(called(spent, hold.noted.actor))
            self._tell(spent, nearly, reached)

    async def usage(self, since: int, by: Sequence[str], until: int = LAST) -> Sequence[Spent]:
        """See `Accounts.usage`."""
        if until == LAST and (kept := self._totals.months.of(since, by)) is not None:
            return kept
        return grouped([row for row in self._rows.values() if since <= row.day < until], by)

    def forget(self, actor: str, day: int) -> None:
        """Take the name of *actor* off: up to the month of *day* for good, in it as far as caps allow."""
        self._totals.forget(actor)
        first = first_of_month(day)
        for row in [row for row in self._rows.values() if row.actor in {actor, pseudonym(actor)}]:
            del self._rows[row.key]
            self._put(replace(row, actor=pseudonym(actor) if row.day >= first else ""))

    def prune(self, day: int) -> None:
        """Delete what is older than `SPENT_KEPT` days on *day*, and the marks of who was forgotten before."""
        self._totals.prune(day)
        first = first_of_month(day)
        for row in [*self._rows.values()]:
            if row.day < day - SPENT_KEPT:
                del self._rows[row.key]
            elif row.day < first and row.actor.startswith(FORGOTTEN):
                del self._rows[row.key]
                self._put(replace(row, actor=""))

    def purge(self) -> None:
        """Delete all that was spent."""
        self._totals.clear()
        self._rows.clear()

    def _hold(self, hold: Hold, caps: Sequence[Cap]) -> Cap | None:
        """Count *hold*, unless one of *caps* is used up, which is returned then."""
        cap = self.forbids(hold.noted, caps)
        if cap is None:
            self._totals.hold(hold)
        return cap

    def _tell(self, spent: Spent, nearly: Sequence[Cap], reached: Reached) -> None:
        for cap, now in self._totals.reached(spent, nearly):
            reached(cap, now)

    def _count(self, spent: Spent) -> None:
        self._totals.add(spent)
        self._put(spent)

    def _put(self, spent: Spent) -> None:
        known = self._rows.get(spent.key)
        self._rows[spent.key] = known + spent if known else spent
