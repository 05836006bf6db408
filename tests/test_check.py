"""`rivulet check`, and every setting of the environment being wrong: one line, exit code 78, no traceback."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import annotated_types
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bot.config import Settings
from bot.config.shapes import SECRET, shown
from bot.config.strays import strays
from bot.guard.trifecta import risk
from bot.run import cli
from bot.run.configured import ConfigFile
from bot.tools import tool
from bot.tools.mcp.settings import Configured
from tests.settings_page import KINDS

DOC = (Path(__file__).parent.parent / "docs" / "config.md").read_text()
TRACEBACK = "Traceback (most recent call last)"
GOOD = {"ANTHROPIC_API_KEY": "sk-test", "SLACK_BOT_TOKEN": "xoxb-test", "SLACK_APP_TOKEN": "xapp-test"}


@pytest.fixture
def check(tmp_path, monkeypatch, capsys) -> Iterator[Callable[..., tuple[int, str, list[str]]]]:
    """Run `rivulet check` with a file and an environment; return its code, what it wrote, its faults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [*os.environ]:
        if name.startswith(("ANTHROPIC_", "SLACK_", "DISCORD_", "RIVULET_")):
            monkeypatch.delenv(name)

    def run(config: str = "", *arguments: str, **environment: str) -> tuple[int, str, list[str]]:
        if config:
            (tmp_path / "config.toml").write_text(config)
        with monkeypatch.context() as patch:
            for name, value in {**GOOD, **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["rivulet", "check", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        out, err = capsys.readouterr()
        assert TRACEBACK not in out + err
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err.splitlines()

    yield run
    gc.enable()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DISCORD_BOT_TOKEN", "xoxb-1-2-abc", "got a token of Slack; it takes a bot token of Discord"),
        ("DISCORD_BOT_TOKEN", "xapp-1-abc", "got a token of Slack"),
        ("DISCORD_BOT_TOKEN", "sk-ant-api03-x", "got a key of the Claude API"),
        ("RIVULET_STORE", "redis://:secret@host/0?prefx=a", "RIVULET_STORE: that is no address of a Redis"),
        ("RIVULET_STORE", "redis://:secret@host/one", "the database behind the last / is no number"),
    ],
)
def test_what_is_no_token_and_no_address_is_told_without_the_network(check, name, value, said):
    code, _, lines = check(**{name: value})
    assert code == 78
    assert len(lines) == 1
    assert said in lines[0]
    assert "secret" not in lines[0]


def test_what_is_good_is_said_with_what_holds_where(check):
    code, out, faults = check(
        '[defaults]\neffort = "low"\nsystem = "[red]Hi[/x]"\n'
        '[slack.channels.C1]\nmodel = "claude-haiku-5-5"\n'
    )
    assert (code, faults) == (0, [])
    assert re.search(r'everywhere +model = "claude-sonnet-5-5"', out)
    assert 'effort = "low"' in out
    assert 'system = "[red]Hi[/x]"' in out
    assert re.search(r'slack\.channels\.C1 +model = "claude-haiku-5-5"', out)
    assert "The settings and config.toml are good." in out


def test_what_a_place_takes_away_is_said(check):
    _, out, _ = check('[slack.channels.C1]\ntools = []\nsystem = ""\nwho.direct = false\n')
    assert re.search(r"slack\.channels\.C1 +system = \"\"", out)
    assert "tools = none" in out
    assert "who.direct = false" in out


def test_an_id_that_can_be_nobodys_is_said_and_one_of_any_platform_that_is_served_is_not(check):
    said = '[slack.who]\nadmins = ["bob", "U1"]\n[defaults.who]\nallow = ["S1", "301"]\n'
    code, out, faults = check(said, DISCORD_BOT_TOKEN="test")
    assert (code, faults) == (0, [])
    assert re.findall(r"hm: (.*)", out) == ['slack.who.admins has "bob", which is no id of slack.']
    _, out, _ = check(said)
    assert 'hm: defaults.who.allow has "301", which is no id of slack.' in out


def test_without_a_file_it_says_so(check):
    code, out, _ = check()
    assert (code, "There is no config.toml: all places are alike." in out) == (0, True)


