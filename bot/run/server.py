"""`/healthz`, and the routes that platforms ask for, on one small HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from aiohttp import web

from bot.platform import Platform, Unavailable


@asynccontextmanager
async def serving(host: str, port: int, platforms: Collection[Platform]) -> AsyncIterator[int]:
    """Serve while the block runs; yield the port.

    Raises:
        Unavailable: When the address cannot be had.
    """
    app = web.Application()
    app.add_routes([web.get("/healthz", _health(platforms))])
    app.add_routes([route for platform in platforms for route in platform.routes])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise Unavailable(
            f"RIVULET_HOST and RIVULET_PORT: {host}:{port} cannot be used ({error.strerror})."
        ) from None
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _health(platforms: Collection[Platform]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def health(_request: web.Request) -> web.Response:
        """Say how each platform is; 503 while one is down."""
        states = {platform.name: platform.health for platform in platforms}
        well = "down" not in states.values()
        return web.json_response({"ok": well, "platforms": states}, status=200 if well else 503)

    return health
