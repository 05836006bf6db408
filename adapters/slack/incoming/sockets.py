"""Socket Mode: two connections, so that one is always up.

Slack sends an event over one of them only.  Each is a chain of links: a link is one ticket, one client, one
socket, and is thrown away whole.  The SDK's client is not used for it, because it tries a handshake for ever
with the same ticket, which is good once, and tells the time by the wall.

Rule 1: a ticket is used once.
Rule 2: a link counts as up from Slack's hello, and as lost when nothing was heard of it for a minute.
Rule 3: when Slack tells a link to go, the next one is up before it is closed.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import structlog
from aiohttp import WSMsgType
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.incoming.bolt import Take
from adapters.slack.text import Json
from adapters.slack.wire.errors import Refused, Revoked, translated
from bot.platform import Gone, Health, SlowDown, Unavailable

log = structlog.get_logger(__name__)

#: Slack allows ten.
LINES = 2
#: Seconds between two pings; seconds of silence after which a link is lost.
PING = 10.0
SILENCE = 60.0
#: Seconds that a ticket, the handshake and the hello may take together.
OPENING = 15.0
#: Seconds before the next link when one was lost, and at most; apps.connections.open is scarce.
SHORTEST, LONGEST = 1.0, 30.0
#: A link that was up this many seconds was well.
STEADY = 30.0
#: Seconds without any link after which health is "down".
DOWN = 120.0
#: Events that may be on their way to the core; more wait in the socket.
INTAKE = 200
#: Seconds that events on their way have left when a link, or the bot, goes.
FAREWELL = 3.0

#: Frames that come from Slack; the others may be what our side makes of a broken connection.
HEARD = frozenset({WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG})

DISABLED = "Slack has switched Socket Mode off for this app: enable it at Socket Mode, then start again."


class Lost(ConnectionError):
    """A link is of no use any more."""


async def ticket(web: AsyncWebClient, app_token: str) -> str:
    """Return the address of a new socket, which is good once.

    Raises:
        Refused: When Slack refuses the token.
        SlowDown, OSError: When Slack could not be asked.
    """
    try:
        with translated():
            answer = await web.apps_connections_open(app_token=app_token)
    except (Gone, Revoked) as gone:
        raise Refused(_app_token(gone)) from None
    except SlackApiError as error:
        raise Refused(_app_token(str(error.response["error"]))) from None
    return str(answer["url"])


class Sockets:
    """Two connections.

    Args:
        web: Asks for tickets.
        token: The app-level token.
        take: Takes an event.
        tell: Hears whether anything is up.

    Attributes:
        heard: When anything came from Slack, last.
    """

    def __init__(self, web: AsyncWebClient, token: str, take: Take, tell: Callable[[Health], None]) -> None:
        self.web = web
        self._token = token
        self._take = take
        self._tell = tell
        self._room = asyncio.Semaphore(INTAKE)
        self._underway: set[asyncio.Task[None]] = set()
        self._up: set[Link] = set()
        self.heard = 0.0

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            Unavailable: When only the operator can help.
        """
        try:
            await first(self._watch(), *(self._keep() for _ in range(LINES)))
        finally:
            if self._underway:
                await asyncio.wait(self._underway, timeout=FAREWELL)
            for task in self._underway:
                task.cancel()

    async def _watch(self) -> None:
        """Report how it is: down only when there was no link for a while."""
        now = asyncio.get_running_loop().time
        self.heard = now()
        while True:
            if now() - self.heard >= DOWN:
                self._tell("down")
            elif self._up:
                self._tell("up")
            await asyncio.sleep(min(1.0, DOWN / 4))

    async def _keep(self) -> None:
        """Keep one connection: link after link."""
        old: Link | None = None
        failures = 0
        try:
            while True:
                link, began = Link(self), asyncio.get_running_loop().time()
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
            await link.open(await ticket(self.web, self._token))

    def joined(self, link: Link) -> None:
        """Count *link* as up."""
        self._up.add(link)
        self._tell("up")

    def left(self, link: Link) -> None:
        """Count *link* as lost."""
        self._up.discard(link)

    async def give(
        self, envelope: Json, acknowledge: Callable[[], Coroutine[Any, Any, None]]
    ) -> asyncio.Task[None]:
        """Give an event to the core in the background, and *acknowledge* it when that has it."""
        await self._room.acquire()
        task = asyncio.get_running_loop().create_task(self._give(envelope, acknowledge))
        self._underway.add(task)
        task.add_done_callback(self._given)
        return task

    async def _give(self, envelope: Json, acknowledge: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if await self._take(envelope.get("payload") or {}):
            try:
                await acknowledge()
            except OSError:
                log.info("an event was taken and not acknowledged; Slack sends it again")

    def _given(self, task: asyncio.Task[None]) -> None:
        self._room.release()
        self._underway.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an event was not taken", exc_info=error)


class Link:
    """One client: one ticket, one socket, until it is lost or told to go."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._ready = asyncio.Event()
        self._told = asyncio.Event()
        self._heard = 0.0
        self._owed: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._work: asyncio.Task[None] | None = None

    async def open(self, url: str) -> None:
        """Connect to *url*; returns at Slack's hello.

        Raises:
            OSError, aiohttp.ClientError: When that fails.
        """
        web = self._sockets.web
        self._session = aiohttp.ClientSession()
        self._socket = socket = await self._session.ws_connect(
            url,
            autoping=False,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            proxy=web.proxy,
            ssl=True if web.ssl is None else web.ssl,
        )
        self._heard = asyncio.get_running_loop().time()
        work = first(self._read(socket), self._ping(socket), self._listen_for_silence())
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._ended)
        await self._until(self._ready)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._sockets.left(self)
        if not work.cancelled():
            work.exception()  # who waits is told; after it was told to go, nobody does

    async def leave(self) -> None:
        """Return when Slack tells this link to go.

        Raises:
            Lost: When it is lost before.
            Unavailable: When Slack has switched the way in off.
        """
        await self._until(self._told)

    async def _until(self, event: asyncio.Event) -> None:
        assert self._work  # noqa: S101  it is open
        waiting = asyncio.get_running_loop().create_task(event.wait())
        try:
            await asyncio.wait({waiting, self._work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._work.done():
            self._work.result()
            raise Lost("Slack hung up")

    async def retire(self) -> None:
        """Close it once it has acknowledged what it has brought, or soon."""
        if self._owed:
            await asyncio.wait(self._owed, timeout=FAREWELL)
        await self.close()

    async def close(self) -> None:
        """Throw the client away."""
        if self._work:
            self._work.cancel()
            await asyncio.wait({self._work})
        if self._socket:
            await self._socket.close()
        if self._session:
            await self._session.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            frame = await socket.receive()
            if frame.type in HEARD:
                self._heard = self._sockets.heard = asyncio.get_running_loop().time()
            match frame.type:
                case WSMsgType.TEXT:
                    await self._take(socket, frame.data)
                case WSMsgType.PING:
                    await socket.pong(frame.data)
                case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED | WSMsgType.ERROR:
                    raise Lost(f"Slack hung up ({frame.type.name.lower()})")

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
        message = read(text)
        match message:
            case {"type": "hello"}:
                self._ready.set()
                self._sockets.joined(self)
            case {"type": "disconnect", "reason": "link_disabled"}:
                raise Unavailable(DISABLED)
            case {"type": "disconnect", "reason": "too_many_websockets"}:
                raise Lost("Slack has too many sockets of this app")
            case {"type": "disconnect"}:
                self._told.set()
            case {"envelope_id": str(number)}:
                acknowledgement = json.dumps({"envelope_id": number})
                task = await self._sockets.give(message, lambda: socket.send_str(acknowledgement))
                self._owed.add(task)
                task.add_done_callback(self._owed.discard)
            case _:
                log.info("Slack sent what nobody knows", type=message.get("type"))

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(PING)
            await socket.ping()

    async def _listen_for_silence(self) -> None:
        now = asyncio.get_running_loop().time
        left = SILENCE
        while left > 0:
            await asyncio.sleep(left)
            left = self._heard + SILENCE - now()
        raise Lost(f"nothing was heard for {SILENCE:g} s")


async def first(*works: Coroutine[Any, Any, None]) -> None:
    """Do *works* until one of them ends, and end the others; raises what that one raised."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def read(text: str) -> Json:
    """Return what *text* says; nothing if it is no message of Slack's."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


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


def _app_token(why: object) -> str:
    return f"Slack refuses SLACK_APP_TOKEN ({why}): make one with connections:write, and enable Socket Mode."
