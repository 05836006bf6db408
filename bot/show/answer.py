"""One answer, from first token to last edit, as a state machine.  Pure.

Rule 1: no I/O, no clock, no tasks here.  The caller has those.
Rule 2: `next_write()` is the difference between what should be visible and what is.  Deltas that arrive
while a write is out or a rate limit is in force therefore batch themselves: the next write carries all.

               receive()                 wrote() the last page
      OPEN ───────────────▶ CLOSING ───────────────▶ CLOSED
        │     Finished, end()  │                        ▲
        └──────────────────────┴──────── lost() ────────┘
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bot.events import (
    CONTINUE,
    RETRY,
    STOP,
    Again,
    Cited,
    Control,
    Event,
    File,
    Finished,
    Page,
    Step,
    Text,
    Thinking,
    ToolFinished,
    ToolRunning,
    ToolStarted,
    Usage,
    Waiting,
)
from bot.platform import Limits
from bot.show.pages import Pages, Piece, join
from bot.show.steps import Steps, Thoughts
from bot.show.words import (
    AGAIN,
    ATTACHED,
    EMPTY,
    FILE,
    FOLLOWS,
    GOES_ON,
    MORE,
    NOTES,
    THOUGHT,
    TORN,
    UNATTACHED,
)
from bot.show.writes import Ending, Phase, Rank, Showing, Write
from bot.text.safe import Links, clean, line, seen


class Answer:
    """What should be visible, what is, and the difference.

    Args:
        limits: How much a page holds.
        links: Which URLs may be links.
        showing: How long it may get, where the rest can be attached as a file.
        live: The buttons below while it goes on; with others than Stop it shows whatever *showing* says.

    Attributes:
        phase: How far along it is.
        ending: Why it ended, once it has.
        usage: What it cost, once the model has said so.
        model: Who gave it, once the model has said so; see `Finished`.
        received: How many characters the model has said.
        controls: The buttons under it once it has ended; what becomes of its files then changes none.
    """

    def __init__(
        self,
        limits: Limits,
        links: Links | None = None,
        showing: Showing | None = None,
        live: tuple[Control, ...] = (STOP,),
    ) -> None:
        self.phase = Phase.OPEN
        self.ending: Ending | None = None
        self.usage = Usage()
        self.model: str | None = None
        self.received = 0
        self.controls: tuple[Control, ...] = ()
        self._live = live
        self._fresh: list[str] = []
        showing = showing or Showing()
        showing = showing if limits.attach else replace(showing, pages=0, code=0)
        showing = replace(showing, pages=0) if limits.endless else showing
        self._links = links or Links()
        self._blank = partial(Pages, limits, links=self._links, most=showing.pages, code=showing.code)
        self._pages = self._blank()
        self._before: tuple[Pages, float] | None = None  # what was said, until as much is said anew
        self._former: tuple[Control, ...] = ()  # below the answer that this one is to replace
        self._anew = False  # whether its messages show another answer
        self._most = showing.pages
        self._room = limits.attach
        self._unfiled: dict[int, str] = {}  # why a page has no files, by its index
        self._lengths = [0]  # of the text before each page
        self._tools = Steps(listed=limits.steps)
        self._thinking = False
        self._thoughts = Thoughts(showing.thinking)
        self._held = not showing.stream and live == (STOP,)
        self._made: tuple[File, ...] = ()
        self._waiting = ""
        self._note = self._remark = ""
        self._empty: str | None = None  # what is said where nothing can be seen; None for nothing
        self._shown: list[tuple[str, Page | None]] = []
        self._visible = 0

    @property
    def text(self) -> str:
        """Everything the model has said so far."""
        if before := self._outdone:
            return join([*before.closed, before.last])
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

    @property
    def note(self) -> str:
        """What stands below an answer that has ended."""
        if self._empty is None or self._visible_text():
            return self._note
        return " ".join(filter(None, [self._empty, self._note])) or EMPTY

    def allow(self, links: Links) -> None:
        """Let *links* be links in an answer of which nothing was said yet."""
        self._links = links
        self._blank = partial(self._blank, links=links)
        self._pages = self._blank()

    def remark(self, remark: str) -> None:
        """Let *remark* stand below the answer once it has ended, behind why it did."""
        self._remark = remark

    def resume(self, text: str, messages: Sequence[str], *, anew: bool = False) -> None:
        """Go on from an earlier run, which had received *text* and shown some of it in *messages*.

        *anew*: each of them may show another answer still.
        """
        self._anew = anew
        if text:
            self.receive(Text(text))
        self._shown = [(message, None) for message in messages]
        if 0 < self._most < len(messages):  # its file was refused
            self._feed()
            if self._pages.overflowing:
                self._unfile(self._most - 1, "")

    def replace(self, text: str, messages: Sequence[str], controls: tuple[Control, ...] = ()) -> None:
        """Be the answer in place of another one, *text*, which *messages* show until this one is complete.

        If it never is, they show that again, with its *controls*.
        """
        self._shown = [(message, None) for message in messages]
        self._anew = True
        self._former = controls
        if seen(text):
            before = self._blank()
            before.feed(text)
            before.end()
            self._before = before, math.inf

    @property
    def surplus(self) -> list[str]:
        """The messages of the answer before, which this one, now complete, does not take."""
        return self.messages[len(self._visible_pieces()) :] if self._anew else []

    def receive(self, event: Event) -> None:
        """Take the next event from the model; ignored once the answer has ended."""
        if self.phase is not Phase.OPEN:
            return
        self._waiting = ""
        match event:
            case Text(text):
                self._fresh.append(text)
                self.received += len(text)
                self._thinking = False
            case Cited(sources):
                for each in sources:
                    self._links.add(each.url)
            case Thinking():
                self._thinking = True
                self._thoughts.take(event)
            case ToolStarted() | ToolRunning() | ToolFinished():
                self._feed()
                self._tools.take(event, len(self._pages.closed))
            case Waiting(note):
                self._waiting = note
                self._tools.clear()
            case Again():
                self._restart()
            case Finished():
                self._finish(event)

    def _finish(self, finished: Finished) -> None:
        """End with what the model has said, and with what people should know of that."""
        self.usage = finished.usage
        self.model = finished.model
        self._made = tuple(file for file in finished.files if file.size <= self._room)
        said = NOTES.get(finished.reason, f"Ended early: {finished.reason}.")
        more = (CONTINUE, RETRY) if finished.reason in MORE else (RETRY,)
        if finished.reason == "max_tokens" and not self.received:
            said, more = THOUGHT, (RETRY,)
        lost = UNATTACHED if len(self._made) < len(finished.files) else ""
        told = " ".join(filter(None, [said, finished.note, lost]))
        self.end(Ending.FINISHED, told, more, empty="" if said else EMPTY)

    def _restart(self) -> None:
        """Forget what was said; if a page is closed, and so can't change any more, end the answer instead.

        It stays to be seen until as much is said anew, so that no text that is shown shrinks.
        """
        self._feed()
        if self._pages.closed and not self._hidden:
            self.end(Ending.FAILED, TORN, (CONTINUE,))
            return
        if not self._outdone:
            self._before = self._pages, self.received
        self._pages = self._blank()
        self.received = self._visible = 0

    @property
    def _hidden(self) -> bool:
        """Whether nothing of the answer shows until it is complete, but the one before it."""
        return self._before is not None and self._before[1] is math.inf

    @property
    def _outdone(self) -> Pages | None:
        """What was said before it all began anew, while that is more than what was said since."""
        return self._before[0] if self._before and self._before[1] > self.received else None

    def end(
        self, ending: Ending, note: str = "", controls: tuple[Control, ...] = (), *, empty: str = ""
    ) -> None:
        """End the answer for *ending*; the first ending wins.

        Args:
            ending: Why.
            note: What stands below.
            controls: The buttons below.
            empty: What is said before *note* where a finished answer has nothing that can be seen.
        """
        if self.phase is not Phase.OPEN:
            return
        if self._hidden and ending in {Ending.STOPPED, Ending.FAILED}:
            controls = self._former or controls
        if (before := self._outdone) and ending is not Ending.FINISHED:
            self._pages, self.received = before, sum(len(each.text) for each in (*before.closed, before.last))
            self._fresh.clear()
        self._feed()
        if not (before and self._hidden and ending is not Ending.FINISHED):  # else it has ended long ago
            self._pages.end()
        self._before = None
        self.phase = Phase.CLOSING
        self.ending = ending
        self._note = " ".join(filter(None, [note, self._remark]))
        self.controls = tuple(each for each in controls if each is not RETRY or not self._attaches)
        self._tools.clear()
        self._empty = empty if ending is Ending.FINISHED else None

    @property
    def _attaches(self) -> bool:
        """Whether it has files: what was attached to a message can't be replaced."""
        pieces = (*self._pages.closed, self._pages.last)
        made = self._made and not self._unfiled
        return bool(made) or self._pages.overflowing or any(piece.files for piece in pieces)

    def read(self) -> bool:
        """Read a little of what the model has said; tell whether there is more to read."""
        self._feed()
        return self._pages.read() or (self._before is not None and self._before[0].read())

    def _visible_text(self) -> bool:
        """Tell whether anything of the answer can be seen."""
        return any(seen(piece.shown) for piece in (*self._pages.closed, self._pages.last))

    @property
    def previews(self) -> bool:
        """Whether text came that no write shows, and the next write, if it shows any more, is a preview."""
        grows = self.phase is Phase.OPEN and not self._held and self.unshown > 0
        return grows and self._rank() is Rank.PREVIEW

    def next_write(self) -> Write | None:
        """Return the write that brings the screen up to date, or None if it is."""
        if self.phase is Phase.CLOSED:
            return None
        if self._held and self.phase is Phase.OPEN:
            self._visible = self.received  # nobody waits for it to be shown
            return None
        pieces = self._visible_pieces()
        # A closed page changes once, when it closes; all but the newest shown page were shown closed.
        first = 0 if self._anew and self.phase is Phase.CLOSING else max(0, len(self._shown) - 1)
        for index in range(first, len(pieces)):
            page = self._page(pieces, index)
            if index >= len(self._shown):
                return self._write(index, None, page)
            message, shown = self._shown[index]
            if shown != page:
                return self._write(index, message, page)
        self._visible = self.received  # no write would show more of it
        if self.phase is Phase.CLOSING:
            self.phase = Phase.CLOSED
        return None

    def wrote(self, write: Write, message: str, unattached: str = "") -> None:
        """Record that *write* is visible, as *message*; but for its files, if *unattached* says why."""
        self._shown[write.index : write.index + 1] = [(message, write.page)]
        self._visible = min(max(self._visible, write.upto), self.received)  # it may have begun anew meanwhile
        if unattached:
            self.unfile(write, unattached)
        elif self.phase is Phase.CLOSING:
            self.next_write()  # it may have been the last

    def vanish(self) -> None:
        """End an answer of which nothing was said: nothing more is written, and its messages go."""
        self.ending = self.ending or Ending.STOPPED
        self.phase = Phase.CLOSED

    def unfile(self, write: Write, why: str) -> bool:
        """Go on without files if *write* has some that can't be attached; tell if so.

        What was in them follows as text.

        Args:
            write: The newest; no page after its own is shown.
            why: What people read below that.
        """
        if not write.page.files or self._unfiled:
            return False
        self._feed()
        self._unfile(write.index, why)
        del self._lengths[write.index + 1 :]
        self._visible = min(self._visible, self._lengths[write.index])
        return True

    def _unfile(self, index: int, why: str) -> None:
        self._pages.unfile(index)
        self._blank = partial(self._blank, most=0, code=0)
        self._unfiled = {index: " ".join(filter(None, [why, FOLLOWS]))}

    def lost(self) -> None:
        """Record that nothing can be written any more."""
        self.ending = self.ending or Ending.LOST
        self.phase = Phase.CLOSED

    def _feed(self) -> None:
        if self._fresh:
            self._pages.feed("".join(self._fresh))
            self._fresh.clear()

    def _visible_pieces(self) -> list[Piece]:
        """Return the pages that there should be; the last one is there once it has something to show."""
        self._feed()
        if before := self._outdone:
            return [*before.closed, before.last]
        closed, last = self._pages.closed, self._pages.last
        for piece in closed[len(self._lengths) - 1 :]:
            self._lengths.append(self._lengths[-1] + len(piece.text))
        hidden = closed and (self._pages.overflowing or not last.shown.strip())
        pieces = [*closed] if hidden else [*closed, last]
        if self._anew and self.phase is not Phase.OPEN:
            return pieces
        # A resumed answer can have messages for text that a loss of power took from the ledger.
        return pieces + [Piece("")] * (len(self._shown) - len(pieces))

    def _write(self, index: int, message: str | None, page: Page) -> Write:
        closed = index + 1 < len(self._lengths)
        return Write(
            index, message, page, self._rank(), self._lengths[index + 1] if closed else self.received
        )

    def _rank(self) -> Rank:
        if self.phase is Phase.CLOSING:
            return Rank.FINAL
        if not self._shown:
            return Rank.PLACEHOLDER
        return Rank.PREVIEW if any(page and page.text for _, page in self._shown) else Rank.FIRST

    def _page(self, pieces: Sequence[Piece], index: int) -> Page:
        piece, note = pieces[index], self._unfiled.get(index, "")
        if index == len(pieces) - 1:
            return self._last_page(piece, note, self._tools.on(index))
        return Page(
            piece.shown,
            line(note),
            live=False,
            files=piece.files,
            settled=piece.settled,
            steps=self._tools.on(index),
        )

    def _last_page(self, piece: Piece, unfiled: str, steps: tuple[Step, ...]) -> Page:
        if self.phase is Phase.OPEN:
            progress = line(self._progress())
            return Page(piece.shown, progress, controls=self._live, settled=piece.settled, steps=steps)
        made = () if self._unfiled else self._made
        note, files = " ".join(filter(None, [unfiled, self.note])), (*piece.files, *made)
        if self._pages.overflowing:
            note, files = " ".join(filter(None, [note, ATTACHED])), (*files, self._whole())
        return Page(
            piece.shown,
            line(note),
            live=False,
            controls=self.controls,
            files=files,
            settled=piece.settled,
            steps=steps,
        )

    def _whole(self) -> File:
        """Return the whole answer as a file."""
        data = clean(self.text).encode()[: self._room]
        return File(FILE, "text/markdown", len(data), data=data)

    def _progress(self) -> str:
        if self._waiting:
            return self._waiting
        if self._hidden:
            return " · ".join(filter(None, [AGAIN, self._tools.line]))
        if steps := self._tools.line:
            return steps
        if self._pages.overflowing:
            return GOES_ON
        return self._thoughts.line if self._thinking and (self._thoughts.shown or not self.received) else ""
