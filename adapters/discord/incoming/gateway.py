"""Keeps a client of discord.py connected, whatever happens to it; only the operator's mistakes end it.

discord.py resumes sessions well.  But it waits up to 17 minutes between two tries, does not notice a gateway
that sends events and answers no heartbeats, may raise anything when its first connection fails, and puts no
limit on IDENTIFYs.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import discord
import structlog

from adapters.discord.incoming.shards import Held, Shards
from adapters.discord.incoming.starts import DAY, Book
from adapters.discord.wire.rest import Json, Rest
from bot.platform import Gone, SlowDown, Unavailable

log = structlog.get_logger(__name__)

#: Seconds between two looks at the client.
LOOK = 5.0
#: A client of which a shard was not ready for so many seconds is replaced.
READY = 180.0
#: Heartbeats without an answer after which a connection is a zombie (events/gateway.mdx).
BEATS = 2
#: Seconds that a client may take to close.
CLOSING = 10.0
#: Seconds before the next client, at most, and what makes them grow.
LONGEST, STEADY = 20.0, 60.0
#: Fewer sessions than this left today, and none is started (GET /gateway/bot).
RESERVE = 50
REFUSED_STEP = (
    "Discord refuses DISCORD_BOT_TOKEN: make a new one "
    "(Developer Portal > your application > Bot > Reset Token)."
)
CONTENT_STEP = (
    "Discord: switch on Message Content Intent (Developer Portal > your application > Bot > Privileged "
    "Gateway Intents), or set RIVULET_DISCORD_CONTENT=false to hear direct mentions only."
)
INTENTS_STEP = (
    "Discord does not know an intent that this version asks for (4013): update Rivulet, or set "
    "RIVULET_DISCORD_CONTENT=false."
)
#: The gateway's close codes that only the operator can do something about.
STEPS = {4004: REFUSED_STEP, 4013: INTENTS_STEP, 4014: CONTENT_STEP}


class Gateway:
    """Starts clients, watches over them and replaces them.

    Args:
        client: Makes a new one.
        rest: What to ask Discord with.
        token: The bot's.
        book: When the bot has started and logged in.
        brake: Whether the book makes it wait.
        hear: Told the loop's time of the last heartbeat that was answered, on the connection silent longest.

    Attributes:
        counts: What has happened, by name: "clients", "identifies", "zombies", "not ready", "failures".
    """

    def __init__(
        self,
        client: Callable[[], Shards],
        rest: Rest,
        token: str,
        book: Book,
        *,
        brake: bool = True,
        hear: Callable[[float], object] = float,
    ) -> None:
        self._client = client
        self._rest = rest
        self._token = token
        self._book = book
        self._brake = brake
        self._hear = hear
        self._scarce = False
        self._closing: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            Unavailable: When only the operator can help.
        """
        await self._start()
        failures = 0
        while True:
            began = _now()
            try:
                await self._enough()
                await self._serve()
            except (Unavailable, asyncio.CancelledError):
                raise
            except Held:
                continue  # `admit` waits
            except SlowDown as slow:
                log.warning("Discord asks for a pause", seconds=round(slow.retry_after))
                await asyncio.sleep(slow.retry_after)
            except Exception as error:  # noqa: BLE001  whatever discord.py raises: it is tried again
                step = REFUSED_STEP if self._rest.traffic.dead.is_set() else _step(error)
                if step:
                    raise Unavailable(step) from None
                self._tell(error)
            if self._rest.traffic.dead.is_set():
                raise Unavailable(REFUSED_STEP)
            failures = 0 if _now() - began > STEADY else failures + 1
            await asyncio.sleep(max(backoff(failures), self._rest.traffic.closed()))

    def _tell(self, error: Exception) -> None:
        self.counts["failures"] += 1
        expected = isinstance(error, OSError | discord.DiscordException | Gone)
        log.warning(
            "Discord's gateway failed; connecting anew",
            error=repr(error),
            exc_info=None if expected else error,
        )

    async def _start(self) -> None:
        """Wait before the first call, if the bot has started too often of late."""
        seconds = self._book.start()
        if seconds and self._brake:
            log.warning("starting again and again; waiting before calling Discord", seconds=seconds)
            await asyncio.sleep(seconds)

    async def admit(self) -> None:
        """Wait until an IDENTIFY is allowed."""
        while (seconds := self._book.wait()) and self._brake:
            log.info("the next log-in waits", seconds=round(seconds))
            await asyncio.sleep(seconds)

    def identifying(self) -> None:
        """Spend an IDENTIFY.

        Raises:
            Held: It has to wait.  Not in here: a connection is open, and its events would not be read.
        """
        if (seconds := self._book.wait()) and self._brake:
            raise Held(seconds)
        self.counts["identifies"] += 1
        self._book.login()

    async def _enough(self) -> None:
        """Wait until enough sessions are left for today."""
        while True:
            said, _ = await self._rest.call("GET", "gateway/bot", "discord/gateway")
            remaining, seconds = left(said)
            if not self._brake or remaining >= RESERVE:
                self._scarce = False
                return
            if not self._scarce:
                self._scarce = True
                log.error(
                    "too few log-ins are left for today; waiting until Discord resets them",
                    remaining=remaining,
                    seconds=round(seconds),
                )
            await asyncio.sleep(seconds)

    async def _serve(self) -> None:
        """Run one client until it fails or has to be replaced."""
        await self.admit()
        client = self._client()
        client.gateway = self
        self.counts["clients"] += 1
        serving = asyncio.create_task(client.start(self._token))
        watching = asyncio.create_task(self._watch(client))
        both = {serving, watching}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._close(client)
            for task in both:
                task.cancel()
            await asyncio.wait(both, timeout=CLOSING)
            for task in both:
                if task.done() and not task.cancelled():
                    task.exception()  # it is the first that counts
        for task in done:
            task.result()
        log.warning("Discord ended the session")

    async def _watch(self, client: Shards) -> None:
        """Recycle connections that are dead; return when all of the client has to be replaced."""
        while not self._rest.traffic.dead.is_set():
            if client.since and _now() - min(client.since.values()) > READY:
                self.counts["not ready"] += 1
                log.warning("Discord's gateway is not ready; starting anew", seconds=READY)
                return
            if silences := silent(client, time.perf_counter()):
                self._hear(_now() - max(silences.values()))
            for shard in zombies(client, time.perf_counter()):
                self.counts["zombies"] += 1
                log.warning("Discord's gateway answers no heartbeats; reconnecting", shard=shard.shard_id)
                self._spawn(shard.close(4000))  # anything but 1000: the session can be resumed
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rest.traffic.dead.wait(), LOOK)

    async def _close(self, client: Shards) -> None:
        """Close a client; one that does not come back is left to itself."""
        closing = self._spawn(client.close())
        done, _ = await asyncio.wait({closing}, timeout=CLOSING)
        if not done:
            log.warning("a client of discord.py does not close")
        hush(client)
        client.report("down")

    def _spawn(self, work: object) -> asyncio.Task[None]:
        async def quietly() -> None:
            try:
                await work  # type: ignore[misc]  # a coroutine of discord.py's
            except Exception as error:  # noqa: BLE001  closing what is broken fails in all ways
                log.debug("closing failed", error=repr(error))

        task = asyncio.create_task(quietly())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task


