"""Words that must stay where they belong: secrets in nothing that is written, what people say in no log.

The real bot runs in a process of its own, with all that it logs; every platform, Claude and files have their
faults meanwhile, and the answers of what fails repeat what was sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import aiohttp
import pytest

from adapters.emulators.process import World
from bot.run.stage import Stage, discord_stage, slack_stage, until
from bot.store import POSTS_KEPT, ROWS_KEPT, TEXT_KEPT
from bot.store.sqlite import Sqlite
from tests.test_cli import ROOT, _text, ended, good, ran, started
from tests.test_mcp import rogue
from tests.warm import spawned
from tests.web_world import Browser

#: What people and Claude say, and what files hold and are called: each a word that nothing else has.
SAID = {
    where: f"kestrel{number}{where}"
    for number, where in enumerate(
        ("question", "answer", "thread", "edit", "file", "name", "body", "error", "tool", "follow", "raw")
    )
}
#: What opens doors, in the shapes that they have.
SECRETS = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-Kestrel-Canary-Key-0001",
    "SLACK_BOT_TOKEN": "xoxb-1111111111-kestrelcanarybottoken",
    "SLACK_APP_TOKEN": "xapp-1-A1-2222222222-kestrelcanaryapptoken",
    "DISCORD_BOT_TOKEN": "MTkestrelcanarykestrelca.Gkestr.kestrelcanarykestrelcanarykes",
}
TALK = "abcdef12"
WEB = "kestrel-canary-web-token-0000000000"


def env(world: World, data: Path) -> dict[str, str]:
    key = data.parent / "key"
    key.write_text(SECRETS["ANTHROPIC_API_KEY"])
    key.chmod(0o600)
    settings = {**good(world), **SECRETS, "RIVULET_WEB": "true", "RIVULET_WEB_TOKENS": f"ann={WEB}"}
    del settings["ANTHROPIC_API_KEY"]
    return {
        **settings,
        "ANTHROPIC_API_KEY_FILE": str(key),
        "RIVULET_LOG": "debug",
        "RIVULET_DATA": str(data),
        "RIVULET_TOOLS": "dates,search,files,notes",
        "RIVULET_USER_PER_MINUTE": "0",
        "RIVULET_USER_PER_HOUR": "0",
        "RIVULET_USER_TURNS": "0",
    }


Fault = Callable[[Any], Awaitable[Any]]


def _slack(method: str, **more: Any) -> Fault:
    return lambda remote: remote.fault(method=method, **more)


def _discord(route: str, **more: Any) -> Fault:
    return lambda remote: remote.fault(route=route, **more)


def _drop(remote: Any) -> Awaitable[Any]:
    return cast("Awaitable[Any]", remote.drop())


#: What fails before each question; what is answered then has tokens of ours in it.  A platform's own sentence
#: about an error may be logged; what came from elsewhere, or can't be read, may not.
ECHO = f"No: {SECRETS['SLACK_BOT_TOKEN']} {SECRETS['DISCORD_BOT_TOKEN']}"
HTML = f"<html>{SAID['body']} {ECHO}"
NO_JSON = f"{{no json {SAID['body']} {ECHO}"
SLACK: Sequence[Fault] = (
    _slack("chat.postMessage", status=500, body=HTML),
    _slack("chat.postMessage", body={"ok": False, "error": "internal_error", "detail": ECHO}),
    _slack("chat.update", status=400, body={"ok": False, "response_metadata": {"messages": [ECHO]}}),
    _slack("chat.update", body=NO_JSON, apply=True),
    _slack("chat.update", drop=True),
    _slack("conversations.replies", status=500, body=HTML),
    _slack("users.info", times=2, status=500, body=HTML),
    _slack("reactions.add", times=2, status=500, body=HTML),
    _slack("link", status=500, body=HTML),
    _drop,
)
DISCORD: Sequence[Fault] = (
    _discord("POST messages", status=500, body=HTML),
    _discord("POST messages", status=400, body={"message": ECHO, "code": 50035, "errors": {"content": ECHO}}),
    _discord("PATCH messages", status=400, body={"message": ECHO, "code": 99999}),
    _discord("PATCH messages", status=200, body=NO_JSON, apply=True),
    _discord("PATCH messages", drop=True),
    _discord("GET message*", times=2, status=403, body={"message": ECHO, "code": 50001}),
    _discord("PUT *", times=2, status=500, body=HTML),
    _drop,
)
#: What Claude answers to a question with this word.
CLAUDE: Mapping[str, Sequence[Any]] = {
    "refused": [{"status": 400, "message": f"{SAID['error']} {SECRETS['ANTHROPIC_API_KEY']}"}],
    "busy": [{"status": 529, "message": SAID["error"], "times": 1}, SAID["answer"]],
    "garbled": [
        f"{SAID['answer']} ",
        {"raw": f"event: content_block_delta\ndata: {{oops {SAID['raw']}\n\n", "times": 1},
        {"end": True, "times": 1},
        "again",
    ],
    "page": [{"html": True, "times": 1}, "again"],
    "broken": [f"{SAID['answer']} ", {"error": "api_error", "times": 1}, "again"],
    "remember": [{"tool": "remember", "input": {"name": "a", "text": SAID["tool"]}}, SAID["answer"]],
    "wrongly": [{"tool": "remember", "input": {"name": 7, SAID["tool"]: SAID["tool"]}}, SAID["answer"]],
    "dates": [{"tool": "dates", "input": {"text": SAID["tool"]}}, SAID["answer"]],
    "hold": [f"{SAID['answer']} ", {"stall": True, "pings": True}],
}


async def played(world: World, stage: Stage, faults: Sequence[Fault], state: str) -> None:
    """Ask on *stage* whatever there is to ask, with every fault; *state* is where the bot's is."""
    remote = getattr(world, stage.name)
    taken = 0

    async def rests() -> bool:
        answers = json.loads(await told(state))["answers"]
        return answers.get("taken", 0) > taken and not answers["running"] + answers["waiting"]

    async def answered(question: str) -> str:
        # Not by what can be read there: who may not write any more tells the asker elsewhere.
        nonlocal taken
        await until(rests, 60)
        taken = json.loads(await told(state))["answers"]["taken"]
        return question

    with suppress(KeyError):
        taken = json.loads(await told(state))["answers"]["taken"]

    for fault in faults:
        await fault(remote)
        await answered(await stage.say(f"what is {SAID['question']}?"))
    for word in CLAUDE.keys() - {"hold"}:
        await answered(await stage.say(f"{word} {SAID['question']}"))
    spoil = _slack("download", status=500, body=HTML)
    await (spoil if stage.name == "slack" else _discord("GET attachments", body=HTML))(remote)
    files = {
        f"{SAID['name']}.txt": SAID["file"].encode(),
        f"{SAID['name']}.png": b"\x89PNG\r\n\x1a\n" + SAID["file"].encode(),
        f"{SAID['name']}.docx": b"PK\x03\x04" + SAID["file"].encode(),
    }
    for _ in range(2):
        question = await answered(await stage.say(f"read {SAID['question']}", files))
    await answered(await stage.follow(question, f"and {SAID['follow']}"))
    held = await stage.say(f"hold {SAID['question']}")
    await until(lambda: _text(stage, held, SAID["answer"]), 60)
    await stage.stop((await stage.answers(held))[-1][stage.id])
    await answered(held)


