"""Who waits for one bucket, and what a preview is worth there.  Pure: callers bring the time.

Finals go first.  Previews share one number, the *price*: how old an answer's oldest unshown character must be
before it is worth a call.

    price = (answer-seconds expected in the next h seconds) / (calls left in h - finals expected in h)

for the h for which that is highest.  The same price for all is optimal, since staleness is convex in it (mean
staleness is about half the price); it is low while few answers are live and the window is empty, and rises
before the window runs dry.  docs/pacing.md has the figures.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from bot.platform import Bucket
from bot.show.crowd import Crowd
from bot.show.windows import MARGIN, Sliding, Told
from bot.show.writes import Rank
from bot.store.peers import Others, Use

#: A first text waits this share of the price past PATIENT seconds: at once while few are live.
FIRST = 0.5
PATIENT = 0.5
#: Many answers end before a high price is reached; it is damped from this share of a lifetime on.
DAMP = 0.6
#: Seconds within which a price is looked at again, because calls come back.
LOOK = 0.5
#: A final may escape to another bucket from so many live answers on, at this share of a lifetime as price.
CROWD = 5
DEAR = 0.14
#: Seconds after which a call that other processes had taken is asked for again at the earliest.
AGAIN = 0.05
#: A share of a call; with less than this to spare, previews are as dear as they get.
SCARCE = 0.05


@dataclass(eq=False, slots=True)
class Ticket:
    """A wish to write.

    Attributes:
        buckets: What the write counts against, the narrowest first; at least one.
        rank: How urgent it is.
        since: When its oldest unshown character came; when the answer ended, for a final.
        escape: What a final may be counted against instead, where it would wait too long; () for nothing.
        escaped: Whether it was admitted that way.
    """

    buckets: Sequence[Bucket]
    rank: Rank
    since: float
    escape: Sequence[Bucket] = ()
    escaped: bool = field(default=False, init=False)
    waiting: bool = field(default=False, init=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a budget is now.

    Attributes:
        key: The bucket's; it begins with the platform's name.
        live: Answers that want edits of it.
        waiting: Writes that wait for it.
        calls: Calls that its window has, as the platform documents it.
        left: Calls that may still be made in this window.
        price: How old an unshown character must be to be worth a call, in seconds.
        blocked: Seconds until a 429 is over.
    """

    key: str
    live: int
    waiting: int
    calls: int
    left: int
    price: float
    blocked: float


