"""Connects the shards of a client, one by one, and lets them go.

discord.py would run all shards from the start, keep all waiting while one connects anew, and never resume a
session that it has not begun itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket, WebSocketClosure
from discord.shard import EventItem, EventType

from adapters.discord.incoming.heard import Heard, hearing
from adapters.discord.incoming.sessions import Session

log = structlog.get_logger(__name__)

#: Doublings of a second that discord.py waits at most between two tries; its own 10 make 17 minutes.
BACKOFF = 4
#: Seconds that a shard's connection may take to open, and to close.
OPENING, CLOSING = 60.0, 2.0
#: Seconds that what a shard has heard may take to be stored before its session goes to another process.
STORING = 2.0
#: Failures to reach the place where a session can be resumed, after which the shard logs in anew.
UNREACHED = 2
#: Anything but 1000 and 1001, which end the session (events/gateway.mdx, Initiating a Disconnect).
RESUMABLE = 4000
#: What may happen while a connection is opened.
FAILURES = (
    OSError,
    ValueError,
    TimeoutError,
    aiohttp.ClientError,
    discord.ConnectionClosed,
    ReconnectWebSocket,
    WebSocketClosure,
)

#: The sockets that the running task has opened.
_opened: ContextVar[list[aiohttp.ClientWebSocketResponse] | None] = ContextVar("opened", default=None)


def opened(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Hear that *socket* was opened; it is closed if the shard does not come to use it."""
    if (sockets := _opened.get()) is not None:
        sockets.append(socket)


