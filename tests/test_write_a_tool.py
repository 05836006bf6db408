"""The package in docs/write-a-tool.md, as it stands there."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.core import Core
from bot.guard.access import Access
from bot.model.rounds import RESULT, Rounds
from bot.model.script import Script
from bot.store import NOTE_TEXT, NOTES_HERE
from bot.store.memory import Memory
from bot.tools.box import BOX, offered
from bot.tools.files import PAGE
from bot.tools.search import READ
from tests.fakes import Sheet, ask

DOCS = Path(__file__).parent.parent / "docs"
DOC = (DOCS / "write-a-tool.md").read_text()
TOOLS = (DOCS / "tools.md").read_text()


def block(language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    return str(code)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Install the package as an installer would; return the name of its entry point."""
    project = tomllib.loads(block("toml"))["project"]
    [(name, leads)] = project["entry-points"]["rivulet.tools"].items()
    module = leads.partition(":")[0]
    (tmp_path / f"{module}.py").write_text(block("python"))
    folder = tmp_path / f"{module}-{project['version']}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (folder / "METADATA").write_text(metadata)
    (folder / "entry_points.txt").write_text(f"[rivulet.tools]\n{name} = {leads}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(module, None)


async def test_the_model_calls_it_for_who_asks_and_reads_what_is_refused(package):
    tools = offered([package])
    assert tools[0].described["strict"] is True
    calls = ({"tool": "roll", "input": {"sides": sides}} for sides in (2, 1))
    script = Script(*calls, {"tool": "roll", "input": {"sides": "some"}}, "Done.")
    sheet = Sheet()
    it = Core(Rounds(script), Memory(), Access(), tools=tools)
    await it.mention(ask(sheet))
    await it.running.all_done()
    results = [each for turn in script.requests[-1].turns for each in turn.blocks if "content" in each]
    assert re.fullmatch("ann rolled [12].", results[0]["content"])
    assert results[1]["content"] == "Dice have 2 to 100 sides."
    assert results[2]["content"].startswith("The input is not valid: sides")
    assert sheet.last.text == "Done."


def test_the_tool_has_ten_lines_beside_its_imports():
    lines = [
        line for line in block("python").splitlines() if line and not line.startswith(("import", "from"))
    ]
    assert len(lines) <= 10


def test_the_table_names_every_tool_in_the_box():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", TOOLS, re.MULTILINE)
    names = [name for row, _ in rows for name in re.findall(r"`(\w+)`", row)]
    assert names == list(BOX)
    for row, tools in rows[:-1]:
        assert re.findall(r"`(\w+)`", tools) == [each.name for each in offered(re.findall(r"`(\w+)`", row))]


def test_the_numbers_are_those_of_the_code():
    for number in (READ, PAGE, RESULT, NOTES_HERE, NOTE_TEXT):
        assert f"{number:,}" in TOOLS + DOC
