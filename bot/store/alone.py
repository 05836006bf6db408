"""What `bot.store.peers` and its leases are to a process that serves its bot alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from bot.platform import Handed, Leases
from bot.store.peers import Member, Others, Unreached, Use


class Undivided:
    """`Leases` of a bot of one process: all parts are its own, at once and for good.

    Attributes:
        held: How many parts of each work that is.
    """

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self._next: dict[str, float] = {}

    async def parts(self, name: str, total: int) -> AsyncGenerator[Handed]:
        """See `Leases.parts`."""
        self.held[name] = total
        for number in range(total):
            yield Handed(number, held=True)
        await asyncio.Event().wait()

    async def note(self, name: str, number: int, note: str) -> None:
        """See `Leases.note`."""

    async def leave(self, name: str, number: int) -> None:
        """See `Leases.leave`."""

    async def turn(self, name: str, seconds: float) -> None:
        """See `Leases.turn`."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next.get(name, now))
        self._next[name] = at + seconds
        await asyncio.sleep(at - now)


class Alone:
    """The peers of a process that has none; see `Peers`."""

    away = 0.0

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self.leases: Leases = Undivided()

    @property
    def members(self) -> Sequence[Member]:
        """See `Peers.members`."""
        return ()

    async def home(self, channel: str) -> str:
        """See `Peers.home`."""
        return self.name

    async def ask(self, name: str, text: str) -> str:
        """See `Peers.ask`."""
        raise Unreached(f"there is no replica {name}")

    def tell(self, text: str) -> None:
        """See `Peers.tell`."""

    async def listen(self, heard: Callable[[str, str], Awaitable[str]]) -> None:
        """See `Peers.listen`."""
        await asyncio.Event().wait()

    async def orphans(self) -> None:
        """See `Peers.orphans`."""
        await asyncio.Event().wait()

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        """See `Peers.share`."""
        return {}

    async def leave(self) -> None:
        """See `Peers.leave`."""
