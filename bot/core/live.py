"""One answer while it is live: when it is read, when it is written, and what ends it.

`Reader` and `Writer` have all the tasks that an answer needs; this has none of its own but `Live.go`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.core.conversation import Past
from bot.core.draft import Draft
from bot.core.kept import Kept
from bot.core.reader import Reader
from bot.core.stops import Stops
from bot.core.waits import Waits
from bot.core.writer import Writer
from bot.events import CONTINUE, RETRY, Control
from bot.guard.access import Access
from bot.model import Asking, Model
from bot.platform import Actor, Edited, Mention, Outcome, Stop, Surface
from bot.show.answer import Answer, Ending, Showing
from bot.show.pace import Pace
from bot.store import Entry, Store
from bot.text.safe import Links

#: How often an edited question is asked anew.
REWORDED = 2


@dataclass(frozen=True, slots=True)
class Means:
    """What all answers of a core share.

    Attributes:
        clock: Seconds of the wall clock.
        waits: Where writes wait that have failed.
    """

    model: Model
    access: Access
    stops: Stops[Live]
    pace: Pace
    asking: Asking
    showing: Showing
    store: Store
    clock: Callable[[], float]
    waits: Waits = field(default_factory=Waits)


class Live:
    """One answer being read from the model and written to its surface.

    Args:
        means: What it shares with others.
        mention: The question.
        saying: What to answer without asking the model.
        left: What the ledger has of it from an earlier run.
        after: Seconds before anything of it is written.
        past: What came before the question.
    """

    def __init__(
        self,
        means: Means,
        mention: Mention,
        saying: str = "",
        left: Entry | None = None,
        after: float = 0.0,
        past: Past | None = None,
    ) -> None:
        self.mention = mention
        self._means = means
        self._after = after
        self._may_branch = not saying and not left
        self._begun = asyncio.Event()
        self._reworded = 0
        self._vanishing = False
        self._answer = _answer(means, mention, left)
        self._kept = Kept(means.store, mention.key, means.clock, left)
        self._draft = Draft(self._answer, self._kept)
        self._reader = Reader(self._draft, means.model, means.asking, means.access, past or Past(), saying)
        watch, forget = self._watch, means.stops.forget
        self._writer = Writer(
            self._draft, mention.surface, means.pace, mention.key, watch, forget, means.waits
        )

    async def go(self) -> None:
        """Answer the mention; returns after the last edit."""
        for message in (self.mention.key, *self._answer.messages):
            self._watch(message)
        try:
            await asyncio.sleep(self._after)
            if not self._begun.is_set():
                await self._surface.status(on=True)
                await self._begun.wait()
                await self._surface.status(on=False)
            if self._draft.open:
                self._reader.begin(self.mention)
            await self._writer.settle_in(branch=self._may_branch)
            await self._writer.write()
            for message in self._answer.messages if self._vanishing else ():
                await self._surface.remove(message)
        finally:
            self._writer.leave()
            self._means.stops.forget(self.mention.key, *self._answer.messages)
            await self._reader.close()

    @property
    def begun(self) -> bool:
        """Whether the model has said anything."""
        return self._answer.received > 0

    @property
    def given_up(self) -> bool:
        """See `Writer.given_up`."""
        return self._writer.given_up

    @property
    def _surface(self) -> Surface:
        return self._writer.surface

    async def keep_done(self) -> None:
        """Tell the ledger that the answer is done, as soon as nothing lags behind it."""
        await self._kept.done(self._surface)

    def begin(self) -> None:
        """Stop waiting for other answers of the conversation."""
        self._begun.set()

    def stop(self, stop: Stop) -> Outcome:
        """End the answer for a person, if they may do that."""
        if not self._means.access.may_stop(stop.actor, self.mention.actor):
            return Outcome.REFUSED
        rest = CONTINUE if self.begun else RETRY
        self.cut(Ending.STOPPED, f"Stopped by {_name(stop, self.mention.actor)}.", (rest,))
        return Outcome.STOPPED

    def cut(self, ending: Ending, note: str, controls: tuple[Control, ...] = ()) -> None:
        """End the answer now, with *note* and *controls* below, and hang up on the model."""
        self._draft.end(ending, note, controls)
        self.begin()
        self._reader.hang_up()

    def vanish(self) -> None:
        """End an answer whose question is gone, and that has said nothing yet: nothing of it stays."""
        self._vanishing = True
        self._draft.vanish()
        self.begin()
        self._reader.hang_up()

    def rewords(self, edited: Edited) -> bool:
        """Tell whether *edited* is the asker's, before anything was answered, and not one too many."""
        fresh = self._draft.open and not self.begun and self._reworded < REWORDED
        return fresh and edited.text != self.mention.text and edited.actor.id == self.mention.actor.id

    def reword(self, edited: Edited) -> None:
        """Ask anew with the text of *edited*."""
        self._reworded += 1
        self.mention = replace(self.mention, text=edited.text)
        self._answer.allow(Links.of(edited.text, self._means.showing.hosts))
        self._reader.again(self.mention)

    def _watch(self, message: str) -> None:
        """Let stops of *message* end this answer; one may have come already."""
        if early := self._means.stops.watch(message, self, asyncio.get_running_loop().time()):
            self.stop(early)


def _answer(means: Means, mention: Mention, left: Entry | None) -> Answer:
    """Return an answer to *mention* that goes on where *left* ends."""
    showing = means.showing
    answer = Answer(mention.surface.limits, Links.of(mention.text, showing.hosts), showing)
    if left:
        answer.resume(left.text, left.messages)
    return answer


def _name(stop: Stop, asker: Actor) -> str:
    """Return the stopper's name on one line; what tells of a stop may lack it, as in direct messages."""
    name = stop.actor.name or (asker.name if stop.actor.id == asker.id else "")
    return " ".join(name.split())[:80] or "a reader"
