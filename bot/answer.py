"""One answer, from first token to last edit, as a state machine.  Pure.

Rule 1: no I/O, no clock, no tasks here.  Whoever drives it brings those.
Rule 2: `next_write()` is the difference between what should be visible and what is.  Deltas that arrive
while a write is out or a rate limit is in force therefore batch themselves: the next write carries all.

               receive()                 wrote() the last page
      OPEN ───────────────▶ CLOSING ───────────────▶ CLOSED
        │     Finished, end()  │                        ▲
        └──────────────────────┴──────── lost() ────────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bot.events import STOP, Event, Finished, Page, Text, Thinking, ToolFinished, ToolStarted, Usage
from bot.pages import Pages, Piece, join
from bot.platform import Limits, Op


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


#: What people read under an answer that ended for an API stop reason; "" says nothing.
NOTES = {
    "end_turn": "",
    "stop_sequence": "",
    "max_tokens": "Cut at the length limit. Say “continue” for more.",
    "refusal": "Claude declined to answer this.",
    "model_context_window_exceeded": "Cut here: the conversation is too long for the model.",
    "pause_turn": "Claude paused here. Say “continue” for more.",
    "tool_use": "Claude wanted to use a tool that this bot does not have.",
}


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


class Answer:
    """What should be visible, what is, and the difference.

    Attributes:
        phase: How far along it is.
        ending: Why it ended, once it has.
        usage: What it cost, once the model has said so.
        received: How many characters the model has said.
    """

    def __init__(self, limits: Limits) -> None:
        self.phase = Phase.OPEN
        self.ending: Ending | None = None
        self.usage = Usage()
        self.received = 0
        self._fresh: list[str] = []
        self._pages = Pages(limits)
        self._tools: dict[str, str] = {}
        self._thinking = False
        self._note = ""
        self._shown: list[tuple[str, Page]] = []
        self._visible = 0

    @property
    def text(self) -> str:
        """Everything the model has said so far."""
        return join([*self._pages.closed, self._pages.last]) + "".join(self._fresh)

    @property
    def messages(self) -> list[str]:
        """The messages this answer occupies."""
        return [message for message, _ in self._shown]

    def page_of(self, message: str) -> Page | None:
        """Return what *message* shows."""
        return dict(self._shown).get(message)

    @property
    def unshown(self) -> int:
        """How many characters the screen is behind."""
        return self.received - self._visible

    def receive(self, event: Event) -> None:
        """Take the next event from the model; ignored once the answer has ended."""
        if self.phase is not Phase.OPEN:
            return
        match event:
            case Text(text):
                self._fresh.append(text)
                self.received += len(text)
                self._thinking = False
            case Thinking():
                self._thinking = True
            case ToolStarted(id, title):
                self._tools[id] = title
            case ToolFinished(id):
                self._tools.pop(id, None)
            case Finished(reason, usage):
                self.usage = usage
                self.end(Ending.FINISHED, NOTES.get(reason, f"Ended early: {reason}."))

    def end(self, ending: Ending, note: str = "") -> None:
        """End the answer for *ending*; the first ending wins."""
        if self.phase is not Phase.OPEN:
            return
        self.phase = Phase.CLOSING
        self.ending = ending
        self._note = note
        self._tools.clear()
        if not self.received and not note:
            self._note = "Claude gave no answer text."
        self._settle()

    def next_write(self) -> Write | None:
        """Return the write that brings the screen up to date, or None if it is."""
        if self.phase is Phase.CLOSED:
            return None
        if self._fresh:
            self._pages.feed("".join(self._fresh))
            self._fresh.clear()
        cut = self._pages.closed
        # A closed page changes once, when it closes; all but the newest shown page were shown closed.
        for index in range(max(0, len(self._shown) - 1), len(cut) + 1):
            page = self._page(cut[index]) if index < len(cut) else self._last_page()
            if index >= len(self._shown):
                return self._write(index, None, page)
            message, shown = self._shown[index]
            if shown != page:
                return self._write(index, message, page)
        return None

    def wrote(self, write: Write, message: str) -> None:
        """Record that *write* is visible, as *message*."""
        self._shown[write.index : write.index + 1] = [(message, write.page)]
        self._visible = max(self._visible, write.upto)
        self._settle()

    def lost(self) -> None:
        """Record that nothing can be written any more."""
        self.ending = self.ending or Ending.LOST
        self.phase = Phase.CLOSED

    def _settle(self) -> None:
        if self.phase is Phase.CLOSING and self.next_write() is None:
            self.phase = Phase.CLOSED

    def _write(self, index: int, message: str | None, page: Page) -> Write:
        pieces = [*self._pages.closed, self._pages.last][: index + 1]
        return Write(index, message, page, self._rank(), sum(len(piece.text) for piece in pieces))

    def _rank(self) -> Rank:
        if self.phase is Phase.CLOSING:
            return Rank.FINAL
        if not self._shown:
            return Rank.PLACEHOLDER
        return Rank.PREVIEW if any(page.text for _, page in self._shown) else Rank.FIRST

    def _page(self, piece: Piece) -> Page:
        return Page(piece.shown, live=False)

    def _last_page(self) -> Page:
        if self.phase is not Phase.OPEN:
            return Page(self._pages.last.shown, self._note, live=False)
        return Page(self._pages.last.shown, self._progress(), live=True, controls=(STOP,))

    def _progress(self) -> str:
        if self._tools:
            return ", ".join(f"{title} …" for title in self._tools.values())
        return "thinking …" if self._thinking and not self.received else ""
