"""Files come from the platforms' own hosts, and a token goes to no other."""

from __future__ import annotations

from functools import partial

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from adapters.discord import downloads as discord
from adapters.discord.settings import API_URL
from adapters.download import Elsewhere, download
from adapters.slack import downloads as slack

SLACK = "https://slack.com/api/"


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a", True),
        ("https://slack-files.com/files-pri-safe/T1-F1/a?c=1-a", True),
        ("https://acme.slack.com/files/a", False),
        ("https://slack.com/api/api.test", False),
        ("https://x.files.slack.com/a", False),
        ("https://x.slack-files.com/a", False),
        ("https://files.slack-files.com/a", False),
        ("https://files.slack.com:443/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://files.slack.com@evil.com/a", False),
        ("https://me:secret@files.slack.com/a", False),
        ("https://evil.com/files.slack.com", False),
        ("https://files.slack.com.evil.com/a", False),
        ("https://evilslack.com/a", False),
        ("https://.slack.com.evil/a", False),
        ("file:///etc/passwd", False),
        ("//files.slack.com/a", False),
        ("", False),
    ],
)
@pytest.mark.rule(16)
def test_the_token_goes_to_the_hosts_of_slack_s_files_alone(url, trusted):
    assert slack.ours(URL(url), SLACK) is trusted


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&hm=2", True),
        ("https://media.discordapp.net/attachments/1/2/a.png", True),
        ("http://cdn.discordapp.com/a", False),
        ("https://cdn.discordapp.com.evil.com/a", False),
        ("https://cdn.discordapp.com@evil.com/a", False),
        ("https://discord.com/a", False),
        ("https://x.cdn.discordapp.com/a", False),
        ("https://169.254.169.254/latest", False),
        ("", False),
    ],
)
@pytest.mark.rule(17)
def test_discord_s_files_come_from_its_two_hosts_alone(url, trusted):
    assert discord.ours(URL(url), API_URL) is trusted


@pytest.mark.parametrize("module", [slack, discord])
def test_where_the_settings_name_another_api_its_host_is_trusted_too(module):
    base = "http://127.0.0.1:8080/api/"
    assert module.ours(URL("http://127.0.0.1:8080/files/a"), base)
    assert not module.ours(URL("http://127.0.0.1:8081/files/a"), base)
    assert not module.ours(URL("http://u:p@127.0.0.1:8080/files/a"), base)
    assert not module.ours(URL("http://127.0.0.1:8080/a"), SLACK if module is slack else API_URL)


class Host:
    """A server that redirects, or has a file, and the tokens that it was given."""

    def __init__(self, location: str = "") -> None:
        self.location = location
        self.tokens: list[str | None] = []
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization"))
        if self.location and request.path != "/file":
            return web.Response(status=302, headers={"Location": self.location})
        return web.Response(body=b"content")


@pytest.mark.rule(16)
async def test_a_redirect_to_the_other_host_of_files_is_followed_without_the_token():
    """As Slack does with a larger PDF: its address there is signed."""
    first, other = Host(), Host()
    async with first.server, other.server, aiohttp.ClientSession() as session:
        get = partial(download, session, most=100, headers={"Authorization": "Bearer xoxb-1"})
        hosts = [each.server.make_url("/").origin() for each in (first, other)]

        def trusted(address: URL) -> bool:
            return address.origin() in hosts

        first.location = str(other.server.make_url("/safe?c=signed"))
        found = await get(url=str(first.server.make_url("/pri")), trusted=trusted)
        assert (found.data, first.tokens, other.tokens) == (b"content", ["Bearer xoxb-1"], [None])
        first.location = "/file"
        await get(url=str(first.server.make_url("/pri")), trusted=trusted)
        assert first.tokens == ["Bearer xoxb-1"] * 3
        hosts.pop()
        first.location = str(other.server.make_url("/safe"))
        with pytest.raises(Elsewhere) as caught:
            await get(url=str(first.server.make_url("/pri")), trusted=trusted)
        assert caught.value.address == other.server.make_url("/safe")
        assert len(other.tokens) == 1
