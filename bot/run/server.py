"""`/healthz`, `/readyz`, and the routes that platforms ask for, on one small HTTP server."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from bot.platform import Platform, Unavailable
from bot.run.connections import Connection, Connections, lasting, noted
from bot.run.readiness import Readiness

if TYPE_CHECKING:
    from bot.core.core import Core
    from bot.run.lag import Lag

log = structlog.get_logger(__name__)

#: Seconds between two looks at the platforms.
LOOK = 1.0
#: Turns of the event loop after which a connection that was just accepted is known to its server.
ACCEPTING = 3
#: Clients that are accepted in one turn of the event loop: far fewer than may be slow, so that who comes has
#: some turns before others push it out.  And clients that may wait for it.
BATCH, WAITING = 8, 1024
#: Seconds that a client is listened to after its answer, so that it reads it before we hang up; and that
#: requests under way have to end when we hang up on all.
LINGER = 1.0
PARTING = 3.0


class Door:
    """One port, and what is answered on it.

    Attributes:
        port: Which one it is.
    """

    def __init__(self) -> None:
        self.port = 0
        self._clients = Connections()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int, names: str) -> None:
        """Listen; *names* are the settings that say where.

        Raises:
            Unavailable: When the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port, backlog=BATCH)
        except OSError as error:
            raise Unavailable(f"{names}: {host}:{port} cannot be used ({error.strerror}).") from None
        for listening in self._server.sockets:
            _queue(listening.fileno())
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def answer(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Answer on *routes* from the next connection on, and hang up on those that there are."""
        app = web.Application(middlewares=[noted])
        app.on_response_prepare.append(lasting)
        app.add_routes(routes)
        before = self._runner
        after = web.AppRunner(
            app, access_log=None, shutdown_timeout=PARTING, lingering_time=LINGER, auto_decompress=False
        )
        await after.setup()
        self._runner = after
        if before:
            await self._leave(before)

    async def close(self) -> None:
        """Listen no more, and hang up on everybody."""
        if self._server:
            await _closed(self._server)
        if self._runner:
            await self._leave(self._runner)

    async def _leave(self, runner: web.AppRunner) -> None:
        """Hang up on the clients of *runner*; who has sent a whole request gets an answer first."""
        self._clients.close()
        await runner.cleanup()

    def _accept(self) -> asyncio.BaseProtocol:
        """Return what talks to the next client."""
        assert self._runner  # noqa: S101  set before anybody listens
        assert self._runner.server  # noqa: S101  it was set up
        return Connection(self._clients, self._runner.server())


class Front:
    """What answers over HTTP: that the process lives, and from `open` on all the rest.

    `/readyz` tells of the bot's state and is for its operator; what platforms post comes from anywhere.  So
    where others than this host may connect, the platforms' routes have a port of their own.

    Args:
        host: Where to listen.
        events: The port for the platforms' routes; 0 for the one after the other, or the same on a loopback
            address.
    """

    def __init__(self, host: str, events: int = 0) -> None:
        self._host = host
        self._wanted = events
        self._health = Door()
        self._events: Door | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port of `/healthz` and `/readyz`."""
        return self._health.port

    async def listen(self, port: int) -> None:
        """Listen, and answer that nothing else is ready: who asks for more has to come again."""
        await self._health.answer([web.get("/healthz", _alive), web.route("*", "/{path:.*}", _starting)])
        await self._health.listen(self._host, port, "RIVULET_HOST and RIVULET_PORT")

    async def open(
        self, platforms: Collection[Platform], core: Core | None = None, lag: Lag | None = None
    ) -> None:
        """Answer with the state of all of them from now on, and serve the platforms' routes."""
        readiness = Readiness(platforms, core, lag)
        own = [web.get("/healthz", _alive), web.get("/readyz", _ready(readiness))]
        routes = [route for platform in platforms for route in platform.routes]
        if routes and (self._wanted or not _is_loopback(self._host)):
            await self._open_events([web.get("/healthz", _alive), *routes])
            routes = []
        await self._health.answer([*own, *routes])
        self._looking = asyncio.create_task(_look(readiness))

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._looking:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        for door in filter(None, (self._health, self._events)):
            await door.close()

    async def _open_events(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Serve *routes* on the port that is theirs."""
        self._events = Door()
        await self._events.answer(routes)
        await self._events.listen(
            self._host, self._wanted or self.port + 1, "RIVULET_HOST and RIVULET_EVENTS_PORT"
        )
        log.info("listening for events", port=self._events.port)


@asynccontextmanager
async def listening(host: str, port: int, events: int = 0) -> AsyncIterator[Front]:
    """Listen while the block runs; `Front.open` says more than that the process lives.

    Raises:
        Unavailable: When the address cannot be had.
    """
    front = Front(host, events)
    try:
        await front.listen(port)
        yield front
    finally:
        await front.close()


@asynccontextmanager
async def serving(
    host: str, port: int, platforms: Collection[Platform], core: Core | None = None
) -> AsyncIterator[int]:
    """Serve all of it while the block runs; yield the port.  See `listening`."""
    async with listening(host, port) as front:
        await front.open(platforms, core)
        yield front.port


async def _closed(server: asyncio.Server) -> None:
    """Accept no more, then close: asyncio forgets, and never closes, what it has accepted just before."""
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    for _ in range(ACCEPTING):
        await asyncio.sleep(0)
    server.close()


def _queue(fileno: int) -> None:
    """Let more clients wait to be accepted than are accepted in one turn: asyncio has one number for both."""
    with socket.socket(fileno=os.dup(fileno)) as listening:
        listening.listen(WAITING)


def _is_loopback(host: str) -> bool:
    """Return whether only this host can connect."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _look(readiness: Readiness) -> None:
    while True:
        readiness.look(asyncio.get_running_loop().time())
        await asyncio.sleep(LOOK)


async def _alive(_request: web.Request) -> web.Response:
    """Say that the event loop turns; what is wrong with others, a restart of this process does not heal."""
    return web.json_response({"ok": True})


async def _starting(_request: web.Request) -> web.Response:
    """Say that what was asked for is not there yet."""
    return web.json_response({"ready": False, "platforms": {}}, status=503)


def _ready(readiness: Readiness) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_request: web.Request) -> web.Response:
        """Say what was heard of each platform; 503 while one is away."""
        well, said = readiness.report(asyncio.get_running_loop().time())
        return web.json_response(said, status=200 if well else 503)

    return ready
