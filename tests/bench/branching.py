"""Ours on Discord: an answer's place and its message are calls too, made as `bot.core.live` makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.discord.outgoing.threads import BUDGET
from adapters.discord.surface import CHANNEL, EVERYTHING
from bot.platform import Bucket
from bot.show.budget import Ticket
from bot.show.writes import Rank
from tests.bench.policies import Ours
from tests.bench.scenario import THINKS, Spoken
from tests.bench.virtual import Call, Told


class Branching(Ours):
    """An answer goes into a thread of its own while another is live in its channel and one may be opened.

    Args:
        channel_of: Where an answer is asked; each channel is in a server of its own.
        threads: Whether threads are opened at all.
    """

    thinks = THINKS

    def __init__(self, channel_of: Callable[[Spoken], str], *, threads: bool = True) -> None:
        super().__init__(lambda one: self._buckets("PATCH", self.place(one)))
        self._channel_of = channel_of
        self._threads = threads
        self._tries: dict[str, list[float]] = {}  # when threads were opened, by channel
        self._crowded: set[int] = set()  # those that found another answer live
        self._next: dict[int, Call] = {}  # what an answer needs before it can be edited

    def place(self, one: Spoken) -> str:
        """Return the channel or thread in which *one* is shown."""
        return f"{self._channel_of(one)}/{one.number}" if one.thread else self._channel_of(one)

    def begin(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        if self.pacing.crowded(self._buckets_of(one)):
            self._crowded.add(one.number)
        self._next[one.number] = Call.THREAD
        super().begin(one, now)
        self._want(one, now)

    def end(self, one: Spoken, now: float) -> None:
        """See `Policy`; an answer that has no place by then stays in the channel."""
        if one.number in self._waiting and self._next.get(one.number) is Call.THREAD:
            self._next[one.number] = Call.POST
        super().end(one, now)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        if self._next.get(one.number) is Call.THREAD:
            del self._flying[one.number]
            self._settle(one, now)
            return
        if not wait:
            self._next.pop(one.number, None)
        super().answered(one, wait, told, now)

    def _ticket(self, one: Spoken, now: float) -> Ticket | None:
        match self._next.get(one.number):
            case Call.THREAD:
                return Ticket([EVERYTHING], Rank.PLACEHOLDER, now)
            case Call.POST:
                rank = Rank.FINAL if one.number in self._ended else Rank.PLACEHOLDER
                return Ticket(self._buckets("POST", self.place(one)), rank, now)
            case _:
                return super()._ticket(one, now)

    def _go(self, one: Spoken, ticket: Ticket, now: float) -> Sequence[tuple[Spoken, Call]]:
        call = self._next.get(one.number, Call.EDIT)
        if call is not Call.THREAD:
            super()._go(one, ticket, now)
            return [(one, call)]
        if self._may(one, now):
            self._flying[one.number] = ticket, None
            return [(one, call)]
        self._settle(one, now)
        return []

    def _may(self, one: Spoken, now: float) -> bool:
        """Spend the try of a thread, if one is wanted and left."""
        calls, seconds = BUDGET
        tries = self._tries.setdefault(self._channel_of(one), [])
        tries[:] = [at for at in tries if at > now - seconds]
        may = self._threads and one.number in self._crowded and len(tries) < calls
        tries += [now] * may
        return may

    def _settle(self, one: Spoken, now: float) -> None:
        """Let *one* be shown where it is now; the call that led there, if any, is spent."""
        self.pacing.failed([EVERYTHING], now)
        self.pacing.leave(one.number, self._buckets("PATCH", self._channel_of(one)), now)
        self.pacing.enter(one.number, self._buckets_of(one), now)
        self._next[one.number] = Call.POST
        self._want(one, now)

    @staticmethod
    def _buckets(method: str, place: str) -> Sequence[Bucket]:
        return [Bucket(f"discord/{method}/{place}", *CHANNEL, told=True), EVERYTHING]
