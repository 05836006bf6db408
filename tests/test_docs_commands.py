"""The commands in the README and in docs/ are run as they stand there, against the emulators."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import yaml

from adapters.emulators.process import World
from bot.run import cli
from tests.bench.__main__ import BENCHES
from tests.test_cli import good, ran
from tests.warm import spawned

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
#: Commands that are not run here, the file that runs or configures them, and what it says.
ELSEWHERE = {
    ".venv/bin/rivulet demo --check": ("Makefile", "rivulet demo --check"),
    ".venv/bin/rivulet init": ("tests/test_init.py", "comes_from_init_at_a_terminal"),
    ".venv/bin/pre-commit install": (".pre-commit-config.yaml", "ruff"),
    "python3 -m pip --python .venv/bin/python install ./rivulet-dice": (
        "tests/test_write_a_tool.py",
        '"write-a-tool.md"',
    ),
    "RIVULET_TOOLS=dice .venv/bin/rivulet doctor": ("tests/test_write_a_tool.py", '"write-a-tool.md"'),
}
#: Commands of `rivulet` that last until they are ended.
LASTING = {"run"}
SECONDS = 60


def commands(page: Path) -> list[str]:
    """Return the lines of the blocks of `sh` in *page*, without what is said about them."""
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for _, block in blocks for line in textwrap.dedent(block).splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def named(page: Path) -> list[str]:
    """Return what *page* has as code in a line."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


async def test_every_command_works_as_it_stands_there_after_those_before_it(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("tests", ".env.example"):
        (tmp_path / name).symlink_to(ROOT / name)
    every = dict.fromkeys(command for page in PAGES for command in commands(page))
    async with spawned() as world:
        env = {**good(world), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        for command in (each for each in every if each not in ELSEWHERE):
            first, *rest = shlex.split(command)
            if first == "make":
                planned(rest)
            elif first == "docker":
                composed(rest)
            else:
                await worked(command, tmp_path, env, world)


def planned(targets: list[str]) -> None:
    """Let make say how it would make *targets*."""
    subprocess.run(["make", "-C", str(ROOT), "--dry-run", *targets], capture_output=True, check=True)


def composed(words: list[str]) -> None:
    """Look whether what `docker compose` is told is in its file, and the bot has the command."""
    assert words[0] == "compose"
    does, *rest = [each for each in words[1:] if not each.startswith("-")]
    assert does in {"build", "up", "run", "exec", "logs", "down", "kill"}
    if does in {"run", "exec"}:
        service, command, *_ = rest
        assert service in COMPOSE["services"]
        assert command in cli.COMMANDS


async def worked(command: str, cwd: Path, env: dict[str, str], world: World) -> None:
    """Run *command*; one that lasts is ended once it is there."""
    ours = ".venv/bin/rivulet" in command
    program = command.replace(".venv/bin/rivulet", f"exec {sys.executable} -m bot")
    before = len(await world.slack.events(kinds=["connect"]))
    process = await asyncio.create_subprocess_shell(program, cwd=cwd, env=env, stdout=PIPE, stderr=PIPE)
    try:
        if any(f"rivulet {name}" in command for name in LASTING):
            async with asyncio.timeout(SECONDS):
                while len(await world.slack.events(kinds=["connect"])) == before:
                    assert process.returncode is None, command
                    await asyncio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command}\n{out.decode()}\n{err.decode()}"
    assert not ours or b"Traceback" not in out + err


def examples() -> list[tuple[str, str]]:
    """Return the examples of `config.toml`, each with its page."""
    return [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        if re.search(r"^\[(defaults|slack|discord|prices)\b", block, re.MULTILINE)
    ]


@pytest.mark.parametrize(("page", "example"), examples())
async def test_every_example_of_config_toml_is_good(page, example, tmp_path):
    (tmp_path / "config.toml").write_text(example)
    env = {"ANTHROPIC_API_KEY": "sk-test", "DISCORD_BOT_TOKEN": "test"}
    env |= {"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_APP_TOKEN": "xapp-test"}
    code, out, err = await ran("check", cwd=tmp_path, env=env)
    assert code == 0, out + err


def test_what_is_run_elsewhere_is_in_the_docs_and_there():
    every = {command for page in PAGES for command in commands(page)}
    assert set(ELSEWHERE) <= every
    for path, text in ELSEWHERE.values():
        assert text in (ROOT / path).read_text()


#: What `rivulet` says of each command that was asked for.
HELP: dict[tuple[str, ...], str] = {}


async def help_of(*words: str) -> str:
    """Return what `rivulet` says of a command."""
    if words not in HELP:
        code, HELP[words], _ = await ran(*words, "--help", cwd=ROOT, env={})
        assert code == 0
    return HELP[words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_the_commands_that_a_page_names_exist_with_their_options(page):
    for code in named(page):
        words = code.removeprefix(".venv/bin/").split()
        if words[0] == "rivulet" and len(words) > 1:
            assert words[1] in {*cli.COMMANDS, "--version"}, code
            given = [word for word in words[1:] if word.startswith("--")]
            before = words[1 : words.index(given[0])] if given else []
            for option in given:
                assert option in re.findall(r"--[\w-]+", await help_of(*before)), code
        if words[:2] == ["python", "-m"]:
            module, *rest = words[2:]
            assert importlib.util.find_spec(module), code
            if module == "tests.bench" and rest and rest[0] != "NAME":
                assert rest[0] in BENCHES, code


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_has_what_its_command_needs(name):
    bench = importlib.import_module(f"tests.bench.{name}")
    assert {"quick", "seed"} <= inspect.signature(bench.bench).parameters.keys()
    assert callable(bench.rows)
