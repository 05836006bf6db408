"""All of Discord's connections go through the proxy that the environment names, and none that it excepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.worlds import DiscordWorld


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a proxy for plain HTTP and WebSocket; give its address and the first lines of what it saw."""
    seen: list[str] = []
    pipes: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            seen.append(data.split(b"\r\n")[0].decode(errors="replace"))
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.split(b"\r\n")[0].decode())
        method, target, _ = seen[-1].split()
        host, port = target.removeprefix("http://").removeprefix("ws://").split("/")[0].split(":")
        above, below = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            below.write(head)
        pipes.update(map(asyncio.ensure_future, (pipe(reader, below), pipe(above, writer))))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        for each in pipes:
            each.cancel()


@pytest.mark.parametrize("excepted", [False, True])
async def test_rest_and_gateway_go_through_the_proxy_unless_their_host_is_excepted(monkeypatch, excepted):
    async with proxy() as (address, seen):
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1,localhost" if excepted else "")
        world = await DiscordWorld.open()
        try:
            assert await world.final(await world.say("go"))
            assert any("/gw/" in line for line in seen) is not excepted
            assert any("/messages" in line for line in seen) is not excepted
        finally:
            await world.close()
