"""The file of MCP servers, and the document that explains it."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from bot.tools.mcp.limits import Limits
from bot.tools.mcp.servers import Servers
from bot.tools.mcp.settings import LONGEST, read
from bot.unavailable import Unavailable

DOC = (Path(__file__).parent.parent / "docs" / "mcp.md").read_text()


def written(tmp_path: Path, content) -> Path:
    path = tmp_path / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps({"mcpServers": content}))
    return path


def test_without_a_file_there_is_no_server():
    assert not read(None, {}).named


def test_values_are_taken_from_the_environment_wherever_they_stand(tmp_path):
    path = written(
        tmp_path,
        {
            "a": {"command": "${BIN:-run}", "args": ["--key=${KEY}", "$KEY"], "env": {"K": "${KEY}"}},
            "b": {"url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${KEY}"}},
        },
    )
    said = read(path, {"KEY": "s3cret", "HOST": "mcp.example"})
    a, b = said.named.values()
    assert (a.command, a.args, a.env) == ("run", ("--key=s3cret", "$KEY"), {"K": "s3cret"})
    assert (b.url, b.headers) == ("https://mcp.example/mcp", {"Authorization": "Bearer s3cret"})
    assert set(said.secrets) == {"s3cret", "mcp.example"}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("{", "is no JSON (line 1)"),
        ("[" * 100_000, "is no JSON"),
        ("[]", 'has no "mcpServers"'),
        ('{"mcpServers": []}', 'has no "mcpServers"'),
        (" " * (LONGEST + 1), "is longer than"),
        ({"a": 1}, "mcpServers.a: "),
        ({"a": {}}, "mcpServers.a: "),
        ({"a": {"command": "x", "url": "https://x"}}, "either a command or a url"),
        ({"a": {"command": "x", "args": "y"}}, "mcpServers.a.args: "),
        ({"a": {"command": "x", "args": [1]}}, "mcpServers.a.args.0: "),
        ({"a": {"command": "x", "env": {"A": 1}}}, "mcpServers.a.env.A: "),
        ({"a": {"command": "x", "disabled": True}}, "mcpServers.a.disabled: "),
        ({"a": {"command": "x", "ask": "perhaps"}}, "mcpServers.a.ask: "),
        ({"a": {"url": "ftp://x"}}, "mcpServers.a.url: "),
        ({"a": {"url": "https://x", "type": "sse"}}, "mcpServers.a.type: "),
        ({"a": {"command": "x", "env": {"T": "${TOKEN}"}}}, "mcpServers.a.env.T: TOKEN is not set"),
        ({str(number): {"command": "x"} for number in range(33)}, "more than 32 servers"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_key(tmp_path, content, line):
    path = written(tmp_path, content)
    with pytest.raises(Unavailable) as caught:
        read(path, {})
    assert line in str(caught.value)
    assert str(caught.value).startswith("RIVULET_MCP: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_value_is_in_no_message(tmp_path):
    path = written(tmp_path, {"a": {"url": "ftp://${KEY}", "headers": {"A": ["${KEY}"]}}})
    with pytest.raises(Unavailable) as caught:
        read(path, {"KEY": "s3cret"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"], ids=["missing", "utf-16"])
def test_a_file_that_can_not_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "mcp.json"
    if content:
        path.write_bytes(content)
    with pytest.raises(Unavailable, match=r"^RIVULET_MCP: .*(can't be read|is not UTF-8)"):
        read(path, {})


async def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    (tmp_path / "rooms.py").write_text(block("python"))
    said = read(written(tmp_path, block("json")), {"ROOMS_TOKEN": "t"})
    rooms = said.named["rooms"]
    here = {
        "command": sys.executable,
        "cwd": str(tmp_path),
        "env": {**rooms.env, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    }
    servers = Servers({"rooms": rooms.model_copy(update=here)}, Limits(first=30))
    try:
        found = await servers.examine()
        assert [f"ok  {text}" for ok, text in found if ok] == [block("text").strip()]
        assert [(tool.name, tool.asks) for tool in await servers.offered()] == [
            ("rooms__book", True),
            ("rooms__free", False),
        ]
    finally:
        await servers.close()


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", DOC, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]
