"""`rivulet init` as somebody meets it: by flags and at a terminal, up to a doctor without a fault."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import signal
import sys
import termios
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from dotenv import dotenv_values

import adapters
from adapters.emulators.process import World
from bot.run.ask import arguments
from bot.run.init import general
from bot.run.merging import toml_text
from bot.setup import Question
from tests.test_cli import ROOT, TRACEBACK, ran
from tests.warm import at_terminal, spawned

BOT, APP = "xoxb-1-2-abc", "xapp-1-A1-2-abc"
KEY = "sk-ant-api03-abcdefghijklmnop"
TOKEN = "OTk5MDAwMDAwMDAwMDAwOTk5.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB"
SECRETS = {
    "ANTHROPIC_API_KEY": KEY,
    "SLACK_BOT_TOKEN": BOT,
    "SLACK_APP_TOKEN": APP,
    "DISCORD_BOT_TOKEN": TOKEN,
}
GUILD = "1184000000000000100"
FLAGS = ("--platforms", "slack,discord", "--rivulet-discord-guilds", GUILD)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with spawned() as world:
        yield world


def where(world: World) -> dict[str, str]:
    """An environment that says nothing but where the emulators are."""
    return {
        "ANTHROPIC_BASE_URL": world.claude.url,
        "SLACK_API_URL": f"{world.slack.url}/api/",
        "DISCORD_API_URL": f"{world.discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{world.discord.url.replace('http', 'ws', 1)}/gw/",
        "RIVULET_PORT": "0",
    }


def questions() -> list[Question]:
    return [*general({}), *(each for one in adapters.setups() for each in one.questions)]


def secret_files(folder: Path) -> list[str]:
    """Write each secret into a file; return the options that name them."""
    flags = []
    for name, value in SECRETS.items():
        (folder / name).write_text(f"{value}\n")
        flags += [f"--{name.lower().replace('_', '-')}-file", str(folder / name)]
    return flags


async def permitted(world: World, folder: Path) -> None:
    """Let the bot into the server by the link that `rivulet invite discord` prints, as a person does."""
    code, out, err = await ran("invite", "discord", cwd=folder, env=where(world))
    assert (code, err) == (0, "")
    [permissions] = parse_qs(urlsplit(out.strip()).query)["permissions"]
    await world.discord.guild(id=GUILD, permissions=permissions)


#: Prompts whose answer is not shown.
HIDDEN = ("Key of the Claude API", "Bot User OAuth Token", "App-Level Token", "Bot token")


class Person:
    """Somebody at a terminal, which answers prompts.

    Args:
        folder: Where the command runs.
        env: What is set in its environment.
        words: Its options.
    """

    def __init__(self, folder: Path, env: dict[str, str], *words: str) -> None:
        self._fd, inside = pty.openpty()
        clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        self.process = at_terminal("bot", "init", *words, terminal=inside, cwd=folder, env={**clean, **env})
        os.close(inside)
        self.screen = ""
        self._seen = 0

    async def sees(self, text: str) -> None:
        """Wait until the screen has *text*, behind what was seen before."""
        async with asyncio.timeout(30):
            while (at := self.screen.find(text, self._seen)) < 0:
                self.screen += await asyncio.to_thread(self._read)
        self._seen = at + len(text)

    def _read(self) -> str:
        """Return what is new on the screen, "" if nothing is for a moment."""
        if not select.select([self._fd], [], [], 0.1)[0]:
            return ""
        try:
            return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", os.read(self._fd, 65536).decode(errors="replace"))
        except OSError:
            raise EOFError(self.screen) from None

    async def is_asked(self, prompt: str) -> None:
        """Wait for *prompt*; before it hides what is typed, a terminal forgets what was typed so far."""
        await self.sees(prompt)
        await self.sees(": ")
        async with asyncio.timeout(30):
            while prompt in HIDDEN and termios.tcgetattr(self._fd)[3] & termios.ECHO:
                await asyncio.sleep(0.01)

    async def answers(self, prompt: str, answer: str = "") -> None:
        await self.is_asked(prompt)
        os.write(self._fd, f"{answer}\n".encode())

    async def interrupts(self) -> None:
        """Press Ctrl-C until it is heard: just before the process waits for a line, it is only noted."""
        with suppress(EOFError):
            while "Nothing was written" not in self.screen:
                os.write(self._fd, b"\x03")
                await self._listens(10)

    async def _listens(self, times: int) -> None:
        for _ in range(times):
            if "Nothing was written" not in self.screen:
                self.screen += await asyncio.to_thread(self._read)

    async def leaves(self) -> None:
        os.write(self._fd, b"\x04")

    async def ends(self) -> int:
        """Return the exit code, once all that it wrote is read."""
        try:
            async with asyncio.timeout(60):
                while True:
                    try:
                        self.screen += await asyncio.to_thread(self._read)
                    except EOFError:
                        break
                await asyncio.to_thread(self.process.join)
                assert self.process.exitcode is not None
                return self.process.exitcode
        except TimeoutError:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"it does not end; its screen: {self.screen!r}") from None
        finally:
            os.close(self._fd)


async def test_a_new_user_comes_from_init_at_a_terminal_to_a_doctor_without_a_fault(world, tmp_path):
    person = Person(tmp_path, where(world))
    await person.answers("Which platforms?", "slack, discord")
    await person.answers("Key of the Claude API", KEY)
    await person.answers("one person may spend", "two")
    await person.sees("  defaults.caps.person_day got 'two'")
    await person.answers("one person may spend", "3.50")
    await person.answers("all may spend", "")
    await person.answers("Whom people ask", "@ann")
    await person.sees("https://api.slack.com/apps?new_app=1")
    await person.answers("Bot User OAuth Token", APP)
    await person.sees("SLACK_BOT_TOKEN got an app-level token of Slack (xapp-…)")
    await person.answers("Bot User OAuth Token", f"  {BOT}  ")
    await person.answers("App-Level Token", APP)
    await person.answers("Who may use it", "")
    await person.answers("May guests", "")
    await person.answers("Admins", "U1")
    await person.answers("Bot token", TOKEN)
    await person.answers("Servers whose members", "my server")
    await person.sees("RIVULET_DISCORD_GUILDS got 'my server'")
    await person.answers("Servers whose members", GUILD)
    await person.answers("Message Content Intent", "y")
    await person.answers("Who of them", "")
    await person.answers("Admins", "")
    await person.sees("rivulet doctor")
    await person.sees("rivulet run")
    assert await person.ends() == 0
    assert not any(secret in person.screen for secret in SECRETS.values())
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    written = dotenv_values(tmp_path / ".env")
    assert written == {**SECRETS, "RIVULET_DISCORD_GUILDS": GUILD, "RIVULET_DISCORD_CONTENT": "true"}
    assert tomllib.loads((tmp_path / "config.toml").read_text()) == {
        "defaults": {"caps": {"person_day": 3.5, "day": 20.0}, "who": {"contact": "@ann"}},
        "slack": {"who": {"guests": False, "admins": ["U1"]}},
    }
    code, out, err = await ran("check", cwd=tmp_path, env=where(world))
    assert (code, err) == (0, "")
    await permitted(world, tmp_path)
    code, out, err = await ran("doctor", "--json", cwd=tmp_path, env=where(world))
    told = json.loads(out)
    assert (code, err, told["ok"]) == (0, "", True)
    assert [each for each in told["findings"] if not each["ok"]] == []
    assert {each["about"] for each in told["findings"]} >= {"Claude", "Slack", "Discord", "Clock", "Ledger"}


async def test_the_same_goes_without_a_terminal(world, tmp_path):
    flags = [*FLAGS, *secret_files(tmp_path), "--slack-who-guests", "yes", "--defaults-caps-day", "50"]
    code, out, err = await ran("init", "--yes", *flags, cwd=tmp_path, env=where(world))
    assert (code, err) == (0, "")
    [called] = re.findall(r"Next:\n  (\S+) doctor\n  \1 run\n$", out)
    assert called == "rivulet" or os.access(called, os.X_OK)
    assert not any(secret in out for secret in SECRETS.values())
    said = tomllib.loads((tmp_path / "config.toml").read_text())
    assert said["slack"]["who"]["guests"] is True
    assert said["defaults"]["caps"] == {"person_day": 2.0, "day": 50.0}
    await permitted(world, tmp_path)
    code, out, _ = await ran("doctor", cwd=tmp_path, env=where(world))
    assert code == 0
    assert {line[:3] for line in out.splitlines()} == {"ok "}


async def test_secrets_may_come_from_the_environment(tmp_path):
    code, _, err = await ran("init", "--yes", "--platforms", "slack", cwd=tmp_path, env=SECRETS)
    assert (code, err) == (0, "")
    assert dotenv_values(tmp_path / ".env") == {
        name: value for name, value in SECRETS.items() if not name.startswith("DISCORD")
    }


async def test_a_secret_that_is_in_a_file_of_its_own_stays_there(tmp_path):
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(KEY)
    env = {"ANTHROPIC_API_KEY_FILE": "key", "RIVULET_WEB": "true"}
    code, _, err = await ran("init", "--yes", cwd=tmp_path, env=env)
    assert (code, err) == (0, "")
    assert dotenv_values(tmp_path / ".env") == {"RIVULET_WEB": "true"}


async def test_who_may_use_the_chat_page_gets_a_token_each(tmp_path):
    env = {"ANTHROPIC_API_KEY": KEY}
    flags = ("--platforms", "web", "--rivulet-web-tokens", "ann, bob")
    assert (await ran("init", "--yes", *flags, cwd=tmp_path, env=env))[0] == 0
    first = dotenv_values(tmp_path / ".env")
    pairs = dict(pair.split("=", 1) for pair in str(first["RIVULET_WEB_TOKENS"]).split(","))
    assert list(pairs) == ["ann", "bob"]
    assert pairs["ann"] != pairs["bob"]
    assert (await ran("init", "--yes", cwd=tmp_path, env={}))[0] == 0
    assert dotenv_values(tmp_path / ".env") == first


OLD = """\
# My bot.

