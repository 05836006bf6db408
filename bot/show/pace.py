"""`Pacing` with a clock: lets a writer wait for its turn.  Has a timer, but no tasks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from bot.platform import Bucket, Receipt, SlowDown
from bot.show.budget import Reading, Ticket
from bot.show.pacing import Pacing
from bot.show.writes import Rank


class Turn:
    """A place in the queue for a write."""

    def __init__(self, pace: Pace, ticket: Ticket) -> None:
        self._pace = pace
        self._ticket = ticket
        self._granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def buckets(self) -> Sequence[Bucket]:
        """The buckets whose calls were spent."""
        return self._ticket.escape if self.escaped else self._ticket.buckets

    @property
    def escaped(self) -> bool:
        """Whether the write is to be made the other way, with `Ticket.escape`."""
        return self._ticket.escaped

    async def come(self) -> bool:
        """Wait; True when the write may go out, False when the writer is to look anew at what it wants."""
        return await self._granted

    def grant(self) -> None:
        """Let the writer write; its tokens are spent."""
        if not self._granted.done():  # else its writer was cancelled
            self._granted.set_result(True)

    def leave(self) -> None:
        """Give the turn up, if it has not come, so that the writer looks anew at what it wants."""
        if not self._granted.done():
            self._pace.forget(self._ticket)
            self._granted.set_result(False)


class Pace:
    """One per core: all budgets, shared by all answers."""

    def __init__(self) -> None:
        self._pacing = Pacing()
        self._turns: dict[Ticket, Turn] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def enter(self, who: object, buckets: Sequence[Bucket]) -> None:
        """See `Pacing.enter`."""
        self._pacing.enter(who, buckets, _now())

    def leave(self, who: object, buckets: Sequence[Bucket]) -> None:
        """See `Pacing.leave`."""
        self._pacing.leave(who, buckets, _now())
        self._admit()

    def crowded(self, buckets: Sequence[Bucket]) -> bool:
        """See `Pacing.crowded`."""
        return self._pacing.crowded(buckets)

    def join(
        self, buckets: Sequence[Bucket], rank: Rank, since: float, escape: Sequence[Bucket] = ()
    ) -> Turn:
        """Queue for a write of *rank*; see `Ticket`."""
        ticket = Ticket(buckets, rank, since, escape)
        turn = self._turns[ticket] = Turn(self, ticket)
        self._pacing.wait(ticket, _now())
        self._admit()
        return turn

    def forget(self, ticket: Ticket) -> None:
        """Drop a ticket whose turn has not come."""
        del self._turns[ticket]
        self._pacing.withdraw(ticket)

    def accepted(self, buckets: Sequence[Bucket], receipt: Receipt) -> None:
        """See `Pacing.accepted`."""
        self._pacing.accepted(buckets, receipt.states, _now())
        self._admit()

    def failed(self, buckets: Sequence[Bucket]) -> None:
        """See `Pacing.failed`."""
        self._pacing.failed(buckets, _now())
        self._admit()

    def refused(self, buckets: Sequence[Bucket], slow: SlowDown) -> None:
        """See `Pacing.refused`."""
        self._pacing.refused(buckets, slow.bucket, slow.retry_after, _now())
        self._admit()

    def readings(self) -> list[Reading]:
        """See `Pacing.readings`."""
        return self._pacing.readings(_now())

    def _admit(self) -> None:
        now = _now()
        for ticket in self._pacing.admit(now):
            self._turns.pop(ticket).grant()
        due = self._pacing.wakes(now)
        if due is None or due == math.inf or (self._timer and self._due == due):
            return
        if self._timer:
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._admit()


def _now() -> float:
    return asyncio.get_running_loop().time()
