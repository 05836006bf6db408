"""Socket Mode: connections, envelopes, acknowledgements, redelivery.

It carries payloads and never looks at what they mean to the workspace.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from adapters.emulators.slack.shapes import APP, Json

#: "Up to 10 open WebSocket connections at the same time" [docs using-socket-mode].
CONNECTIONS = 10
#: Events must be acknowledged within 3 s [docs using-socket-mode].
ACKNOWLEDGE_WITHIN = 3.0
#: Retries come "nearly immediately", after 1 minute, and after 5 minutes [docs events-api].
RETRIES_AFTER = (0.0, 60.0, 300.0)
#: A `warning` comes about 10 s ahead [docs using-socket-mode]; then Slack itself hangs up.
NOTICE = 10.0


@dataclass(eq=False)
class Link:
    """One open connection; *leaving* once it was told to go."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    leaving: bool = False
    muted: bool = False

    async def tell_to_go(self, reason: str) -> None:
        """Send the `disconnect` message."""
        self.leaving = reason != "warning"
        await self.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": _debug_info()})


@dataclass(eq=False)
class Delivery:
    """A payload under way to the app, and which attempt the last one was."""

    kind: str
    payload: Json
    attempt: int = 0

    @property
    def event(self) -> str:
        """Return the event's type, '' for other kinds."""
        return str(self.payload.get("event", {}).get("type", ""))


