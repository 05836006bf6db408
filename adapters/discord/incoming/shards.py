"""discord.py's client: its shards log in when the gateway says so, and report how they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from weakref import WeakSet

import aiohttp
import discord
import structlog
import yarl

from bot.platform import Health

log = structlog.get_logger(__name__)

#: Doublings of a second that discord.py waits at most between two tries; its own 10 make 17 minutes.
BACKOFF = 4
#: Events without which there is no session.
_NEEDED = frozenset({"READY", "RESUMED"})
#: Seconds for which errors of one kind are logged once.
QUIET = 60.0


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

    Attributes:
        report: See above.
        repair: Called when surfaces can be written to, and when a session was lost and another one begins.
        gateway: Says when to log in.
        since: Since when each shard that is not ready is so, by its number; None is the log-in.
    """

    def __init__(
        self, intents: discord.Intents, report: Callable[[Health], None], trace: aiohttp.TraceConfig
    ) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_ratelimit_timeout=30,
            http_trace=trace,
        )
        self.report = report
        self.repair: Callable[[], Awaitable[None]] = _nothing
        self.gateway: LogIns | None = None
        self.since: dict[int | None, float] = {None: _now()}
        self._launching: set[int] = set()
        self._sessions: set[int] = set()  # shards that had one
        self._sockets: WeakSet[aiohttp.ClientWebSocketResponse] = WeakSet()
        self._said: dict[str, float] = {}  # when an error of each kind was logged
        parsers = self._connection.parsers
        self._connection.parsers = {name: self._guarded(name, parsers[name]) for name in parsers}
        self._connect = self.http.ws_connect
        self.http.ws_connect = self._connected  # type: ignore[method-assign]

    @property
    def me(self) -> int:
        """The bot's own id."""
        assert self.user, "no event comes before READY"  # noqa: S101  for the type checker only
        return self.user.id

    def _guarded(self, name: str, parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return *parse*, which reads the events called *name*, so that one it can't read costs only itself.

        discord.py lets the session end, which costs a log-in.  Without `READY` there is none.
        """
        if name in _NEEDED:
            return parse

        def guarded(data: Any) -> Any:
            try:
                return parse(data)
            except Exception as error:  # noqa: BLE001  discord.py raises whatever a field of another shape does
                self._say("an event that can't be read was left out", name, error)

        return guarded

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """Log what an event's handler has raised: it costs that event only."""
        if (error := sys.exc_info()[1]) is not None:
            self._say("an event was not handled", event_method, error)

    def _say(self, what: str, kind: str, error: BaseException) -> None:
        """Log an *error* with a *kind* of events, once a minute."""
        now = _now()
        if now - self._said.get(kind, -QUIET) >= QUIET:
            self._said[kind] = now
            log.warning(what, kind=kind, error=repr(error), exc_info=error)

    async def _connected(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        self._sockets.add(socket := await self._connect(url, compress=compress))
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
        if shard_id in self._sessions:
            await self.repair()
        self._sessions.add(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """A shard has its session back."""
        self._listens(shard_id)

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
