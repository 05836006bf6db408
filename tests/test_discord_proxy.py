"""Discord behind a proxy: REST and the gateway go through it, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

import adapters
from adapters.discord.wire.proxies import proxy_for
from tests.worlds import DiscordWorld

PROXY = "http://proxy.test:3128"


class Proxy:
    """A small HTTP proxy: it makes tunnels (CONNECT), and passes on what is asked for in the clear."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {target}")
        there = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far_writer.write(head)
        await asyncio.gather(self.pipe(reader, far_writer), self.pipe(far_reader, writer))

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes; a connection may be used for several requests."""
        with suppress(OSError):
            while data := await reader.read(65_536):
                if found := re.match(rb"([A-Z]+ \S+) HTTP/1\.1\r\n", data):
                    self.asked.append(found[1].decode())
                writer.write(data)
                await writer.drain()
        with suppress(OSError):
            writer.close()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield proxy
    server.close()


async def test_rest_and_the_gateway_go_through_the_proxy(proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    [seen] = await world.final(await world.ask("why?", "Because."))
    assert seen.text == "Because."
    await world.close()
    host = world.emulator.url.removeprefix("http://")
    assert any(each.startswith(f"GET ws://{host}/gw/") for each in proxy.asked), proxy.asked
    assert any(each.startswith(f"GET http://{host}/api/v10/") for each in proxy.asked)


async def test_what_no_proxy_names_is_asked_directly(proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    world = await DiscordWorld.open()
    await world.final(await world.ask("why?", "Because."))
    await world.close()
    assert proxy.asked == []


async def test_an_encrypted_connection_asks_the_proxy_for_a_tunnel(proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    platform = adapters.load(
        "discord", DISCORD_BOT_TOKEN="t", DISCORD_API_URL="https://discord.invalid/api/v10"
    )
    assert platform
    await platform.check()
    assert proxy.asked == ["CONNECT discord.invalid:443"]
    client = platform._new()  # type: ignore[attr-defined]
    async with client:
        with suppress(Exception):
            await client.login("t")
        with suppress(Exception):
            await client.http.ws_connect("wss://gateway.invalid/")
    assert proxy.asked[-1] == "CONNECT gateway.invalid:443"


@pytest.mark.parametrize(
    ("environment", "url", "found"),
    [
        ({}, "https://discord.com/api", None),
        ({"HTTPS_PROXY": PROXY}, "https://discord.com/api", PROXY),
        ({"HTTPS_PROXY": PROXY}, "wss://gateway.discord.gg/", PROXY),
        ({"https_proxy": "proxy.test:3128"}, "wss://gateway.discord.gg/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "ws://127.0.0.1/gw/", None),
        ({"ALL_PROXY": PROXY}, "wss://gateway.discord.gg/", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "discord.gg"}, "wss://gateway.discord.gg/", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".discord.gg,x"}, "wss://gateway-us.discord.gg/", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "discord.gg"}, "https://discord.com/api", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "https://discord.com/api", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "discord.test:8443"}, "https://discord.test:8443/api", None),
    ],
)
def test_which_proxy_a_connection_goes_through(monkeypatch, environment, url, found):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == found
