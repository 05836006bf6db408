"""Keeps a client of discord.py connected, whatever happens to it; only the operator's mistakes end it.

discord.py resumes sessions well.  But it waits up to 17 minutes between two tries, does not notice a gateway
that sends events and answers no heartbeats, may raise anything when its first connection fails, and puts no
limit on IDENTIFYs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import discord
import structlog

from adapters.discord.incoming.beats import hush, silent, zombies
from adapters.discord.incoming.connecting import backoff
from adapters.discord.incoming.fields import inner, string, whole
from adapters.discord.incoming.leased import Leased
from adapters.discord.incoming.shards import Shards
from adapters.discord.incoming.starts import DAY, Book
from adapters.discord.incoming.steps import REFUSED_STEP, step
from adapters.discord.wire.rest import Json, Rest
from bot.platform import Gone, SlowDown, Unavailable

log = structlog.get_logger(__name__)

#: Seconds between two looks at the client.
LOOK = 5.0
#: A client of which a shard was not ready for so many seconds is replaced.
READY = 180.0
#: Seconds that a client may take to close.
CLOSING = 10.0
#: Seconds before the next client, at most, and what makes them grow.
LONGEST, STEADY = 20.0, 60.0
#: Fewer sessions than this left today, and none is started (GET /gateway/bot).
RESERVE = 50
#: Seconds for which that is believed where other processes log in too.
BELIEVED = 60.0
#: Discord's code for too many servers in one shard.
CROWDED = 4011


class Gateway:
    """Starts clients, watches over them and replaces them.

    Args:
        client: Makes a new one.
        rest: What to ask Discord with.
        token: The bot's.
        book: When the bot has started and logged in.
        leased: Which shards are run here.
        url: Where the gateway is, should Discord not say.
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
        leased: Leased,
        *,
        url: str,
        brake: bool = True,
        hear: Callable[[float], object] = float,
    ) -> None:
        self._client = client
        self._rest = rest
        self._token = token
        self._book = book
        self._leased = leased
        self._brake = brake
        self._hear = hear
        self._scarce = False
        self._url, self._shards, self._concurrency = url, 1, 1
        self._asked = -BELIEVED
        self._door = asyncio.Lock()
        self._keys: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._admitted: set[int] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    @property
    def shared(self) -> bool:
        """See `LogIns.shared`."""
        return self._leased.shared

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            Unavailable: When only the operator can help.
        """
        await self._start()
        try:
            await self._run()
        finally:
            await self._leased.end()

    async def _run(self) -> None:
        failures = 0
        while True:
            began = _now()
            try:
                await self._enough()
                await self._serve()
            except (Unavailable, asyncio.CancelledError):
                raise
            except SlowDown as slow:
                log.warning("Discord asks for a pause", seconds=round(slow.retry_after))
                await asyncio.sleep(slow.retry_after)
            except Exception as error:  # noqa: BLE001  whatever discord.py raises: it is tried again
                todo = REFUSED_STEP if self._rest.traffic.dead.is_set() else step(error)
                if todo:
                    raise Unavailable(todo) from None
                self._tell(error)
                if isinstance(error, discord.ConnectionClosed) and error.code == CROWDED:
                    await self._leased.disagree()
            if self._rest.traffic.dead.is_set():
                raise Unavailable(REFUSED_STEP)
            failures = 0 if _now() - began > STEADY else failures + 1
            await asyncio.sleep(max(backoff(failures, LONGEST), self._rest.traffic.closed()))

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

    async def share(self, client: Shards) -> None:
        """See `LogIns.share`."""
        client.spread(await self._leased.agree(client.application_id or 0, self._shards), self._url)
        self._leased.attach(client)

    @asynccontextmanager
    async def admit(self, shard: int) -> AsyncIterator[None]:
        """See `LogIns.admit`.  An IDENTIFY that was admitted and could not be sent is counted once."""
        async with self._keys[shard % self._concurrency]:
            await self._admit(shard)
            yield

    async def _admit(self, shard: int) -> None:
        if self._leased.shared and _now() - self._asked > BELIEVED:
            with suppress(SlowDown, Gone, OSError):
                await self._enough()
        async with self._door:  # one by one: else two would see the same room in the book
            if shard not in self._admitted:
                await self._due()
                self._book.login()
                self._admitted.add(shard)

    async def identifying(self, shard: int) -> None:
        """See `LogIns.identifying`."""
        if self._brake or self._leased.total > 1:
            await self._leased.turn(shard, self._concurrency)
        self.counts["identifies"] += 1
        self._admitted.discard(shard)

    async def _due(self) -> None:
        """Wait until the book allows an IDENTIFY."""
        while (seconds := self._book.wait(self._leased.total * self._concurrency)) and self._brake:
            log.info("the next log-in waits", seconds=round(seconds))
            await asyncio.sleep(seconds)

    async def _enough(self) -> None:
        """Wait until enough sessions are left for today; learn what Discord says of shards."""
        while True:
            said, _ = await self._rest.call("GET", "gateway/bot", "discord/gateway")
            self._learn(said)
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

    def _learn(self, said: Json) -> None:
        self._asked = _now()
        self._url = string(said.get("url")) or self._url
        self._shards = whole(said.get("shards")) or 1
        self._concurrency = whole(inner(said, "session_start_limit").get("max_concurrency")) or 1

    async def _serve(self) -> None:
        """Run one client until it fails or has to be replaced."""
        if not self._leased.resumable:
            await self._due()
        client = self._client()
        client.gateway = self
        self.counts["clients"] += 1
        serving = asyncio.create_task(client.start(self._token))
        watching = asyncio.create_task(self._watch(client))
        both = {serving, watching}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Where no other process goes on with the sessions, the bot is to look gone.
            client.keep = client.taken if self._leased.shared else ()
            raise
        finally:
            await self._close(client)
            self._leased.detach(client)
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
            slow = [since for shard, since in client.since.items() if shard not in client.waiting]
            if slow and _now() - min(slow) > READY:
                self.counts["not ready"] += 1
                log.warning("Discord's gateway is not ready; starting anew", seconds=READY)
                return
            if silences := silent(client, time.perf_counter()):
                self._hear(_now() - max(silences.values()))
            elif self._leased.total and self._leased.idle:
                self._hear(_now())  # the others have all shards
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


def left(said: Json) -> tuple[int, float]:
    """Return how many sessions may be started, and the seconds until that is reset; enough if unsaid."""
    limit = said.get("session_start_limit")
    match limit:
        case {"remaining": int(remaining), "reset_after": int() | float() as reset_after}:
            return remaining, min(max(1.0, reset_after / 1000), DAY)
    return RESERVE, 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()
