"""`rivulet init`: ask for what the bot needs, and write `.env` and `config.toml`.

Nothing is written before the last answer is there and all of them are good together.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from shutil import which
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from rich.console import Console

from bot.config import ENV, Settings, Table, explain
from bot.run.ask import Answers, Given, Terminal, arguments, settled
from bot.run.configured import ConfigFile
from bot.run.merging import PRIVATE, SHARED, at, env_text, put, read, toml_text
from bot.run.secrets import FILE, known
from bot.setup import Question, Setup, Shape, shapes_of
from bot.unavailable import Unavailable

KEY = Shape("a key of the Claude API (sk-ant-…)", r"sk-ant-(?!admin|oat)[\w-]+")
#: What else is copied from Anthropic's pages.
OTHERS = (
    Shape("an admin key of Anthropic, which answers nothing", r"sk-ant-admin[\w-]+"),
    Shape("a token of a Claude subscription, which the API does not take", r"sk-ant-oat[\w-]+"),
)
STEPS = ("Make a key at https://platform.claude.com/settings/keys, and copy it.",)
MONEY = (
    Question(
        "defaults.caps.person_day", "Dollars that one person may spend in a day", kind="dollars", default="2"
    ),
    Question("defaults.caps.day", "Dollars that all may spend in a day", kind="dollars", default="20"),
    Question("defaults.who.contact", "Whom people ask where the bot may not answer; empty for nobody"),
)
NEXT = """
Next:
  {0} doctor
  {0} run
"""

#: Returns what makes a platform with settings beside those that are set; see `adapters.find`.
Find = Callable[..., Any]
#: What `config.toml` may have tables for, by the platform.
Tables = Mapping[str, Mapping[str, Table]]


def general(set_: Mapping[str, str]) -> tuple[Question, ...]:
    """Return what is asked of every operator; a gateway's key may have any shape."""
    own = set_.get("ANTHROPIC_BASE_URL") in {None, "", Settings.model_fields["anthropic_base_url"].default}
    key = Question(
        "ANTHROPIC_API_KEY", "Key of the Claude API", KEY if own else None, secret=True, needed=True
    )
    return (key, *MONEY)


def init(setups: Sequence[Setup], find: Find, tables: Tables, words: Sequence[str]) -> int:
    """Set the bot up as the arguments *words* say, or as somebody at the terminal answers.

    Args:
        setups: How each platform is set up.
        find: Looks whether a platform's settings are complete.
        tables: What `config.toml` may have tables for.
        words: The command's options.

    Raises:
        Unavailable: An answer is missing or wrong, or a file can't be written.
        KeyboardInterrupt: Somebody gave up; nothing was written.
    """
    set_, settings = known(), Settings()
    config = ConfigFile(settings, tables)
    if config.path.exists():
        config.read()  # what is wrong already is not made worse
    asked = general(set_)
    options = arguments(setups, asked).parse_args(words)
    shapes = [*shapes_of(setups, asked), *OTHERS]
    if options.yes:
        return _set_up(setups, find, Given(options, shapes), set_, config)
    if not sys.stdin.isatty():
        raise Unavailable(
            "standard input is no terminal: give --yes, and what is needed by flags (see init --help)."
        )
    signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's would wait for the answer
    try:
        return _set_up(setups, find, Terminal(shapes, Console(highlight=False)), set_, config)
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\nNothing was written.\n")
        raise KeyboardInterrupt from None


def _set_up(
    setups: Sequence[Setup], find: Find, who: Answers, set_: Mapping[str, str], config: ConfigFile
) -> int:
    """Get the answers of *who*, look whether they are good together, and write them."""
    files = {ENV: read(ENV), config.path: read(config.path)}
    before = {
        **_keys(files[config.path], [*general(set_), *(q for one in setups for q in one.questions)]),
        **set_,
    }
    chosen = who.choose(setups, [one.name for one in setups if _is_set(one, before)])
    answers: dict[str, str] = {}
    for title, steps, questions in (
        ("Claude", STEPS, general(set_)),
        *((one.title, one.steps, one.questions) for one in chosen),
    ):
        who.begin(title, steps)
        for question in questions:
            if not settled(question, answers, before):
                answers[question.setting] = who.answer(question, before.get(question.setting, ""))
    for one in chosen:
        answers |= one.fixed
        _expect(one, find, {name: value for name, value in answers.items() if "." not in name and value})
    return _write(
        files, config, _new(answers, before), who, [*general(set_), *(q for o in chosen for q in o.questions)]
    )


