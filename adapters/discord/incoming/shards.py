"""discord.py's client: its shards log in when the gateway says so, and report how they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Protocol
from weakref import WeakSet

import aiohttp
import discord
import yarl

from adapters.discord.incoming.events import hand_on, unusable
from adapters.discord.wire.proxies import proxy_for
from adapters.discord.wire.seldom import Seldom
from bot.platform import Health

#: Doublings of a second that discord.py waits at most between two tries; its own 10 make 17 minutes.
BACKOFF = 4


class Held(Exception):
    """An IDENTIFY has to wait *seconds*, with no connection open."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the next log-in waits {seconds:.0f} s")
        self.seconds = seconds


class LogIns(Protocol):
    """Who says when to log in."""

    async def admit(self) -> None:
        """Wait until an IDENTIFY is allowed."""

    def identifying(self) -> None:
        """Spend an IDENTIFY, or raise `Held`."""


class Shards(discord.AutoShardedClient):
    """discord.py's client, with small caches and no pings.

    Args:
        intents: What to hear.
        report: Told how the gateway is.
        trace: Sees discord.py's own calls.
        proxy: What REST goes through; None for nothing.

    Attributes:
        report: See above.
        repair: Called when surfaces can be written to, and when a session was lost and another one begins.
        back: Called when a shard listens, at first or again.
        seldom: What was logged of late.
        gateway: Says when to log in.
        since: Since when each shard that is not ready is so, by its number; None is the log-in.
    """

    def __init__(
        self,
        intents: discord.Intents,
        report: Callable[[Health], None],
        trace: aiohttp.TraceConfig,
        proxy: str | None = None,
    ) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_ratelimit_timeout=30,
            http_trace=trace,
            proxy=proxy,
        )
        hand_on(self._connection.parsers, self.dispatch)
        self.seldom = Seldom()
        self.report = report
        self.repair: Callable[[], Awaitable[None]] = _nothing
        self.back: Callable[[], object] = bool
        self.gateway: LogIns | None = None
        self.since: dict[int | None, float] = {None: _now()}
        self._launching: set[int] = set()
        self._sessions: set[int] = set()  # shards that had one
        self._sockets: WeakSet[aiohttp.ClientWebSocketResponse] = WeakSet()
        self.http.ws_connect = self._connected  # type: ignore[method-assign]

    @property
    def me(self) -> int:
        """The bot's own id; 0 before the log-in."""
        return self.user.id if self.user else 0

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """Log what a handler raised: a line a minute for each kind.  The event is lost, nothing else is."""
        error = sys.exception() or RuntimeError("unknown")
        unusable(self.seldom, "an event of Discord's was not handled", error, handler=event_method)

    async def _connected(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        dialling = copy(self.http)  # discord.py takes one proxy for REST and for the gateway, elsewhere
        dialling.proxy = proxy_for(url)
        self._sockets.add(socket := await type(self.http).ws_connect(dialling, url, compress=compress))
        return socket

    async def close(self) -> None:
        """Close all connections; discord.py forgets one whose log-in was `Held`."""
        await super().close()
        for socket in list(self._sockets):
            if not socket.closed:
                await socket.close()

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """Connect a shard; a failure ends the client, and the gateway makes another one after a pause.

        discord.py itself would call this again 5 s after each failure, from inside itself and without an end.
        """
        if shard_id in self._launching:
            raise ConnectionError(f"shard {shard_id} could not be connected")
        if self.gateway and not initial:
            await self.gateway.admit()
        self._launching.add(shard_id)
        self.since[shard_id] = _now()
        self.since.pop(None, None)
        await super().launch_shard(gateway, shard_id, initial=initial)
        self._launching.discard(shard_id)
        self.shards[shard_id]._parent._backoff._max = BACKOFF  # noqa: SLF001  there is no setting for it

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Ask the gateway for an IDENTIFY, which it counts, or refuses by raising `Held`."""
        await super().before_identify_hook(shard_id, initial=initial)
        if self.gateway:
            self.gateway.identifying()

    async def on_shard_connect(self, shard_id: int) -> None:
        """A shard has a new session: no event tells what was said since its last one, so ask for a repair."""
        self._listens(shard_id)
        self.back()
        if shard_id in self._sessions:
            await self.repair()
        self._sessions.add(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """A shard has its session back, and with it most of what happened meanwhile."""
        self._listens(shard_id)
        self.back()

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """A shard's connection is gone; discord.py connects anew."""
        self.since.setdefault(shard_id, _now())
        self.report("down")

    def _listens(self, shard_id: int) -> None:
        self.since.pop(shard_id, None)
        if not self.since:
            self.report("up")


async def _nothing() -> None:
    """Repair nothing, until `Shards.repair` is set."""


def _now() -> float:
    return asyncio.get_running_loop().time()