@pytest.mark.parametrize(("folder", "said"), [(False, "There is no .env in "), (True, "is a folder")])
def test_why_nothing_was_read_from_a_file_is_said(folder, said, check, tmp_path):
    if folder:
        (tmp_path / ".env").mkdir()
    _, _, faults = check(SLACK_BOT_TOKEN="", SLACK_APP_TOKEN="")
    assert len(faults) == 1
    assert said in faults[0]


def test_all_faults_are_told_at_once_each_in_a_line_of_its_own(check):
    code, out, faults = check("[slak]\n", RIVULET_DISCORD_REPLY="none", SLACK_APP_TOKEN="")
    assert (code, out) == (78, "")
    assert [line.split(":")[1].strip() for line in faults] == [
        "SLACK_APP_TOKEN is missing",
        'RIVULET_DISCORD_REPLY is "none"; it takes "auto", "thread" or "channel".',
        "config.toml, line 1",
    ]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"ANTHROPIC_API_KEY": ""}, "ANTHROPIC_API_KEY is not set"),
        ({"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}, "no platform is configured"),
        (
            {"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xoxb-1"},
            "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped",
        ),
        ({"RIVULET_TOOLS": "dates,dicee"}, "RIVULET_TOOLS: there is no dicee"),
        ({"RIVULET_CONFIG": "other.toml"}, "RIVULET_CONFIG: other.toml is not there."),
        ({"RIVULET_MCP": "none.json"}, "RIVULET_MCP: none.json can't be read"),
        (
            {"RIVULET_TOOLS": "web_fetch,notes"},
            "RIVULET_TOOLS: defaults: notes can read what people wrote, and web_fetch",
        ),
    ],
)
def test_what_the_start_would_refuse_is_refused(wrong, line, check):
    code, _, faults = check(**wrong)
    assert (code, len(faults)) == (78, 1)
    assert faults[0].startswith(f"rivulet: {line}")


#: What fields take that have no wrong value but a very odd one: texts, names and paths of the operator's own.
FREE = {
    "RIVULET_SYSTEM",
    "RIVULET_LINKS",
    "RIVULET_SLACK_STOP_EMOJI",
    "RIVULET_DISCORD_STOP_EMOJI",
    "RIVULET_DATA",  # looked at when it is opened; tests of the ledger have it
    *(
        str(field.validation_alias)
        for kind in KINDS
        for field in kind.model_fields.values()
        if field.annotation is SecretStr
    ),
}
#: What others take is checked by what uses them.
BY_USE = {
    "RIVULET_TOOLS": ["no tool"],
    "RIVULET_MCP": ["none.json", "."],
    "RIVULET_CONFIG": ["none.toml", "none/"],
    "RIVULET_WEB_URL": ["nowhere", "ftp://a.example", "https://a.example/b"],
    "RIVULET_TIME_ZONE": ["Mars", "../etc/passwd", "/"],
    "RIVULET_MODEL": ["two words", "m" * 200, "{x}"],
    "RIVULET_FALLBACK_MODEL": ["two words"],
    "RIVULET_METRICS": ["9464", "localhost", "127.0.0.1:", ":9464", "127.0.0.1:65536", "on"],
    "RIVULET_HOST": ["a b", "http://a"],
    "RIVULET_SLACK_BOTS": ["@bot", "B1,none"],
    "RIVULET_SLACK_URL": [
        "bot.example.com",
        "http://bot.example.com",
        "https://a.example/b",
        "https://u@a.example",
    ],
    "RIVULET_SLACK_WORKSPACES": ["acme", "T1,none"],
    "SLACK_CLIENT_ID": ["acme", "xoxb-1"],
    "RIVULET_DISCORD_GUILDS": ["my server", "1,x"],
    "RIVULET_DISCORD_BOTS": ["bot#1234"],
    "DISCORD_SHARDS": ["many", "0", "-1", "16385", "1.5", "9" * 5000],
    "ANTHROPIC_BASE_URL": ["nowhere", "ftp://a.example", "https://", "https://a:port", "https://a b"],
    "SLACK_API_URL": ["nowhere", "ws://a.example"],
    "DISCORD_API_URL": ["nowhere"],
    "DISCORD_GATEWAY_URL": ["https://a.example"],
}


