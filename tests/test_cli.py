"""The command line as an operator meets it: in a process of its own, against the emulators in another."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.core.sayings import RESTART
from bot.run.stage import discord_stage, slack_stage, until
from tests.warm import Forked, forked, spawned

ROOT = Path(__file__).parent.parent
TRACEBACK = "Traceback (most recent call last)"


@asynccontextmanager
async def started(
    *words: str, cwd: Any, env: dict[str, str], code: str = "", cold: str = ""
) -> AsyncIterator[Process | Forked]:
    """Run the command, *code* first; *cold* is run before any import, in a process that Python starts."""
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    if not cold:
        async with forked("bot", *words, cwd=cwd, env={**clean, **env}, code=code) as process:
            yield process
        return
    program = f"{cold}\nfrom bot.run.cli import main\nmain()"
    alone = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *words),
        cwd=cwd,
        env={**clean, **env},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield alone
    finally:
        if alone.returncode is None:
            alone.kill()
        await alone.communicate()


async def ran(*words: str, cwd: Any, env: dict[str, str], **more: str) -> tuple[int, str, str]:
    """Run the command to its end, as `started` does; return its exit code and what it wrote."""
    async with started(*words, cwd=cwd, env=env, **more) as process:
        out, err = await asyncio.wait_for(process.communicate(), 180)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


def good(world: Any) -> dict[str, str]:
    """An environment in which everything is right."""
    return {
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": world.claude.url,
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_APP_TOKEN": "xapp-test",
        "SLACK_API_URL": f"{world.slack.url}/api/",
        "DISCORD_BOT_TOKEN": "test",
        "DISCORD_API_URL": f"{world.discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{world.discord.url.replace('http', 'ws', 1)}/gw/",
        "RIVULET_DISCORD_GUILDS": "100",
        "RIVULET_PORT": "0",
    }


MISTAKES = {
    "an unknown tool": (
        {"RIVULET_TOOLS": "dates,dice"},
        "RIVULET_TOOLS: there is no dice; there are dates, ",
    ),
    "no key": ({"ANTHROPIC_API_KEY": ""}, "ANTHROPIC_API_KEY is not set"),
    "a key in quotes of prose": ({"ANTHROPIC_API_KEY": "“sk-test”"}, "has characters that no key has"),
    "wrong key": ({"ANTHROPIC_API_KEY": "bad"}, "refuses ANTHROPIC_API_KEY"),
    "no platform": (
        {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": "", "DISCORD_BOT_TOKEN": ""},
        "There is no .env in /",
    ),
    "half of Slack": ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN is missing"),
    "not a port": ({"RIVULET_PORT": "http"}, 'RIVULET_PORT is "http"; it takes a whole number.'),
    "not an effort": ({"RIVULET_EFFORT": "huge"}, 'RIVULET_EFFORT is "huge"; it takes "default", "low", '),
    "no file of MCP servers": ({"RIVULET_MCP": "none.json"}, "RIVULET_MCP: none.json can't be read"),
    "wrong Discord token": (
        {"DISCORD_BOT_TOKEN": "bad", "SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""},
        "refuses DISCORD_BOT_TOKEN",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_in_the_settings_is_one_line_and_exit_78(mistake, tmp_path):
    async with spawned() as world:
        wrong, line = MISTAKES[mistake]
        code, out, err = await ran("run", cwd=tmp_path, env={**good(world), **wrong})
    own = [each for each in err.splitlines() if each.startswith("rivulet: ")]
    assert code == 78
    assert len(own) == 1
    assert line in own[0]
    assert TRACEBACK not in out + err


SDKS = ("anthropic", "slack_sdk", "slack_bolt", "discord", "mcp")
#: What else takes long to import.
SLOWER = (*SDKS, "aiohttp", "asyncio", "dotenv", "redis", "rich")
#: Says at the end of the process which of some names it has imported.
TELLING = """
import atexit, sys
atexit.register(lambda: sys.stdout.write(f"SDKs: {{[name for name in {} if name in sys.modules]}}"))
"""
TELL = TELLING.format(SDKS)
#: Lets an SDK take as long to import as there is no file of its name.
SLOW = """
import importlib.machinery, pathlib, sys, time
class Slow:
    def find_spec(name, path, target=None):
        if name not in ("anthropic", "slack_bolt"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def late(module):
            while not pathlib.Path(name).exists():
                time.sleep(0.05)
            run(module)
        spec.loader.exec_module = late
        return spec
sys.meta_path.insert(0, Slow)
"""


@pytest.mark.parametrize(
    "mistake",
    ["no key", "no platform", "half of Slack", "not a port", "not an effort"],
)
@pytest.mark.parametrize("command", ["run", "check"])
async def test_a_mistake_that_the_settings_show_is_said_before_anything_slow_is_imported(
    mistake, command, tmp_path
):
    env = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "DISCORD_BOT_TOKEN": "1"}
    wrong, line = MISTAKES[mistake]
    code, out, err = await ran(command, cwd=tmp_path, env={**env, **wrong}, cold=TELLING.format(SLOWER))
    assert (code, out) == (78, "SDKs: []")
    assert line in err


async def test_the_help_imports_no_sdk_and_a_command_without_a_name_prints_it(tmp_path):
    code, out, _ = await ran("--help", cwd=tmp_path, env={}, cold=TELL)
    assert (code, "SDKs: []" in out) == (0, True)
    assert await ran(cwd=tmp_path, env={}) == (2, out.removesuffix("SDKs: []"), "")


async def test_a_platform_that_is_not_configured_costs_no_import(tmp_path):
    async with spawned() as world:
        env = {**good(world), "SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": ""}
        _, out, _ = await ran("doctor", cwd=tmp_path, env=env, cold=TELL)
    assert out.endswith("SDKs: ['discord']")


async def test_run_says_that_it_lives_while_the_sdks_are_imported_and_ends_well_then(
    tmp_path, unused_tcp_port_factory
):
    url = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with spawned() as world, aiohttp.ClientSession() as session:
        env = {**good(world), "RIVULET_PORT": url.rpartition(":")[2]}
        async with started("run", cwd=tmp_path, env=env, cold=SLOW) as process:

            async def status(path: str) -> int:
                try:
                    async with session.get(url + path) as response:
                        return response.status
                except aiohttp.ClientError:
                    return 0

            await until(partial(status, "/healthz"), 60)
            answers = [await status(path) for path in ("/healthz", "/readyz", "/slack/events")]
            process.send_signal(signal.SIGTERM)
            (tmp_path / "slack_bolt").touch()
            _, err = await asyncio.wait_for(process.communicate(), 30)
    assert answers == [200, 503, 503]
    assert process.returncode == 0, err
    assert TRACEBACK.encode() not in err


async def test_a_claude_that_hangs_at_the_start_delays_no_platform(tmp_path):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with spawned() as world, server:
        env = {**good(world), "ANTHROPIC_BASE_URL": url}
        async with started("run", cwd=tmp_path, env=env) as process:
            stage = discord_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            asked = await stage.say("hello?")
            await until(lambda: stage.answers(asked), 60)
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert TRACEBACK.encode() not in err


@pytest.mark.rule(24)
async def test_a_key_from_a_file_is_taken_anew_on_a_hangup_and_a_token_needs_a_restart(tmp_path):
    """Even while Claude's SDK is imported, when a question is taken at once and answered then."""
    (tmp_path / "slack_bolt").touch()
    async with spawned() as world:
        for name, secret in {"key": "sk-old1\n", "token": "xoxb-test"}.items():
            (tmp_path / name).touch(0o600)
            (tmp_path / name).write_text(secret)
        files = {"ANTHROPIC_API_KEY_FILE": "key", "SLACK_BOT_TOKEN_FILE": "token"}
        env = {name: value for name, value in good(world).items() if f"{name}_FILE" not in files}
        async with started("run", cwd=tmp_path, env={**env, **files}, cold=SLOW) as process:
            stage = discord_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            await world.claude.configure(keys=["sk-new2"])
            (tmp_path / "key").write_text("sk-new2")
            (tmp_path / "token").write_text("xoxb-new")
            process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.5)
            asked = await stage.say("hello?")
            await until(lambda: stage.answers(asked), 60)
            assert not await world.claude.requests()
            (tmp_path / "anthropic").touch()
            await until(partial(ended, stage, asked), 60)
            [last] = await stage.answers(asked)
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 30)
    assert last["note"] == ""
    assert b"restart the bot" in err
    assert b"SLACK_BOT_TOKEN" in err
    assert b"new2" not in err
    assert b"xoxb-new" not in err


