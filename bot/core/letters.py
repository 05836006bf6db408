"""What replicas write to each other: events that another one is to take, and news.  Pure.

JSON, so that replicas of two versions can read each other while one takes the other's place: what is not
known is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bot.events import File
from bot.platform import Asked, Command, Deleted, Edited, Mention, Place, Press, Rating, Stop


@dataclass(frozen=True, slots=True)
class Passed:
    """A mention on its way to another replica, which opens a surface of its own for the answer.

    Attributes:
        asked: The question.
        files: What came with it.
        follow_up: See `Mention.follow_up`.
    """

    asked: Asked
    files: tuple[File, ...] = ()
    follow_up: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """*messages* belong to an answer that runs or waits at the sender; *on* false: not any more."""

    messages: tuple[str, ...]
    on: bool = True


@dataclass(frozen=True, slots=True)
class Took:
    """The sender has begun to answer a question."""

    asked: Asked


@dataclass(frozen=True, slots=True)
class Late:
    """The sender may have written to the answer to *key*, asked in *place*, after others had taken it."""

    key: str
    place: Place


#: What may stand in a letter.
Letter = Passed | Stop | Press | Rating | Edited | Deleted | Command | Shown | Took | Late
_KINDS: Mapping[str, Any] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (Passed, Stop, Press, Rating, Edited, Deleted, Command, Shown, Took, Late)
}


def written(letter: Letter) -> str:
    """Return *letter* as text.

    Raises:
        ValueError: There is half a character in it, which JSON can't carry.
    """
    name = type(letter).__name__
    return f"{name} {_KINDS[name].dump_json(letter).decode()}"


def read(text: str) -> Letter | None:
    """Return the letter that *text* is; None if it is none that this version knows."""
    name, _, rest = text.partition(" ")
    try:
        return _KINDS[name].validate_json(rest)  # type: ignore[no-any-return]  # one of `Letter`
    except (KeyError, ValidationError):
        return None


def passed(mention: Mention, at: float) -> Passed:
    """Return *mention*, made at *at*, for another replica."""
    asked = Asked(mention.key, mention.conversation, mention.actor, mention.place, mention.text, at)
    return Passed(asked, mention.files, mention.follow_up)
