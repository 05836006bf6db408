"""Slack with an app that workspaces install by OAuth, and the browsers of those who do."""

from __future__ import annotations

import html
import re
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from adapters.emulators.slack import Slack as SlackEmulator
from adapters.slack import install
from bot.platform import Platform
from bot.run.server import serving
from tests.contract import Seen, until
from tests.ports import free_port
from tests.worlds import SlackHttpWorld, SlackWorld

CLIENT, SECRET = "1234567890.9876543210", "0123456789abcdef0123456789abcdef"
HREF = re.compile(r'href="([^"]+)"')


@dataclass
class Shown:
    """A page that a browser shows."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def leads_to(self) -> str:
        """Where its button leads; "" if it has none."""
        found = HREF.search(self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def says(self) -> str:
        """What it says, in one line."""
        body = self.text.partition("<h1>")[2] or self.text
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@dataclass
class Browser:
    """Keeps cookies, behind a proxy that ends TLS."""

    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, url: str, **headers: str) -> Shown:
        """Open *url*."""
        sent = dict(headers)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=sent, allow_redirects=False) as answer,
        ):
            for line in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    assert morsel["secure"]
                    assert morsel["httponly"]
                    self.cookies[name] = morsel.value
                    if morsel["expires"]:
                        del self.cookies[name]
            return Shown(answer.status, await answer.text(), dict(answer.headers))


class SeveralWorld(SlackWorld):
    """An app that no workspace has installed yet; "T1" is the emulator itself, "T2" another one."""

    more: Mapping[str, str] = MappingProxyType({})

    def __init__(self, emulator: Any, **settings: Any) -> None:
        self.stack = AsyncExitStack()
        self.port = free_port()
        self.given = {
            name: settings.pop(name) for name in [*settings] if name.startswith(("SLACK", "RIVULET_S"))
        }
        super().__init__(emulator, **settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": "",
            "SLACK_CLIENT_ID": CLIENT,
            "SLACK_CLIENT_SECRET": SECRET,
            "RIVULET_SLACK_URL": self.url,
            **self.more,
            **self.given,
        }

    def load(self, **settings: str) -> Platform:
        return super().load(**{**self.environment, **settings})

    async def connect(self) -> None:
        await self.emulator.app(CLIENT, SECRET, [f"{self.url}/slack"], rotates=self.rotates)
        await self.stack.enter_async_context(serving("127.0.0.1", self.port, [self.platform]))
        await super().connect()

    rotates = False

    async def vanish(self) -> None:
        await super().vanish()
        await self.stack.aclose()

    async def link(self) -> str:
        """Return what `rivulet invite slack` prints."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setenv("SLACK_APP_TOKEN", "xapp-1")
            return await install.link(Namespace(app=""))

    def workspace(self, team: str) -> SlackEmulator:
        """Return the workspace *team*."""
        found: SlackEmulator = self.emulator.found(team)
        return found

    async def begun_at(self, browser: Browser, link: str) -> str:
        """Return where Slack asks people, for whoever opens *link*."""
        shown = await browser.get(link)
        assert shown.status == 200, shown
        return shown.leads_to

    async def install(self, team: str, link: str = "", browser: Browser | None = None, **how: Any) -> Shown:
        """Let somebody install the bot in *team*, with a new link if none is given; return the last page."""
        browser = browser or Browser()
        asked = await self.begun_at(browser, link or await self.link())
        return await browser.get(await self.workspace(team).allow(asked, **how))

    async def ask_in(self, team: str, text: str, user: str = "U1", channel: str = "C1") -> str:
        """Let *user* mention the bot in *team*; return the question's ts."""
        there = self.workspace(team)
        return await there.say(channel, user, f"<@{there.team.bot_user}> {text}")

    async def answers_in(self, team: str, ts: str, channel: str = "C1") -> list[Seen]:
        """Return the bot's messages in the thread of a question."""
        there = self.workspace(team)
        told = await there.thread(channel, ts)
        ours = [each for each in told if each["user"] == there.team.bot_user and not each["deleted"]]
        return [Seen.of(each, f"{channel}/{each['ts']}", f"{channel}/{ts}") for each in ours]

    async def final_in(self, team: str, ts: str, channel: str = "C1") -> Seen:
        """Return the answer to a question once it is done."""

        async def done() -> list[Seen]:
            found = await self.answers_in(team, ts, channel)
            return found if found and not found[0].live else []

        return (await until(done))[0]

    async def names(self, prefix: str = "slack/install/") -> list[str]:
        """Return the names of what the vault keeps."""
        return [*await self.store.vault.names(prefix)]

    async def kept(self, *names: str) -> None:
        """Wait until these installations are kept, and no others."""

        async def there() -> bool:
            return await self.names() == sorted(f"slack/install/{name}" for name in names)

        await until(there)


class SeveralHttpWorld(SeveralWorld):
    """The same in HTTP mode."""

    answered = ("ack", "unacknowledged")
    more = MappingProxyType({"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": SlackHttpWorld.SECRET})

    async def connect(self) -> None:
        await super().connect()
        assert await self.emulator.request_url(f"{self.url}/slack/events", SlackHttpWorld.SECRET)