class Connecting(discord.AutoShardedClient):
    """discord.py's client, whose shards come and go.

    Attributes:
        waiting: Shards that wait until they may log in.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waiting: set[int | None] = set()
        self._url: yarl.URL | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}  # what connects a shard
        self._giving: dict[int, asyncio.Task[Session | None]] = {}
        self._heard: dict[int, Heard] = {}

    @abstractmethod
    def admit(self, shard: int) -> AbstractAsyncContextManager[None]:
        """Wait until *shard* may connect to IDENTIFY; see `LogIns.admit`."""

    @abstractmethod
    def begin(self, shard: int, session: Session | None) -> None:
        """Hear that *shard* is about to be connected, and to go on with *session* if there is one."""

    @property
    def taken(self) -> list[int]:
        """The shards that are run here."""
        return sorted(self._heard)

    def runs(self, guild: int) -> bool:
        """Tell whether the events of *guild* come here; 0: direct messages (gateway.mdx, Sharding)."""
        return (guild >> 22) % (self.shard_count or 1) in self._heard

    def spread(self, total: int, url: str) -> None:
        """Let there be *total* shards in all; the gateway is at *url*."""
        self.shard_count = self._connection.shard_count = total
        self._connection.shard_ids = ()  # type: ignore[assignment]  # `wait_until_ready` is not discord.py's
        self._url = yarl.URL(url)

    def take(self, shard: int, session: Session | None) -> None:
        """Run a shard from now on, which goes on with *session* if there is one; returns at once."""
        self._heard[shard] = Heard()
        self.begin(shard, session)
        self.later(shard, self._start(shard, session))

    async def give(self, shard: int) -> Session | None:
        """Run a shard no more; return its session, which can be resumed; None if it has none."""
        if shard not in self._giving:
            self._giving[shard] = task = asyncio.create_task(self._give(shard))
            task.add_done_callback(lambda _: self._given(shard))
        return await asyncio.shield(self._giving[shard])

    def _given(self, shard: int) -> None:
        task = self._giving.pop(shard)
        if not task.cancelled():
            task.exception()  # nobody may wait any more

    async def _give(self, shard: int) -> Session | None:
        if (heard := self._heard.get(shard)) is None:
            return None
        await _cancel(self._tasks.pop(shard, None))
        running, session = self._running.pop(shard, None), None
        if running:
            await _cancel(running._task)  # noqa: SLF001  as discord.py's own `Shard.close` does
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING):
                    await running.ws.close(RESUMABLE)
            await heard.settle(STORING)
            session = self._session(heard, running.ws)
        self._forget(shard)
        return session

    def session(self, shard: int) -> Session | None:
        """Return the session of a shard as it is now; None while it has none."""
        running, heard = self._running.get(shard), self._heard.get(shard)
        return self._session(heard, running.ws) if running and heard else None

    def later(self, shard: int, work: Coroutine[Any, Any, None]) -> None:
        """Connect a shard by *work* in the background, unless it is run here no more."""
        if shard in self._heard:
            self._tasks[shard] = asyncio.create_task(self._dial(shard, work))
        else:
            work.close()

    @asynccontextmanager
    async def admitted(self, shard: int) -> AsyncIterator[None]:
        """Wait until a shard may connect to IDENTIFY, and let it."""
        self.waiting.add(shard)
        try:
            async with self.admit(shard):
                self.waiting.discard(shard)
                self.begin(shard, None)
                yield
        finally:
            self.waiting.discard(shard)

    @property
    def _running(self) -> dict[int, discord.shard.Shard]:
        """The shards that discord.py knows; it has no other way to add or to remove one."""
        return self._AutoShardedClient__shards  # type: ignore[attr-defined,no-any-return]

    def _put(self, item: EventItem) -> None:
        """Let discord.py's loop do something."""
        self._AutoShardedClient__queue.put_nowait(item)  # type: ignore[attr-defined]

    def _session(self, heard: Heard, ws: DiscordWebSocket) -> Session | None:
        if not ws.session_id or ws.sequence is None:
            return None
        upto, intents = heard.upto(ws.sequence), self.intents.value
        return Session(ws.session_id, str(ws.gateway), upto, self.shard_count or 1, intents, time.time())

    async def _dial(self, shard: int, work: Coroutine[Any, Any, None]) -> None:
        """Do *work*; close what it has opened in vain."""
        sockets: list[aiohttp.ClientWebSocketResponse] = []
        _opened.set(sockets)
        try:
            await work
        finally:
            running = self._running.get(shard)
            for socket in sockets:
                if running is None or running.ws.socket is not socket:
                    await socket.close(code=RESUMABLE)

    async def _start(self, shard: int, session: Session | None) -> None:
        """Connect a shard, again and again until it is."""
        for failures in count(1):
            try:
                await self._launch(shard, session if failures <= UNREACHED else None)
            except FAILURES as error:
                log.warning("a shard can't be connected; trying again", shard=shard, error=repr(error))
                await asyncio.sleep(backoff(failures))
            except Exception as error:  # noqa: BLE001  whatever it is: the gateway makes another client
                self._put(EventItem(EventType.terminate, None, error))
                return
            else:
                return

    async def _launch(self, shard: int, session: Session | None) -> None:
        """Connect a shard; its session is resumed, or another one begun."""
        if session:
            resuming = {"session": session.id, "sequence": session.heard, "resume": True}
            ws = await self._open(shard, yarl.URL(session.url), **resuming)
        else:
            async with self.admitted(shard):
                ws = await self._open(shard, self._url)
        self._running[shard] = running = Shard(ws, self, self._put)
        running._backoff._max = BACKOFF  # noqa: SLF001  there is no setting for it
        running.launch()

    async def _open(self, shard: int, url: yarl.URL | None, **resuming: Any) -> DiscordWebSocket:
        async with asyncio.timeout(OPENING):
            return await DiscordWebSocket.from_client(self, gateway=url, shard_id=shard, **resuming)

    def _forget(self, shard: int) -> None:
        """Forget a shard, and its guilds: what becomes of them is not told here any more."""
        self._heard.pop(shard, None)
        state = self._connection
        for guild in [each for each in state.guilds if each.shard_id == shard]:
            state._remove_guild(guild)  # noqa: SLF001  as discord.py does when the bot is removed from one

    def _schedule_event(
        self, coro: Callable[..., Coroutine[Any, Any, Any]], event_name: str, *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        """Follow how far what is told was handled; but an interaction is answered at once, or not at all."""
        start = partial(super()._schedule_event, coro, event_name, *args, **kwargs)
        ws = hearing.get()
        if ws is None or ws.shard_id not in self._heard:
            return start()
        if event_name == "on_shard_connect":  # another session, in which numbers begin anew
            self._heard[ws.shard_id] = Heard()
        if event_name.startswith("on_told_") and not event_name.endswith("interaction_create"):
            return self._heard[ws.shard_id].track(ws.sequence, start)
        return start()


class Shard(discord.shard.Shard):
    """discord.py's shard, which keeps no other one waiting while it connects anew."""

    _client: Connecting

    async def reidentify(self, exc: ReconnectWebSocket) -> None:
        """Connect anew, and resume the session or begin another one."""
        self._client.later(self.id, self._anew(exc))

    async def _anew(self, exc: ReconnectWebSocket) -> None:
        if exc.resume:
            await super().reidentify(exc)
            return
        self._client.dispatch("shard_disconnect", self.id)
        async with self._client.admitted(self.id):
            await super().reidentify(exc)

    async def reconnect(self) -> None:
        """Connect anew, and begin another session."""
        self._client.later(self.id, self._again())

    async def _again(self) -> None:
        async with self._client.admitted(self.id):
            await super().reconnect()


def backoff(failures: int, longest: float = 2.0**BACKOFF) -> float:
    """Return the seconds before the next try: they double up to *longest*; chance takes off up to half."""
    return min(2.0**failures, longest) * random.uniform(0.5, 1.0)  # noqa: S311  nothing secret


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
        await asyncio.wait({task}, timeout=CLOSING)