export RIVULET_MODEL=claude-opus-5-5   # the big one
SLACK_BOT_TOKEN=xoxb-old
#SLACK_APP_TOKEN=xapp-old
MINE='two
SLACK_APP_TOKEN=words'
"""


async def test_what_else_is_in_both_files_stays_as_it_is(tmp_path):
    (tmp_path / ".env").write_text(OLD)
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "config.toml").write_text(
        '[defaults] # of all\nmodel = "claude-opus-5-5" # mine\n[defaults.caps]\nday = 5.0 # low\n'
    )
    flags = ("--platforms", "slack", "--defaults-caps-day", "7")
    env = {name: SECRETS[name] for name in ("ANTHROPIC_API_KEY", "SLACK_APP_TOKEN")}
    (tmp_path / "token").write_text(BOT)
    code, _, err = await ran(
        "init", "--yes", *flags, "--slack-bot-token-file", "token", cwd=tmp_path, env=env
    )
    assert (code, err) == (0, "")
    text = (tmp_path / ".env").read_text()
    assert text == OLD.replace("xoxb-old", BOT) + f"ANTHROPIC_API_KEY={KEY}\nSLACK_APP_TOKEN={APP}\n"
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    lines = (tmp_path / "config.toml").read_text().splitlines()
    assert lines[:4] == [
        "[defaults] # of all",
        'model = "claude-opus-5-5" # mine',
        "[defaults.caps]",
        "day = 7.0 # low",
    ]


async def test_what_is_set_already_is_kept_by_an_empty_answer_and_is_replaced_after_a_question_only(tmp_path):
    assert (await ran("init", "--yes", "--platforms", "slack", cwd=tmp_path, env=SECRETS))[0] == 0
    before = (tmp_path / ".env").read_text()
    person = Person(tmp_path, {})
    await person.answers("Which platforms?")
    for prompt in ("Key of the Claude API", "one person", "all may", "Whom people"):
        await person.answers(prompt)
    await person.answers("Bot User OAuth Token", "xoxb-new")
    for prompt in ("App-Level Token", "Who may use", "May guests", "Admins"):
        await person.answers(prompt)
    await person.answers("Replace SLACK_BOT_TOKEN?", "no")
    await person.sees("Nothing was written")
    assert await person.ends() == 130
    assert (tmp_path / ".env").read_text() == before


PROMPTS = (
    "Which platforms?",
    "Key of the Claude API",
    "one person",
    "all may",
    "Whom people",
    "Bot User OAuth Token",
    "App-Level Token",
)
ANSWERS = ("slack", KEY, "1", "2", "", BOT, APP)


@pytest.mark.parametrize("at", range(len(PROMPTS)))
@pytest.mark.parametrize("how", ["interrupts", "leaves"])
async def test_who_gives_up_at_any_prompt_leaves_nothing_behind(how, at, tmp_path):
    person = Person(tmp_path, {})
    for prompt, answer in zip(PROMPTS[:at], ANSWERS, strict=False):
        await person.answers(prompt, answer)
    await person.is_asked(PROMPTS[at])
    await getattr(person, how)()
    assert await person.ends() == 128 + signal.SIGINT
    assert person.screen.rstrip().endswith("Nothing was written.")
    assert TRACEBACK not in person.screen
    assert list(tmp_path.iterdir()) == []


def wrong(question: Question) -> Sequence[str]:
    """Values that *question* does not take."""
    if question.kind == "dollars":
        return ("two", "-1", "1e9", "1,5", "nan")
    if question.kind == "yes":
        return ("perhaps",)
    if question.takes is None:
        return ("a\x07b",)
    return ("x y", "\u2028") if question.secret else ("x y z!", "a;b")


CASES = [(question, value) for question in questions() for value in wrong(question)]


@pytest.mark.parametrize(("question", "value"), CASES, ids=[f"{q.setting} {v!r}" for q, v in CASES])
async def test_a_wrong_answer_is_one_line_that_names_the_setting_and_nothing_is_written(
    question, value, tmp_path, monkeypatch, capsys
):
    """In this process, since there are many."""
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith(("RIVULET", "SLACK", "DISCORD", "ANTHROPIC")):
            monkeypatch.delenv(name)
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    for setting in ("SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN"):
        if question.setting == "SLACK_SIGNING_SECRET":
            monkeypatch.delenv(setting, raising=False)
    (tmp_path / "secret").write_text(value)
    flag = [question.flag, "secret" if question.secret else value]
    monkeypatch.setattr(sys, "argv", ["rivulet", "init", "--yes", "--platforms", "slack,discord,web", *flag])
    from bot.run.cli import main  # noqa: PLC0415

    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(main)
    said = capsys.readouterr()
    assert ended.value.code == 78, said
    assert said.err.count("\n") == 1
    assert question.setting in said.err or question.flag in said.err
    assert not question.secret or value not in said.err
    assert not (tmp_path / ".env").exists()


SWAPPED = {
    "both of Slack's": (
        {"SLACK_BOT_TOKEN": APP, "SLACK_APP_TOKEN": BOT},
        "SLACK_BOT_TOKEN got an app-level token",
    ),
    "Slack's and Discord's": ({"SLACK_BOT_TOKEN": TOKEN}, "SLACK_BOT_TOKEN got a bot token of Discord"),
    "a user's": ({"SLACK_BOT_TOKEN": "xoxp-1"}, "SLACK_BOT_TOKEN got a user token of Slack (xoxp-…)"),
    "Claude's key": ({"SLACK_APP_TOKEN": KEY}, "SLACK_APP_TOKEN got a key of the Claude API"),
    "an admin key": (
        {"ANTHROPIC_API_KEY": "sk-ant-admin01-x"},
        "ANTHROPIC_API_KEY got an admin key of Anthropic",
    ),
    "a subscription's": ({"ANTHROPIC_API_KEY": "sk-ant-oat01-x"}, "got a token of a Claude subscription"),
    "a public key": ({"DISCORD_BOT_TOKEN": "ab" * 32}, "DISCORD_BOT_TOKEN got an application's public key"),
    "an application's id": ({"DISCORD_BOT_TOKEN": GUILD}, "DISCORD_BOT_TOKEN got an id of Discord"),
    "with Bot before it": (
        {"DISCORD_BOT_TOKEN": f"Bot {TOKEN}"},
        "DISCORD_BOT_TOKEN got a token with the word Bot",
    ),
    "half of one": ({"DISCORD_BOT_TOKEN": TOKEN[:40]}, "DISCORD_BOT_TOKEN got 40 characters of no shape"),
}


@pytest.mark.parametrize("flag", ["--anthropic-api-key-file", "--slack-bot-token-file"])
async def test_a_secret_in_place_of_the_name_of_its_file_is_not_repeated(flag, tmp_path):
    words = ("init", "--yes", "--platforms", "slack", flag, KEY)
    env = {} if "anthropic" in flag else {"ANTHROPIC_API_KEY": KEY}
    code, out, err = await ran(*words, cwd=tmp_path, env=env)
    assert (code, out) == (78, "")
    assert KEY not in err
    assert f"{flag} got a secret itself" in err


@pytest.mark.parametrize("case", SWAPPED)
async def test_a_secret_in_the_wrong_place_is_told_by_what_it_looks_like(case, tmp_path):
    given, line = SWAPPED[case]
    code, out, err = await ran(
        "init", "--yes", "--platforms", "slack,discord", cwd=tmp_path, env={**SECRETS, **given}
    )
    assert (code, out) == (78, "")
    assert line in err
    assert not any(value in err for value in given.values())
    assert list(tmp_path.iterdir()) == []


LACKING = {
    "no platform": ((), {"ANTHROPIC_API_KEY": KEY}, "--platforms is not given; it takes slack, discord, web"),
    "an unknown platform": (
        ("--platforms", "irc"),
        SECRETS,
        "--platforms got 'irc'; it takes slack, discord, web",
    ),
    "no key": (("--platforms", "web"), {}, "ANTHROPIC_API_KEY is empty; it takes a key of the Claude API"),
    "neither way into Slack": (
        ("--platforms", "slack"),
        {"ANTHROPIC_API_KEY": KEY, "SLACK_BOT_TOKEN": BOT},
        "Neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set",
    ),
    "no such file": (("--platforms", "web", "--anthropic-api-key-file", "none"), {}, "none can't be read"),
    "an address with a path": (
        ("--platforms", "web", "--rivulet-web-url", "https://a.example/chat"),
        SECRETS,
        "RIVULET_WEB_URL got 'https://a.example/chat'",
    ),
    "an open page for others": (
        ("--platforms", "web", "--rivulet-web-url", "https://a.example"),
        SECRETS,
        "RIVULET_WEB_TOKENS is not set",
    ),
}


@pytest.mark.parametrize("case", LACKING)
async def test_what_is_missing_is_one_line_and_nothing_is_written(case, tmp_path):
    flags, env, line = LACKING[case]
    code, out, err = await ran("init", "--yes", *flags, cwd=tmp_path, env=env)
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert line in err
    assert list(tmp_path.iterdir()) == []


async def test_without_a_terminal_and_yes_it_says_what_to_give(tmp_path):
    code, out, err = await ran("init", cwd=tmp_path, env={})
    assert (code, out) == (78, "")
    assert "give --yes" in err


HARMED = {
    "not TOML": ("x = [", "config.toml, line 1: this is no TOML"),
    "an inline table": (
        "defaults = { caps = { day = 1 } }",
        "[defaults.caps] is written in another way there",
    ),
    "a dotted key": ("[defaults]\ncaps.day = 1", "set person_day = 2.0 by hand"),
    "an array over lines": ("[slack.who]\nallow = [\n'U1',\n]", ""),
}


@pytest.mark.parametrize("case", HARMED)
async def test_a_config_file_that_can_not_be_merged_stays_and_so_does_the_other(case, tmp_path):
    text, line = HARMED[case]
    (tmp_path / "config.toml").write_text(text)
    flags = ("--slack-who-allow", "U2") if case.endswith("lines") else ()
    code, _, err = await ran("init", "--yes", "--platforms", "slack", *flags, cwd=tmp_path, env=SECRETS)
    assert (code, err.count("\n")) == (78, 1)
    assert line in err
    assert (tmp_path / "config.toml").read_text() == text
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("flag", "value", "line"),
    [
        ("--defaults-who-contact", "x" * 201, "defaults.who.contact is "),
        ("--defaults-who-contact", "@ann xoxb-1-2-abcdef", "a secret is there"),
        ("--defaults-caps-day", "1000001", "defaults.caps.day is 1000001.0; it takes dollars"),
        ("--slack-who-allow", "U" + "1" * 80, "slack.who.allow is "),
    ],
)
async def test_nothing_is_written_that_the_bot_would_not_take(flag, value, line, tmp_path):
    code, out, err = await ran(
        "init", "--yes", "--platforms", "Slack", flag, value, cwd=tmp_path, env=SECRETS
    )
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert line in err
    assert not [*tmp_path.iterdir()]


async def test_a_folder_that_is_to_have_the_config_file_gets_it(tmp_path):
    (tmp_path / "config").mkdir()
    env = {**SECRETS, "RIVULET_CONFIG": "config"}
    code, _, err = await ran("init", "--yes", "--platforms", "slack", cwd=tmp_path, env=env)
    assert (code, err) == (0, "")
    assert "day = 20.0" in (tmp_path / "config" / "config.toml").read_text()
    code, _, err = await ran("check", cwd=tmp_path, env={"RIVULET_CONFIG": "config"})
    assert (code, err) == (0, "")


async def test_an_env_file_that_is_another_file_is_one_line(tmp_path):
    (tmp_path / ".env").write_text("A=b\n" * 20_000)
    code, out, err = await ran("check", cwd=tmp_path, env=SECRETS)
    assert (code, out, err) == (78, "", "rivulet: .env is longer than 65,536 bytes.\n")


def test_what_is_no_end_of_a_line_in_toml_stays_inside_its_text():
    old = '[defaults]\nsystem = """one\u2028two\x85three"""\n'
    new = toml_text(old, {"defaults.caps.day": 5.0})
    assert new.startswith(old)
    assert tomllib.loads(new)["defaults"]["caps"]["day"] == 5.0


@pytest.mark.rule(20)
def test_there_is_an_option_for_every_question_and_none_takes_a_secret():
    help_ = arguments(adapters.setups(), general({})).format_help()
    for question in questions():
        assert f"{question.flag} {'FILE' if question.secret else ''}".strip() in help_
    assert len({question.flag for question in questions()}) == len(questions())


async def test_it_says_so_where_the_environment_wins_over_what_was_written(tmp_path):
    (tmp_path / "token").write_text("xoxb-new")
    flags = ("--platforms", "slack", "--slack-bot-token-file", "token")
    code, out, _ = await ran("init", "--yes", *flags, cwd=tmp_path, env=SECRETS)
    assert code == 0
    assert "SLACK_BOT_TOKEN: the environment says something else, and wins" in out
    assert "xoxb" not in out
