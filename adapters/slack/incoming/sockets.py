"""Socket Mode: two connections, so that one is always up.

Slack sends an event over one of them only.  Each is a chain of links: when Slack tells a link to go, the next
one is up before it is closed; when a link is lost, the next one is opened after a pause that grows.

Processes that answer as one bot share the connections that Slack allows: from five on, some have one only,
and from nine on, some have none: the others hear for them.  A process that has had one keeps one, even
where it can't prove that it may: two that hear are better than none, and Slack itself refuses the eleventh.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.incoming.bolt import Take
from adapters.slack.incoming.link import FAREWELL, Acknowledge, Link, ticket
from adapters.slack.text import Json
from adapters.slack.wire.first import first
from bot.platform import Health, Leases, SlowDown

log = structlog.get_logger(__name__)

#: What a process has, and all together: Slack allows ten, of which two are for links that replace others.
LINES = 2
SHARED = 8
#: What the shares are of; and seconds after which a process that has none takes it that others hear.
SHARES = "slack/sockets"
OTHERS = 15.0
#: Seconds that a ticket, the handshake and the hello may take together.
OPENING = 15.0
#: Seconds before the next link when one was lost, and at most; apps.connections.open is scarce.
SHORTEST, LONGEST = 1.0, 30.0
#: A link that was up this many seconds was well.
STEADY = 30.0
#: Seconds without a word from Slack after which health is "down".
DOWN = 120.0
#: Events that may be on their way to the core; more wait in the socket.
INTAKE = 200


class Sockets:
    """Two connections, or this process's share.

    Args:
        web: Asks for tickets.
        token: The app-level token.
        take: Takes an event.
        tell: Hears whether anything is up.
        back: Hears, when a link is up and none was, for how many seconds nothing had come from Slack.
        leases: Shares the connections out.

    Attributes:
        heard: When anything came from Slack, last.
    """

    def __init__(
        self,
        web: AsyncWebClient,
        token: str,
        take: Take,
        tell: Callable[[Health], None],
        back: Callable[[float], None],
        leases: Leases,
    ) -> None:
        self._web = web
        self._token = token
        self._take = take
        self._tell = tell
        self._back = back
        self._leases = leases
        self._lines: list[asyncio.Task[None]] = []
        self._spare = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room = asyncio.Semaphore(INTAKE)
        self._underway: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._up: set[Link] = set()
        self.heard = self._deaf = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            Unavailable: When only the operator can help.
        """
        try:
            await first(self._watch(), self._share(), self._until_broken())
        finally:
            await self._want(0)
            if self._underway:
                await asyncio.wait(self._underway, timeout=FAREWELL)
            for task in self._underway:
                task.cancel()

    async def _share(self) -> None:
        """Have as many connections as this process's share allows."""
        shares: set[int] = set()
        async with aclosing(self._leases.parts(SHARES, SHARED)) as parts:
            async for part in parts:
                (shares.add if part.held else shares.discard)(part.number)
                await self._want(min(LINES, max(1, len(shares))))
                if not part.held:
                    await self._leases.leave(SHARES, part.number)

    async def _want(self, count: int) -> None:
        """Have *count* connections from now on."""
        while len(self._lines) < count:
            line = asyncio.get_running_loop().create_task(self._keep())
            line.add_done_callback(self._ended)
            self._lines.append(line)
        ended, self._lines = self._lines[count:], self._lines[:count]
        for line in ended:
            line.cancel()
        self._leaving.update(line for line in ended if not line.done())
        if self._leaving:  # being cancelled here must not cancel them again: they would leave a client open
            await asyncio.wait(self._leaving)

    def _ended(self, line: asyncio.Task[None]) -> None:
        self._leaving.discard(line)
        if not line.cancelled() and (error := line.exception()) and not self._broken.done():
            self._broken.set_exception(error)

    async def _until_broken(self) -> None:
        """Raise what has ended a connection for good."""
        await self._broken

    async def _watch(self) -> None:
        """Report how it is: down only when there was no link for a while."""
        now = asyncio.get_running_loop().time
        self.heard = began = now()
        while True:
            if not self._lines and now() - began >= OTHERS:
                self._leave_it_to_others()
            elif now() - self.heard >= DOWN:
                self._tell("down")
            elif self._up:
                self._tell("up")
            await asyncio.sleep(min(1.0, DOWN / 4))

    def _leave_it_to_others(self) -> None:
        """Count as well without a connection: other processes have all that there may be."""
        self.heard = asyncio.get_running_loop().time()
        if not self._spare:
            self._spare = True
            log.info("other processes have all sockets that Slack allows; this one has none")
            self._back(0.0)
        self._tell("up")

    async def _keep(self) -> None:
        """Keep one connection: link after link."""
        old: Link | None = None
        failures = 0
        try:
            while True:
                link, began = Link(self._web, self), asyncio.get_running_loop().time()
                wait = 0.0
                try:
                    await self._open(link)
                    if old:
                        await old.retire()
                    old = link
                    await link.leave()
                except SlowDown as slow:
                    wait = slow.retry_after
                except (OSError, aiohttp.ClientError) as error:
                    log.warning("a socket of Slack's is lost", reason=why(error))
                    await link.close()
                steady = asyncio.get_running_loop().time() - began >= STEADY
                failures = 0 if steady else failures + 1
                await asyncio.sleep(max(wait, backoff(failures)))
        finally:
            await asyncio.gather(*(one.close() for one in {link, old} if one))

    async def _open(self, link: Link) -> None:
        async with asyncio.timeout(OPENING):
            await link.open(await ticket(self._web, self._token))

    def joined(self, link: Link) -> None:
        """Count *link* as up."""
        if not self._up:
            self._back(asyncio.get_running_loop().time() - self._deaf)
        self._up.add(link)
        self._tell("up")

    def left(self, link: Link) -> None:
        """Count *link* as lost; if it was the last one, nothing was heard since the last frame of any."""
        if link in self._up:
            self._up.discard(link)
            self._deaf = self.heard

    async def give(self, envelope: Json, acknowledge: Acknowledge) -> asyncio.Task[None]:
        """Give an event to the core in the background, and *acknowledge* it when that has it."""
        await self._room.acquire()
        task = asyncio.get_running_loop().create_task(self._give(envelope, acknowledge))
        self._underway.add(task)
        task.add_done_callback(self._given)
        return task

    async def _give(self, envelope: Json, acknowledge: Acknowledge) -> None:
        answer = await self._take(envelope.get("payload") or {})
        if answer is not None:
            try:
                await acknowledge(answer)
            except OSError:
                log.info("an event was taken and not acknowledged; Slack sends it again")

    def _given(self, task: asyncio.Task[None]) -> None:
        self._room.release()
        self._underway.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an event was not taken", exc_info=error)


def why(error: Exception) -> str:
    """Return what to say of *error*: not the address of the socket, which holds a ticket."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the handshake was refused with {error.status}"
    return (
        type(error).__name__ if isinstance(error, aiohttp.ClientError) else str(error) or "it took too long"
    )


def backoff(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row; none after none."""
    if not failures:
        return 0.0
    return random.uniform(0.5, 1.0) * min(LONGEST, SHORTEST * 2.0 ** min(failures - 1, 10))  # noqa: S311
