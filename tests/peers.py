"""Replicas in one process, for tests of the core on a clock that jumps; `bot.store.redis` has real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.platform import Asked, Leases
from bot.store import Entry, Part
from bot.store.alone import Undivided
from bot.store.memory import Memory
from bot.store.peers import REPLY, Member, Others, Peers, Taken, Unreached, Use
from tests.bench.fleet import Bank

Heard = Callable[[str, str], Awaitable[str]]


@dataclass
class Bus:
    """What replicas have in common.

    Attributes:
        lost: Names of replicas that hear nothing, and of which nobody hears.
        dead: Those that are known to be dead.
    """

    peers: dict[str, Linked] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    bank: Bank = field(default_factory=Bank)

    def die(self, name: str) -> None:
        """Let all know that *name* is dead."""
        self.dead.add(name)
        for each in self.peers.values():
            each.died.set()


class Linked:
    """One replica's peers; see `Peers`."""

    away = 0.0

    def __init__(self, bus: Bus, name: str) -> None:
        self.name, self._bus = name, bus
        self.leases: Leases = Undivided()
        self.leaving = False
        self.died = asyncio.Event()
        self.told: list[str] = []
        self._inbox: asyncio.Queue[tuple[str, str, asyncio.Future[str] | None]] = asyncio.Queue(1000)
        self._tasks: set[asyncio.Task[None]] = set()
        bus.peers[name] = self

    @property
    def members(self) -> Sequence[Member]:
        alive = [each for name, each in self._bus.peers.items() if name not in self._bus.dead]
        return [Member(each.name, 0.0, leaving=each.leaving) for each in alive]

    async def home(self, channel: str) -> str:
        at = self._bus.homes.get(channel, "")
        if at in self._bus.dead or at not in self._bus.peers or self._bus.peers[at].leaving:
            at = self._bus.homes[channel] = self.name
        return at

    async def ask(self, name: str, text: str) -> str:
        if {name, self.name} & (self._bus.lost | self._bus.dead):
            await asyncio.sleep(REPLY)
            raise Unreached(name)
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._bus.peers[name]._inbox.put_nowait((self.name, text, reply))
        async with asyncio.timeout(REPLY):
            return await reply

    def tell(self, text: str) -> None:
        self.told.append(text)
        for each in self._bus.peers.values():
            if each is not self and not {each.name, self.name} & self._bus.lost:
                each._inbox.put_nowait((self.name, text, None))

    async def listen(self, heard: Heard) -> None:
        while True:
            sender, text, reply = await self._inbox.get()
            task = asyncio.create_task(self._hear(heard, sender, text, reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hear(self, heard: Heard, sender: str, text: str, reply: asyncio.Future[str] | None) -> None:
        said = await heard(sender, text)
        if reply and not reply.done():
            reply.set_result(said)

    async def orphans(self) -> None:
        await self.died.wait()
        self.died.clear()

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        await asyncio.sleep(0.001)
        if self.name in self._bus.lost:
            raise OSError("away")
        return self._bus.bank.share(self.name, uses, asyncio.get_running_loop().time())

    async def leave(self) -> None:
        self.leaving = True


class Common(Memory):
    """A replica's view of one ledger; see `Store`."""

    def __init__(self, bus: Bus, name: str) -> None:
        super().__init__()
        self._bus, self._name = bus, name
        self._linked = Linked(bus, name)
        self._entries = bus.entries

    @property
    def peers(self) -> Peers:
        return self._linked

    async def accept(self, asked: Asked) -> bool:
        if asked.key in self._bus.entries:
            return False
        self._bus.holder[asked.key] = self._name
        return await super().accept(asked)

    async def intend(self, key: str, part: Part, text: str) -> None:
        self._expect(key)
        await super().intend(key, part, text)

    async def posted(self, key: str, nonce: str, message: str) -> None:
        self._expect(key)
        await super().posted(key, nonce, message)

    async def save(self, key: str, text: str) -> None:
        self._expect(key)
        await super().save(key, text)

    async def call(self, key: str, calling: str) -> None:
        self._expect(key)
        await super().call(key, calling)

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        self._expect(key)
        await super().end(key, text, note, controls)

    async def done(self, key: str, at: float) -> None:
        self._expect(key)
        await super().done(key, at)

    async def unfinished(self, platform: str) -> Sequence[Entry]:
        for key, entry in self._bus.entries.items():
            if entry.done is None and self._bus.holder.get(key) in {*self._bus.dead, None}:
                self._bus.holder[key] = self._name
                self._open[key] = None
        mine = [entry for key, entry in self._bus.entries.items() if self._bus.holder.get(key) == self._name]
        return [entry for entry in mine if entry.done is None and entry.asked.key.startswith(platform)]

    def steal(self, key: str) -> None:
        """Take the question *key* from whoever has it."""
        self._bus.holder[key] = self._name
        self._open[key] = None

    def _expect(self, key: str) -> None:
        if self._bus.holder.get(key) != self._name:
            raise Taken(key)
