"""The replicas of a bot that share a Redis; see `Peers`.

`pulse` beats, and knows who lives; `letters` go between replicas, and an `ear` hears them; `parts` and
`sharing` divide what is one for all.  What they do in Redis is in `scripts`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from bot.platform import Leases
from bot.store.peers import LEASE, Member, Others, Use
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.ear import Ear
from bot.store.redis.peers.letters import Letters
from bot.store.redis.peers.parts import RedisLeases
from bot.store.redis.peers.pulse import Pulse
from bot.store.redis.peers.sharing import Sharing
from bot.store.redis.wire import Wire

#: Seconds that a home is kept after it was last asked for.
HOME_KEPT = 3600
#: Seconds that it may take to learn of a home; the platform waits to hear that an event was taken.
HOMING = 0.5


class RedisPeers:
    """The replicas, as one of them sees them.

    Make it before what writes questions anew is added to `Wire.back`, so that the lease is renewed first.
    Clocks of machines need not agree: times are Redis's, and what passed is by a clock that nobody sets.

    Args:
        wire: To Redis.
        names: Of the keys.
        lease: See `LEASE`; tests have no time to wait for it.

    Attributes:
        name: See `Peers.name`.
        leases: See `Peers.leases`.
        lease: Seconds without a sign of life after which a replica is dead.
        left: What `leave` awaits once the others know of it: the store lets go of questions that wait.
    """

    def __init__(self, wire: Wire, names: Names, lease: float = LEASE) -> None:
        self.name, self.lease = secrets.token_hex(4), lease
        self._wire, self._names = wire, names
        self._pulse = Pulse(wire, names, self.name, lease)
        self._letters = letters = Letters(wire, names, self.name, self._pulse)
        self._ear = Ear(wire, names, self.name, self._pulse, letters.reply, letters.replied)
        self._sharing = Sharing(wire, names, self.name, self._pulse)
        leases = RedisLeases(wire, names, self.name, self._pulse)
        self.leases: Leases = leases
        self._pulse.read = lambda: self._ear.own.read
        self._pulse.riders += [letters.ride, self._ear.ride, self._sharing.ride, leases.ride]
        self._pulse.lapsed.append(leases.lapsed)
        self.left: list[Callable[[], Awaitable[None]]] = []
        self._beating: asyncio.Task[None] | None = None
        wire.back.append(self._back)

    async def open(self, live: Callable[[], int] = lambda: 0) -> None:
        """Join; *live* says how many answers this replica writes.  Raises as `Wire.ask`."""
        self._pulse.live = live
        await self._pulse.connected()
        await self._ear.open()
        self._beating = asyncio.create_task(self._pulse.run())

    async def close(self) -> None:
        """Go: what is still this replica's is the others' at once."""
        if self._beating:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        await self._letters.close()
        await self._pulse.stop()

    @property
    def members(self) -> Sequence[Member]:
        """See `Peers.members`."""
        return self._pulse.members

    @property
    def away(self) -> float:
        """See `Peers.away`."""
        return self._pulse.away

    @property
    def held(self) -> bool:
        """Whether no other can think yet that this replica is dead; costs nothing."""
        return self._pulse.held

    def expect_held(self) -> None:
        """Raise where others may take this replica for dead by now; costs nothing.

        Raises:
            Taken: They may.
        """
        self._pulse.expect_held()

    def settled(self) -> bool:
        """Return whether a replica that has not beaten for a lease's time is dead.

        Not where Redis, or this replica, was away meanwhile: then the others may not have been able to.
        """
        return self._pulse.settled()

    async def home(self, channel: str) -> str:
        """See `Peers.home`."""
        leaving = "1" if self._pulse.leaving else ""
        settled = "1" if self._pulse.settled() else ""
        keys = [self._names.of("home", channel), self._pulse.members_key]
        args = [self.name, leaving, self._pulse.lease, settled, HOME_KEPT]
        try:
            async with asyncio.timeout(HOMING):
                return str((await self._wire.call(scripts.HOME, keys, args)).decode())
        except (OSError, TimeoutError):
            return self.name

    async def ask(self, name: str, text: str) -> str:
        """See `Peers.ask`."""
        return await self._letters.ask(name, text)

    def tell(self, text: str) -> None:
        """See `Peers.tell`."""
        self._letters.tell(text)

    async def listen(self, heard: Callable[[str, str], Awaitable[str]]) -> None:
        """See `Peers.listen`; without it `ask` gets no reply."""
        await self._ear.listen(heard)

    async def orphans(self) -> None:
        """See `Peers.orphans`; also returns when that may have happened unseen, as at the start."""
        await self._pulse.died.wait()
        self._pulse.died.clear()

    def orphaned(self) -> None:
        """Let `orphans` return: something is nobody's."""
        self._pulse.died.set()

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        """See `Peers.share`, and `Sharing.share`."""
        return await self._sharing.share(uses)

    async def leave(self) -> None:
        """See `Peers.leave`."""
        self._pulse.leaving = True
        with suppress(OSError):
            await self._pulse.renew()
        for told in self.left:
            await told()

    async def _back(self) -> None:
        await self._pulse.connected()
        self._ear.again()
        self._letters.flush()