async def browsed(url: str) -> str:
    """Ask on the chat page, with the token and with a wrong one; return what can be read there."""
    ann, stranger = Browser(lambda: url, WEB), Browser(lambda: url, f"{WEB}x")
    try:
        assert await stranger.sign_in() != 303
        view = ann.open(TALK)
        for word in ("what is", "refused", "remember"):
            told = {"text": f"{word} {SAID['question']}", "id": uuid4().hex[:12]}
            status, _ = await ann.post(f"ask/{TALK}", told)
            assert status == 202

        async def quiet() -> bool:
            said = [*view.messages.values()]
            return len(said) >= 6 and not any(each.told.get("live") for each in said)

        await until(quiet, 60)
        return str([each.told for each in view.messages.values()])
    finally:
        await ann.close()
        await stranger.close()


@pytest.mark.rule(21)
@pytest.mark.rule(23)
async def test_no_secret_is_written_anywhere_and_nothing_that_was_said_into_a_log(
    tmp_path, unused_tcp_port_factory
):
    data, port, metrics = tmp_path / "data", unused_tcp_port_factory(), unused_tcp_port_factory()
    async with spawned() as world:
        for word, steps in CLAUDE.items():
            await world.claude.script(steps=steps, when=f"{word} {SAID['question']}")
        await world.claude.script(steps=[SAID["answer"]], when=f"what is {SAID['question']}")
        settings = env(world, data) | {"RIVULET_PORT": str(port), "RIVULET_METRICS": f"127.0.0.1:{metrics}"}
        async with started("run", cwd=tmp_path, env=settings) as bot:
            reading = asyncio.create_task(bot.communicate())
            try:
                page, shown = await seen(world, f"http://127.0.0.1:{port}", metrics)
                _, top, _ = await ran("top", "--once", cwd=tmp_path, env=settings)
                bot.send_signal(signal.SIGTERM)
                out, err = await asyncio.wait_for(reading, 30)
            except TimeoutError:
                bot.kill()
                print((await reading)[1].decode()[-6000:])
                raise
            finally:
                reading.cancel()
                await asyncio.wait([reading])
        chats = [json.dumps(await world.slack.channel_messages(channel="C1"))]
        chats.append(json.dumps(await world.discord.messages(channel="200")))
    log = (out + err).decode()
    ours = chats[0] + chats[1] + page
    assert bot.returncode == 0
    assert SAID["answer"] in chats[0]  # else nothing was tried
    assert SAID["answer"] in chats[1]
    assert SAID["answer"] in page
    assert '"level": "debug"' in log or '"level": "info"' in log
    assert 'rivulet_model_failures_total{kind="other"' in shown
    for secret in (*SECRETS.values(), WEB):
        for place, text in {"log": log, "state": shown + top, "chats": ours}.items():
            assert secret not in text, place
    for what, word in SAID.items():
        assert word not in log, [line for line in log.splitlines() if word in line][:3]
        assert word not in shown + top, what
    assert not re.search(r"Traceback|ticket=|Bearer ", log), log
    lines = [json.loads(line) for line in log.splitlines()]
    failed = [line for line in lines if line["event"] == "an answer failed"]
    assert failed
    assert all(line["question"].startswith(("slack/T1/", "discord/", "web/")) for line in failed)
    await expect_clean(data)


