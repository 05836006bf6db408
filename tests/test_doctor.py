"""`rivulet doctor` and `rivulet purge` as processes, where not all is as it should be."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.emulators.claude import Claude as ClaudeEmulator
from adapters.emulators.discord import Discord as DiscordEmulator
from adapters.emulators.process import World
from adapters.emulators.slack import Slack as SlackEmulator
from adapters.emulators.slack.web_api import SCOPES
from bot.config import Settings
from bot.run.cli import _adapters
from bot.run.doctor import doctor
from bot.store.examine import BROKEN, NAME
from bot.store.sqlite import Sqlite
from tests.test_cli import TRACEBACK, good, ran
from tests.warm import spawned

#: Run first: rights count for this process too if it is root's, as in a container.
MERE = """
import contextlib, ctypes
with contextlib.suppress(AttributeError):
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
"""


def poked(statement: str) -> Callable[[Path], object]:
    def poke(folder: Path) -> None:
        with closing(sqlite3.connect(folder / NAME)) as db, db:
            db.execute(statement)

    return poke


def a_file(folder: Path) -> None:
    for path in [*folder.iterdir()]:
        path.unlink()
    folder.rmdir()
    folder.write_text("x")


def a_ledger_that_is_a_folder(folder: Path) -> None:
    (folder / NAME).unlink()
    (folder / NAME).mkdir()


#: What is done to the data folder, and what the one line about it says.
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "unreadable ledger": (lambda folder: (folder / NAME).chmod(0), f"{NAME} can't be read now ("),
    "unreadable folder": (lambda folder: folder.chmod(0), "it may not be read and written"),
    "folder for reading only": (lambda folder: folder.chmod(0o500), "it may not be read and written"),
    "a file where the folder should be": (a_file, "it is no folder"),
    "a folder where the ledger should be": (a_ledger_that_is_a_folder, f"{NAME} is moved aside at the next"),
    "a foreign schema": (poked("ALTER TABLE turns ADD COLUMN mood"), "its table turns has other columns"),
    "a version to come": (poked("PRAGMA user_version = 99"), "made by another Rivulet (version 99"),
    "no database": (lambda folder: (folder / NAME).write_bytes(b"no database, " * 999), "is moved aside at"),
    "half a ledger": (lambda folder: os.truncate(folder / NAME, 4096), "is moved aside at the next start"),
    "a ledger set aside": (lambda folder: (folder / f"{BROKEN}1").touch(), f"{BROKEN}1 could not be used"),
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with spawned() as world:
        yield world


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder with a ledger in it."""
    (folder := tmp_path / "data").mkdir(mode=0o700)
    store = Sqlite(folder)
    await store.open()
    await store.close()
    yield folder
    if folder.is_dir():
        folder.chmod(0o700)


@pytest.mark.parametrize("harm", HARM)
async def test_the_doctor_has_one_line_for_a_broken_ledger_and_says_that_the_bot_can_run(
    harm, world, folder, tmp_path
):
    do, line = HARM[harm]
    do(folder)
    env = {**good(world), "RIVULET_DATA": str(folder)}
    code, out, err = await ran("doctor", cwd=tmp_path, env=env, code=MERE)
    assert code == 0, out + err
    [told] = [each for each in out.splitlines() if "RIVULET_DATA" in each]
    assert told.startswith("hm ")
    assert line in told
    assert TRACEBACK not in out + err
    assert err == ""


@pytest.mark.parametrize("where", ["data/x", "data/x/y", "x" * 300])
async def test_the_doctor_says_of_a_folder_that_can_not_be_made_so(where, world, folder, tmp_path):
    a_file(folder)
    env = {**good(world), "RIVULET_DATA": str(tmp_path / where)}
    code, out, err = await ran("doctor", cwd=tmp_path, env=env)
    assert (code, err) == (0, "")
    assert out.count("RIVULET_DATA") == 1


async def test_the_doctor_says_nothing_of_a_ledger_that_is_well_or_is_to_be_made(world, folder, tmp_path):
    for where in (folder, tmp_path / "new" / "data"):
        code, out, err = await ran("doctor", cwd=tmp_path, env={**good(world), "RIVULET_DATA": str(where)})
        assert (code, err) == (0, "")
        assert "RIVULET_DATA" not in out
        assert "ok  Ledger: " in out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("harm", ["unreadable ledger", "unreadable folder", "a foreign schema"])
