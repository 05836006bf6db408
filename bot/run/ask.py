"""Where `rivulet init` gets its answers: from a person at the terminal, or from flags and the environment."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from bot.setup import Question, Setup, Shape, fault
from bot.unavailable import Unavailable

#: Bytes of a file with a secret at most; a larger one is another file.
LARGEST = 4096
YES = {
    **dict.fromkeys(("y", "yes", "t", "true", "on", "1"), "yes"),
    **dict.fromkeys(("n", "no", "f", "false", "off", "0"), "no"),
}


class Answers(Protocol):
    """Who answers."""

    def choose(self, setups: Sequence[Setup], before: Collection[str]) -> list[Setup]:
        """Return which of *setups* to set up; *before*: the names of those that are."""
        ...

    def begin(self, title: str, steps: Sequence[str]) -> None:
        """Show what a person does before the questions that come."""

    def answer(self, question: Question, known: str) -> str:
        """Return the answer to *question*, "" for none; *known* is what is set already.

        Raises:
            Unavailable: There is no good one.
        """
        ...

    def confirm(self, changed: Sequence[str]) -> bool:
        """Return whether the values of the settings *changed* may be replaced."""
        ...


class Terminal:
    """A person at a terminal.

    Args:
        shapes: What pasted values may be by mistake.
        console: Where questions are shown.
    """

    def __init__(self, shapes: Sequence[Shape], console: Console) -> None:
        self._shapes = shapes
        self._console = console

    def choose(self, setups: Sequence[Setup], before: Collection[str]) -> list[Setup]:
        """See `Answers.choose`."""
        names = {setup.name: setup for setup in setups}
        usual = ",".join(name for name in names if name in before)
        while True:
            said = self._read(f"Which platforms? {', '.join(names)}, with commas between", usual) or usual
            wanted = [name.strip().lower() for name in said.split(",") if name.strip()]
            if wanted and not (unknown := [name for name in wanted if name not in names]):
                return [names[name] for name in dict.fromkeys(wanted)]
            self._say(f"There is no platform {', '.join(unknown)}." if wanted else "Name one at least.")

    def begin(self, title: str, steps: Sequence[str]) -> None:
        """See `Answers.begin`."""
        self._console.print(f"\n[bold]{escape(title)}[/]")
        for number, step in enumerate(steps, 1):
            # A link that is wrapped can't be copied.
            self._console.print(f"  {number}. {escape(step)}", soft_wrap=True)

    def answer(self, question: Question, known: str) -> str:
        """See `Answers.answer`."""
        if known and (why := _trouble(question, known, self._shapes)):
            self._say(f"{why}.")
            known = ""
        while True:
            said = (
                self._read(question.ask, _shown(question, known), hidden=question.secret).strip().strip("\"'")
            )
            if not said and known:
                return known
            value = _meant(question, said or question.default)
            if not (why := fault(question, value, self._shapes)):
                return question.made(value) if value else ""
            self._say(f"{why}.")

    def confirm(self, changed: Sequence[str]) -> bool:
        """See `Answers.confirm`."""
        return (
            YES.get(self._read(f"Replace {', '.join(changed)}? yes or no", "yes").lower() or "yes") == "yes"
        )

    def _read(self, ask: str, shown: str, *, hidden: bool = False) -> str:
        text = f"{escape(ask)}{f' [dim]({escape(shown)})[/]' if shown else ''}: "
        return self._console.input(text, password=hidden).strip()

    def _say(self, line: str) -> None:
        self._console.print(f"  [red]{escape(line)}[/]", soft_wrap=True)


def _shown(question: Question, known: str) -> str:
    """Return what an empty answer means; of a secret only that it is kept."""
    if known:
        return "set already; Enter keeps it" if question.secret else known
    return question.default


class Given:
    """Flags and what is set already; nobody is asked.

    Args:
        options: As `arguments` has read them.
        shapes: What values may be by mistake.
    """

    def __init__(self, options: argparse.Namespace, shapes: Sequence[Shape]) -> None:
        self._options = options
        self._shapes = shapes

    def choose(self, setups: Sequence[Setup], before: Collection[str]) -> list[Setup]:
        """See `Answers.choose`; without `--platforms`, those with a setting that is given or set already."""
        names = {setup.name: setup for setup in setups}
        said = self._options.platforms
        if said is None:
            given = [one for one in setups if one.name in before or any(map(self._given, one.questions))]
            if not given:
                raise Unavailable(
                    f"--platforms is not given; it takes {', '.join(names)}, with commas between."
                )
            return given
        wanted = [name.strip().lower() for name in said.split(",") if name.strip()]
        if not wanted or (set(wanted) - set(names)):
            raise Unavailable(f"--platforms got {said!r}; it takes {', '.join(names)}, with commas between.")
        return [names[name] for name in dict.fromkeys(wanted)]

    def begin(self, title: str, steps: Sequence[str]) -> None:
        """See `Answers.begin`."""

    def answer(self, question: Question, known: str) -> str:
        """See `Answers.answer`."""
        given = self._given(question)
        if given is None and known:
            if why := _trouble(question, known, self._shapes):
                raise Unavailable(f"{why}.")
            return known
        value = _meant(question, (given or question.default).strip())
        if not value and question.needed and question.unless:
            raise Unavailable(f"Neither {question.unless} nor {question.setting} is set; give one of them.")
        if why := fault(question, value, self._shapes):
            raise Unavailable(f"{why} ({question.flag}).")
        return question.made(value) if value else ""

    def confirm(self, changed: Sequence[str]) -> bool:
        """See `Answers.confirm`: who gives flags has said so."""
        return True

    def _given(self, question: Question) -> str | None:
        """Return what a flag says; None where there is none."""
        said: str | None = getattr(self._options, _name(question), None)
        if said is None or not question.secret:
            return said
        if not Path(said).exists() and any(shape.fits(said) for shape in self._shapes):
            raise Unavailable(
                f"{question.flag} got a secret itself, where others on this machine can read it; it takes "
                f"the name of a file that holds it. Or put it into the environment, as {question.setting}."
            )
        return _held(question.flag, Path(said))


def arguments(setups: Sequence[Setup], general: Sequence[Question]) -> argparse.ArgumentParser:
    """Return what reads the options of `rivulet init`: one for each question, and for a secret its file."""
    parser = argparse.ArgumentParser(
        prog="rivulet init",
        description="Ask for what the bot needs, and write .env and config.toml.",
        epilog="Secrets may also come from the environment, as in SLACK_BOT_TOKEN.",
    )
    parser.add_argument(
        "--yes", action="store_true", help="Ask nothing: take flags, the environment, and what is set."
    )
    names = ", ".join(setup.name for setup in setups)
    parser.add_argument(
        "--platforms", metavar="NAMES", help=f"Which to set up, of {names}, with commas between."
    )
    for title, questions in (("in general", general), *((one.title, one.questions) for one in setups)):
        group = parser.add_argument_group(title)
        for question in questions:
            meta = "FILE" if question.secret else "yes|no" if question.kind == "yes" else "VALUE"
            told = "File that holds it: " * question.secret + question.ask
            group.add_argument(
                question.flag, dest=_name(question), metavar=meta, help=told.replace("%", "%%")
            )
    return parser


def settled(question: Question, answers: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Return whether *question* need not be asked, because of what another one got."""
    return bool(question.unless and answers.get(question.unless, known.get(question.unless, "")))


def _name(question: Question) -> str:
    return question.setting.replace(".", "_").lower()


def _meant(question: Question, value: str) -> str:
    """Return *value* as it is kept: yes and no as settings write them, lists without blanks."""
    if question.kind == "yes":
        word = YES.get(value.lower())
        return {"yes": "true", "no": "false"}.get(word or "", value)
    return ",".join(part.strip() for part in value.split(",")) if question.kind == "ids" else value


def _trouble(question: Question, known: str, shapes: Sequence[Shape]) -> str:
    """Return what is wrong with a value that is set already; what was made of an answer has no shape."""
    return "" if question.made is not str.strip else fault(question, _meant(question, known), shapes)


def _held(flag: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            value = file.read(LARGEST + 1).strip()
    except OSError as error:
        raise Unavailable(f"{flag}: {path} can't be read: {error.strerror}.") from None
    except UnicodeError:
        raise Unavailable(f"{flag}: {path} is not UTF-8.") from None
    if not value or len(value) > LARGEST:
        raise Unavailable(f"{flag}: {path} holds no secret; write it there, alone.")
    return value
