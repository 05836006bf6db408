"""The signs of life of a replica: what renews its lease, and what it learns of the others meanwhile.

One round trip a second, in which everything else goes along that replicas tell Redis regularly.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from bot.store.once import Once
from bot.store.peers import BEAT, CAUTION, LEASE, Member, Taken
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.clock import passed
from bot.store.redis.peers.refusals import Refusals
from bot.store.redis.wire import Away, Refusal, Wire

log = structlog.get_logger(__name__)

#: Seconds after which a dead member is deleted.
BURIED = 3600.0
#: Seconds that letters are kept for a replica that does not read them.
LETTERS_KEPT = 300
#: Seconds by which Redis's clock and ours may differ in what passed between two beats.
JUMP = 1.0
#: What is said of what goes along with a beat, where Redis refuses it, and where it has another fault.
REFUSED = "Redis refuses what goes along with the beats of this replica"
FAILED = "what goes along with a beat failed"
#: The same of its own.
BARRED = "Redis refuses the beats of this replica"


class Pulse:
    """Beats, and what they tell.

    Args:
        wire: To Redis.
        names: Of the keys.
        name: Of this replica.
        lease: Seconds; `BEAT` and `CAUTION` are in proportion.

    Attributes:
        live: Says how many answers this replica writes.
        read: Says up to which id its letters were read; "" for none.
        riders: What goes along with each beat; each asks Redis at once or not at all.
        lapsed: What is called when the lease runs out.
        leaving: Whether this replica takes nothing new.
        beat: Seconds between two beats.
        members: Those that live, as last seen.
        known: All that Redis has, the dead among them, as last seen.
        died: Set when a member has died or left.
        refusals: What Redis refuses time and again.
    """

    def __init__(self, wire: Wire, names: Names, name: str, lease: float) -> None:
        self.live: Callable[[], int] = lambda: 0
        self.read: Callable[[], str] = lambda: ""
        self.riders: list[Callable[[], Awaitable[None]]] = []
        self.lapsed: list[Callable[[], None]] = []
        self.leaving = False
        self.lease = lease
        self.beat = BEAT * lease / LEASE
        self.members: tuple[Member, ...] = ()
        self.known: Mapping[str, Member] = {}
        self.died = asyncio.Event()
        self.refusals = Refusals(names)
        self._once = Once()
        self._trust = lease - CAUTION * lease / LEASE
        self._wire, self._names, self._name = wire, names, name
        self._since: float | None = None
        self._sent = self._steady = -math.inf
        self._began, self._first = math.inf, -math.inf
        self._run = ""
        self._ahead = math.nan  # of our clock, Redis's
        self._connected = 0
        self._stopped = False
        self._settled = False
        self._served: dict[str, bool] = {}  # those whose death was not declared; whether they serve
        self._last = self._next = -math.inf
        self._changed = asyncio.Event()
        self._one = asyncio.Lock()
        self._boarding: asyncio.Future[None] | None = None
        self._lapse: asyncio.TimerHandle | None = None

    @property
    def members_key(self) -> str:
        """The hash of the members."""
        return self._names.of("members")

    @property
    def away(self) -> float:
        """See `Peers.away`."""
        return passed() - self._sent if self._wire.trouble else 0.0

    @property
    def held(self) -> bool:
        """Whether no other can think yet that this replica is dead."""
        return passed() < self._sent + self._trust

    @property
    def complete(self) -> bool:
        """Whether all that live have had time to tell a new Redis what is theirs: what nobody has is free."""
        return passed() > self._began + self.lease

    @property
    def believed(self) -> float | str:
        """The lease, for scripts; "" while nobody is to be taken for dead."""
        return self.lease if self.settled() else ""

    @property
    def clock(self) -> float:
        """What Redis's clock says, to some milliseconds; nan before the first beat."""
        return passed() + self._ahead

    def expect_held(self) -> None:
        """Raise where others may think that this replica is dead.

        Raises:
            Taken: They may, or do.
        """
        if not self.held:
            raise Taken("this replica has not reached Redis for so long that others may have its questions")

    def settled(self) -> bool:
        """Return whether who has not beaten for so long is dead, as Redis was there all the time."""
        return self.held and self.complete and not self._wire.trouble and passed() > self._steady + self.lease

    async def connected(self) -> None:
        """Take note that Redis is there, again perhaps, and beat; raises as `Wire.ask`."""
        self._began, self._steady = math.inf, passed()
        self._connected += 1
        (run, uptime), _ = await asyncio.gather(self._server(), self.renew())
        if self._run in {"", run}:
            self._began = max(self._first, passed() - uptime)
        else:  # a failover, which may have lost something
            self._began = self._first = passed()
        self._run = run

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._due()
            try:
                await self.renew()
            except Refusal as error:
                self.refusals.say(BARRED, str(error), [self.members_key])
            except OSError:  # the wire says so
                continue
            else:
                self.refusals.over(BARRED)

    def nudge(self, after: float = 0.0) -> None:
        """See to it that a beat comes, *after* seconds since the last at the earliest."""
        self._next = min(self._next, self._last + after)
        self._changed.set()

    @property
    def connection(self) -> int:
        """Which connection this is, from 1: with each Redis may have lost what it was told."""
        return self._connected

    @property
    def young(self) -> bool:
        """Whether Redis may have lost something, which others may not have told it again yet."""
        return self._connected > 1 and passed() < self._began + self.lease / 2

    def linger(self, seconds: float) -> None:
        """Let the next beat wait for so much longer, as something is likely to want to go along."""
        self._next += seconds

    async def carried(self) -> None:
        """Wait until a beat that begins from now on is through.

        Raises:
            OSError: Redis is away.
        """
        if self._wire.trouble or self._stopped:
            raise Away(self._wire.trouble or "this replica has gone")
        if self._boarding is None:
            self._boarding = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._boarding)

    async def renew(self) -> None:
        """Beat now; raises as `Wire.ask`."""
        async with self._one:
            self._last = asyncio.get_running_loop().time()
            self._next = self._last + self.beat
            boarded, self._boarding = self._boarding, None
            own: BaseException | None = Away("this replica has gone")
            others: Sequence[BaseException | None] = ()
            try:
                own, *others = await asyncio.gather(
                    self._renew(), *(ride() for ride in self.riders), return_exceptions=True
                )
            finally:
                self._tell(boarded, [own, *others])
        self._report(others)
        if own:
            raise own

    def _report(self, others: Sequence[BaseException | None]) -> None:
        """Say what of *others* has failed, once for as long as it does."""
        refused = next((error for error in others if isinstance(error, Refusal)), None)
        failed = next(
            (each for each in others if isinstance(each, Exception) and not isinstance(each, OSError)), None
        )
        if refused:
            self.refusals.say(REFUSED, str(refused))
        elif not any(others):
            self.refusals.over(REFUSED)
        if failed is None:
            self._once.over(FAILED)
        elif self._once.new(FAILED, repr(failed)):
            log.error(FAILED, exc_info=failed)

    async def stop(self) -> None:
        """Let everybody know that this replica is gone."""
        self._stopped = True
        self._tell(self._boarding, [Away("this replica has gone")])
        self._boarding = None
        if self._lapse:
            self._lapse.cancel()
        with suppress(OSError):
            await self._wire.call(
                scripts.GO, [self.members_key, self._names.of("to", self._name)], [self._name]
            )

    @staticmethod
    def _tell(boarded: asyncio.Future[None] | None, did: Sequence[BaseException | None]) -> None:
        """Tell those who waited for a beat, if any did, what became of it."""
        if boarded is None:
            return
        if error := next(filter(None, did), None):
            boarded.set_exception(error)
            boarded.exception()  # nobody may wait any more
        else:
            boarded.set_result(None)

    async def _renew(self) -> None:
        sent = passed()
        keys = [self.members_key, self._names.of("to", self._name)]
        since = "" if self._since is None else self._since
        leaving = "1" if self.leaving else ""
        args = [self._name, since, self.live(), leaving, BURIED, LETTERS_KEPT, self.read()]
        try:
            now, *said = await self._wire.call(scripts.BEAT, keys, args)
        except OSError:
            self._steady = math.inf
            raise
        self._believe(sent, float(now) - sent)
        pairs = zip(said[::2], said[1::2], strict=True)
        self._see({name.decode(): json.loads(text) for name, text in pairs}, float(now))

    async def _server(self) -> tuple[str, float]:
        """Return which run of a Redis this is, and how many seconds it has lasted."""
        try:
            info = await self._wire.ask("INFO", "server")
        except Refusal:  # it may be forbidden
            return "", 0.0
        return info["run_id"], float(info["uptime_in_seconds"])

    def _believe(self, sent: float, ahead: float) -> None:
        """Renew the lease, which a beat that was sent at *sent* has."""
        if math.isinf(self._steady) or sent > self._sent + self._trust or abs(ahead - self._ahead) > JUMP:
            self._steady = sent  # others may have been away as well
        self._sent, self._ahead = sent, ahead
        if self._lapse:
            self._lapse.cancel()
        left = sent + self._trust - passed()
        self._lapse = asyncio.get_running_loop().call_later(left, self._lapses)

    def _lapses(self) -> None:
        log.error("Redis has not heard this replica for so long that others may go on with what it does")
        for told in self.lapsed:
            told()

    def _see(self, said: Mapping[str, dict[str, float]], now: float) -> None:
        settled = self.settled()
        alive = {name for name, word in said.items() if now - word["beat"] <= self.lease}
        self.known = {
            name: Member(name, word["since"], int(word["live"]), bool(word.get("leaving")))
            for name, word in said.items()
        }
        self._since = self.known[self._name].since
        seen = {name: self.known[name] for name in alive}
        if not settled:  # those who have not come back yet may
            seen = {member.name: self.known.get(member.name, member) for member in self.members} | seen
        self.members = tuple(sorted(seen.values(), key=lambda member: (member.since, member.name)))
        self._declare(settled)

    def _declare(self, settled: bool) -> None:
        """Say, once, who has died or left."""
        others = [member for member in self.members if member.name != self._name]
        serving = {member.name: not member.leaving for member in others}
        if settled:
            left = any(serves and not serving.get(name) for name, serves in self._served.items())
            gone = self._served.keys() - serving
            if left or gone or not self._settled:  # what happened before is not known
                self.died.set()
            self._served = serving
        else:
            self._served |= {name: True for name, serves in serving.items() if serves}
        self._settled = settled

    async def _due(self) -> None:
        now = asyncio.get_running_loop().time
        while (left := self._next - now()) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