def misfits(alias: str, field: FieldInfo) -> list[str]:
    """Return what a setting does not take."""
    if alias in BY_USE or alias in FREE:
        return BY_USE.get(alias, [])
    if field.annotation is bool:
        return ["perhaps", "2", "-1"]
    if field.annotation is int:
        found = ["many", "1.5", "1e3", "0x10", "9" * 5000]
        for each in field.metadata:
            match each:
                case annotated_types.Ge(ge=int(least)):
                    found.append(str(least - 1))
                case annotated_types.Gt(gt=int(below)):
                    found.append(str(below))
                case annotated_types.Le(le=int(most)):
                    found.append(str(most + 1))
        return found
    assert get_args(field.annotation), f"{alias}: say what it does not take"
    return ["none of these", str(get_args(field.annotation)[0]).upper()]


EVERY = [
    (alias, misfit)
    for kind in KINDS
    for field in kind.model_fields.values()
    for alias in [str(field.validation_alias)]
    for misfit in misfits(alias, field)
]


@pytest.mark.parametrize(
    ("alias", "misfit"), EVERY, ids=[f"{alias}={misfit[:20]}" for alias, misfit in EVERY]
)
def test_every_setting_of_the_environment_says_what_is_wrong_with_it(alias, misfit, check):
    page = {"RIVULET_WEB": "true", "RIVULET_WEB_TOKENS": "ann=0123456789abcdef"}
    code, out, faults = check(**{**page, alias: misfit})
    assert (code, out, len(faults)) == (78, "", 1), faults
    assert faults[0].startswith(f"rivulet: {alias}")
    assert len(faults[0]) < 500


def test_every_setting_is_tried_or_is_said_to_take_anything():
    tried = {alias for alias, _ in EVERY}
    every = {str(field.validation_alias) for kind in KINDS for field in kind.model_fields.values()}
    assert tried | FREE == every
    assert not tried & FREE


@pytest.mark.parametrize(
    "secret", ["xoxb-1234567890-abc", "sk-ant-api03-0123456789abcdef", "0123456789abcdef0123456789abcdef"]
)
@pytest.mark.parametrize(
    "alias", ["RIVULET_PORT", "RIVULET_EFFORT", "RIVULET_TIME_ZONE", "RIVULET_DISCORD_GUILDS"]
)
@pytest.mark.rule(20)
def test_a_secret_in_another_setting_is_not_shown(alias, secret, check):
    code, out, faults = check(**{alias: secret})
    assert (code, len(faults)) == (78, 1)
    assert "is what looks like a secret" in faults[0]
    assert secret not in out + faults[0]


def test_the_environments_own_secrets_are_not_in_the_file(check):
    code, out, faults = check(
        '[defaults]\nsystem = "tokenwithoutshape"\n', SLACK_SIGNING_SECRET="tokenwithoutshape"
    )
    assert (code, len(faults)) == (78, 1)
    assert "line 2: a secret is there" in faults[0]
    assert "tokenwithoutshape" not in out + faults[0]


@pytest.mark.parametrize(
    ("value", "as_shown"),
    [
        ("a", '"a"'),
        ("a\nb", '"a\\nb"'),
        (5, "5"),
        (True, "true"),
        ({}, "a table"),
        ("é" * 99, '"' + "é" * 59 + "…"),
    ],
)
def test_a_value_is_shown_in_one_line(value, as_shown):
    assert shown(value) == as_shown


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RIVULET_MODLE", "RIVULET_MODEL"),
        ("RIVULET_EFORT", "RIVULET_EFFORT"),
        ("rivulet_pots", "RIVULET_PORT"),
        ("SLACK_BOT_TOKN", "SLACK_BOT_TOKEN"),
        ("ANTHROPIC_APIKEY", "ANTHROPIC_API_KEY"),
        ("RIVULET_WEB_TOKEN_FILE", "RIVULET_WEB_TOKENS_FILE"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_one_that_is_meant(name, meant):
    assert strays([name], KINDS) == [f"{name} is no setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    [
        "RIVULET_MODEL",
        "rivulet_model",
        "SLACK_BOT_TOKEN_FILE",
        "Slack_Bot_Token_File",
        "ANTHROPIC_LOG",
        "DISCORD_CHANNEL",
        "PATH",
    ],
)
def test_settings_and_what_other_programs_have_are_no_strays(name):
    assert strays([name], KINDS) == []


