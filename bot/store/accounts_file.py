"""What was spent, in the ledger's file; see `bot.store.accounts`.

Sums for caps are in memory, read once at the start; rows are in the file alone.  What was held when a process
died is settled by the next one, as it was noted.  While the file can't be written, `ALLOWANCE` may be spent,
and nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from bot.store import rows, tables
from bot.store.accounts import (
    ALLOWANCE,
    LAST,
    NAMES,
    SPENT_KEPT,
    Cap,
    Hold,
    Reached,
    Spent,
    called,
    first_of_month,
    nobody,
    pseudonym,
)
from bot.store.accounts_memory import MemoryAccounts
from bot.store.keys import DAY
from bot.store.rows import BadRow
from bot.store.tables import Statement
from bot.store.writer import Writer

log = structlog.get_logger(__name__)

#: Days before this one of which caps may ask: the clock may have been set back.
RECENT = 2
#: The cap that holds while nothing can be written.
UNWRITTEN = Cap("ledger", "trouble", ALLOWANCE)


@dataclass(slots=True)
class Due:
    """What the file lacks: sums, and the holds that are over.

    Of that, without a trace in it: the micro-dollars `risked`, and the holds `risky`.
    """

    spent: dict[tuple[object, ...], Spent] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    risked: int = 0
    risky: set[str] = field(default_factory=set)

    def add(self, key: str, spent: Spent | None) -> None:
        """Take note that the hold *key*, if the file may have it, is over and has cost *spent*."""
        if key:
            self.settled.add(key)
        if spent:
            known = self.spent.get(spent.key)
            self.spent[spent.key] = known + spent if known else spent

    def statements(self) -> list[Statement]:
        """Return what writes all that."""
        return [
            *((tables.ADD, tables.spent_row(each)) for each in self.spent.values()),
            *((tables.SETTLED, (key,)) for key in self.settled),
        ]


class FileAccounts(MemoryAccounts):
    """What was spent, in the ledger's file; see `Accounts`.

    Args:
        writer: The thread that has the file.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer
        self._due = Due()
        self._filed: set[str] = set()  # holds that the file may have

    def read(self) -> tuple[list[Spent], list[Hold]]:
        """Return what the file has of this month, and what was held; in the thread.

        Of the days that no cap asks for any more, it is summed up: with every row, a start would take long.
        """
        recent = today() - RECENT
        first, second = first_of_month(recent), first_of_month(today())
        spent = self._read_sums(tables.MONTH, first, min(second, recent)) if first < second else []
        spent += self._read_sums(tables.MONTH, second, recent)
        return spent + self._read_spent(recent), self._read_holds()

    def take(self, spent: Sequence[Spent], holds: Sequence[Hold]) -> None:
        """Take over what `read` has found: what was *spent*, and the *holds* of processes that died."""
        for row in spent:
            self._totals.add(row)
        for hold in holds:
            self._totals.hold(hold)
            self._filed.add(hold.key)
            self.settle(hold.key, replace(hold.noted, estimated=hold.noted.cost))
        if holds:
            log.warning(
                "requests of a process that died are counted by estimate",
                requests=len(holds),
                dollars=sum(hold.noted.cost for hold in holds) / 1e6,
            )

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        return self._totals.forbids(who, caps) or (UNWRITTEN if caps and self._is_spent() else None)

    async def reserve(self, hold: Hold, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.reserve`."""
        if cap := self._hold(hold, caps):
            return cap
        if not self._writer.trouble:
            self._filed.add(hold.key)
        written = self._writer.post((tables.HOLD, tables.hold_row(hold)), soon=True)
        if written is not None and await written:
            return None
        if caps and self._is_spent():
            self.settle(hold.key, None)
            return UNWRITTEN
        self._due.risky.add(hold.key)
        return None

    def note(self, key: str, noted: Spent) -> None:
        """See `Accounts.note`."""
        super().note(key, noted)
        if hold := self._totals.holds.get(key):
            self._writer.post((tables.NOTED, tables.hold_row(hold)[::2]))

    def settle(
        self, key: str, spent: Spent | None, nearly: Sequence[Cap] = (), reached: Reached = nobody
    ) -> None:
        """See `Accounts.settle`."""
        if (hold := self._totals.release(key)) is None:
            return
        if spent:
            spent = called(spent, hold.noted.actor)
            self._totals.add(spent)
            self._due.risked += spent.cost if key in self._due.risky else 0
            self._tell(spent, nearly, reached)
        self._write(key if key in self._filed else "", spent)
        self._filed.discard(key)
        self._due.risky.discard(key)

    async def usage(self, since: int, by: Sequence[str], until: int = LAST) -> Sequence[Spent]:
        """See `Accounts.usage`."""
        if until == LAST and (kept := self._totals.months.of(since, by)) is not None:
            return kept
        await self._writer.write()  # what was settled just now may still be on its way
        return await self._writer.read(lambda: self._read_sums(tables.usage(by), since, until))

    def due(self) -> tuple[Due, list[Statement]]:
        """Return what is to be written after trouble; it counts as written until `undone`."""
        due, self._due = self._due, Due()
        held = [*self._totals.holds.values()]
        self._filed |= {hold.key for hold in held}
        return due, [*due.statements(), *((tables.HOLD, tables.hold_row(hold)) for hold in held)]

    def undone(self, due: Due) -> None:
        """Take back that *due* was written."""
        for spent in due.spent.values():
            self._due.add("", spent)
        self._due.settled |= due.settled
        self._due.risked += due.risked
        self._due.risky |= due.risky & self._totals.holds.keys()

    def forgetting(self, actor: str, day: int) -> list[Statement]:
        """Return what takes the name of *actor* off in the file; see `MemoryAccounts.forget`."""
        self._totals.forget(actor)
        spent, self._due.spent = self._due.spent, {}
        for each in spent.values():
            self._due.add("", replace(each, actor=pseudonym(actor) if each.actor == actor else each.actor))
        first, mark = first_of_month(day), pseudonym(actor)
        held = [(tables.NOTED, tables.hold_row(hold)[::2]) for hold in self._totals.holds.values()]
        older = [
            (statement, ("", each, first)) for each in (actor, mark) for statement in tables.RENAME_OLDER
        ]
        return [*held, *older, *((statement, (mark, actor, first)) for statement in tables.RENAME_NEWER)]

    def pruning(self, day: int) -> list[Statement]:
        """Return what deletes from the file what `MemoryAccounts.prune` deletes."""
        first = first_of_month(day)
        forgotten = [(statement, ("", first)) for statement in tables.RENAME_FORGOTTEN]
        return [(tables.OLD_SPENT, (day - SPENT_KEPT,)), *forgotten]

    def purge(self) -> None:
        """Forget what was spent; see `Store.purge`."""
        super().purge()
        self._due.spent.clear()

    def _is_spent(self) -> bool:
        """Tell whether nothing can be written, and the allowance for that is used up."""
        held = sum(self._totals.holds[key].held for key in self._due.risky)
        return bool(self._writer.trouble) and self._due.risked + held >= ALLOWANCE

    def _write(self, filed: str, spent: Spent | None) -> None:
        """Write that the hold *filed*, if any, is over and has cost *spent*; owe it where that fails."""
        statements: list[Statement] = [(tables.SETTLED, (filed,))] if filed else []
        if spent:
            statements.append((tables.ADD, tables.spent_row(spent)))
        if not statements:
            return
        written = self._writer.post(*statements)
        if written is None:
            self._due.add(filed, spent)
        else:
            written.add_done_callback(
                lambda done: None if not done.cancelled() and done.result() else self._due.add(filed, spent)
            )

    # In the thread.

    def _read_spent(self, since: int) -> list[Spent]:
        """Return the good rows from day *since* on; the others are deleted, and that is said."""
        db, found = self._writer.file.connected, []
        for row in db.execute(tables.SPENT_ROWS, (since,)).fetchall():
            try:
                found.append(rows.spent_of(row))
            except BadRow as why:
                log.warning("a row of what was spent was bad and is deleted", reason=str(why))
                db.execute(tables.ASIDE_SPENT, [rows.bytes_of(each) for each in row[: len(NAMES)]])
        return found

    def _read_holds(self) -> list[Hold]:
        """Return the good holds; the others are deleted, and that is said."""
        db, found = self._writer.file.connected, []
        for row in db.execute(tables.HOLDS).fetchall():
            try:
                found.append(rows.hold_of(row))
            except BadRow as why:
                log.warning("what was held for a request was bad and is deleted", reason=str(why))
                db.execute(tables.ASIDE_HOLD, (rows.bytes_of(row[0]),))
        return found

    def _read_sums(self, statement: str, since: int, until: int) -> list[Spent]:
        """Return the sums that *statement* makes from day *since* to before *until*, those that are good."""
        found = []
        for row in self._writer.file.connected.execute(statement, (since, until)).fetchall():
            with suppress(BadRow):
                found.append(rows.spent_of(row))
        return found


def today() -> int:
    """Return the day that it is, since 1970, UTC."""
    return int(time.time() // DAY)
