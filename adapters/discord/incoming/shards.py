"""discord.py's client: its shards come and go as the gateway says, and report how they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from copy import copy
from typing import Protocol
from weakref import WeakSet

import aiohttp
import discord

from adapters.discord.incoming.connecting import Connecting, opened
from adapters.discord.incoming.events import hand_on, unusable
from adapters.discord.incoming.sessions import Session
from adapters.discord.wire.seldom import Seldom
from adapters.proxies import proxy_for
from bot.platform import Health


class LogIns(Protocol):
    """Who says which shards to run, and when to log in."""

    @property
    def shared(self) -> bool:
        """Whether other processes run shards too."""

    async def share(self, client: Shards) -> None:
        """Tell *client* how many shards there are, and let it take those that are to be run here."""

    def admit(self, shard: int) -> AbstractAsyncContextManager[None]:
        """Wait until *shard* may connect to IDENTIFY, which is made before this is left again."""

    async def identifying(self, shard: int) -> None:
        """Wait for the moment for it, with the connection open: whatever opening it took is over."""


class Shards(Connecting):
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
        gateway: Says which shards to run, and when to log in.
        since: Since when each shard that is not ready is so, by its number; None is the log-in.
        keep: The shards whose sessions `close` leaves, so that they can be resumed; None for all that listen.
        kept: Those that it has left, by shard.
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
        self.keep: Collection[int] | None = None
        self.kept: dict[int, Session] = {}
        self._untold: set[int | None] = {None}  # shards whose guilds are not known yet
        self._told = asyncio.Event()
        self._sessions: set[int] = set()  # shards that had one
        self._unrepaired = False
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
        opened(socket)
        return socket

    async def close(self) -> None:
        """Close all connections; discord.py forgets one whose log-in failed."""
        keep = [shard for shard in self.taken if shard not in self.since] if self.keep is None else self.keep
        for shard, session in zip(keep, await asyncio.gather(*map(self.give, keep)), strict=True):
            if session:
                self.kept[shard] = session
        for task in self._tasks.values():
            task.cancel()
        await super().close()
        for socket in list(self._sockets):
            if not socket.closed:
                await socket.close()

    async def launch_shards(self) -> None:
        """Let the gateway say which to run; discord.py itself would launch all."""
        if self.gateway:
            await self.gateway.share(self)

    def admit(self, shard: int) -> AbstractAsyncContextManager[None]:
        """See `Connecting.admit`."""
        return self.gateway.admit(shard) if self.gateway else nullcontext()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Let the gateway say when; discord.py itself would wait for five seconds."""
        if self.gateway:
            await self.gateway.identifying(shard_id or 0)

    def begin(self, shard: int, session: Session | None) -> None:
        """See `Connecting.begin`; a session that can't be resumed is lost, and with it what it would tell."""
        self.since[shard] = _now()
        self._untold.add(shard)
        self._told.clear()
        if session:
            self._sessions.add(shard)
        self.begun()

    def begun(self) -> None:
        """Wait for no shard but those that were taken."""
        self._listens(None)
        self._know(None)

    async def wait_until_ready(self) -> None:
        """Wait until the guilds are known of all shards that are run here."""
        while self._untold:
            await self._told.wait()

    async def on_shard_connect(self, shard_id: int) -> None:
        """A shard has a new session: no event tells what was said since its last one, so ask for a repair."""
        self._listens(shard_id)
        self.back()
        if shard_id in self._sessions:
            await self.repair()
        elif self.gateway and self.gateway.shared:
            self._unrepaired = True
        self._sessions.add(shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        """The guilds of a shard are known; ask for what was said before another process's shard was ours."""
        self._know(shard_id)
        if self._unrepaired and not self._untold:
            self._unrepaired = False
            await self.repair()

    async def on_shard_resumed(self, shard_id: int) -> None:
        """A shard has its session back, and with it most of what happened meanwhile."""
        self._listens(shard_id)
        self._know(shard_id)
        self.back()

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """A shard's connection is gone; discord.py connects anew."""
        if shard_id in self.taken:
            self.since.setdefault(shard_id, _now())
            self.report("down")

    def _listens(self, shard: int | None) -> None:
        self.since.pop(shard, None)
        if not self.since:
            self.report("up")

    def _know(self, shard: int | None) -> None:
        self._untold.discard(shard)
        if not self._untold:
            self._told.set()

    def _forget(self, shard: int) -> None:
        super()._forget(shard)
        self._sessions.discard(shard)
        self._know(shard)
        self._listens(shard)


async def _nothing() -> None:
    """Repair nothing, until `Shards.repair` is set."""


def _now() -> float:
    return asyncio.get_running_loop().time()
