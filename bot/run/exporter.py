"""The port of `/metrics`: made at the start, and all behind it when somebody first asks.

A bot that nobody watches pays for a socket: what is shown is read when it is asked for, and Prometheus'
library is imported then, in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module

import structlog
from aiohttp import web

from bot.platform import Unavailable
from bot.run.server import Door
from bot.run.sources import Sources

log = structlog.get_logger(__name__)


@asynccontextmanager
async def exporting(where: tuple[str, int] | None, sources: Sources) -> AsyncIterator[int]:
    """Answer on `/metrics` while the block runs; yield the port, 0 for none.

    Where the address can't be had the bot goes on without: nobody's answer depends on it.

    Args:
        where: Host and port; None for off.
        sources: What there is to read.
    """
    door = Door()
    if where:
        await door.answer([web.get("/metrics", _metrics(sources))])
        try:
            await door.listen(*where, "RIVULET_METRICS")
        except Unavailable as error:
            log.warning("no metrics", reason=str(error))
    try:
        yield door.port
    finally:
        await door.close()


def _metrics(sources: Sources) -> Callable[[web.Request], Awaitable[web.Response]]:
    one_at_a_time = asyncio.Lock()

    async def metrics(request: web.Request) -> web.Response:
        """Say all of it, in the format that the client prefers."""
        async with one_at_a_time:
            await asyncio.to_thread(import_module, "bot.run.metrics")
            from bot.run.metrics import collected, written  # noqa: PLC0415  imported by now

            found = [*collected(sources)]  # here, where nothing changes meanwhile
            text, kind = await asyncio.to_thread(written, found, request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": kind})

    return metrics
