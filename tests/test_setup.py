"""What an app is told and asked for: one table per platform, and all that is made from it."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from argparse import Namespace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
import yaml
from dotenv import dotenv_values

import adapters
import bot
from adapters.discord import rights as discord_rights
from adapters.slack import manifest, rights
from bot.run.merging import env_text, put, toml_text
from bot.setup import Question, Shape, described, fault, shapes_of
from bot.unavailable import Unavailable
from tests.test_cli import ran

ROOT = Path(__file__).parent.parent
FLAGS = [
    option.flag.removeprefix("--").replace("-", "_") for option in manifest.OPTIONS if not option.metavar
]


def options(**chosen: object) -> Namespace:
    return Namespace(**{**dict.fromkeys(FLAGS, False), "http": None, "install": None, **chosen})


def all_options() -> list[Namespace]:
    chosen = [
        dict(zip(FLAGS, each, strict=True)) for each in itertools.product((False, True), repeat=len(FLAGS))
    ]
    return [
        options(**each, http=url, install="https://bot.example.com" if each["org"] else None)
        for each in chosen
        for url in (None, "https://bot.example.com")
    ]


# Slack's manifest.


@pytest.mark.parametrize("chosen", all_options(), ids=str)
@pytest.mark.rule(6)
def test_the_manifest_and_the_one_in_its_link_are_the_same_and_within_slacks_bounds(chosen):
    made = manifest.manifest(chosen)
    said = yaml.safe_load(made.text)  # JSON is YAML, too
    [linked] = parse_qs(urlsplit(made.link).query)["manifest_json"]
    assert json.loads(linked) == said
    assert len(made.link) < 8000
    for shortcut in said["features"].get("shortcuts", []):  # the schema that Slack publishes for manifests
        assert 1 <= len(shortcut["name"]) <= 24
    assert len(said["display_information"]["description"]) <= 140
    bot_scopes = said["oauth_config"]["scopes"]["bot"]
    assert ("assistant:write" in bot_scopes) == ("agent_view" in said["features"]) == chosen.agent
    assert ("commands" in bot_scopes) == ("slash_commands" in said["features"]) == (not chosen.no_commands)
    assert said["settings"]["socket_mode_enabled"] == (not chosen.http)
    posted = re.findall(r"https://bot\.example\.com/slack/events", json.dumps(said))
    assert len(posted) == (2 + (not chosen.no_commands) if chosen.http else 0)


@pytest.mark.rule(6)
def test_the_manifest_has_nothing_that_security_forbids():
    said = manifest.document({*rights.PARTS, "agent"}, "")
    scopes = said["oauth_config"]["scopes"]
    assert set(scopes) == {"bot"}
    assert not {"chat:write.public", "chat:write.customize", "users:read.email", "search:read"} & set(
        scopes["bot"]
    )
    assert "redirect_urls" not in said["oauth_config"]


def test_every_event_has_the_scope_without_which_slack_does_not_send_it():
    from adapters.emulators.slack.workspace import NEEDS  # noqa: PLC0415

    for parts in itertools.product((False, True), repeat=3):
        said = manifest.document({part for part, on in zip(rights.PARTS, parts, strict=True) if on}, "")
        granted = set(said["oauth_config"]["scopes"]["bot"])
        for event in said["settings"]["event_subscriptions"]["bot_events"]:
            assert NEEDS.get(event, "chat:write") in granted


@pytest.mark.parametrize(
    "url",
    [
        "bot.example.com",
        "https://bot.example.com/",
        "https://bot.example.com/slack/events",
        "https://bot.example.com/x",
    ],
)
def test_the_address_for_http_mode_may_be_written_in_several_ways(url):
    said = yaml.safe_load(manifest.manifest(options(http=url)).text)
    path = "/x/slack/events" if url.endswith("x") else "/slack/events"
    assert said["settings"]["interactivity"]["request_url"] == f"https://bot.example.com{path}"


@pytest.mark.parametrize(
    "url",
    [
        *("http://bot.example.com", "ftp", "https://", "https:///x", "https://a.example/?q=1"),
        *("a bot", "https://a.example/a b", "https://[::1", "https://u:p@a.example", "https://a.example/#f"),
    ],
)
def test_an_address_that_slack_can_not_post_to_is_refused(url):
    with pytest.raises(Unavailable, match="--http got"):
        manifest.manifest(options(http=url))


def test_an_app_for_organizations_is_one_that_several_workspaces_install():
    with pytest.raises(Unavailable, match="say --install URL as well"):
        manifest.manifest(options(org=True))


@pytest.mark.rule(6)
def test_the_manifest_in_the_docs_is_what_the_command_prints():
    assert (ROOT / "docs" / "slack-manifest.yaml").read_text() == manifest.usual().text


async def test_the_command_prints_a_manifest_alone_and_its_link_beside_it(tmp_path):
    code, out, err = await ran("manifest", "slack", cwd=tmp_path, env={})
    assert (code, out) == (0, manifest.usual().text)
    assert err.rstrip().endswith(manifest.usual().link)
    code, out, _ = await ran("manifest", "slack", "--json", "--agent", cwd=tmp_path, env={})
    assert json.loads(out)["features"]["agent_view"]
    code, out, err = await ran("manifest", "slack", "--http", "ftp://x", cwd=tmp_path, env={})
    assert (code, out, err.count("\n")) == (78, "", 1)
    code, out, err = await ran("manifest", "web", cwd=tmp_path, env={})
    assert (code, "choose from slack" in err.replace("'", "")) == (2, True)


# Discord's invite link.


@pytest.mark.rule(6)
def test_the_invite_link_asks_for_what_is_needed_and_no_more():
    query = parse_qs(urlsplit(discord_rights.invite("999")).query)
    assert query["scope"] == ["bot applications.commands"]
    allowed = {name for name, on in discord.Permissions(int(query["permissions"][0])) if on}
    names = {
        "read_messages" if right.key == "view_channel" else right.key for right in discord_rights.PERMISSIONS
    }
    assert allowed == names  # the library has two names for one, and tells the older
    forbidden = {"administrator", "mention_everyone", "manage_messages", "embed_links", "manage_channels"}
    assert not allowed & forbidden


def test_the_bits_of_permissions_and_intents_are_those_of_discords_library():
    for right in discord_rights.PERMISSIONS:
        assert discord.Permissions(**{right.key: True}).value == right.bit
    for right in discord_rights.INTENTS:
        assert discord.Intents(**{right.key: True}).value == right.bit


APPLICATION = "123456789012345678"


async def test_the_link_is_made_without_asking_discord_for_an_application_that_is_named(tmp_path):
    code, out, err = await ran("invite", "discord", "--app", APPLICATION, cwd=tmp_path, env={})
    assert (code, out, err) == (0, discord_rights.invite(APPLICATION) + "\n", "")


@pytest.mark.parametrize(
    ("words", "env", "line"),
    [
        (("--app", "x1"), {}, "--app got 'x1'"),
        (("--app", "123"), {}, "--app got '123'; it takes the Application ID"),
        (("--app", "١٢٣"), {}, "--app got '١٢٣'"),
        ((), {}, "DISCORD_BOT_TOKEN is not set"),
        (
            (),
            {"DISCORD_BOT_TOKEN": "1", "DISCORD_API_URL": "http://127.0.0.1:9"},
            "Discord could not be asked",
        ),
    ],
)
async def test_a_link_that_can_not_be_made_is_one_line(words, env, line, tmp_path):
    code, out, err = await ran("invite", "discord", *words, cwd=tmp_path, env=env)
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert line in err


# The docs.


def rows(found: list[tuple[str, str]]) -> str:
    return "".join(f"| `{name}` | {why} |\n" for name, why in found)


@pytest.mark.rule(6)
def test_the_docs_list_every_right_and_no_other():
    slack = (ROOT / "docs" / "slack.md").read_text()
    for table in (rights.SCOPES, rights.EVENTS):
        assert rows([(right.name, right.why) for right in table]) in slack
    told = (ROOT / "docs" / "discord.md").read_text()
    for table_ in (discord_rights.PERMISSIONS, discord_rights.INTENTS):
        assert "".join(f"| {right.name} | {right.why} |\n" for right in table_) in told
    for option in manifest.OPTIONS:
        assert f"| `{option.flag}{' ' * bool(option.metavar)}{option.metavar}` | {option.help} |\n" in slack


def test_the_version_is_that_of_the_package():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == bot.__version__


# What pasted values look like.


@pytest.mark.rule(21)
def test_a_value_is_described_without_any_of_it():
    shapes = shapes_of(adapters.setups())
    for value in ("xoxb-hunter2", "xapp-hunter2", "f" * 64, "hunter2 hunter2", "x" * 32):
        said = described(value, shapes)
        assert "hunter2" not in said
        assert value not in said


def test_no_shape_of_a_secret_fits_another_ones():
    asked = [q.takes for one in adapters.setups() for q in one.questions if q.secret and q.takes]
    examples = {"xoxb-1-a", "xapp-1-a", "0123456789abcdef" * 2, f"{'M' * 26}.{'G' * 6}.{'x' * 38}"}
    for example in examples:
        assert sum(shape.fits(example) for shape in asked) == 1


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "a\u202e", "\x1b[31m"])
def test_what_can_not_be_seen_is_no_answer(value):
    assert "can't be seen" in fault(Question("X", "x", Shape("x", ".*")), value, ())


# The two files.

OLD = [
    "",
    "A=1\n",
    "A=1",
    "A=1\r\nB=2\r\n",
    "# A=1\n\n\nB='x y' # c\n",
    "export A=1\nA=2\n",
    "A='two\nA=lines'\nB=3\n",
    'B="a\\"b"\n  A = 5\n',
    "not a line\nA=1\n",
]


@pytest.mark.parametrize("old", OLD)
def test_an_env_file_has_the_new_values_and_all_that_was_there(old):
    from io import StringIO  # noqa: PLC0415

    new = {"A": "xoxb-new", "C": "it has $HOME # and spaces"}
    text = env_text(old, new)
    before = dotenv_values(stream=StringIO(old), interpolate=False)
    after = dotenv_values(stream=StringIO(text), interpolate=False)
    assert after == {**before, **new}
    assert env_text(text, new) == text
    for comment in re.findall(r"^#.*", old, re.MULTILINE):
        assert comment in text


@pytest.mark.parametrize("value", ["it's", "back\\slash", "two\nlines"])
def test_a_value_that_an_env_file_would_not_give_back_is_refused(value):
    with pytest.raises(Unavailable, match="A: "):
        env_text("", {"A": value})


@pytest.mark.parametrize(
    "old",
    [
        "",
        "# all\n",
        "[other]\nday = 1\n",
        "[defaults.caps]\nday = 1 # why\nperson_day = 2\n\n[slack]\nday = 9\n",
        '[ defaults.caps ]\nnote = "day = 5"\n[[x]]\nday = 3',
    ],
)
def test_a_toml_file_has_the_new_values_and_all_that_was_there(old):
    text = toml_text(old, {"defaults.caps.day": 7.5, "slack.who.admins": ["U1", "U2"]})
    said, before = tomllib.loads(text), tomllib.loads(old)
    assert said["defaults"]["caps"]["day"] == 7.5
    assert said["slack"]["who"]["admins"] == ["U1", "U2"]
    for table, value in before.items():
        if table not in {"defaults", "slack"}:
            assert said[table] == value
    for comment in re.findall(r"#.*", old):
        assert comment in text
    assert toml_text(text, {"defaults.caps.day": 7.5}) == text


@pytest.mark.rule(20)
def test_a_file_is_private_from_its_first_byte_on_and_whole_or_not_there(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / ".env").symlink_to("real")
    put(tmp_path / ".env", "new", 0o600)
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable, match="can't be written"):
        put(tmp_path / "none" / ".env", "x", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "real"]