async def test_what_deletes_says_why_it_can_not(harm, folder, tmp_path):
    HARM[harm][0](folder)
    code, out, err = await ran("purge", cwd=tmp_path, env={"RIVULET_DATA": str(folder)}, code=MERE)
    assert TRACEBACK not in out + err
    assert (code, out) == (78, "")
    assert err.splitlines()[-1].startswith("rivulet: RIVULET_DATA: not deleted")


@dataclass(frozen=True, slots=True)
class Emulators:
    slack: SlackEmulator
    discord: DiscordEmulator
    claude: ClaudeEmulator


BOT, APP = "xoxb-hunter2", "xapp-hunter2"


def without(*scopes: str) -> Callable[[Emulators], Awaitable[object]]:
    left = ",".join(each for each in SCOPES.split(",") if each not in scopes)
    return lambda here: here.slack.scopes(scopes=left)


async def nothing(_here: Emulators) -> None:
    """Leave all as it is."""


def says(*lines: str) -> Callable[[Emulators], Awaitable[object]]:
    """Write `config.toml`."""

    async def write(_here: Emulators) -> None:
        Path("config.toml").write_text("\n".join(lines))  # noqa: ASYNC240  nothing else runs

    return write


#: What is wrong: settings, what is done to the world, the mark, and what the line says, with the step.
FAULTS: dict[str, tuple[dict[str, str], Callable[[Emulators], Awaitable[object]], str, str, str]] = {
    "swapped tokens": (
        {"SLACK_BOT_TOKEN": APP, "SLACK_APP_TOKEN": BOT},
        nothing,
        "bad Slack",
        "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped",
        "give each the other's value",
    ),
    "Discord's token in Slack's place": (
        {"SLACK_BOT_TOKEN": f"{'M' * 26}.{'G' * 6}.{'x' * 38}"},
        nothing,
        "bad Slack",
        "it takes a bot token of Slack (xoxb-…)",
        "OAuth & Permissions > Bot User OAuth Token",
    ),
    "a client secret as a token": (
        {"DISCORD_BOT_TOKEN": "x" * 32},
        nothing,
        "bad Discord",
        "DISCORD_BOT_TOKEN got a client secret of Discord",
        "Reset Token",
    ),
    "half of Slack": (
        {"SLACK_APP_TOKEN": ""},
        nothing,
        "bad Slack",
        "SLACK_APP_TOKEN is missing",
        "App-Level Tokens",
    ),
    "an app token that Slack refuses": (
        {},
        lambda here: here.slack.fault(method="apps.connections.open", error="not_allowed_token_type"),
        "bad Slack",
        "SLACK_APP_TOKEN",
        "connections:write",
    ),
    "a scope without which it can't answer": (
        {},
        without("chat:write"),
        "bad Slack",
        "the bot scope chat:write is missing (to answer)",
        "add chat:write at OAuth & Permissions, then reinstall the app",
    ),
    "a scope that it can do without": (
        {},
        without("files:read"),
        "hm  Slack",
        "the bot scope files:read is missing",
        "add files:read",
    ),
    "a server without the bot": (
        {"RIVULET_DISCORD_GUILDS": "100,1184000000000000100"},
        nothing,
        "hm  Discord",
        "the bot is not in the server 1184000000000000100",
        "invite it with https://discord.com/oauth2/authorize?client_id=999",
    ),
    "rights that are missing": (
        {"RIVULET_DISCORD_GUILDS": "555"},
        lambda here: here.discord.guild(id="555", permissions="3072", everyone="0"),
        "hm  Discord",
        "the bot lacks Send Messages in Threads (to answer in threads), Create Public Threads",
        "Server Settings > Roles",
    ),
    "too many rights": (
        {"RIVULET_DISCORD_GUILDS": "555"},
        lambda here: here.discord.guild(id="555", permissions="8"),
        "hm  Discord",
        "the bot is an administrator, which it need not be",
        "switch Administrator off",
    ),
    "no content intent": (
        {},
        lambda here: here.discord.allow_content(on=False),
        "bad Discord",
        "switch on Message Content Intent",
        "RIVULET_DISCORD_CONTENT=false",
    ),
    "few starts left": (
        {},
        lambda here: here.discord.starts(remaining=3, reset_after=7_200_000),
        "hm  Discord",
        "3 of the day's 1000 starts are left",
        "in 2.0 hours",
    ),
    "a dead key": (
        {"ANTHROPIC_API_KEY": "bad"},
        nothing,
        "bad Claude",
        "refuses ANTHROPIC_API_KEY",
        "make a new one",
    ),
    "a model without a price": (
        {"RIVULET_FALLBACK_MODEL": "claude-next"},
        nothing,
        "bad Settings",
        'there is no price of "claude-next"',
        'add [prices."claude-next"] to config.toml',
    ),
    "a setting with a typo": (
        {"RIVULET_MODLE": "claude-next"},
        nothing,
        "hm  Settings",
        "RIVULET_MODLE is no setting",
        "did you mean RIVULET_MODEL?",
    ),
    "nobody at Claude's": (
        {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"},
        nothing,
        "hm  Claude",
        "can't be reached",
        "see whether the network is up",
    ),
    "an admin's name in place of an id": (
        {},
        says("[slack.who]", 'admins = ["bob", "U1"]'),
        "hm  Settings",
        'slack.who.admins has "bob", which is no id of slack.',
        "copy the id again",
    ),
    "somebody of no platform": (
        {},
        says("[defaults.who]", 'deny = ["U1", "301", "bob"]'),
        "hm  Settings",
        'defaults.who.deny has "bob", which is no id of slack or discord.',
        "copy the id again",
    ),
    "an id of the other platform": (
        {},
        says("[discord.channels.200.who]", 'allow = ["U1"]'),
        "hm  Settings",
        'discord.channels.200.who.allow has "U1", which is no id of discord.',
        "copy the id again",
    ),
    "an admin whom Slack does not know": (
        {},
        says("[defaults.who]", 'admins = ["U1", "301"]', "[slack.channels.C1.who]", 'admins = ["U0GONE"]'),
        "hm  Slack",
        "nobody is U0GONE, whom the settings name as admin",
        "copy the id again",
    ),
    "admins whom Discord does not know": (
        {},
        says("[discord.who]", 'admins = ["301", "1184000000000000404", "1184000000000000405"]'),
        "hm  Discord",
        "nobody is 1184000000000000404, 1184000000000000405, whom",
        "copy the id again",
    ),
    "somebody without a token for the chat page": (
        {"RIVULET_WEB": "true", "RIVULET_WEB_TOKENS": f"ann={'t' * 32}"},
        says("[defaults.who]", 'admins = ["U1"]', "[web.who]", 'admins = ["ann", "carl"]'),
        "hm  Web",
        "nobody is carl, whom the settings name as admin",
        "copy the id again",
    ),
    "an unknown tool": (
        {"RIVULET_TOOLS": "dice"},
        nothing,
        "bad Tools",
        "there is no dice",
        "there are dates",
    ),
    "an image of another version": (
        {"IMAGE_VERSION": "0.0.9"},
        nothing,
        "hm  Rivulet",
        "the image is of another version",
        "docker compose build",
    ),
}


@pytest.fixture
async def here(tmp_path, monkeypatch) -> AsyncIterator[Emulators]:
    """The emulators in this process, where there are many faults to show; its settings are good."""
    there = Emulators(SlackEmulator(), DiscordEmulator(), ClaudeEmulator())
    emulators = (there.slack, there.discord, there.claude)
    for emulator in emulators:
        await emulator.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.run.doctor.logs.configure", lambda *_: None)  # the tests' own logging stays
    for name, value in good(there).items():
        monkeypatch.setenv(name, value)
    yield there
    for emulator in emulators:
        await emulator.stop()


async def examined(*, as_json: bool = False) -> bool:
    return await doctor(Settings(), _adapters(), as_json=as_json)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_doctor_has_one_line_with_the_step_for_each_fault(fault, here, monkeypatch, capsys):
    settings, do, mark, line, step = FAULTS[fault]
    await do(here)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert await examined() == (not mark.startswith("bad"))
    out, err = capsys.readouterr()
    bad = [each for each in out.splitlines() if not each.startswith("ok ")]
    told = [each for each in bad if each.startswith(f"{mark}: ") and line in each]
    assert len(told) == 1, out
    assert step in told[0]
    # The emulated API does not know a model without a price, either.
    assert len(bad) == 1 + (fault == "a model without a price"), out
    assert "hunter2" not in out
    assert err == ""


@pytest.mark.parametrize(("wrong", "line"), [(900, "900 s ahead of"), (-400, "400 s behind")])
async def test_the_doctor_says_of_a_clock_that_is_wrong_by_how_much(wrong, line, world, tmp_path):
    code = f"import time; real = time.time; time.time = lambda: real() + {wrong}"
    status, out, _ = await ran("doctor", cwd=tmp_path, env=good(world), code=code)
    [told] = [each for each in out.splitlines() if "Clock: " in each]
    said = int(told.split()[2])
    assert (status, told[:3]) == (0, "hm ")
    assert abs(said - abs(wrong)) <= 5
    assert line.split(maxsplit=1)[1] in told
    assert "timedatectl set-ntp true" in told


async def test_the_doctor_says_which_files_others_can_read(world, folder, tmp_path):
    (tmp_path / ".env").write_text("RIVULET_LOG=info\n")
    (tmp_path / ".env").chmod(0o644)
    folder.chmod(0o755)
    code, out, _ = await ran("doctor", cwd=tmp_path, env={**good(world), "RIVULET_DATA": str(folder)})
    assert code == 0
    for step in ("chmod 600 .env", f"chmod 700 {folder}"):
        assert sum(step in each for each in out.splitlines() if each.startswith("hm ")) == 1


async def test_the_doctor_tells_a_disk_that_is_nearly_full(world, tmp_path):
    code = (
        "import shutil, collections\n"
        "shutil.disk_usage = lambda path: collections.namedtuple('U', 'total used free')(1, 1, 9 * 2**20)"
    )
    status, out, _ = await ran("doctor", cwd=tmp_path, env=good(world), code=code)
    assert status == 0
    assert "hm  Ledger: RIVULET_DATA: 9 MB are free" in out


@pytest.mark.parametrize("settings", [{}, {"SLACK_BOT_TOKEN": APP, "SLACK_APP_TOKEN": BOT}])
async def test_the_doctor_says_all_of_it_as_json_too(settings, here, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert await examined(as_json=True) == (not settings)
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (not settings)
    for finding in told["findings"]:
        assert set(finding) == {"about", "text", "fix", "ok", "fatal"}
        assert bool(finding["fix"]) == (not finding["ok"])


async def test_with_no_platform_at_all_the_doctor_names_the_command_that_sets_one_up(
    here, monkeypatch, capsys
):
    for name in good(here):
        if "_TOKEN" in name:
            monkeypatch.delenv(name)
    assert not await examined()
    line = "bad Platforms: no platform has credentials (slack, discord, web); run `rivulet init`"
    assert line in capsys.readouterr().out


async def test_admins_whom_the_platforms_know_are_not_spoken_of_nor_who_they_may_be(here, capsys):
    role = here.discord._world.guilds["100"]["roles"][-1]["id"]
    people = f'admins = ["U1", "S0GROUP", "301", "{role}"]'
    await says("[defaults.who]", people, "[web.who]", 'allow = ["ann"]')(here)
    assert await examined()
    out, _ = capsys.readouterr()
    assert "nobody is" not in out
    assert "which is no id" not in out
    await here.slack.fault(method="users.info", error="internal_error", times=9)
    await says("[slack.who]", 'admins = ["U0GONE"]')(here)
    assert await examined()
    assert "nobody is" not in capsys.readouterr().out  # who could not be asked for may be there


async def test_who_looks_at_a_terminal_sees_a_table_that_fits_it_and_whose_links_can_be_followed(
    here, monkeypatch, capsys
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("RIVULET_DISCORD_GUILDS", "")
    assert await examined()
    out = capsys.readouterr().out
    shown = re.sub(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[\d;]*m", "", out)
    assert max(map(len, shown.splitlines())) <= 80
    assert "The bot can run; look at what is marked hm first." in shown
    assert re.search(r"\x1b\]8;[^;]*;https://discord\.com/oauth2/authorize\?\S*permissions=\d+\x1b", out)
