"""`/healthz`, `/readyz`, and the routes that platforms ask for, on one small HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from bot.platform import Platform, Unavailable
from bot.run.readiness import Readiness

if TYPE_CHECKING:
    from bot.core.core import Core

#: Seconds between two looks at the platforms.
LOOK = 1.0
#: Turns of the event loop after which a connection that was just accepted is known to its server.
ACCEPTING = 3


class Front:
    """What answers on the port: that the process lives, and from `open` on all the rest.

    Attributes:
        port: Which one it is.
    """

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._looking: asyncio.Task[None] | None = None

    def accept(self) -> asyncio.Protocol:
        """Return what talks to the next client."""
        assert self._runner  # noqa: S101  set before anybody listens
        assert self._runner.server  # noqa: S101  it was set up
        return self._runner.server()

    async def prepare(self) -> None:
        """Answer that nothing else is ready; what asks for a platform's route has to come again."""
        await self._answer([web.get("/healthz", _alive), web.route("*", "/{path:.*}", _starting)])

    async def open(self, platforms: Collection[Platform], core: Core | None = None) -> None:
        """Answer with the state of *platforms* and *core* from now on, and serve the platforms' routes."""
        readiness = Readiness(platforms, core)
        routes = [web.get("/healthz", _alive), web.get("/readyz", _ready(readiness))]
        await self._answer([*routes, *(route for platform in platforms for route in platform.routes)])
        self._looking = asyncio.create_task(_look(readiness))

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._looking:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Answer on *routes* from the next connection on, and hang up on those that there are."""
        app = web.Application()
        app.add_routes(routes)
        before, after = self._runner, web.AppRunner(app, access_log=None)
        await after.setup()
        self._runner = after
        if before:
            await before.cleanup()


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[Front]:
    """Listen while the block runs; `Front.open` says more than that the process lives.

    Raises:
        Unavailable: When the address cannot be had.
    """
    front = Front()
    await front.prepare()
    try:
        server = await asyncio.get_running_loop().create_server(front.accept, host, port)
    except OSError as error:
        await front.close()
        raise Unavailable(
            f"RIVULET_HOST and RIVULET_PORT: {host}:{port} cannot be used ({error.strerror})."
        ) from None
    front.port = int(server.sockets[0].getsockname()[1])
    try:
        yield front
    finally:
        await _closed(server)
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
