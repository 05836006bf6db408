"""Addresses that must not be fetched, whoever made a platform tell them: none is, and none gets the token.

Each is tried as the address of a file, and as what a trusted host redirects to.  All names resolve to one
server here, which must not hear of it.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from yarl import URL

from adapters.discord import downloads as discord
from adapters.discord.settings import API_URL
from adapters.download import download
from adapters.slack import downloads as slack
from adapters.slack.outgoing.replies import later
from adapters.slack.wire.web import Web
from bot.platform import Unreadable

SLACK_URL = "https://slack.com/api/"
#: Where an attacker wants it to go: to themselves, the machine, its network, and what clouds tell machines.
TARGETS = (
    "evil.example",
    "localhost",
    "127.0.0.1",
    "127.1",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "127.0.0.1.nip.io",
)
#: How a trusted host ({0}) can be named in an address of another ({1}).
SHAPES = (
    "https://{1}/a",
    "http://{1}/a",
    "https://{1}:443/a",
    "https://{0}@{1}/a",
    "https://{0}:443@{1}/a",
    "https://{0}%2F@{1}/a",
    "https://{0}%23@{1}/a",
    "https://{1}/{0}/a",
    "https://{1}?{0}",
    "https://{1}#{0}",
    "https://{1}#@{0}/",
    "https://{1}/https://{0}/a",
    "https://{1};{0}/a",
    "https://{1}\\@{0}/a",
    "https://{1}\\.{0}/a",
    "https://{0}\\@{1}/a",
    "https://x@{0}:x@{1}/a",
    "//{1}/a",
    "https:/{1}/a",
    "https:{1}/a",
    "///{1}/a",
    "\thttps://{1}/a",
    "https://{1}\t/a",
    "ftp://{1}/a",
    "gopher://{1}:70/_a",
    "ws://{1}/a",
)
#: What only looks like a trusted host, or is one in a way that is not asked for.
LOOKS = (
    "http://{0}/a",
    "HTTP://{0}/a",
    "https://{0}:80/a",
    "https://{0}:8443/a",
    "https://{0}:22/a",
    "https://{0}:0/a",
    "https://{0}:99999/a",
    "https://{0}:-1/a",
    "https://me@{0}/a",
    "https://me:secret@{0}/a",
    "https://:secret@{0}/a",
    "https://{0}.evil.example/a",
    "https://{0}./a",
    "https://evil{0}/a",
    "https://evil-{0}/a",
    "https://{0}-evil.example/a",
    "https://{0}%00.evil.example/a",
    "https://{0}%2eevil.example/a",
    "https://{0}%2f.evil.example/a",
    "https://{0}\x00.evil.example/a",
    "https://{0} .evil.example/a",
    "https://{0},evil.example/a",
    "https://[{0}]/a",
    "https://[::1]{0}/a",
    "https://{0}:443:80/a",
    "file://{0}/etc/passwd",
    "file:///etc/passwd#{0}",
    "data:text/plain,{0}",
    "javascript:fetch('//{0}')",
    "blob:https://{0}/a",
    "jar:https://{0}!/a",
    "unix:///var/run/docker.sock?{0}",
    "{0}/a",
    "/{0}/a",
    "../{0}",
    "?{0}",
    "#{0}",
    "https://",
    "https:///a",
    "https://?",
    "https://.",
    "https://./a",
    "https://*/a",
    "https://%/a",
    "https://\u200b/a",
    "https://[/a",
    "https://[::1/a",
    "https://[::1]:x/a",
    "",
    " ",
    "\x00",
    "\ud800",
    "https://" + "a" * 5000 + ".{0}.example/a",
)


@dataclass(frozen=True)
class Kind:
    """A platform's rule: its hosts, and what trusts an address."""

    name: str
    hosts: Sequence[str]
    trusts: Callable[..., bool]
    api: str
    good: Sequence[str]

    @property
    def addresses(self) -> list[str]:
        """All that must not be fetched."""
        shaped = [shape.format(host, to) for host, to, shape in product(self.hosts, TARGETS, SHAPES)]
        looks = [each.format(host) for host in self.hosts for each in LOOKS]
        return [each for each in dict.fromkeys([*shaped, *looks]) if each not in self.good]


