"""Behind a proxy all of the bot's clients go through it, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from __future__ import annotations

import ast
import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import discord as discord_py
import pytest

import adapters
from adapters.discord import downloads as discord_downloads
from adapters.discord.install import _application
from adapters.proxies import proxy_for
from adapters.slack import downloads as slack_downloads
from adapters.slack.incoming.link import Link
from adapters.slack.outgoing.replies import later
from adapters.slack.wire.web import Web
from bot.config import Settings
from bot.events import File, Page, Turn
from bot.model import ModelError, Request
from bot.model.claude import Claude
from bot.platform import Unavailable
from bot.run.model import Coming
from bot.tools.mcp.limits import Limits
from bot.tools.mcp.servers import Servers
from bot.tools.mcp.settings import Configured
from tests.test_contract_files import held
from tests.worlds import DiscordWorld, SlackWorld

ROOT = Path(__file__).parent.parent
PROXY = "http://proxy.test:3128"


class Proxy:
    """A small HTTP proxy: it makes tunnels (CONNECT), and passes on what is asked for in the clear."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""
        self._lines: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line
        self._lines.add(line)
        with suppress(asyncio.CancelledError):  # by `stop`
            await self._serve(reader, writer)

    async def stop(self) -> None:
        """End all connections."""
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
    await proxy.stop()


#: What each platform is asked, by the first words of a request to its emulator.
ASKED = {
    "slack": ["POST http://{}/api/", "GET ws://{}/", "GET http://{}/files-pri/", "POST http://{}/upload/"],
    "discord": ["GET http://{}/api/v10/", "GET ws://{}/gw/", "GET http://{}/attachments/"],
}


@pytest.mark.rule(28)
@pytest.mark.parametrize("kind", [SlackWorld, DiscordWorld])
async def test_all_that_a_platform_is_asked_goes_through_the_proxy(proxy, monkeypatch, kind):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    question, message, surface = await held(world := await kind.open())
    await surface.edit(message, Page("All.", live=False, files=(File("a.md", "text/plain", 1, data=b"a"),)))
    assert [each["name"] for each in await world.attached(question)] == ["a.md"]
    world.model.steps = ("Because.",)
    await world.final(await world.attach("why?", {"a.txt": b"A reason."}))
    assert [file.data for file in world.model.requests[-1].turns[-1].files] == [b"A reason."]
    await world.close()
    host = world.emulator.url.removeprefix("http://")
    for begins in ASKED[kind.name]:
        assert any(each.startswith(begins.format(host)) for each in proxy.asked), (begins, proxy.asked)


@pytest.mark.parametrize("kind", [SlackWorld, DiscordWorld])
async def test_what_no_proxy_names_is_asked_directly(proxy, monkeypatch, kind):
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    world = await kind.open()
    world.model.steps = ("Because.",)
    await world.final(await world.attach("why?", {"a.txt": b"A reason."}))
    await world.close()
    assert proxy.asked == []


async def claude() -> None:
    model = Claude("sk-good", "https://far.invalid")
    with suppress(ModelError):
        async for _ in model.stream(Request(turns=(Turn("user", "hi"),))):
            pass
    await model.close()


async def claudes_key() -> None:
    said: dict[str, Any] = {"ANTHROPIC_API_KEY": "sk-good", "ANTHROPIC_BASE_URL": "https://far.invalid"}
    assert await Coming(Settings(**said)).check()


@asynccontextmanager
async def slack() -> AsyncIterator[Web]:
    async with aiohttp.ClientSession() as session:
        yield Web(token="xoxb-1", base_url="https://far.invalid/api/", session=session)


async def slacks_web_api() -> None:
    async with slack() as web:
        await web.api_test()


async def slacks_socket() -> None:
    async with slack() as web:
        link = Link(web, None)  # type: ignore[arg-type]  # it hears nothing
        try:
            await link.open("wss://far.invalid/link")
        finally:
            await link.close()


async def slacks_files() -> None:
    async with slack() as web:
        await slack_downloads.fetch(web, File("F1 https://far.invalid/a", "text/plain", 1), 1)


async def slacks_replies() -> None:
    async with slack() as web:
        await later(web, "https://far.invalid/commands/1", "hello")


@asynccontextmanager
async def discord() -> AsyncIterator[Any]:
    found = adapters.load("discord", DISCORD_BOT_TOKEN="t", DISCORD_API_URL="https://far.invalid/api/v10")
    assert found
    async with found._session():  # type: ignore[attr-defined]
        yield found


async def discords_rest() -> None:
    async with discord() as platform:
        await platform._rest.call("GET", "gateway", "any")


async def discords_gateway() -> None:
    async with discord() as platform, platform._new() as client:
        with suppress(aiohttp.ClientError):
            await client.login("t")
        await client.http.ws_connect("wss://far.invalid/")


async def discords_files() -> None:
    async with discord() as platform:
        file = File("a", "text/plain", 1, key="1 2 3 https://far.invalid/a")
        await discord_downloads.fetch(platform._rest, file, 1)


async def discords_invitation() -> None:
    await _application("https://far.invalid/api", "t")


async def mcps_servers() -> None:
    servers = Servers({"far": Configured(url="https://far.invalid/mcp")}, Limits(restarts=(60,)))
    await servers.examine()
    await servers.close()


@pytest.mark.rule(28)
@pytest.mark.parametrize(
    "ask",
    [
        *(claude, claudes_key, mcps_servers),
        *(slacks_web_api, slacks_socket, slacks_files, slacks_replies),
        *(discords_rest, discords_gateway, discords_files, discords_invitation),
    ],
)
async def test_an_encrypted_connection_asks_the_proxy_for_a_tunnel(proxy, monkeypatch, ask):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with suppress(OSError, Unavailable, aiohttp.ClientError, discord_py.DiscordException):
        await ask()
    assert {*proxy.asked} == {"CONNECT far.invalid:443"}


@pytest.mark.rule(28)
def test_no_request_of_an_adapter_forgets_the_proxy():
    asking = {"get", "post", "put", "patch", "delete", "request", "ws_connect"}
    found = 0
    for path in (path for path in ROOT.glob("adapters/**/*.py") if "emulators" not in path.parts):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        named = [(call, call.func) for call in calls if isinstance(call.func, ast.Attribute)]
        for call, method in named:
            if method.attr in asking and ast.unparse(method.value).endswith("session"):
                found += 1
                assert "proxy" in {each.arg for each in call.keywords}, (path, call.lineno)
    assert found >= 5


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
