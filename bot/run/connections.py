"""Who is connected to the HTTP port, and who is hung up on: anybody may connect, and nobody has signed yet.

A new client is always let in.  Where there are too many, somebody goes who has sent no whole request yet, the
longest first; so many slow clients push out each other, and a request that comes quickly gets its answer.
A client whose request is whole is never hung up on here, but after `ANSWERING`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import structlog
from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

log = structlog.get_logger(__name__)

#: Seconds for a request's line and headers, from the connection or their first byte on.
HEADERS = 10.0
#: Seconds for the rest: its body and its answer.  Platforms' routes give a body less.
ANSWERING = 30.0
#: Seconds that a client may be idle after a good answer; proxies hang up first, after 60 as a rule.
IDLE = 90.0
#: Seconds that a stream of events may take; its client comes again.
EVER = 86_400.0
#: Clients that may be without a whole request, all and of one address (a /64 of IPv6): a proxy is one.
MOST, EACH = 512, 256
#: This part of the file descriptors may be theirs, and twice as much with those that are being answered.
SHARE = 4
#: Bytes that a request may have with its headers, and that all which are not whole may have together.
LARGEST = 2**20 + 2**17
HELD = 2**23
#: Bytes that are read from a client in a turn: of 256 clients asyncio would read 64 MB before any is counted.
READ = 2**14
#: Seconds for which the log says once that clients are hung up on.
QUIET = 60.0

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connections:
    """All clients of a port.

    Attributes:
        held: Bytes that those have sent whose requests are not whole.
        buffer: What is read from a client, until it is passed on at once.
    """

    def __init__(self) -> None:
        self._most = min(MOST, _descriptors() // SHARE)
        self._each = min(EACH, self._most // 2)
        self._all: set[Connection] = set()
        self._warned = float("-inf")
        self.held = 0
        self.buffer = bytearray(READ)

    def add(self, client: Connection) -> bool:
        """Take *client* in, and hang up on another for it if need be; False if there is no room at all."""
        slow = [other for other in self._all if not other.whole]
        alike = [other for other in slow if other.address == client.address]
        if len(alike) >= self._each:
            self._hang_up(alike)
        elif len(slow) >= self._most:
            self._hang_up(slow)
        elif len(self._all) >= 2 * self._most:
            return False
        self._all.add(client)
        return True

    def drop(self, client: Connection) -> None:
        """Forget *client*, which is gone."""
        self._all.discard(client)

    def hold(self, size: int) -> None:
        """Count *size* bytes more of requests that are not whole; hang up on who has sent most if need be."""
        self.held += size
        if self.held > HELD and (slow := [client for client in self._all if not client.whole]):
            self._warn()
            max(slow, key=lambda client: client.held).hang_up()

    def close(self) -> None:
        """Hang up on everybody whose request is not whole."""
        for client in [client for client in self._all if not client.whole]:
            client.hang_up()

    def _hang_up(self, clients: list[Connection]) -> None:
        """Hang up on who of *clients* waits longest; on who had a good answer only if all had."""
        self._warn()
        min(clients, key=lambda client: (client.good, client.since)).hang_up()

    def _warn(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned >= QUIET:
            self._warned = now
            log.warning("too many slow HTTP clients: hanging up on the slowest", clients=len(self._all))


class Connection(asyncio.BufferedProtocol):
    """One client: passes everything on to aiohttp, and hangs up where that would wait for ever.

    Args:
        all_: The port's others.
        inner: What reads and answers its requests.

    Attributes:
        address: Whose it is, for the count of `EACH`.
        since: When it was last done with something, on the loop's clock.
        held: Bytes of its request so far.
        good: Whether its last answer was no refusal.
    """

    def __init__(self, all_: Connections, inner: RequestHandler) -> None:
        self._loop = asyncio.get_running_loop()
        self._all = all_
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._request: web.Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address = ""
        self.since = self._loop.time()
        self.held = 0
        self.good = False

    @property
    def whole(self) -> bool:
        """Whether its request has come to the last byte."""
        return self._request is not None and self._request.content.is_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client in; see `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = _network(transport.get_extra_info("peername"))
        if not self._all.add(self):
            self._transport.abort()
            return
        self._limit(HEADERS)
        self._inner.connection_made(transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where to put what comes; see `asyncio.BufferedProtocol`."""
        return self._all.buffer  # however much asyncio would take

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came and pass it on; see `asyncio.BufferedProtocol`."""
        self._take(bytes(self._all.buffer[:nbytes]))

    def _take(self, data: bytes) -> None:
        if self._request is None and not self.held:
            self._limit(HEADERS)
        self.held += len(data)
        self._all.hold(len(data))
        if self.held > LARGEST:
            self.hang_up()
        elif self._timer:
            self._inner.data_received(data)

    def eof_received(self) -> None:
        """Let aiohttp end; see `asyncio.BaseProtocol`."""
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; see `asyncio.BaseProtocol`."""
        self._leave()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._inner.resume_writing()

    def begin(self, request: web.Request) -> None:
        """Take note that the headers of *request* are there."""
        self._request = request
        self._limit(ANSWERING)

    def last(self) -> None:
        """Let the answer to the request take any time: it is a stream of events."""
        if self._timer:
            self._limit(EVER)

    def end(self, *, good: bool) -> None:
        """Take note that the request has its answer."""
        self._request = None
        self._release()
        self.good = good
        self.since = self._loop.time()
        if self._timer:  # else it was hung up on meanwhile
            self._limit(IDLE if good else HEADERS)

    def hang_up(self) -> None:
        """Close the connection, whatever is under way."""
        self._leave()
        if self._transport:
            self._transport.abort()

    def _limit(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.hang_up)

    def _leave(self) -> None:
        self._all.drop(self)
        self._release()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._all.held -= self.held
        self.held = 0


@web.middleware
async def noted(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Let the request's connection know when it begins and ends."""
    client = request.transport.get_protocol() if request.transport else None
    if not isinstance(client, Connection):
        return await handler(request)
    client.begin(request)
    good = False
    try:
        response = await handler(request)
        good = response.status < web.HTTPBadRequest.status_code
        return response
    finally:
        client.end(good=good)


async def lasting(request: web.Request, response: web.StreamResponse) -> None:
    """Let a stream of events last as long as its reader."""
    client = request.transport.get_protocol() if request.transport else None
    if isinstance(client, Connection) and response.content_type == "text/event-stream":
        client.last()


def widen() -> None:
    """Let this process have as many file descriptors as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a limit here that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft > 0 else SHARE * MOST


def _network(peer: object) -> str:
    """Return what counts as one address: an IPv4 address, or a /64 of IPv6."""
    host = str(peer[0]) if isinstance(peer, tuple) else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