#: Slack's, of HTTP mode, and what an MCP server is given.
SIGNING, MCP_KEY = "4e57e1cana7y0000111122223333beef", "kestrel-canary-mcp-key-000000"
#: What that server does when it is called: it repeats what it is told, refuses, writes no JSON, dies.
CALLED = ("repeat", "nothing", "garbage", "die")


@pytest.mark.rule(21)
@pytest.mark.rule(23)
async def test_what_slack_posts_and_what_an_mcp_server_says_is_in_no_log(tmp_path, unused_tcp_port_factory):
    server = rogue("", *CALLED, log=tmp_path / "pids").model_dump(mode="json", exclude_defaults=True)
    server["env"]["KESTREL"] = "${KESTREL}"
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"s": server}}))
    data, port, metrics = tmp_path / "data", unused_tcp_port_factory(), unused_tcp_port_factory()
    url = f"http://127.0.0.1:{port}"
    async with spawned() as world, aiohttp.ClientSession() as session:
        for name in CALLED:
            call = {"tool": f"s__{name}", "input": {"text": f"{SAID['tool']} {MCP_KEY}"}}
            await world.claude.script(steps=[call, SAID["answer"]], when=f"{name} {SAID['question']}")
        settings = env(world, data) | {
            "SLACK_APP_TOKEN": "",
            "SLACK_SIGNING_SECRET": SIGNING,
            "DISCORD_BOT_TOKEN": "",
            "RIVULET_WEB": "false",
            "RIVULET_WEB_TOKENS": "",
            "RIVULET_PORT": str(port),
            "RIVULET_METRICS": f"127.0.0.1:{metrics}",
            "RIVULET_MCP": "mcp.json",
            "KESTREL": MCP_KEY,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        }
        async with started("run", cwd=tmp_path, env=settings) as bot:
            reading = asyncio.create_task(bot.communicate())

            async def listens() -> bool:
                with suppress(aiohttp.ClientError):
                    return bool(await world.slack.request_url(url=f"{url}/slack/events", secret=SIGNING))
                return False

            await until(listens, 60)
            stage = slack_stage(world)
            for name in CALLED:
                question = await stage.say(f"{name} {SAID['question']}")
                await until(partial(_text, stage, question, SAID["answer"]), 60)
            for body in (SAID["body"], f"payload={SAID['body']}", json.dumps({"event": SAID["body"]})):
                forged = {
                    "X-Slack-Signature": f"v0={SAID['body']}",
                    "X-Slack-Request-Timestamp": SAID["body"],
                }
                async with session.post(f"{url}/slack/events", data=body, headers=forged) as refused:
                    assert refused.status == 401
            state = await told(f"{url}/readyz", f"http://127.0.0.1:{metrics}/metrics")
            chat = json.dumps(await world.slack.channel_messages(channel="C1"))
            bot.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(reading, 30)
    log = (out + err).decode()
    assert bot.returncode == 0
    assert '"level": "debug"' in log or '"level": "info"' in log
    for word in (*SAID.values(), *SECRETS.values(), SIGNING, MCP_KEY):
        assert word not in log + state, [line for line in log.splitlines() if word in line][:3]
    assert "rivulet_answers_total" in state
    assert SIGNING not in chat
    await expect_clean(data, SIGNING, MCP_KEY)


