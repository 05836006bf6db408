"""One link of Socket Mode: one ticket, one client, one socket, thrown away as a whole.

The SDK's client is not used for it: that tries a handshake for ever with the same ticket, which is good once,
and measures silence by the wall clock.

Rule 1: a ticket is used once.
Rule 2: a link counts as up from Slack's hello, and as lost when nothing was heard of it for a minute.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import aiohttp
import structlog
from aiohttp import WSMsgType
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.proxies import proxy_for
from adapters.slack.text import Json
from adapters.slack.wire.errors import Refused, Revoked, translated
from adapters.slack.wire.first import first
from bot.platform import Gone, Unavailable

log = structlog.get_logger(__name__)

#: Seconds between two pings; seconds of silence after which a link is lost.
PING = 10.0
SILENCE = 60.0
#: Seconds that events on their way to the core have left when a link, or the bot, goes.
FAREWELL = 3.0

#: Frames that come from Slack; the others may be what our side makes of a broken connection.
HEARD = frozenset({WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG})

DISABLED = "Slack has switched Socket Mode off for this app: enable it at Socket Mode, then start again."


#: Acknowledges an event, with an answer or an empty one.
Acknowledge = Callable[[Json], Coroutine[Any, Any, None]]


class Lost(ConnectionError):
    """A link is of no use any more."""


class Ears(Protocol):
    """Whom a link tells what it hears.

    Attributes:
        heard: When anything came from Slack, last, by the event loop's clock.
    """

    heard: float

    def joined(self, link: Link) -> None:
        """Count *link* as up."""

    def left(self, link: Link) -> None:
        """Count *link* as lost."""

    async def give(self, envelope: Json, acknowledge: Acknowledge) -> asyncio.Task[None]:
        """Give an event to the core, and *acknowledge* it when that has it; return the task that does."""
        ...


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


def _app_token(why: object) -> str:
    return f"Slack refuses SLACK_APP_TOKEN ({why}): make one with connections:write, and enable Socket Mode."


class Link:
    """One client: one ticket, one socket, until it is lost or told to go.

    Args:
        web: Whose certificates it uses.
        ears: Told what it hears.
    """

    def __init__(self, web: AsyncWebClient, ears: Ears) -> None:
        self._web = web
        self._ears = ears
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
        self._session = aiohttp.ClientSession()
        self._socket = socket = await self._session.ws_connect(
            url,
            autoping=False,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            proxy=proxy_for(url),
            ssl=True if self._web.ssl is None else self._web.ssl,
        )
        self._heard = asyncio.get_running_loop().time()
        work = first(self._read(socket), self._ping(socket), self._listen_for_silence())
        self._work = asyncio.get_running_loop().create_task(work)
        self._work.add_done_callback(self._ended)
        await self._until(self._ready)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._ears.left(self)
        if not work.cancelled():
            work.exception()  # `_until` raises it; after the link was told to go, nothing waits there

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
                self._heard = self._ears.heard = asyncio.get_running_loop().time()
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
                self._ears.joined(self)
            case {"type": "disconnect", "reason": "link_disabled"}:
                raise Unavailable(DISABLED)
            case {"type": "disconnect", "reason": "too_many_websockets"}:
                raise Lost("Slack has too many sockets of this app")
            case {"type": "disconnect"}:
                self._told.set()
            case {"envelope_id": str(number)}:

                def acknowledge(answer: Json) -> Coroutine[Any, Any, None]:
                    told = {"payload": answer} if answer else {}
                    return socket.send_str(json.dumps({"envelope_id": number, **told}))

                task = await self._ears.give(message, acknowledge)
                self._owed.add(task)
                task.add_done_callback(self._owed.discard)
            case _:
                log.info("Slack sent a message of an unknown type", type=message.get("type"))

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


def read(text: str) -> Json:
    """Return what *text* says; nothing if it is no message of Slack's."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
