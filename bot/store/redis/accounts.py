"""What was spent, in Redis, by all replicas together; see `bot.store.accounts`.

A request is let through by one step in Redis, which looks at every cap and keeps the hold.  Sums are also
known here, as they were last seen, for what must cost no I/O.  While Redis is away each replica may spend
`ALLOWANCE`, and nothing more.  What was not told to Redis is told when it is back, and what it was told just
before is told once more; whatever is told twice counts once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog

from bot.store.accounts import (
    ALLOWANCE,
    LAST,
    NUMBERS,
    Cap,
    Hold,
    Reached,
    Spent,
    Sum,
    called,
    nobody,
    pseudonym,
)
from bot.store.accounts_file import UNWRITTEN, today
from bot.store.redis.keys import Names
from bot.store.redis.money import Keys, fields, ordered
from bot.store.redis.spent import SpentRows
from bot.store.redis.sums import Running, Settled, Sums, number_of, places_of
from bot.store.redis.wire import Refusal, Wire

log = structlog.get_logger(__name__)

#: Seconds of which Redis may lose what it has confirmed, where it writes each second, or another takes over
#: from it; and settlements that are told once more then, at most.
DOUBTED, TOLD_AGAIN = 5.0, 10_000
#: Numbers of a request that has cost nothing.
NOTHING: dict[str, Any] = dict.fromkeys(NUMBERS, 0)


class RedisAccounts:
    """What was spent, in Redis; see `Accounts`.

    Args:
        wire: The connection.
        names: What keys are called.
        name: What this replica is called; its holds bear that name.
    """

    def __init__(self, wire: Wire, names: Names, name: str) -> None:
        self._wire = wire
        self._keys = Keys(names)
        self._sums = Sums(wire, self._keys, name)
        self._known = self._sums.known
        self._rows = SpentRows(wire, self._keys)
        self._running: dict[str, Running] = {}
        self._owed: dict[str, Settled] = {}
        self._doubted: deque[tuple[float, str, Settled]] = deque(maxlen=TOLD_AGAIN)
        self._risked = 0

    @property
    def trouble(self) -> str:
        """Why Redis counts nothing; "" while it does."""
        return self._wire.trouble or self._sums.trouble

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.forbids`."""
        return self._known.forbids(who, caps, _now()) or (UNWRITTEN if caps and self._is_spent() else None)

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """See `Accounts.sum`."""
        return self._known.sum(who, cap, _now())

    async def look(self, who: Spent) -> None:
        """See `Accounts.look`."""
        await self._sums.read(ordered(who))

    async def reserve(self, hold: Hold, caps: Sequence[Cap]) -> Cap | None:
        """See `Accounts.reserve`; one round trip."""
        places = {which: at for at, which in enumerate(places_of(hold.noted), 1)}
        met = [cap for cap in caps if (cap.scope, cap.span) in places]
        limits = [number for cap in met for number in (places[cap.scope, cap.span], cap.most)]
        running = self._keep(hold)
        sent = not self._wire.trouble

        def answered(done: asyncio.Future[Any]) -> None:  # also if nobody waits for it any more
            if not done.cancelled() and not done.exception():
                running.kept = not done.result()[0]
                if not running.kept and self._running.get(hold.key) is running:
                    self._drop(hold.key)

        said = self._sums.post("reserve", hold, hold.noted, *limits)
        said.add_done_callback(answered)
        try:
            refused, *_ = await asyncio.shield(said)
        except OSError:
            return self._unkept(hold, caps, sent=sent)
        return met[refused - 1] if refused else None

    def note(self, key: str, noted: Spent) -> None:
        """See `Accounts.note`."""
        if running := self._running.get(key):
            self._known.hold(running.hold, -1)
            running.hold = replace(running.hold, noted=called(noted, running.hold.noted.actor))
            self._known.hold(running.hold)
            self._sums.post("note", running.hold, running.hold.noted)

    def settle(
        self, key: str, spent: Spent | None, nearly: Sequence[Cap] = (), reached: Reached = nobody
    ) -> None:
        """See `Accounts.settle`."""
        if (running := self._running.pop(key, None)) is None:
            return
        self._known.release(running.hold)
        noted = running.hold.noted
        row = called(spent, noted.actor) if spent else replace(noted, **NOTHING)
        self._known.owe(row, row.cost)
        settled = Settled(running, row, nearly, reached)
        (self._owe if self._wire.trouble else self._tell)(key, settled)

    async def usage(self, since: int, by: Sequence[str], until: int = LAST) -> Sequence[Spent]:
        """See `Accounts.usage`."""
        return await self._rows.usage(since, by, until)

    async def refresh(self) -> None:
        """Read the sums anew that were asked for of late, and tell what is owed; in one round trip.

        To be called each few seconds.  Never raises `OSError`.
        """
        if self._wire.trouble:
            return
        self._believe()
        if self.trouble or self._owed or any(each.risky for each in self._running.values()):
            try:
                await self.back()
            except OSError:
                return
        everybody = [each for which, each in fields(Spent(today())).items() if which[0] == "all"]
        await self._sums.read(self._known.wanted(everybody))

    async def back(self) -> None:
        """Tell Redis all that it may lack: what is held here, and what was spent, some of it once more.

        What it refuses stays to be told.

        Raises:
            Away: It is away again.
        """
        with suppress(Refusal):
            await self._catch_up()

    async def _catch_up(self) -> None:
        held = [self._hold(each) for each in self._running.values() if each.kept]
        settled = [(key, each) for _, key, each in self._doubted] + [*self._owed.items()]
        told = [self._tell(key, each) for key, each in settled]
        await asyncio.gather(*map(asyncio.shield, [*held, *told]))
        self._risked, self._sums.trouble = 0, ""

    async def holders(self) -> set[str]:
        """Return the names of the replicas that hold something; raises as `usage`."""
        return {by for by, _ in (await self._rows.holds()).values()}

    async def settle_dead(self, names: Collection[str]) -> int:
        """Count what the replicas *names*, which died, held, as it was noted; return how many requests.

        Of replicas that do this at once, one counts each.  A replica that was only slow changes what was
        counted by the difference when it settles.  Raises as `usage`.
        """
        return await self._rows.inherit(names)

    async def take(self, rows: Sequence[Spent]) -> None:
        """Count *rows* that were spent elsewhere, such as in a ledger that is moved; raises as `usage`."""
        await self._rows.take(rows)

    async def forget(self, actor: str, day: int) -> None:
        """Take the name of *actor* off, as `MemoryAccounts.forget` does; raises as `usage`.

        It is done again then, when Redis is back.
        """
        for running in self._running.values():
            running.hold = replace(running.hold, noted=_unnamed(running.hold.noted, actor))
        for settled in [*self._owed.values(), *(each for _, _, each in self._doubted)]:
            settled.spent = _unnamed(settled.spent, actor)
        await self._rows.forget(actor, day)

    async def prune(self, day: int) -> None:
        """Delete what `MemoryAccounts.prune` deletes; raises as `usage`."""
        await self._rows.prune(day)

    async def purge(self) -> None:
        """Delete all that was spent; what is held stays; raises as `usage`."""
        self._owed.clear()
        self._doubted.clear()
        await self._rows.purge()
        self._known.clear()  # after all that was on its way is counted

    def _keep(self, hold: Hold) -> Running:
        self._drop(hold.key)
        self._known.hold(hold)
        return self._running.setdefault(hold.key, Running(hold, _now()))

    def _drop(self, key: str) -> None:
        if running := self._running.pop(key, None):
            self._known.hold(running.hold, -1)

    def _hold(self, running: Running) -> asyncio.Future[Any]:
        """Have Redis hold once more what it may not."""

        def kept(done: asyncio.Future[Any]) -> None:
            running.risky &= done.cancelled() or bool(done.exception())

        told = self._sums.post("hold", running.hold, running.hold.noted)
        told.add_done_callback(kept)
        return told

    def _unkept(self, hold: Hold, caps: Sequence[Cap], *, sent: bool) -> Cap | None:
        """Say whether a request is let through that Redis has not let through; *sent*: it may have."""
        if (running := self._running.get(hold.key)) is None:
            return None  # it was settled meanwhile
        self._known.hold(hold, -1)
        cap = self.forbids(hold.noted, caps)
        self._known.hold(hold)
        if cap is None:
            running.kept = running.risky = True
        elif sent:
            self.settle(hold.key, None)
        else:
            self._drop(hold.key)
        return cap

    def _is_spent(self) -> bool:
        """Tell whether Redis counts nothing, and the allowance for that is used up."""
        held = sum(each.hold.held for each in self._running.values() if each.risky)
        return bool(self.trouble) and self._risked + held >= ALLOWANCE

    def _tell(self, key: str, settled: Settled) -> asyncio.Future[Any]:
        """Have Redis count *settled*; owe it where that fails."""

        def counted(done: asyncio.Future[Any]) -> None:
            if done.cancelled() or done.exception():
                self._owe(key, settled)
                return
            if settled.counted:  # it was told twice
                return
            settled.counted = True
            self._owed.pop(key, None)
            self._doubt(key, settled)
            self._known.owe(settled.spent, -settled.spent.cost)
            _, cost, days, months, _ = done.result()
            sums = dict(zip(places_of(settled.spent), map(number_of, [*days, *months]), strict=True))
            for cap in settled.nearly:
                now = sums.get((cap.scope, cap.span), 0)
                if now - int(cost) < cap.most <= now:
                    settled.reached(cap, now)

        age = _now() - settled.running.began
        told = self._sums.post("settle", settled.running.hold, settled.spent, age=age)
        told.add_done_callback(counted)
        return told

    def _doubt(self, key: str, settled: Settled) -> None:
        self._doubted.append((_now(), key, settled))
        self._believe()

    def _believe(self) -> None:
        """Take it that Redis does not lose any more what it has counted long enough ago."""
        while self._doubted and self._doubted[0][0] < _now() - DOUBTED:
            self._doubted.popleft()

    def _owe(self, key: str, settled: Settled) -> None:
        if key not in self._owed and not settled.counted:
            self._owed[key] = settled
            self._risked += settled.spent.cost if settled.running.risky else 0


def _unnamed(spent: Spent, actor: str) -> Spent:
    return called(spent, pseudonym(actor)) if spent.actor == actor else spent


def _now() -> float:
    return asyncio.get_running_loop().time()