class Sockets:
    """All connections of the app.

    Args:
        record: Adds an entry to the emulator's log.
        spawn: Runs a coroutine in the background.

    Attributes:
        within: Seconds that the app has to acknowledge.
        retries: Seconds to wait before each retry.
        life: Seconds that a ticket is good for; None for ever.
        spoilt: How many of the next tickets are good for nothing.
        muted: How many of the next sockets go half-open after their hello.
        silent: How many of the next sockets say no hello.
        spread: Whether each payload goes to another connection than the one before, in turn.
    """

    def __init__(self, record: Callable[..., None], spawn: Callable[[Any], None]) -> None:
        self.life: float | None = None
        self.spoilt = self.muted = self.silent = 0
        self.spread = False
        self.within = ACKNOWLEDGE_WITHIN
        self.retries: tuple[float, ...] = RETRIES_AFTER
        self._links: list[Link] = []
        self._turn = 0
        self._tickets: dict[str, float] = {}
        self._pending: dict[str, tuple[Link, asyncio.Future[Json]]] = {}
        self._sent: list[Delivery] = []
        self._open = asyncio.Event()
        self._record = record
        self._spawn = spawn

    def ticket(self) -> str:
        """Return a new ticket, good for one connection."""
        ticket = secrets.token_hex(16)
        spoilt, self.spoilt = self.spoilt, max(0, self.spoilt - 1)
        self._tickets[ticket] = float("-inf") if spoilt else time.monotonic()
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or not isinstance(request.transport, asyncio.Transport):
            self._record("handshake", refused=403)
            return web.Response(status=403)
        made = self._tickets.pop(ticket)
        life = float("inf") if self.life is None else self.life
        if time.monotonic() - made > life or made < 0:
            self._record("handshake", refused=408)
            return web.Response(status=408)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        link = Link(socket, request.transport)
        if len(self._links) >= CONNECTIONS:
            await link.tell_to_go("too_many_websockets")
            await socket.close()
            return socket
        await self._serve(link)
        return socket

    async def _serve(self, link: Link) -> None:
        self._links.append(link)
        self._record("connect", sockets=len(self._links))
        try:
            await self._greet(link)
            async for message in link.socket:
                if link.muted:
                    continue
                if message.type is WSMsgType.PING:
                    await link.socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._acknowledge(message.json())
        finally:
            self._forget(link)

    async def _greet(self, link: Link) -> None:
        self.silent, silent = max(0, self.silent - 1), self.silent > 0
        self.muted, muted = max(0, self.muted - 1), self.muted > 0
        link.muted = silent or muted
        if not silent:
            await link.socket.send_json(self._hello())
            self._open.set()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._links),
            "debug_info": _debug_info(),
            "connection_info": {"app_id": APP},
        }

    def _acknowledge(self, message: Json) -> None:
        envelope_id = message.get("envelope_id", "")
        self._record("ack", envelope_id=envelope_id)
        _, answered = self._pending.get(envelope_id, (None, None))
        if answered and not answered.done():
            answered.set_result(message.get("payload") or {})

    def _forget(self, link: Link) -> None:
        self._links.remove(link)
        if not self._links:
            self._open.clear()
        self._record("disconnect", sockets=len(self._links))
        for owner, answered in self._pending.values():
            if owner is link and not answered.done():
                answered.set_exception(ConnectionResetError())

    def event(self, payload: Json) -> None:
        """Deliver an Events API *payload*, again and again until it is acknowledged."""
        self._spawn(self._deliver(Delivery("events_api", payload)))

    async def _deliver(self, delivery: Delivery) -> None:
        while delivery.attempt <= len(self.retries):
            if not self._links:
                await self._open.wait()
                # The first attempt met no socket, so what arrives is a retry (vercel/chat#666).
                delivery.attempt = max(delivery.attempt, 1)
            if await self._attempt(delivery) is not None:
                return
            delivery.attempt += 1
            if delivery.attempt <= len(self.retries):
                await asyncio.sleep(self.retries[delivery.attempt - 1])

    async def interact(self, payload: Json) -> bool:
        """Send an `interactive` payload once; Slack retries none.  False if nobody is connected."""
        if self._links:
            self._spawn(self._attempt(Delivery("interactive", payload)))
        return bool(self._links)

    async def ask(self, kind: str, payload: Json) -> Json | None:
        """Send a payload of a *kind* once; return what the app answers in time, None for nothing."""
        return await self._attempt(Delivery(kind, payload))

    async def repeat(self, event: str) -> None:
        """Send the last event again, or the last of type *event*, as a retry.

        Raises:
            LookupError: None was sent yet, or nobody is connected.
        """
        sent = [delivery for delivery in self._sent if event in {"", delivery.event}]
        if not sent or not self._links:
            raise LookupError("nothing to redeliver, or nobody to redeliver it to")
        sent[-1].attempt += 1
        self._spawn(self._attempt(sent[-1]))

    async def _attempt(self, delivery: Delivery) -> Json | None:
        if (link := self._next()) is None:
            return None
        envelope_id = str(uuid.uuid4())
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._pending[envelope_id] = link, answered
        self._log(envelope_id, delivery)
        try:
            if not link.muted:
                await link.socket.send_json(_envelope(envelope_id, delivery))
            async with asyncio.timeout(self.within):
                return await answered
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._pending[envelope_id]

    def _next(self) -> Link | None:
        """Return the connection that the next payload goes to; None if there is none.

        "Each payload may be sent to any of the connections" [docs]; here to the newest that stays, unless they
        are `spread`.
        """
        staying = [link for link in self._links if not link.leaving] or self._links
        self._turn += 1
        return staying[self._turn % len(staying) if self.spread else -1] if staying else None

    def _log(self, envelope_id: str, delivery: Delivery) -> None:
        if delivery.kind == "events_api":
            self._sent = [*(sent for sent in self._sent[-50:] if sent is not delivery), delivery]
        self._record(
            "envelope",
            envelope_id=envelope_id,
            type=delivery.kind,
            event=delivery.event or delivery.payload.get("type", ""),
            event_id=delivery.payload.get("event_id", ""),
            retry_attempt=delivery.attempt,
        )

    def _newest(self, *, every: bool) -> Iterable[Link]:
        if not self._links:
            raise LookupError("nobody is connected")
        return list(self._links) if every else self._links[-1:]

    async def disconnect(self, reason: str, *, every: bool) -> None:
        """Tell the newest connection, or *every* one, to go; LookupError if there is none."""
        for link in self._newest(every=every):
            await link.tell_to_go(reason)
            self._spawn(self._hang_up(link))

    async def _hang_up(self, link: Link) -> None:
        await asyncio.sleep(NOTICE)
        await link.socket.close()

    def drop(self, *, every: bool) -> None:
        """Abort the newest TCP connection, or *every* one; LookupError if there is none."""
        for link in self._newest(every=every):
            link.transport.abort()

    def mute(self, *, every: bool) -> None:
        """Let the newest connection, or *every* one, go half-open; LookupError if there is none."""
        for link in self._newest(every=every):
            link.muted = True

    def close(self) -> None:
        """Abort whatever is open."""
        for link in self._links:
            link.transport.abort()


def _envelope(envelope_id: str, delivery: Delivery) -> Json:
    shape: Json = {"envelope_id": envelope_id, "type": delivery.kind, "payload": delivery.payload}
    if delivery.kind != "events_api":
        return shape | {"accepts_response_payload": True}
    return shape | {
        "accepts_response_payload": False,
        "retry_attempt": delivery.attempt,
        "retry_reason": "timeout" if delivery.attempt else "",
    }


def _debug_info() -> Json:
    return {"host": "applink-emulated", "build_number": 1, "approximate_connection_time": 18_060}
