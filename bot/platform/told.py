"""What an adapter tells the core, each thing that happens as one value; and what the core keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bot.events import File
from bot.platform.people import Actor, Place
from bot.platform.surface import Surface


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody asked the bot something.

    Attributes:
        key: The question's message key; two events about one post must have one key.
        conversation: The unit of order and of history.
        actor: Who asked.
        place: Where.
        text: The question, as `Said.text` but without the mention itself.
        surface: Where the answer goes.
        files: What came with it.
        follow_up: Whether it is one because of where it stands (see `Inbox.asked_in`), not because it calls
            the bot: then nobody is told if it is not taken.
    """

    key: str
    conversation: str
    actor: Actor
    place: Place
    text: str
    surface: Surface = field(compare=False)
    files: tuple[File, ...] = ()
    follow_up: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A mention as the ledger keeps it; see `Mention`.

    Attributes:
        at: When it was taken, in seconds of the wall clock: it must mean something after a restart.
    """

    key: str
    conversation: str
    actor: Actor
    place: Place
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Remains:
    """What an earlier run has left of an answer.

    Attributes:
        address: The `Surface.address` that it was written at; "" if nothing was.
        messages: Its messages, first page first.
        nonces: The nonces of posts that may have got through, or not.
    """

    address: str = ""
    messages: tuple[str, ...] = ()
    nonces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants an answer to end.

    Attributes:
        message: A page of it, or its question.
        actor: Who.
        place: Where.
        conversation: If given, it is the answer that runs in this conversation, whatever *message* says.
    """

    message: str
    actor: Actor
    place: Place
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed the button *control* (a `Control.name`) under *message*."""

    message: str
    control: str
    actor: Actor
    place: Place


@dataclass(frozen=True, slots=True)
class Rating:
    """Somebody has said by a reaction what they think of an answer, or takes that back.

    Attributes:
        message: A page of the answer.
        actor: Who.
        place: Where.
        good: Whether they like it.
        on: Whether they say so; False if they take it back.
    """

    message: str
    actor: Actor
    place: Place
    good: bool
    on: bool


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changed the message *key* to *text*."""

    key: str
    text: str
    actor: Actor
    place: Place


@dataclass(frozen=True, slots=True)
class Deleted:
    """The message *key* is gone; platforms do not say who did it."""

    key: str


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody gave the bot a command by the platform's own means: "/usage".

    Attributes:
        name: Without the slash.  Those that there are: `bot.core.commands.COMMANDS`.
        rest: What stands behind it.
        actor: Who.
        place: Where.
        conversation: See `Mention.conversation`; the one that a mention there would have.  "" where the
            platform does not tell: then the one of the channel is meant that runs, or else the newest.
    """

    name: str
    rest: str
    actor: Actor
    place: Place
    conversation: str = ""


class Outcome(Enum):
    """What became of a stop or a press."""

    #: It ended an answer.
    STOPPED = 1
    #: It belongs to no answer that is running.
    UNKNOWN = 2
    #: The actor may not do that.
    REFUSED = 3
    #: It is being done; the button is not needed any more.
    TAKEN = 4
    #: It can't be done now, and the actor was told so or does it too often; the button stays.
    LATER = 5
    #: It is being done, and the message itself will show it.
    SHOWN = 6
    #: What the button was for is forgotten: its actor is to be told.
    LAPSED = 7
