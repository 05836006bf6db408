"""Ours, driven as the bot drives it, and what comparable bots do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from bot.platform import Bucket, BucketState
from bot.show.budget import Ticket
from bot.show.pacing import Pacing
from bot.show.writes import Rank
from tests.bench.scenario import Spoken
from tests.bench.virtual import Call, Told


class Ours:
    """`bot.show.pacing`, with tickets as `bot.core.writer` takes them.

    Args:
        buckets_of: What an answer's edits count against.
        escape_of: What its final may count against instead.
    """

    thinks = 0.0

    def __init__(
        self,
        buckets_of: Callable[[Spoken], Sequence[Bucket]],
        escape_of: Callable[[Spoken], Sequence[Bucket]] = lambda _one: (),
    ) -> None:
        self.pacing = Pacing()
        self._buckets_of, self._escape_of = buckets_of, escape_of
        self._waiting: dict[int, Ticket] = {}
        self._owners: dict[Ticket, Spoken] = {}
        self._flying: dict[int, tuple[Ticket, float | None]] = {}
        self._since: dict[int, float | None] = {}
        self._ended: dict[int, float] = {}
        self._shown: set[int] = set()

    def begin(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._since[one.number] = None
        self.pacing.enter(one.number, self._buckets_of(one), now)

    def fresh(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        if self._since[one.number] is None:
            self._since[one.number] = now
        self._want(one, now)

    def end(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._ended[one.number] = now
        if ticket := self._waiting.pop(one.number, None):
            self.pacing.withdraw(ticket)
        self._want(one, now)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        ticket, since = self._flying.pop(one.number)
        spent = list(ticket.escape if ticket.escaped else ticket.buckets)
        if wait:
            self.pacing.refused(spent, spent[0].key, wait, now)
            self._since[one.number] = since
        else:
            states = [BucketState(spent[0].key, *told)] if told else []
            self.pacing.accepted(spent, states, now)
            if since is not None:
                self._shown.add(one.number)
        if not (one.number in self._ended and not wait and ticket.rank is Rank.FINAL):
            self._want(one, now)

    def done(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self.pacing.leave(one.number, self._buckets_of(one), now)

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """See `Policy`."""
        going: list[tuple[Spoken, Call]] = []
        while admitted := self.pacing.admit(now):
            for ticket in admitted:
                one = self._owners.pop(ticket)
                del self._waiting[one.number]
                going += self._go(one, ticket, now)
        return going

    def wakes(self, now: float) -> float | None:
        """See `Policy`."""
        return self.pacing.wakes(now)

    def _go(self, one: Spoken, ticket: Ticket, _now: float) -> Sequence[tuple[Spoken, Call]]:
        """Return what goes out for *one*, whose turn it is."""
        self._flying[one.number] = (ticket, self._since[one.number])
        self._since[one.number] = None
        return [(one, Call.ANEW if ticket.escaped else Call.EDIT)]

    def _want(self, one: Spoken, now: float) -> None:
        if one.number in self._flying or one.number in self._waiting:
            return
        if ticket := self._ticket(one, now):
            self._waiting[one.number] = ticket
            self._owners[ticket] = one
            self.pacing.wait(ticket, now)

    def _ticket(self, one: Spoken, _now: float) -> Ticket | None:
        """Return a wish for what *one* is to show next, if there is anything."""
        if (ended := self._ended.get(one.number)) is not None:
            return Ticket(self._buckets_of(one), Rank.FINAL, ended, self._escape_of(one))
        if (since := self._since[one.number]) is None:
            return None
        return Ticket(self._buckets_of(one), Rank.PREVIEW if one.number in self._shown else Rank.FIRST, since)


class _Other:
    """What the other policies have in common: no budget that is shared, or one that is a queue."""

    thinks = 0.0

    def __init__(self) -> None:
        self._pending: dict[int, Spoken] = {}
        self._ended: set[int] = set()
        self._flying: set[int] = set()
        self._not_before: dict[int, float] = {}

    def begin(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._not_before[one.number] = now

    def fresh(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._pending[one.number] = one

    def end(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._ended.add(one.number)
        self._pending[one.number] = one
        self._not_before[one.number] = min(self._not_before[one.number], now)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        self._flying.discard(one.number)
        if wait:
            self._pending[one.number] = one
            if one.number in self._ended:
                self._not_before[one.number] = now + wait

    def done(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._pending.pop(one.number, None)

    def wakes(self, now: float) -> float | None:
        """See `Policy`."""
        waiting = [self._not_before[n] for n in self._pending if n not in self._flying]
        return max(min(waiting), now + 0.05) if waiting else None

    def _go(self, one: Spoken) -> tuple[Spoken, Call]:
        del self._pending[one.number]
        self._flying.add(one.number)
        return one, Call.EDIT


class FixedInterval(_Other):
    """A timer per message: an edit a second, skipped on a 429; the last is tried until it gets through."""

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__()
        self._seconds = seconds

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """See `Policy`."""
        ready = [
            one
            for number, one in self._pending.items()
            if number not in self._flying and self._not_before[number] <= now
        ]
        for one in ready:
            self._not_before[one.number] = now + self._seconds
        return [self._go(one) for one in ready]


class Fifo(_Other):
    """One token bucket for all, 40 a minute and 5 at once, first come, first served; finals queue as well."""

    def __init__(self, rate: float = 40 / 60, burst: float = 5.0) -> None:
        super().__init__()
        self._rate, self._burst, self._tokens, self._filled = rate, burst, burst, 0.0
        self._queue: deque[Spoken] = deque()

    def fresh(self, one: Spoken, now: float) -> None:
        """See `Policy`: an answer queues a second after its last edit."""
        super().fresh(one, now)
        self._join(one)

    def end(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        super().end(one, now)
        self._join(one)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        super().answered(one, wait, told, now)
        self._not_before[one.number] = now + max(1.0, wait)
        if one.number in self._pending:
            self._join(one)

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """See `Policy`."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        going = []
        while self._queue and self._tokens >= 1 and self._not_before[self._queue[0].number] <= now:
            one = self._queue.popleft()
            if one.number in self._pending and one.number not in self._flying:
                self._tokens -= 1
                going.append(self._go(one))
        return going

    def wakes(self, now: float) -> float | None:
        """See `Policy`."""
        if not self._queue:
            return None
        return max(now + (1 - self._tokens) / self._rate, self._not_before[self._queue[0].number], now + 0.01)

    def _join(self, one: Spoken) -> None:
        if one not in self._queue:
            self._queue.append(one)


class Buffer(_Other):
    """slack_sdk's helper: an edit for every 256 characters, without a timer; a 429 is retried once."""

    def __init__(self, characters: int = 256) -> None:
        super().__init__()
        self._characters = characters
        self._carried: dict[int, int] = {}
        self._retried: set[int] = set()

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`: after the second 429 the answer is given up."""
        super().answered(one, wait, told, now)
        if wait and one.number in self._retried:
            self._pending.pop(one.number, None)
            self._ended.discard(one.number)
            self._not_before[one.number] = float("inf")
        elif wait:
            self._retried.add(one.number)
            self._not_before[one.number] = now + wait
        else:
            self._retried.discard(one.number)
            if one.number in self._ended or one.said(now) > self._carried[one.number]:
                self._pending[one.number] = one

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """See `Policy`."""
        going = []
        for number, one in list(self._pending.items()):
            full = one.said(now) - self._carried.get(number, 0) >= self._characters
            if (
                number in self._flying
                or self._not_before[number] > now
                or not (full or number in self._ended)
            ):
                continue
            self._carried[number] = one.said(now)
            going.append(self._go(one))
        return going