async def seen(world: World, url: str, metrics: int) -> tuple[str, str]:
    """Play everything; return what stands on the chat page, and what the bot says of itself."""
    await until(lambda: world.slack.events(kinds=["connect"]), 30)
    await until(lambda: world.discord.events(kinds=["identify"]), 30)
    for stage, faults in ((slack_stage(world), SLACK), (discord_stage(world), DISCORD)):
        await played(world, stage, faults, f"{url}/readyz")
    return await browsed(url), await told(f"{url}/readyz", f"http://127.0.0.1:{metrics}/metrics")


async def told(*urls: str) -> str:
    """Return what all of these say."""
    async with aiohttp.ClientSession() as session:
        said = []
        for url in urls:
            async with session.get(url) as response:
                said.append(await response.text())
    return "".join(said)


async def expect_clean(data: Path, *more: str) -> None:
    """Expect no word of a question or an answer in *data* once their time is over, and a secret never."""

    def held() -> bytes:
        return b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())

    for secret in (*SECRETS.values(), WEB, *more):
        assert secret.encode() not in held()
    store = Sqlite(data)
    await store.open()
    await store.prune(time.time() + TEXT_KEPT + 60)
    for note in await store.notes():
        await store.erase(*note.key)  # notes stay until somebody deletes them
    await store.close()
    kept = held()
    found = [what for what, word in SAID.items() if word.encode() in kept]
    assert set(found) <= {"question", "answer"}  # of the chat page, whose messages are kept here
    store = Sqlite(data)
    await store.open()
    await store.prune(time.time() + max(POSTS_KEPT, ROWS_KEPT) + 60)
    await store.close()
    kept = held()
    assert not [what for what, word in SAID.items() if word.encode() in kept]


@pytest.mark.rule(23)
async def test_what_was_said_is_logged_where_the_operator_asks_for_it_and_secrets_are_not(tmp_path):
    async with spawned() as world:
        await world.claude.script(steps=[f"{SAID['answer']} {SECRETS['SLACK_BOT_TOKEN']}"])
        settings = env(world, tmp_path / "data") | {"RIVULET_LOG": "info"}
        async with started("run", "--debug-content", cwd=tmp_path, env=settings) as bot:
            stage = slack_stage(world)
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            question = await stage.say(f"what is {SAID['question']}")
            await until(partial(ended, stage, question), 60)
            bot.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(bot.communicate(), 30)
    log = (out + err).decode()
    lines = [json.loads(line) for line in log.splitlines()]
    [told] = [line for line in lines if line["event"] == "content"]
    assert SAID["question"] in told["asked"]
    assert told["answered"].startswith(SAID["answer"])
    assert told["question"].startswith("slack/T1/C1/")
    assert any("--debug-content" in line["event"] and line["level"] == "warning" for line in lines)
    assert not [secret for secret in SECRETS.values() if secret in log]
