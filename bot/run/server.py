"""`/healthz`, `/readyz`, and the routes that platforms ask for, on one small HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from aiohttp import web

from bot.core.core import Core
from bot.platform import Platform, Unavailable
from bot.run.readiness import Readiness

#: Seconds between two looks at the platforms.
LOOK = 1.0
#: Turns of the event loop after which a connection that was just accepted is known to its server.
ACCEPTING = 3


@asynccontextmanager
async def serving(
    host: str, port: int, platforms: Collection[Platform], core: Core | None = None
) -> AsyncIterator[int]:
    """Serve while the block runs; yield the port.

    Raises:
        Unavailable: When the address cannot be had.
    """
    readiness = Readiness(platforms, core)
    app = web.Application()
    app.add_routes([web.get("/healthz", _alive), web.get("/readyz", _ready(readiness))])
    app.add_routes([route for platform in platforms for route in platform.routes])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    assert runner.server  # noqa: S101  it was set up
    try:
        server = await asyncio.get_running_loop().create_server(runner.server, host, port)
    except OSError as error:
        await runner.cleanup()
        raise Unavailable(
            f"RIVULET_HOST and RIVULET_PORT: {host}:{port} cannot be used ({error.strerror})."
        ) from None
    looking = asyncio.create_task(_look(readiness))
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        await _closed(server)
        await runner.cleanup()


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


def _ready(readiness: Readiness) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_request: web.Request) -> web.Response:
        """Say what was heard of each platform; 503 while one is away."""
        well, said = readiness.report(asyncio.get_running_loop().time())
        return web.json_response(said, status=200 if well else 503)

    return ready