def backoff(failures: int) -> float:
    """Return the seconds before the next client: half of the full time, and a random part of the rest."""
    return min(2.0**failures, LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311  nothing secret


def left(said: Json) -> tuple[int, float]:
    """Return how many sessions may be started, and the seconds until that is reset; enough if unsaid."""
    limit = said.get("session_start_limit")
    match limit:
        case {"remaining": int(remaining), "reset_after": int() | float() as reset_after}:
            return remaining, min(max(1.0, reset_after / 1000), DAY)
    return RESERVE, 0.0


def hush(client: Shards) -> None:
    """End the heartbeats of connections that *client* forgot, since their log-in failed."""
    for thread in threading.enumerate():
        beats = isinstance(thread, discord.gateway.KeepAliveHandler)
        if beats and thread.ws._connection is client._connection:  # type: ignore[attr-defined]  # noqa: SLF001
            thread.stop()  # type: ignore[attr-defined]


def silent(client: Shards, now: float) -> dict[discord.gateway.DiscordWebSocket, float]:
    """Return for each connection the seconds since a heartbeat of it was answered.

    discord.py itself only watches when it last received anything.  The time of the last acknowledgement is a
    private attribute of it; a test with the real discord.py fails if that changes.
    """
    sockets = (info._parent.ws for info in client.shards.values())  # noqa: SLF001
    beating = ((socket, socket._keep_alive) for socket in sockets)  # noqa: SLF001
    return {socket: now - beat._last_ack for socket, beat in beating if beat and beat.interval}  # noqa: SLF001


def zombies(client: Shards, now: float) -> list[discord.gateway.DiscordWebSocket]:
    """Return the connections on which no heartbeat was answered for `BEATS` intervals."""
    return [
        socket
        for socket, seconds in silent(client, now).items()
        if socket._keep_alive and seconds > BEATS * (socket._keep_alive.interval or 0)  # noqa: SLF001
    ]


def _step(error: BaseException) -> str:
    """Return what the operator has to do about *error*, "" if nothing."""
    match error:
        case discord.LoginFailure():
            return REFUSED_STEP
        case discord.PrivilegedIntentsRequired():
            return CONTENT_STEP
        case discord.ConnectionClosed():
            return STEPS.get(error.code, "")
    return ""


def _now() -> float:
    return asyncio.get_running_loop().time()
