"""`Pacing` with a clock: lets a writer wait for its turn.  Has a timer, but no tasks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from bot.platform import Bucket, Receipt, SlowDown
from bot.show.budget import Reading, Ticket
from bot.show.pacing import Pacing
from bot.show.writes import Rank
from bot.store.alone import Alone
from bot.store.peers import Others, Peers, Use


class Turn:
    """A place in the queue for a write.

    Attributes:
        ticket: The wish.
        claim: The id by which other processes know of the write; "" if they do not.
    """

    def __init__(self, pace: Pace, ticket: Ticket) -> None:
        self.ticket = ticket
        self.claim = ""
        self._pace = pace
        self._granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def buckets(self) -> Sequence[Bucket]:
        """The buckets whose calls were spent."""
        return self.ticket.escape if self.escaped else self.ticket.buckets

    @property
    def escaped(self) -> bool:
        """Whether the write is to be made the other way, with `Ticket.escape`."""
        return self.ticket.escaped

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
            self._pace.forget(self.ticket)
            self._granted.set_result(False)


class Pace:
    """One per core: all budgets, shared by all answers; and with other processes, where there are some.

    Args:
        peers: The other processes.
    """

    def __init__(self, peers: Peers | None = None) -> None:
        self._pacing = Pacing()
        self._peers = peers or Alone()
        self._shared = False
        self._claims = 0
        self._answered: dict[str, list[tuple[str, float]]] = {}
        self._live: set[str] = set()  # buckets of which the others have heard that answers here want edits
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

    def claim(self, turn: Turn) -> Awaitable[bool] | None:
        """Return what asks the other processes whether the write of *turn* may go out; None to ask nobody.

        If it may not, it counts as not made, and its writer joins the queue again.
        """
        if not self._shared:
            return None
        self._claims += 1
        claim = f"{self._peers.name}/{self._claims}"
        claims = self._pacing.claims(turn.ticket, claim, _now())
        return self._claim(turn, claim, claims) if claims else None

    def accepted(self, turn: Turn, receipt: Receipt) -> None:
        """See `Pacing.accepted`."""
        self._pacing.accepted(turn.buckets, receipt.states, _now())
        self._came_back(turn)

    def failed(self, turn: Turn) -> None:
        """See `Pacing.failed`."""
        self._pacing.failed(turn.buckets, _now())
        self._came_back(turn)

    def refused(self, turn: Turn, slow: SlowDown) -> None:
        """See `Pacing.refused`."""
        self._pacing.refused(turn.buckets, slow.bucket, slow.retry_after, _now())
        self._came_back(turn)

    def readings(self) -> list[Reading]:
        """See `Pacing.readings`."""
        return self._pacing.readings(_now())

    async def exchange(self) -> None:
        """Tell the other processes how buckets are used, and hear of theirs; called each `BEAT` seconds.

        While the store is away, each process has its part of every bucket.
        """
        members = len(self._peers.members)
        if members < 2:  # noqa: PLR2004  two make several
            if self._shared:
                self._shared = False
                self._pacing.alone(_now())
                self._admit()
            return
        if not self._shared:
            self._begin_sharing()
        try:
            if uses := self._pacing.uses(_now(), self._answered.keys() | self._live):
                await self._share(uses)
        except OSError:
            self._pacing.part(1 / members)
        self._admit()

    def _begin_sharing(self) -> None:
        """Tell others of the calls that were made while there were none."""
        self._shared, now = True, _now()
        for key, ages in self._pacing.past(now).items():
            claims = [f"{self._peers.name}/{key}/{number}" for number in range(len(ages))]
            self._answered[key] = [(claim, now - age) for claim, age in zip(claims, ages, strict=True)]

    async def _claim(self, turn: Turn, claim: str, claims: Mapping[str, Use]) -> bool:
        try:
            others = await self._share(claims)
        except OSError:
            others = {}  # `exchange` sees to a fair part, and the others hear of this call later
        if all(each.granted for each in others.values()):
            turn.claim = claim
            return True
        self._pacing.denied(turn.buckets, _now())
        self._admit()
        return False

    async def _share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        now, told = _now(), {key: self._answered.pop(key, []) for key in uses}
        full = {
            key: replace(use, answered=tuple((claim, now - at) for claim, at in told[key]))
            for key, use in uses.items()
        }
        try:
            others = await self._peers.share(full)
        except BaseException:
            for key, answered in told.items():
                if answered:
                    self._answered[key] = [*answered, *self._answered.get(key, ())]
            raise
        self._live = (self._live - uses.keys()) | {key for key, use in uses.items() if use.live}
        self._pacing.others(others, _now())
        return others

    def _came_back(self, turn: Turn) -> None:
        """Keep for other processes that a write was answered, and let others go."""
        if turn.claim:
            for bucket in turn.buckets:
                self._answered.setdefault(bucket.key, []).append((turn.claim, _now()))
        self._admit()

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