KINDS = (
    Kind(
        "slack",
        ("files.slack.com", "slack-files.com", "acme.slack.com"),
        slack.ours,
        SLACK_URL,
        (
            "https://files.slack.com/files-pri/T1-F1/a",
            "https://FILES.slack.com:443/a?b=c#d",
            "https://slack-files.com/files-pri-safe/T1-F1/a?c=1-a",
        ),
    ),
    Kind(
        "discord",
        ("cdn.discordapp.com", "media.discordapp.net"),
        discord.ours,
        API_URL,
        ("https://cdn.discordapp.com/attachments/1/2/a?ex=1", "https://media.discordapp.net/a"),
    ),
)


@dataclass
class Canary(AbstractResolver):
    """A server that all names lead to, and what it and the resolver heard."""

    port: int = 0
    names: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    location: str = ""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.names.append(host)
        found = ResolveResult(
            hostname=host,
            host="127.0.0.1",
            port=self.port,
            family=family,
            proto=0,
            flags=socket.AI_NUMERICHOST,
        )
        return [found]

    async def close(self) -> None:
        """There is nothing to close."""

    async def answer(self, request: web.Request) -> web.Response:
        """Hear of a request; redirect it, if it is the first."""
        self.heard.append(f"{request.host}{request.path_qs}")
        headers = {"Location": self.location} if self.location and len(self.heard) == 1 else {}
        return web.Response(status=302 if headers else 200, headers=headers)


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    found = Canary()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    async with TestServer(app) as server:
        assert server.port
        found.port = server.port
        yield found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_corpus_is_large_and_the_rule_lets_the_platform_s_own_addresses_through(kind):
    assert len(kind.addresses) >= 400
    for address in kind.good:
        assert kind.trusts(URL(address), kind.api), address


@pytest.mark.rule(16)
@pytest.mark.rule(17)
@pytest.mark.rule(18)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_none_of_these_addresses_is_looked_up_or_asked(kind, canary):
    through = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=canary)) as session:
        for address in kind.addresses:
            try:
                await download(
                    session,
                    address,
                    1000,
                    partial(kind.trusts, **{"base" if kind.name == "slack" else "api": kind.api}),
                    headers={"Authorization": "Bearer xoxb-secret"},
                )
                through.append(address)
            except Unreadable:
                pass
            except OSError as error:
                through.append(f"{address}: {error!r}")
    assert through == []
    assert canary.names == []
    assert canary.heard == []


@pytest.mark.rule(16)
@pytest.mark.rule(17)
@pytest.mark.rule(18)
async def test_no_reply_is_posted_to_one_of_them(canary):
    """Slack gives an address with each command, to which a later reply is posted."""
    [kind, *_] = KINDS
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=canary)) as session:
        web_client = Web(token="xoxb-secret", base_url=SLACK_URL, session=session)
        for address in kind.addresses:
            await later(web_client, address, "hello")
        assert canary.names == []
        assert canary.heard == []
        await later(web_client, "https://hooks.slack.com/commands/T1/1/x", "hello")
        assert "hooks.slack.com" in canary.names


@pytest.mark.rule(16)
@pytest.mark.rule(17)
@pytest.mark.rule(18)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_no_redirect_leads_to_one_of_them(kind, canary):
    """The API of the settings, on this machine, is trusted: it redirects to each in turn."""
    home = f"http://127.0.0.1:{canary.port}/"
    trusted = partial(kind.trusts, **{"base" if kind.name == "slack" else "api": home})
    assert trusted(URL(home))
    through = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=canary)) as session:
        for address in kind.addresses:
            if any(ord(each) < 32 or 0xD800 <= ord(each) < 0xE000 for each in address) or not address.strip():
                continue  # no header can hold it
            canary.heard, canary.location = [], address
            with suppress(Unreadable):
                await download(session, f"{home}file", 1000, trusted, headers={"Authorization": "Bearer x"})
            elsewhere = [each for each in canary.heard if not each.startswith(f"127.0.0.1:{canary.port}/")]
            if elsewhere or canary.names:
                through.append((address, elsewhere, canary.names))
                canary.names = []
    assert through == []
