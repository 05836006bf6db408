"""How far along an answer is, why it ended, and the write that is due.  Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from bot.events import Page
from bot.platform import Op


class Phase(Enum):
    """How far along an answer is."""

    #: The model may still say something.
    OPEN = 1
    #: The last word is in; the last edit is not.
    CLOSING = 2
    #: Nothing more will be written.
    CLOSED = 3


class Ending(Enum):
    """Why an answer ended."""

    FINISHED = 1
    STOPPED = 2
    FAILED = 3
    INTERRUPTED = 4
    LOST = 5


class Rank(Enum):
    """How urgent a write is; the smaller goes first."""

    #: The last word on a page of an answer that has ended.
    FINAL = 1
    #: What shows that the bot has heard.
    PLACEHOLDER = 2
    #: The first text.
    FIRST = 3
    #: Everything between.
    PREVIEW = 4


@dataclass(frozen=True, slots=True)
class Showing:
    """How all answers are shown.

    Attributes:
        hosts: Hosts that may be linked; "*" for all.
        pages: Messages that an answer may take before the rest comes as a file; 0 for any number.
        code: Characters of a block of code from which on it comes as a file; 0 for never.
        stream: Whether an answer shows while it grows; else it is posted when it is complete.
        thinking: What is shown while the model thinks: that it does, for how many "seconds", or a "summary".
    """

    hosts: Collection[str] = ()
    pages: int = 0
    code: int = 0
    stream: bool = True
    thinking: str = "off"


@dataclass(frozen=True, slots=True)
class Write:
    """Make the message *message* show *page*; post it if it has no message yet.

    Attributes:
        index: Which page of the answer it is, from 0.
        message: The message's key, or None to post one.
        page: What it should show.
        rank: How urgent it is.
        upto: How many characters of the answer are visible once it is through.
    """

    index: int
    message: str | None
    page: Page
    rank: Rank
    upto: int

    @property
    def op(self) -> Op:
        """The kind of call this takes."""
        if self.message is None:
            return Op.POST
        return Op.FINAL if self.rank is Rank.FINAL else Op.EDIT