def _is_set(setup: Setup, before: Mapping[str, str]) -> bool:
    """Return whether *setup* is done already, as far as one of its secrets, or what switches it on, tells."""
    names = [question.setting for question in setup.questions if question.secret]
    return any(before.get(name) for name in names) or any(
        before.get(name, "").lower() == value for name, value in setup.fixed.items()
    )


def _keys(text: str, questions: Sequence[Question]) -> dict[str, str]:
    """Return what the text of a `config.toml` answers, as an answer is written."""
    found = {q.setting: at(text, q.setting) for q in questions if q.is_file_key}
    return {setting: _word(value) for setting, value in found.items() if value is not None}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _new(answers: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the answers to write: not those without a value, nor what a file of its own holds."""
    wanted = {name: value for name, value in answers.items() if value or before.get(name)}
    return {name: value for name, value in wanted.items() if not before.get(f"{name}{FILE}")}


def _expect(setup: Setup, find: Find, answers: Mapping[str, str]) -> None:
    """Raise Unavailable if *setup* is not complete with *answers*."""
    try:
        made = find(setup.name, **answers)
    except ValidationError as error:
        raise Unavailable(explain(error)) from None
    if made is None:
        raise Unavailable(
            f"{setup.title} is not complete: {', '.join(q.setting for q in setup.questions if q.needed)}."
        )


def _write(
    files: Mapping[Path, str],
    config: ConfigFile,
    answers: Mapping[str, str],
    who: Answers,
    questions: Sequence[Question],
) -> int:
    """Write *answers* into both files, once what they replace may be replaced."""
    kinds = {question.setting: question for question in questions}
    settings = {name: value for name, value in answers.items() if "." not in name}
    keys = {name: _typed(kinds[name], value) for name, value in answers.items() if "." in name}
    texts = {ENV: env_text(files[ENV], settings), config.path: toml_text(files[config.path], keys)}
    config.expect_good(texts[config.path])
    if (changed := _changed(files, config.path, settings, keys)) and not who.confirm(changed):
        raise KeyboardInterrupt
    for path, text in texts.items():
        mode = PRIVATE if path == ENV else SHARED
        if text != files[path] or path == ENV:
            put(path, text, mode)
    wins = [name for name, value in settings.items() if os.environ.get(name, value) != value]
    told = (
        f"{', '.join(wins)}: the environment says something else, and wins; unset it there.\n" if wins else ""
    )
    sys.stdout.write(
        f"\n{ENV} (only you can read it) and {config.path} are written.\n{told}{NEXT.format(_command())}"
    )
    return 0


def _changed(
    files: Mapping[Path, str], config: Path, settings: Mapping[str, str], keys: Mapping[str, Any]
) -> list[str]:
    """Return the names of what is written in a file already, with another value."""
    written = dotenv_values(stream=StringIO(files[ENV]), interpolate=False)
    changed = [name for name, value in settings.items() if (written.get(name) or value) != value]
    return changed + [name for name, value in keys.items() if at(files[config], name) not in (None, value)]


def _typed(question: Question, value: str) -> Any:
    """Return *value* as `config.toml` has it."""
    match question.kind:
        case "yes":
            return value == "true"
        case "ids":
            return [part for part in value.split(",") if part]
        case "dollars":
            return float(value)
        case _:
            return value


def _command() -> str:
    """Return how this command is called: in a checkout by its path, unless the PATH leads there."""
    there = Path(sys.executable).with_name("rivulet")
    if which("rivulet") or not there.is_file():
        return "rivulet"
    return str(there.relative_to(Path.cwd()) if there.is_relative_to(Path.cwd()) else there)