@pytest.mark.rule(24)
async def test_a_rotated_key_is_taken_on_a_hangup(tmp_path):
    """From `.env`, without a restart; the refusal of the old one is forgotten."""
    async with spawned() as world:
        env = good(world)
        del env["ANTHROPIC_API_KEY"]
        (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=sk-old1\n")
        async with started("run", cwd=tmp_path, env=env) as process:
            stage = discord_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            steps = (("sk-new1", ""), ("sk-old1", "set a new one"), ("sk-new2", ""))
            for key, wanted in steps:
                await world.claude.configure(keys=["sk-new1" if key == "sk-new1" else "sk-new2"])
                (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={key}\n")
                if key != "sk-new1":
                    process.send_signal(signal.SIGHUP)
                    await asyncio.sleep(0.5)
                asked = await stage.say("hello?")
                await until(partial(ended, stage, asked), 60)
                [last] = await stage.answers(asked)
                assert wanted in last["note"]
                assert bool(last["note"]) == bool(wanted)
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


@pytest.mark.rule(24)
async def test_a_key_that_was_rotated_is_read_by_all_who_are_refused_at_once(tmp_path):
    async with spawned() as world:
        env = good(world)
        del env["ANTHROPIC_API_KEY"]
        (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=sk-old1\n")
        async with started("run", cwd=tmp_path, env=env) as process:
            stage = discord_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            await until(partial(ended, stage, await stage.say("hello?")), 60)
            await world.claude.configure(keys=["sk-new2"])
            (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=sk-new2\n")
            asked = [(each, await each.say("hello again?")) for each in (stage, slack_stage(world))]
            answers = []
            for each, question in asked:
                await until(partial(ended, each, question), 60)
                answers += await each.answers(question)
            process.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(process.communicate(), 30)
    assert [answer["note"] for answer in answers] == ["", ""]
    assert (out + err).count(b"took a new API key") == 1


async def ended(stage, asked):
    """Whether what was asked is answered, to the end."""
    answers = await stage.answers(asked)
    return bool(answers) and not answers[-1]["live"]


async def test_a_wrong_slack_token_switches_slack_off_and_leaves_discord_up(tmp_path):
    async with spawned() as world:
        await world.slack.tokens(valid=["xoxb-other"])
        async with started("run", cwd=tmp_path, env=good(world)) as process:
            stage = discord_stage(world)
            await until(lambda: world.discord.events(kinds=["identify"]), 60)
            asked = await stage.say("hello?")
            await until(lambda: stage.answers(asked), 60)
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert b"refuses SLACK_BOT_TOKEN" in err
    assert TRACEBACK.encode() not in err


async def test_a_port_that_is_taken_is_said(tmp_path, unused_tcp_port_factory):
    port = unused_tcp_port_factory()
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    async with spawned() as world, server:
        code, _, err = await ran("run", cwd=tmp_path, env={**good(world), "RIVULET_PORT": str(port)})
    assert code == 78
    assert f"127.0.0.1:{port} cannot be used" in err


async def test_run_is_healthy_and_sigterm_ends_every_answer_with_a_last_edit(
    tmp_path, unused_tcp_port_factory
):
    port = unused_tcp_port_factory()
    async with spawned() as world, aiohttp.ClientSession() as session:
        await world.claude.script(steps=["Well, ", {"stall": True, "pings": True}])

        async def healthy() -> bool:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    states = (await response.json())["platforms"].values()
                    return response.status == 200 and {each["health"] for each in states} == {"up"}
            except aiohttp.ClientError:
                return False

        async with started("run", cwd=tmp_path, env={**good(world), "RIVULET_PORT": str(port)}) as process:
            await until(healthy, 30)
            shown = []
            for stage in (slack_stage(world), discord_stage(world)):
                asked = await stage.say("how long is the Lena?")
                await until(lambda: _text(stage, asked, "Well,"), 60)  # noqa: B023  awaited here
                shown.append((stage, asked))
            process.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(process.communicate(), 30)
            pages = [(await stage.answers(asked))[-1] for stage, asked in shown]
        states = {request["state"] for request in await world.claude.requests()}
    assert process.returncode == 0, err
    assert [(page["text"], page["note"], page["live"]) for page in pages] == [("Well,", RESTART, False)] * 2
    assert states == {"closed"}
    assert b"how long is the Lena" not in out + err
    assert b"xoxb-test" not in out + err


async def test_a_second_bot_on_the_same_data_is_refused_and_a_running_one_forgets(tmp_path):
    async with spawned() as world:
        await world.claude.script(steps=["Because."])
        async with started("run", cwd=tmp_path, env=good(world)) as process:
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            stage = slack_stage(world)
            asked = await stage.say("why?")
            await until(lambda: _text(stage, asked, "Because."), 60)
            code, _, err = await ran("run", cwd=tmp_path, env=good(world))
            assert (code, err.count("\n")) == (78, 1)
            assert f"another Rivulet (process {process.pid}) runs on data" in err
            assert await ran("forget", "U1", cwd=tmp_path, env={}) == (0, "1 question deleted.\n", "")
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert await ran("forget", "U1", cwd=tmp_path, env={}) == (0, "0 questions deleted.\n", "")
    code, out, err = await ran("forget", "ann", cwd=tmp_path, env={})
    assert (code, err) == (0, "")
    assert out.startswith("0 questions deleted.\nNothing is kept of ann, which looks like no id. Their id,")
    assert await ran("purge", cwd=tmp_path, env={}) == (0, "1 question deleted.\n", "")
    code, _, err = await ran("purge", cwd=tmp_path, env={"RIVULET_DATA": "nowhere"})
    assert code == 78
    assert err.startswith("rivulet: RIVULET_DATA: there is no folder nowhere: no bot has run here yet")


async def test_people_list_and_delete_notes_while_the_bot_runs_and_after_it_was_killed(tmp_path):
    note = {"tool": "remember", "input": {"name": "WiFi", "text": "river\n7"}}
    async with spawned() as world:
        await world.claude.script(steps=[note], when="remember")
        env = {**good(world), "RIVULET_TOOLS": "notes, dates"}
        async with started("run", cwd=tmp_path, env=env) as process:
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            await slack_stage(world).say("remember the wifi")

            async def listed() -> str:
                _, out, _ = await ran("notes", cwd=tmp_path, env={})
                return out

            out = await until(listed, 60)
            assert out.startswith("wifi  (slack C1, by ann, U1, 2")
            assert out.endswith(")\n    river\n    7\n")
            process.kill()
    assert await ran("notes", cwd=tmp_path, env={}) == (0, out, "")
    assert await ran("notes", "--channel", "C2", cwd=tmp_path, env={}) == (0, "", "")
    assert await ran("notes", "--forget", "WIFI", cwd=tmp_path, env={}) == (0, "1 note deleted.\n", "")
    assert await ran("notes", cwd=tmp_path, env={}) == (0, "", "")


async def test_ratings_are_counted_and_listed_while_the_bot_runs_and_afterwards(tmp_path):
    columns = "question,time,platform,channel,asker,rater,rating,model\n"
    async with spawned() as world:
        await world.claude.script(steps=["Because."])
        async with started("run", cwd=tmp_path, env=good(world)) as process:
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            stage = slack_stage(world)
            asked = await stage.say("why?")
            await until(lambda: _text(stage, asked, "Because."), 60)
            none = (
                "Nobody has rated an answer in the last 90 days; people do it with a thumb as a reaction.\n"
            )
            assert await ran("feedback", cwd=tmp_path, env={}) == (0, none, "")
            assert await ran("feedback", "--csv", cwd=tmp_path, env={}) == (0, columns, "")
            [answer] = [
                page
                for page in await world.slack.thread(channel="C1", thread_ts=asked)
                if page["user"] == "UBOT"
            ]
            react = partial(world.slack.react, channel="C1", ts=answer["ts"])
            await react(user="U2", reaction="+1")
            await react(user="U1", reaction="-1::skin-tone-3")
            await until(lambda: _rated(tmp_path, 2), 40)
            listed = await ran("feedback", "--csv", cwd=tmp_path, env={})
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), 30)
    code, out, err = listed
    head, *lines = out.splitlines(keepends=True)
    assert (code, head, err) == (0, columns, "")
    found = [line.rstrip("\n").split(",") for line in lines]
    assert sorted(fields[2:] for fields in found) == [
        ["slack", "C1", "U1", "U1", "bad", "claude-sonnet-5-5"],
        ["slack", "C1", "U1", "U2", "good", "claude-sonnet-5-5"],
    ]
    assert {fields[0] for fields in found} == {f"slack/T1/C1/{asked}"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", fields[1]) for fields in found)
    assert await ran("feedback", "--csv", cwd=tmp_path, env={}) == listed
    summary = "Ratings of the last 90 days:\nslack C1: 1 up, 1 down\n"
    assert await ran("feedback", cwd=tmp_path, env={}) == (0, summary, "")
    assert await ran("forget", "U2", cwd=tmp_path, env={}) == (0, "0 questions deleted.\n", "")
    assert "U2" not in (await ran("feedback", "--csv", cwd=tmp_path, env={}))[1]
    code, _, err = await ran("feedback", cwd=tmp_path, env={"RIVULET_DATA": "nowhere"})
    assert code == 78
    assert err.startswith("rivulet: RIVULET_DATA: there is no folder nowhere: no bot has run here yet")


async def _rated(folder: Path, count: int) -> bool:
    _, out, _ = await ran("feedback", "--csv", cwd=folder, env={})
    return out.count("\n") == count + 1


async def test_a_second_signal_ends_at_once(tmp_path):
    async with spawned() as world:
        await world.claude.script(steps=["Well, ", {"stall": True, "pings": True}])
        await world.slack.latency(method="chat.update", seconds=20.0)
        async with started("run", cwd=tmp_path, env=good(world)) as process:
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            stage = slack_stage(world)
            asked = await stage.say("why?")
            await until(lambda: stage.answers(asked), 60)
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert process.returncode is None
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 2) == 143


async def _text(stage, asked, text):
    pages = await stage.answers(asked)
    return pages and pages[-1]["text"] == text


async def test_the_doctor_says_what_is_right_and_what_to_do(tmp_path):
    async with spawned() as world:
        code, out, _ = await ran("doctor", cwd=tmp_path, env={**good(world), "RIVULET_DISCORD_GUILDS": ""})
        assert code == 0
        assert "Claude: claude-sonnet-5-5" in out
        assert "bot UBOT in workspace T1" in out
        assert "permissions=" in out
        assert "RIVULET_DISCORD_GUILDS" in out
        code, out, err = await ran("doctor", cwd=tmp_path, env={**good(world), "DISCORD_BOT_TOKEN": "bad"})
        assert code == 78
        assert "bad Discord: Discord refuses DISCORD_BOT_TOKEN" in out
        assert TRACEBACK not in out + err


BREAKS = {
    "the stop": """
from bot.core.core import Core
from bot.platform import Outcome
async def deaf(self, stop): return Outcome.UNKNOWN
Core.stop = deaf
""",
    "the final edit": """
import adapters.slack.surface, adapters.discord.surface
from bot.platform import Receipt
for surface in (adapters.slack.surface.SlackSurface, adapters.discord.surface.DiscordSurface):
    def forgetful(edit):
        async def send(self, message, page):
            return await edit(self, message, page) if page.live else Receipt(message)
        return send
    surface.edit = forgetful(surface.edit)
""",
    "the nonce": """
import adapters.discord.surface
post = adapters.discord.surface.DiscordSurface.post
async def wordy(self, page, nonce): return await post(self, page, nonce + "and more")
adapters.discord.surface.DiscordSurface.post = wordy
""",
}


#: The scene that sees all of these; that the others find nothing broken, `.ci/run` looks after.
ONE_SCENE = """
import bot.run.scenes, bot.run.stage
bot.run.stage.PATIENCE = 5.0
bot.run.scenes.SCENES = [bot.run.scenes._stopped]
"""


@pytest.mark.parametrize("broken", BREAKS)
async def test_the_demo_sees_it_when_something_is_broken(broken, tmp_path):
    status, out, _ = await ran("demo", "--check", cwd=tmp_path, env={}, cold=ONE_SCENE + BREAKS[broken])
    assert status == 1
    assert "BAD  discord stopped" in out
    assert "BAD  slack stopped" in out or broken == "the nonce"  # which is Discord's


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("ANTHROPIC_API_KEY=x\n".encode("utf-16"), 78, ".env is not UTF-8: save it as UTF-8"),
        (b"\xef\xbb\xbfRIVULET_LOG=loud\n", 78, '.env, line 1: RIVULET_LOG is "loud"; it takes "debug", '),
        (b"A=1\r\n\r\nANTHROPIC_API_KEY sk-secret\nB=2", 78, ".env, line 3 is no setting: write NAME=value"),
        (b"# a key\nANTHROPIC_API_KEY='sk-secret\n", 78, ".env, line 2 is no setting"),
    ],
    ids=["UTF-16", "with a mark", "no sign", "no second quote"],
)
async def test_an_env_file_is_read_or_refused_in_one_line(content, code, line, tmp_path):
    (tmp_path / ".env").write_bytes(content)
    got, out, err = await ran("doctor", cwd=tmp_path, env={})
    assert got == code
    assert line in err
    assert err.count("\n") == 1
    assert "secret" not in err
    assert TRACEBACK not in out + err


async def test_a_setting_in_dot_env_counts_and_the_environment_wins(tmp_path):
    (tmp_path / ".env").write_text("RIVULET_MODEL=claude-from-file\nANTHROPIC_API_KEY=sk-file\n")
    async with spawned() as world:
        env = {key: value for key, value in good(world).items() if key != "ANTHROPIC_API_KEY"}
        _, *told = await ran("doctor", cwd=tmp_path, env=env)
        assert "claude-from-file" in "".join(told)
        _, *told = await ran("doctor", cwd=tmp_path, env={**env, "RIVULET_MODEL": "claude-from-env"})
        assert "claude-from-env" in "".join(told)