class Budget:
    """One bucket: what it allows, whose answers are live in it, and who waits for it."""

    def __init__(self, bucket: Bucket, now: float) -> None:
        self.bucket = bucket
        self.allows: Sliding | Told = Told(bucket) if bucket.told else Sliding(bucket)
        self.crowd = Crowd(now)
        self.blocked = -math.inf
        self.alarm = -math.inf  # when it is looked at next
        self.escapes = False  # whether finals may escape, so that previews need not leave calls to them
        self.wider: tuple[str, ...] = ()
        self._queues: dict[Rank, list[tuple[float, int, Ticket]]] = {rank: [] for rank in Rank}
        self._order = count()

    def wait(self, ticket: Ticket) -> None:
        """Queue *ticket*."""
        self.wider = tuple(bucket.key for bucket in ticket.buckets[1:])
        self.escapes = self.escapes or bool(ticket.escape)
        heapq.heappush(self._queues[ticket.rank], (ticket.since, next(self._order), ticket))

    def opens(self, now: float) -> float:
        """Return when a call may be made, whoever makes it."""
        return max(self.blocked, self.allows.opens(now))

    def urgency(self, floor: float) -> tuple[bool, float]:
        """Return what sorts this budget: finals first, then what came due first at the price *floor*."""
        if final := self._top(Rank.FINAL):
            return False, final.since
        tops = filter(None, map(self._top, Rank))
        return True, min((top.since + _waits(top.rank, floor) for top in tops), default=math.inf)

    def head(self, now: float, floor: float) -> tuple[float, Ticket] | None:
        """Return the next ticket and when it may go, or is to be looked at again.

        Args:
            now: The time.
            floor: A price not to go below, which a wider bucket asks.
        """
        if urgent := self._top(Rank.FINAL) or self._top(Rank.PLACEHOLDER):
            return self.opens(now), urgent
        first, preview = self._top(Rank.FIRST), self._top(Rank.PREVIEW)
        if not first and not preview:
            return None
        look = max(now + LOOK, self.blocked)
        opens = max(self.blocked, self.allows.opens_preview(now, self._finals(now)))
        if opens > now:
            return min(opens, look), first or preview  # type: ignore[return-value]  # one of them is
        price = max(floor, self.price(now))
        due = [(max(now, one.since + _waits(one.rank, price)), one) for one in (first, preview) if one]
        at, ticket = min(due, key=lambda one: one[0])  # the first text, where both are due
        return (at if at <= now else min(at, look)), ticket

    def price(self, now: float) -> float:
        """Return how old an unshown character must be to be worth a call; 0 where calls need no price."""
        live, lifetime, usual = len(self.crowd), self.crowd.lifetime(now), self.crowd.usual(now)
        finals = len(self._queues[Rank.FINAL])
        elsewhere = self.escapes and live >= CROWD
        price = 0.0
        for ahead, calls in self.allows.supply(now, live / lifetime):
            gone = 1 - math.exp(-ahead / lifetime)  # the share of those that live now that will have ended
            work = live * lifetime * gone + usual * (ahead - lifetime * gone)
            spare = calls - finals - (0.0 if elsewhere else work / lifetime)
            asked = work / spare if spare > SCARCE else work / SCARCE
            price = max(price, asked)
        # Many answers end before a high price is reached, so it asks too much of the others.
        return DAMP * lifetime * math.log1p(price / (DAMP * lifetime))

    def floor(self) -> float:
        """Return the price below which the answers in this bucket would want more calls than it has."""
        return len(self.crowd) / self.bucket.rate

    def overloaded(self, now: float) -> bool:
        """Whether a final is better counted against another bucket."""
        dear = max(self.price(now), self.floor()) > DEAR * self.crowd.lifetime(now)
        return len(self.crowd) >= CROWD and (dear or self.opens(now) > now)

    def refused(self, retry_after: float, now: float) -> None:
        """Record a 429 of a call that was counted here."""
        self.close(retry_after, now)
        self.allows.refused(retry_after, now)

    def close(self, retry_after: float, now: float) -> None:
        """Let nobody go for as long as a 429 asks."""
        self.blocked = max(self.blocked, now + retry_after + MARGIN)

    def use(self, now: float) -> Use | None:
        """Return how it is used here, for others; None where the platform itself says what is left."""
        if isinstance(self.allows, Told):
            return None
        most, seconds = self.allows.window
        return Use(most, seconds, self.crowd.here, blocked=max(0.0, self.blocked - now))

    def kept(self, rank: Rank, now: float) -> int:
        """Return how many calls a write of *rank* leaves to more urgent ones."""
        if isinstance(self.allows, Told) or rank not in {Rank.FIRST, Rank.PREVIEW}:
            return 0
        return self.allows.reserve(self._finals(now), now)

    def past(self, now: float) -> list[float]:
        """Return how many seconds ago those calls were answered that the window holds still."""
        return self.allows.past(now) if isinstance(self.allows, Sliding) else []

    def part(self, share: float) -> None:
        """Believe that *share* of it is this process's, while nobody tells what others do."""
        if isinstance(self.allows, Sliding):
            self.allows.part(share)

    def denied(self, now: float) -> None:
        """Record that a call that was to be made was not granted."""
        self.allows.unsent(now)
        self.blocked = max(self.blocked, now + AGAIN)

    def others(self, others: Others, now: float) -> None:
        """Count how all other processes use it."""
        self.crowd.others(others.live, now)
        if isinstance(self.allows, Sliding):
            self.allows.others(others.calls, now)
        self.blocked = max(self.blocked, now + others.blocked)

    def alone(self, now: float) -> None:
        """Record that no other process uses it any more."""
        self.crowd.others(0, now)
        if isinstance(self.allows, Sliding):
            self.allows.alone()

    def reading(self, now: float) -> Reading:
        """Return how it is now."""
        waiting = sum(ticket.waiting for queue in self._queues.values() for *_, ticket in queue)
        price = self.price(now) if self.crowd else 0.0
        left = min(self.bucket.burst, max(0, self.allows.left(now)))
        blocked = max(0.0, self.blocked - now)
        return Reading(self.bucket.key, len(self.crowd), waiting, self.bucket.burst, left, price, blocked)

    def rests(self, now: float) -> bool:
        """Whether this budget knows no more than a new one would."""
        idle = not self.crowd and not any(map(self._top, Rank))
        return idle and self.blocked <= now and self.allows.rests(now)

    def _finals(self, now: float) -> float:
        """Return how many answers are expected to end a second."""
        return len(self.crowd) / self.crowd.lifetime(now)

    def _top(self, rank: Rank) -> Ticket | None:
        queue = self._queues[rank]
        while queue:
            if queue[0][-1].waiting:
                return queue[0][-1]
            heapq.heappop(queue)
        return None


def _waits(rank: Rank, price: float) -> float:
    """Return the seconds from a ticket's `since` until it is worth a call at *price*."""
    if rank is Rank.FIRST:
        return FIRST * max(0.0, price - PATIENT)
    return price if rank is Rank.PREVIEW else 0.0
