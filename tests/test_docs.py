"""The docs are true: settings, help, tree, commands and files that they name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bot.run import cli
from tests.bench import rig
from tests.settings_page import KINDS, PAGE, page

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_settings_page_is_what_the_code_makes_it():
    assert PAGE.read_text() == page(), "run .venv/bin/python -m tests.settings_page"


def test_the_example_env_file_names_every_setting():
    example = (ROOT / ".env.example").read_text()
    names = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert names == {str(field.validation_alias) for kind in KINDS for field in kind.model_fields.values()}


def test_the_help_in_the_readme_is_what_the_command_prints():
    printed = subprocess.run(
        [sys.executable, "-m", "bot", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", "PATH": ""},
    ).stdout
    commands = re.findall(r"^    (\w+) +(.+)$", printed, re.MULTILINE)
    assert len(commands) == len(cli.COMMANDS)
    for name, text in commands:
        assert f"| `rivulet {name}` | {text} |" in README


def test_the_tree_in_the_readme_exists():
    tree = re.search(r"```\n(bot/ .*?)```", README, re.DOTALL)
    assert tree
    folders: list[str] = []
    for line in tree[1].splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip(" "))) // 2
        folders[depth:] = [name]
        path = ROOT / "".join(folders)
        assert path.exists(), path


def test_every_module_of_the_top_folders_is_in_the_tree():
    tree = re.search(r"```\n(bot/ .*?)```", README, re.DOTALL)
    assert tree
    names = {
        path.name + "/" * path.is_dir()
        for folder in ("bot", "adapters")
        for path in (ROOT / folder).iterdir()
    }
    for name in names - {"__init__.py", "__main__.py", "__pycache__/"}:
        assert f" {name}" in tree[1], name


def test_every_make_target_and_file_that_the_docs_name_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for doc in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / doc).read_text()
        assert set(re.findall(r"make ([a-z][\w-]+)", text)) - {"sure"} <= targets
        for link in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
            assert (ROOT / link).exists(), link


def test_the_demo_is_set_up_with_what_the_bot_needs_alone_and_the_tests_with_more():
    for target, more in (
        ("demo", False),
        ("setup", False),
        ("test", True),
        ("lint", True),
        ("docs", True),
        ("bench-quick", True),
    ):
        done = subprocess.run(
            ["make", "-C", str(ROOT), "--dry-run", "--always-make", target],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        installed = set(re.findall(r"^awk .* (\S+\.lock)$", done, re.MULTILINE))
        assert installed == {"requirements.lock", *(["requirements-dev.lock"] if more else [])}


def test_nothing_says_to_install_the_package_from_pypi():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        assert "pip install rivulet" not in path.read_text()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.rule(29)
def test_the_lock_files_are_hashed_universal_and_name_no_registry(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "--index" not in text
    pins = re.findall(r"^([\w.\[\]-]+)==", text, re.MULTILINE)
    assert len(pins) > 20
    assert text.count("--hash=sha256:") >= len(pins)
    assert "audioop-lts" in text  # wanted on 3.13 only
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in wanted:
        base = re.split(r"[\[<>=]", requirement)[0].lower().replace("_", "-").replace(".", "-")
        assert base in pins


def test_the_readme_names_what_the_image_sets_for_the_allocator():
    settings = rig.allocator()
    assert settings
    page = (ROOT / "docs" / "running.md").read_text()
    assert all(f"{name}={value}" in page for name, value in settings.items())
