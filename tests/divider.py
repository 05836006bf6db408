"""Divides work among several processes of one test, as the leases of a shared store do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from bot.platform import Handed


@dataclass
class Work:
    """Who has which part of a work, who was asked for it, and what was noted of it."""

    total: int
    holders: dict[int, Seat] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    notes: dict[int, str] = field(default_factory=dict)


class Divider:
    """Shares parts out evenly; a part is another's once its holder has left it, or is dead for *lease* s.

    Attributes:
        seats: Those of all processes that there were.
    """

    def __init__(self, lease: float = 0.3) -> None:
        self.lease = lease
        self.seats: list[Seat] = []
        self.works: dict[str, Work] = {}
        self.turns: dict[str, float] = {}

    def seat(self) -> Seat:
        """Return the leases of one more process."""
        self.seats.append(Seat(self))
        return self.seats[-1]

    def balance(self) -> None:
        """Hand out what nobody has, and ask for what somebody has too much of."""
        for name, work in self.works.items():
            ready = [each for each in self.seats if each.alive and not each.leaving and name in each.queues]
            if not ready:
                continue
            for number in range(work.total):
                if number not in work.holders:
                    self._hand(name, number, min(ready, key=lambda seat: len(seat.parts(name))))
            fair, more = divmod(work.total, len(ready))
            ready.sort(key=lambda seat: -len(seat.parts(name)))
            for place, seat in enumerate(ready):
                self._ask(name, seat, fair + (place < more))
            for seat in self.seats:
                if seat.alive and seat.leaving:
                    self._ask(name, seat, 0)

    def _ask(self, name: str, seat: Seat, fair: int) -> None:
        for number in seat.parts(name)[fair:]:
            self.works[name].asked.add(number)
            seat.tell(name, Handed(number, held=False))

    def _hand(self, name: str, number: int, seat: Seat) -> None:
        work = self.works[name]
        work.holders[number] = seat
        work.asked.discard(number)
        seat.tell(name, Handed(number, held=True, note=work.notes.get(number, "")))

    def free(self, seat: Seat, name: str, number: int) -> None:
        """Let others have a part of *seat*."""
        work = self.works[name]
        if work.holders.get(number) is seat:
            del work.holders[number]
            work.asked.discard(number)
            self.balance()


class Seat:
    """The leases of one process; see `Leases`.

    Attributes:
        alive: Whether it is heard of; what the dead do reaches nobody.
        leaving: Whether it wants no parts any more.
        left: The parts that it has let go, as they came.
    """

    def __init__(self, divider: Divider) -> None:
        self._divider = divider
        self.queues: dict[str, asyncio.Queue[Handed]] = {}
        self.alive, self.leaving = True, False
        self.left: list[int] = []

    def parts(self, name: str = "") -> list[int]:
        """Return the parts that it has, and is not asked for."""
        works = (work for key, work in self._divider.works.items() if key == (name or key))
        return [
            each
            for work in works
            for each, seat in work.holders.items()
            if seat is self and each not in work.asked
        ]

    def tell(self, name: str, part: Handed) -> None:
        """Let `parts` yield *part*."""
        if name in self.queues:
            self.queues[name].put_nowait(part)

    def depart(self) -> None:
        """Give everything to the others, as before a shutdown."""
        self.leaving = True
        self._divider.balance()

    def lapse(self) -> None:
        """Be unable to prove for a while that it has its parts."""
        for name, work in self._divider.works.items():
            for number in self.parts(name):
                work.asked.add(number)
                self.tell(name, Handed(number, held=False))

    def die(self) -> None:
        """Be heard of no more; what it had is another's after a while."""
        self.alive = False
        asyncio.get_running_loop().call_later(self._divider.lease, self._gone)

    def _gone(self) -> None:
        for name, work in self._divider.works.items():
            for number in [each for each, seat in work.holders.items() if seat is self]:
                self._divider.free(self, name, number)

    # What processes call.

    async def parts_of(self, name: str, total: int) -> AsyncGenerator[Handed]:
        """See `Leases.parts`."""
        queue: asyncio.Queue[Handed] = asyncio.Queue()
        self.queues[name] = queue
        work = self._divider.works.setdefault(name, Work(total))
        assert work.total == total, "all processes have to agree"
        self._divider.balance()
        try:
            while True:
                yield await queue.get()
        finally:
            del self.queues[name]  # what it has stays its own until it is left

    async def note(self, name: str, number: int, note: str) -> None:
        """See `Leases.note`; only the holder's counts."""
        work = self._divider.works[name]
        if self.alive and work.holders.get(number) is self:
            work.notes[number] = note

    async def leave(self, name: str, number: int) -> None:
        """See `Leases.leave`."""
        self.left.append(number)
        if self.alive:
            self._divider.free(self, name, number)

    async def turn(self, name: str, seconds: float) -> None:
        """See `Leases.turn`."""
        now, turns = asyncio.get_running_loop().time(), self._divider.turns
        at = max(now, turns.get(name, now))
        turns[name] = at + seconds
        await asyncio.sleep(at - now)


class Leases:
    """A `Seat` by the names that processes use."""

    def __init__(self, seat: Seat) -> None:
        self.parts = seat.parts_of
        self.note = seat.note
        self.leave = seat.leave
        self.turn = seat.turn
