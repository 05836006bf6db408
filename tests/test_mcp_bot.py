"""The whole bot with an MCP server: it ends with the bot, and the doctor looks at it."""

from __future__ import annotations

import json
import os
import signal
import sys

import aiohttp
import pytest

from bot.run.stage import Stage, slack_stage
from tests import test_cli, test_mcp
from tests.test_mcp import alive, pids, until
from tests.warm import spawned


def env(tmp_path, world, way: str = "") -> dict[str, str]:
    server = test_mcp.rogue(way, "other", log=tmp_path / "log")
    (tmp_path / "log").touch()
    (tmp_path / "mcp.json").write_text(
        json.dumps({"mcpServers": {"s": server.model_dump(mode="json", exclude_defaults=True)}})
    )
    path = os.pathsep.join([str(test_cli.ROOT), *filter(None, sys.path)])
    return {**test_cli.good(world), "RIVULET_MCP": "mcp.json", "PYTHONPATH": path}


async def test_the_doctor_says_which_tools_a_server_has(tmp_path):
    async with spawned() as world:
        _, out, _ = await test_cli.ran("doctor", cwd=tmp_path, env=env(tmp_path, world))
    assert "ok  MCP s: 1 tools, 1 of them only read" in out
    assert not any(map(alive, pids(tmp_path / "log")))


@pytest.mark.parametrize(
    ("way", "number"),
    [("", signal.SIGTERM), ("stubborn", signal.SIGTERM), ("", signal.SIGKILL)],
    ids=["asked", "asked-stubborn", "killed"],
)
async def test_a_server_ends_with_the_bot(tmp_path, way, number, unused_tcp_port):
    async def up() -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{unused_tcp_port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async with spawned() as world, aiohttp.ClientSession() as session:
        await world.claude.script(steps=[{"tool": "s__other", "input": {}}, "There."])
        here = {**env(tmp_path, world, way), "RIVULET_PORT": str(unused_tcp_port)}
        async with test_cli.started("run", cwd=tmp_path, env=here) as bot:
            stage = slack_stage(world)
            await until(up)
            question = await stage.say("go on")
            await until(lambda: pids(tmp_path / "log"))
            [pid] = pids(tmp_path / "log")
            await until(lambda: said(stage, question, "There."))
            assert alive(pid)
            bot.send_signal(number)
            _, err = await bot.communicate()
            await until(lambda: not alive(pid), 3)
    assert bot.returncode == (0 if number == signal.SIGTERM else -number), err
    assert test_cli.TRACEBACK.encode() not in err


async def said(stage: Stage, question: str, text: str) -> bool:
    return any(message["text"] == text and not message["live"] for message in await stage.answers(question))
