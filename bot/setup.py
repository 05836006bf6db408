"""What an adapter says about how it is set up: what to ask for, and what the platform must be told.

`rivulet init`, `manifest` and `invite` read it, so that none of them names a platform.  An adapter has a
function `setup` that returns a `Setup`; one without is set up by hand.  It must import no SDK.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: What an answer is: words, ids with commas between, yes or no, or an amount of dollars.
Kind = Literal["text", "ids", "yes", "dollars"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value that somebody pastes looks like.

    Attributes:
        name: What it is, for people: "a bot token (xoxb-…)".
        pattern: A regular expression that a whole value of this kind matches, and few others do.
    """

    name: str
    pattern: str

    def fits(self, value: str) -> bool:
        """Return whether *value* looks like this."""
        return bool(re.fullmatch(self.pattern, value))


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that `rivulet init` asks for.

    Attributes:
        setting: The environment variable that the answer fills, or, with dots, a key of `config.toml`:
            "defaults.caps.day".
        ask: What is asked, in a few words.
        takes: What a good answer looks like; None where any will do.
        kind: What the answer is.
        secret: Whether it is hidden as it is typed, and never shown.
        needed: Whether an empty answer is none.
        unless: A setting that makes this question needless where it is not empty.
        default: What an empty answer means where nothing was set before.
        made: Returns the setting's value for an answer.
    """

    setting: str
    ask: str
    takes: Shape | None = None
    kind: Kind = "text"
    secret: bool = False
    needed: bool = False
    unless: str = ""
    default: str = ""
    made: Callable[[str], str] = str.strip

    @property
    def flag(self) -> str:
        """The option of `rivulet init` that answers it; a secret's names a file."""
        name = re.sub(r"[._]", "-", self.setting.lower())
        return f"--{name}{'-file' * self.secret}"

    @property
    def is_file_key(self) -> bool:
        """Whether the answer goes into `config.toml`."""
        return "." in self.setting


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of `rivulet manifest`.

    Attributes:
        flag: As in "--http".
        help: What it does, for `--help`.
        metavar: What its value is called; "" for one without.
    """

    flag: str
    help: str
    metavar: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a platform is told about the app.

    Attributes:
        text: As it is printed.
        link: The page that takes it, filled in.
    """

    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Setup:
    """How one platform is set up.

    Attributes:
        name: As in `adapters.NAMES`.
        title: For people.
        questions: What is asked, in this order.
        steps: What a person does before, a line each.
        people: What ids look like that say who may use the bot; None where any text may be one.
        fixed: Settings that switch it on, beside the answers.
        shapes: What else people paste by mistake, to name it.
        options: What `manifest` takes.
        manifest: Returns the manifest for parsed options; None where the platform takes none.
        invite: Returns the link that lets the bot in; its options have `app`, an application's id or "".
    """

    name: str
    title: str
    questions: Sequence[Question]
    steps: Sequence[str] = ()
    people: Shape | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    shapes: Sequence[Shape] = ()
    options: Sequence[Option] = ()
    manifest: Callable[[Namespace], Manifest] | None = None
    invite: Callable[[Namespace], Awaitable[str]] | None = None


def shapes_of(setups: Iterable[Setup], more: Iterable[Question] = ()) -> list[Shape]:
    """Return all shapes that *setups* and *more* know, each once."""
    found: dict[Shape, Any] = {}
    for setup in setups:
        found |= dict.fromkeys([*_taken(setup.questions), *setup.shapes])
    return [*found, *(shape for shape in _taken(more) if shape not in found)]


def _taken(questions: Iterable[Question]) -> list[Shape]:
    return [question.takes for question in questions if question.takes and question.secret]


def fault(question: Question, value: str, shapes: Iterable[Shape]) -> str:
    """Return what is wrong with *value* as an answer; "" if nothing is.

    Of a secret it says what it looks like, never any of it.
    """
    if not value:
        return f"{question.setting} is empty; it takes {_wanted(question)}" if question.needed else ""
    if any(not letter.isprintable() for letter in value):
        return f"{question.setting} has characters that can't be seen; copy it again"
    if question.kind == "dollars" and not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", value):
        return f"{question.setting} got {value!r}; it takes dollars, as in 2.50, or 0 for no cap"
    if question.kind == "yes" and value not in {"true", "false"}:
        return f"{question.setting} got {value!r}; it takes yes or no"
    if question.takes is None or question.takes.fits(value):
        return ""
    got = described(value, shapes) if question.secret else repr(value)
    return f"{question.setting} got {got}; it takes {_wanted(question)}"


def _wanted(question: Question) -> str:
    return question.takes.name if question.takes else question.ask


def described(value: str, shapes: Iterable[Shape]) -> str:
    """Return what *value* looks like, without any of it."""
    known = next((shape.name for shape in shapes if shape.fits(value)), "")
    return known or f"{len(value)} characters of no shape that is known"
