"""Who writes next, and when.  Pure: callers bring the time, in seconds of one monotonic clock.

Every answer that wants to write holds a `Ticket`.  A ticket spends one token of each bucket that its write
counts against; all answers whose writes share a bucket share its `Budget`.  Finals go first, then first
paint, then the ticket that has waited longest.

A budget follows what the platform says of it (`BucketState`).  For a platform that says nothing it is a
token bucket, so that any span of t seconds holds at most `burst + rate * t` calls.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bot.answer import Rank
from bot.platform import Bucket, BucketState

#: Tokens that previews leave for finals and first paint.
RESERVE = 1
#: Seconds over which saved tokens are spread; bursts then bring evenly spaced edits (PACING: 3-9 % less lag).
SPREAD = 15.0
#: After a 429 the rate is this much lower, down to a quarter, and comes back by `RECOVER` a success.
BACKOFF = 0.7
FLOOR = 0.25
RECOVER = 0.002
#: Budgets that are kept; past that, those at rest are forgotten, which is the same as new ones.
KEPT = 1000
#: Seconds past a Retry-After or a reset, for clocks and round trips that differ.
MARGIN = 0.05


@dataclass(eq=False, slots=True)
class Ticket:
    """A wish to write.

    Attributes:
        buckets: What the write counts against, the narrowest first; at least one.
        rank: How urgent it is.
        since: When it began to wait.
    """

    buckets: Sequence[Bucket]
    rank: Rank
    since: float
    waiting: bool = field(default=False, init=False)


class Budget:
    """What may still be spent of one bucket."""

    def __init__(self, bucket: Bucket, now: float) -> None:
        self.bucket = bucket
        self._tokens = float(bucket.burst)
        self._filled = now
        self._pace = 1.0
        self._blocked = now
        self._preview = now
        self._reset: float | None = None  # when the platform's own window ends, once it has told us of one

    def opens(self, rank: Rank, now: float) -> float:
        """Return when a write of *rank* may go; not after *now* means at once."""
        self._fill(now)
        reserve = RESERVE if rank is Rank.PREVIEW and self.bucket.burst > RESERVE else 0
        missing = 1 + reserve - self._tokens
        opens = now if missing <= 0 else self._refilled(missing, now)
        return max(opens, self._blocked, self._preview if rank is Rank.PREVIEW else now)

    def rests(self, now: float) -> bool:
        """Whether this budget knows no more than a new one would."""
        self._fill(now)
        return self._tokens >= self.bucket.burst and self._blocked <= now and self._pace >= 1.0

    def spend(self, rank: Rank, now: float) -> None:
        """Take a token for a write of *rank* that goes out now."""
        self._fill(now)
        self._tokens -= 1
        if self._reset is not None and self._reset <= now:
            self._reset = now + self._window  # until the platform's answer corrects it
        if rank is Rank.PREVIEW:
            self._preview = now + self._gap()

    def accepted(self, state: BucketState | None, now: float) -> None:
        """Record that a write got through, and what the platform said of this bucket."""
        self._pace = min(1.0, self._pace + RECOVER)
        if state is None:
            return
        # Writes that are still under way are not in the platform's count yet, but in ours.
        same = self._reset is None or self._reset > now
        self._tokens = min(self._tokens, state.remaining) if same else float(state.remaining)
        self._reset = now + state.reset_after + MARGIN

    def refused(self, retry_after: float, now: float) -> None:
        """Record a 429 that asked for *retry_after* seconds of silence."""
        self._blocked = max(self._blocked, now + retry_after + MARGIN)
        self._tokens = min(self._tokens, 0.0 if self._reset is None else self._tokens)
        self._pace = max(FLOOR, self._pace * BACKOFF)

    @property
    def _window(self) -> float:
        return self.bucket.burst / self.bucket.rate

    def _fill(self, now: float) -> None:
        if self._reset is None:
            gained = (now - self._filled) * self.bucket.rate * self._pace
            self._tokens = min(self.bucket.burst, self._tokens + gained)
        elif self._reset <= now and self._filled < self._reset:
            self._tokens = float(self.bucket.burst)
        self._filled = now

    def _refilled(self, missing: float, now: float) -> float:
        if self._reset is not None:
            return max(self._reset, now)
        return now + missing / (self.bucket.rate * self._pace)

    def _gap(self) -> float:
        """Seconds from one preview to the next."""
        if self._reset is not None:
            return self._window / max(1, self.bucket.burst - RESERVE) / self._pace
        spare = max(0.0, self._tokens - RESERVE) / SPREAD
        return 1 / (self.bucket.rate * self._pace + spare)


class Pacing:
    """All budgets, and who waits for them.

    Call `admit` whenever a ticket was added or an answer from the platform came, and at `wakes`.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._queues: dict[str, list[tuple[int, float, int, Ticket]]] = {}
        self._order = count()

    def wait(self, ticket: Ticket, now: float) -> None:
        """Queue *ticket*."""
        ticket.waiting = True
        for bucket in ticket.buckets:
            if bucket.key not in self._budgets:
                self._forget(now)
                self._budgets[bucket.key] = Budget(bucket, now)
        queue = self._queues.setdefault(ticket.buckets[0].key, [])
        heapq.heappush(queue, (ticket.rank.value, ticket.since, next(self._order), ticket))

    def withdraw(self, ticket: Ticket) -> None:
        """Forget *ticket*."""
        ticket.waiting = False

    def admit(self, now: float) -> list[Ticket]:
        """Return the tickets that may write now, most urgent first, and spend their tokens."""
        admitted = []
        for key in [key for key, queue in self._queues.items() if queue]:
            while (ticket := self._head(key)) and self._opens(ticket, now) <= now:
                ticket.waiting = False
                for bucket in ticket.buckets:
                    self._budgets[bucket.key].spend(ticket.rank, now)
                admitted.append(ticket)
        return admitted

    def wakes(self, now: float) -> float | None:
        """Return when the next ticket may go; None while nobody waits."""
        heads = [head for key in self._queues if (head := self._head(key))]
        return min((self._opens(head, now) for head in heads), default=None)

    def accepted(self, buckets: Iterable[Bucket], states: Iterable[BucketState], now: float) -> None:
        """Record that a write got through."""
        said = {state.key: state for state in states}
        for bucket in buckets:
            if budget := self._budgets.get(bucket.key):
                budget.accepted(said.get(bucket.key), now)

    def refused(self, buckets: Sequence[Bucket], key: str, retry_after: float, now: float) -> None:
        """Record a 429 of the bucket *key*, or of all *buckets* if it is none of them."""
        known = {bucket.key for bucket in buckets}
        for bucket in buckets:
            if key not in known or key == bucket.key:
                self._budgets.setdefault(bucket.key, Budget(bucket, now)).refused(retry_after, now)

    def _forget(self, now: float) -> None:
        if len(self._budgets) < KEPT:
            return
        resting = [key for key, budget in self._budgets.items() if budget.rests(now) and not self._head(key)]
        for key in resting:
            del self._budgets[key]
            self._queues.pop(key, None)

    def _opens(self, ticket: Ticket, now: float) -> float:
        return max(self._budgets[bucket.key].opens(ticket.rank, now) for bucket in ticket.buckets)

    def _head(self, key: str) -> Ticket | None:
        """Return the most urgent ticket of a queue, dropping those that no longer wait."""
        queue = self._queues.get(key)
        while queue:
            if queue[0][-1].waiting:
                return queue[0][-1]
            heapq.heappop(queue)
        return None
