"""Who writes next, and when.  Pure: callers bring the time, in seconds of one monotonic clock.

Every answer that wants to write holds a `Ticket`; it spends one call of each bucket that its write counts
against, and all answers whose writes share a bucket share its `Budget`.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.platform import Bucket, BucketState
from bot.show.budget import LOOK, Budget, Reading, Ticket
from bot.show.wider import Wider
from bot.show.windows import Told
from bot.store.peers import Others, Use

#: Budgets that are kept; past that, those at rest are forgotten, which is the same as new ones.
KEPT = 1000


class Pacing:
    """All budgets, and who waits for them.

    Call `admit` whenever anything else was called, and at `wakes`.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._wider_of: defaultdict[str, Wider] = defaultdict(Wider)  # by what stands first in a bucket's key
        self._changed: set[str] = set()
        self._alarms: list[tuple[float, str]] = []

    def enter(self, who: object, buckets: Iterable[Bucket], now: float) -> None:
        """Count *who* as an answer that will want edits of *buckets*."""
        for bucket in buckets:
            self._budget(bucket, now).crowd.enter(who, now)

    def leave(self, who: object, buckets: Iterable[Bucket], now: float) -> None:
        """Count *who* out."""
        for bucket in buckets:
            self._budget(bucket, now).crowd.leave(who, now)

    def crowded(self, buckets: Sequence[Bucket]) -> bool:
        """Whether an answer is live in the narrowest of *buckets*."""
        budget = self._budgets.get(buckets[0].key)
        return budget is not None and len(budget.crowd) > 0

    def wait(self, ticket: Ticket, now: float) -> None:
        """Queue *ticket*."""
        ticket.waiting = True
        self._budget(ticket.buckets[0], now).wait(ticket)

    def withdraw(self, ticket: Ticket) -> None:
        """Forget *ticket*."""
        ticket.waiting = False

    def admit(self, now: float) -> list[Ticket]:
        """Return the tickets that may write now, most urgent first, and spend their calls."""
        while self._alarms and self._alarms[0][0] <= now:
            self._changed.add(heapq.heappop(self._alarms)[1])
        admitted: list[Ticket] = []
        while self._changed:
            changed, self._changed = list(self._changed), set()
            if len(changed) > 1:  # they may share a wider one
                changed.sort(key=self._urgency)
            for key in changed:
                if budget := self._budgets.get(key):
                    self._admit(budget, now, admitted)
        return admitted

    def wakes(self, _now: float) -> float | None:
        """Return when to call `admit` again; None while nobody waits."""
        return self._alarms[0][0] if self._alarms else None

    def accepted(self, buckets: Iterable[Bucket], states: Iterable[BucketState], now: float) -> None:
        """Record that a write got through."""
        said = {state.key: state for state in states}
        for bucket in buckets:
            self._answered(bucket, said.get(bucket.key), now)

    def failed(self, buckets: Iterable[Bucket], now: float) -> None:
        """Record that a write failed, so that nobody knows whether it was counted."""
        for bucket in buckets:
            self._answered(bucket, None, now)

    def refused(self, buckets: Sequence[Bucket], key: str, retry_after: float, now: float) -> None:
        """Record that a write of *buckets* met a 429 of the bucket *key*, or of all of them if that is "".

        A *key* that is none of them is that of another call that the write needed: then that bucket is
        closed, if there is one, and the others count a call, which may have been made.
        """
        for bucket in buckets:
            if key in {"", bucket.key} and not self._shows_wider(bucket, retry_after, now):
                self._budget(bucket, now).refused(retry_after, now)
            else:
                self._budget(bucket, now).allows.answered(None, now)
        if key in self._budgets and all(bucket.key != key for bucket in buckets):
            self._budgets[key].close(retry_after, now)
            self._changed.add(key)

    def readings(self, now: float) -> list[Reading]:
        """Return how each budget is now."""
        return [budget.reading(now) for budget in self._budgets.values()]

    def uses(self, now: float, untold: Container[str] = ()) -> dict[str, Use]:
        """Return how buckets are used here, for other processes.

        Budgets at rest are left out, but for those in *untold*, of which the others do not know it yet.
        """
        told = (each for each in self._budgets.items() if each[0] in untold or not each[1].rests(now))
        return {key: use for key, budget in told if (use := budget.use(now))}

    def claims(self, ticket: Ticket, claim: str, now: float) -> dict[str, Use]:
        """Return what the write of *ticket*, which was admitted, has to be granted; *claim*: a new id."""
        claims = {}
        for bucket in ticket.escape if ticket.escaped else ticket.buckets:
            budget = self._budget(bucket, now)
            if use := budget.use(now):
                claims[bucket.key] = replace(use, claim=claim, kept=budget.kept(ticket.rank, now))
        return claims

    def past(self, now: float) -> dict[str, list[float]]:
        """Return for each bucket how many seconds ago its calls were answered that the window holds still."""
        found = ((key, budget.past(now)) for key, budget in self._budgets.items())
        return {key: ages for key, ages in found if ages}

    def part(self, share: float) -> None:
        """Believe that *share* of each bucket is this process's, until `others` tells more."""
        for key, budget in self._budgets.items():
            budget.part(share)
            self._changed.add(key)

    def alone(self, now: float) -> None:
        """Record that there is no other process any more."""
        for key, budget in self._budgets.items():
            budget.alone(now)
            self._changed.add(key)

    def denied(self, buckets: Iterable[Bucket], now: float) -> None:
        """Record that a write that was admitted was not granted, so that it did not go out."""
        for bucket in buckets:
            self._budget(bucket, now).denied(now)

    def others(self, others: Mapping[str, Others], now: float) -> None:
        """Count how other processes use each bucket."""
        for key, each in others.items():
            if budget := self._budgets.get(key):
                budget.others(each, now)
                self._changed.add(key)

    def _answered(self, bucket: Bucket, state: BucketState | None, now: float) -> None:
        """Count a call of *bucket* that came back, and look again at all who waited for that."""
        self._budget(bucket, now).allows.answered(state, now)
        family = _family(bucket.key)
        if self._wider_of[family].answered(now):
            self._changed.update(key for key in self._budgets if _family(key) == family)

    def _shows_wider(self, bucket: Bucket, retry_after: float, now: float) -> bool:
        """Learn from a refusal that *bucket* does not explain; tell whether it showed a wider limit."""
        allows = self._budget(bucket, now).allows
        if not isinstance(allows, Told) or not allows.roomy(now):
            return False
        return self._wider_of[_family(bucket.key)].refused(bucket.key, retry_after, now)

    def _admit(self, budget: Budget, now: float, admitted: list[Ticket]) -> None:
        """Let go who may of *budget*, and set an alarm for the next."""
        while due := self._due(budget, now):
            at, ticket = due
            if at > now:
                if at < budget.alarm or budget.alarm <= now:
                    budget.alarm = at if at < math.inf else now + LOOK
                    heapq.heappush(self._alarms, (budget.alarm, budget.bucket.key))
                return
            ticket.waiting = False
            for bucket in ticket.escape if ticket.escaped else ticket.buckets:
                self._budget(bucket, now).allows.sent(ticket.rank, now)
            self._wider_of[_family(budget.bucket.key)].sent(now)
            admitted.append(ticket)

    def _due(self, budget: Budget, now: float) -> tuple[float, Ticket] | None:
        """Return the next ticket of *budget* and when all its buckets let it go; changes nothing."""
        wider = self._wider(budget)
        head = budget.head(now, _floor(wider))
        if head is None:
            return None
        at, ticket = head
        if ticket.escape and budget.overloaded(now):
            there = [self._budgets[bucket.key] for bucket in ticket.escape if bucket.key in self._budgets]
            free = max((one.opens(now) for one in there), default=now)
            ticket.escaped = free <= now
            if ticket.escaped:
                return now, ticket
            at = min(at, free)
        hidden = self._wider_of[_family(budget.bucket.key)].opens(now)
        return max([at, hidden, *(one.opens(now) for one in wider)]), ticket

    def _urgency(self, key: str) -> tuple[bool, float, str]:
        """Return what sorts the budget *key*, the same in every run."""
        budget = self._budgets.get(key)
        return (*budget.urgency(_floor(self._wider(budget))), key) if budget else (True, math.inf, key)

    def _wider(self, budget: Budget) -> list[Budget]:
        """Return the budgets that those who wait for *budget* need besides."""
        return [self._budgets[key] for key in budget.wider if key in self._budgets]

    def _budget(self, bucket: Bucket, now: float) -> Budget:
        """Return the budget of *bucket*, which is about to change."""
        self._changed.add(bucket.key)
        if (budget := self._budgets.get(bucket.key)) is None:
            if len(self._budgets) >= KEPT:
                self._budgets = {key: one for key, one in self._budgets.items() if not one.rests(now)}
            budget = self._budgets[bucket.key] = Budget(bucket, now)
        return budget


def _family(key: str) -> str:
    """Return what the keys of a platform's buckets begin with."""
    return key.partition("/")[0]


def _floor(wider: Iterable[Budget]) -> float:
    """Return the price that the *wider* budgets ask."""
    return max((one.floor() for one in wider), default=0.0)
