"""Files come from the platforms' own hosts, and a token goes to no other."""

from __future__ import annotations

import pytest
from yarl import URL

from adapters.discord import downloads as discord
from adapters.discord.settings import API_URL
from adapters.slack import downloads as slack

SLACK = "https://slack.com/api/"


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a", True),
        ("https://acme.slack.com/files/a", True),
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
def test_the_token_goes_to_slack_s_hosts_alone(url, trusted):
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
