"""What commands read and write: any bytes as arguments, any terminal, readers who go."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.test_cli import ROOT, TRACEBACK, ran

STRAY = os.fsdecode(b"\xff\xfe")
#: Lets Python itself start the process: what is tested is what it reads and how it writes.
COLD = "pass"


@pytest.mark.parametrize(
    "words", [("forget", STRAY), ("backup", STRAY), ("manifest", "slack", "--http", STRAY)]
)
async def test_an_argument_that_is_no_text_is_named_in_one_line(words, tmp_path):
    (tmp_path / "data").mkdir()
    code, out, err = await ran(*words, cwd=tmp_path, env={}, cold=COLD)
    assert code == 2
    assert "is not UTF-8" in err
    assert TRACEBACK not in out + err


async def test_a_setting_that_is_no_text_is_named_in_one_line(tmp_path):
    code, out, err = await ran("check", cwd=tmp_path, env={"RIVULET_SYSTEM": STRAY}, cold=COLD)
    assert (code, out, err) == (78, "", "rivulet: RIVULET_SYSTEM is not UTF-8: set it anew.\n")


async def test_a_terminal_without_letters_for_it_is_shown_the_help(tmp_path):
    code, out, err = await ran("init", "--help", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"}, cold=COLD)
    assert (code, err) == (0, "")
    assert "\\u2026" in out


@pytest.mark.parametrize("command", ["check --schema", "manifest slack", "init --help", "--help"])
async def test_a_command_ends_quietly_when_nobody_reads_it_any_more(command, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, err = await _into(writer, command, tmp_path)
    finally:
        os.close(writer)
    assert (code, err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("command", ["check --schema", "manifest slack"])
async def test_a_full_disk_behind_standard_output_is_one_line(command, tmp_path):
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        code, err = await _into(full, command, tmp_path)
    finally:
        os.close(full)
    assert code == 74
    assert err == "rivulet: standard output can't be written (No space left on device).\n"


CLOSED = "rivulet: standard output can't be written (Bad file descriptor).\n"


@pytest.mark.parametrize(
    ("closed", "command", "code", "said"),
    [
        (">&-", "check --schema", 74, CLOSED),
        (">&- <&-", "manifest slack", 74, CLOSED),
        ("2>&-", "check --schema", 0, ""),
        ("2>&- >&- <&-", "check --schema", 74, ""),
        ("<&-", "init", 78, "rivulet: "),
    ],
)
async def test_a_stream_that_is_closed_is_no_traceback_and_what_should_be_written_there_is_missed(
    closed, command, code, said, tmp_path
):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    line = f'exec "$0" -m bot {command} {closed}'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", line, sys.executable, cwd=tmp_path, env=env, stdout=PIPE, stderr=PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code
    assert err.decode().startswith(said)
    assert err.count(b"\n") == bool(said)
    assert TRACEBACK not in err.decode()


async def _into(out, command, cwd):
    """Run *command* with the descriptor *out* for its output; return its exit code and what else it said."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *command.split(), cwd=cwd, env=env, stdout=out, stderr=PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, err.decode()