def test_a_stray_is_told_and_no_fault(check):
    code, out, faults = check(RIVULET_QUITE_ELSE="1")
    assert (code, faults) == (0, [])
    assert "hm: RIVULET_QUITE_ELSE is no setting; docs/settings.md lists them." in out


# --- Tools that do not go together


@tool(writes=True)
async def post(text: str) -> str:
    """Post something somewhere."""
    return text


@tool(writes=True, asks=True)
async def post_politely(text: str) -> str:
    """Post something somewhere."""
    return text


PROMPT, SILENT = Configured(command="x"), Configured(command="x", ask=False)


@pytest.mark.parametrize(
    ("names", "packed", "servers", "risky"),
    [
        (["search", "web_fetch"], [], {}, True),
        (["web_fetch", "dates", "notes"], [], {}, True),
        (["files"], [], {"boats": SILENT}, True),
        (["files"], [post], {}, True),
        (["files"], [post_politely], {"boats": PROMPT}, False),
        (["web_fetch", "dates"], [post], {"boats": SILENT}, False),
        (["search", "files", "notes", "dates", "web_search", "code_execution"], [], {}, False),
        ([], [], {}, False),
    ],
)
@pytest.mark.rule(14)
def test_tools_that_read_what_people_wrote_and_tools_that_reach_outside_are_a_risk(
    names, packed, servers, risky
):
    assert bool(risk(names, packed, servers)) is risky


@pytest.mark.rule(14)
def test_the_risk_has_to_be_understood_where_it_is(check):
    risky = '[slack.channels.C1]\n\ntools = ["search", "web_fetch"]\n'
    code, _, faults = check(risky)
    assert code == 78
    assert re.match(
        r"rivulet: config\.toml, line 3: slack\.channels\.C1: search can read what people wrote, and "
        r"web_fetch can reach outside: "
        r".* set i_understand = true in \[slack\.channels\.C1\] of config\.toml\.$",
        faults[0],
    )
    assert check(f"{risky}i_understand = true\n")[0] == 0
    assert check(f"{risky}[slack]\ni_understand = true\n")[0] == 0
    assert check(f"[defaults]\ni_understand = true\n{risky}i_understand = false\n")[0] == 78


def test_a_table_that_adds_servers_to_tools_is_a_risk_as_well(check, tmp_path):
    servers = {"boats": {"command": "x", "ask": False}, "rooms": {"command": "x"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    config = '[defaults]\ntools = ["search"]\nmcp = ["rooms"]\n[slack.channels.C1]\nmcp = ["boats"]\n'
    code, _, faults = check(config, RIVULET_MCP="mcp.json")
    assert (code, len(faults)) == (78, 1)
    assert faults[0].startswith("rivulet: config.toml, line 5: slack.channels.C1: search can read")


# --- What the docs say


def test_the_example_in_the_docs_is_good_and_does_what_they_say(check, tmp_path, monkeypatch):
    (example,) = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
    assert check(example)[0] == 0
    config = ConfigFile(Settings(), cli._adapters().tables)
    names = ["/".join(path) for path, _ in config.book(config.read()).each()]
    assert "discord/workspace/1100000000000000001" in names
    (_, of_channel) = next(each for each in config.book(config.read()).each() if each[0][-1] == "C0123ABCD")
    assert (of_channel.model, of_channel.tools, of_channel.effort) == ("claude-haiku-5-5", (), "low")
    assert of_channel.who.stop == "asker_and_admins"


def test_the_faults_in_the_docs_are_what_is_printed(check):
    (example,) = re.findall(r"```text\n(.*?)```", DOC, re.DOTALL)
    _, _, faults = check('\n[defaults]\n\neffort = "huge"\n\n\n\n\n[slack.chanels.C1]\n')
    _, _, others = check(RIVULET_PORT="http")
    assert [*faults, *others] == example.splitlines()


def test_the_schema_is_printed(check):
    code, out, _ = check("", "--schema")
    assert (code, json.loads(out)["title"]) == (0, "config.toml of Rivulet")


def test_names_of_secrets_are_known_by_their_ends():
    secrets: dict[str, Any] = {
        str(field.validation_alias): field
        for kind in KINDS
        for field in kind.model_fields.values()
        if field.annotation is SecretStr
    }
    assert all(SECRET.fullmatch(name) for name in secrets)
