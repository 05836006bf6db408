"""One answer while it is live: when it is read, when it is written, and what ends it.

`Reader` and `Writer` have all the tasks that an answer needs; this has none of its own but `Live.go`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars

from bot.core.account import Lasting
from bot.core.approvals import CONTROLS, LONGEST, OVER, TOO_LONG, Allowed, Card
from bot.core.calls import bound
from bot.core.conversation import Past
from bot.core.counted import Counted
from bot.core.draft import Draft
from bot.core.gathering import Desk
from bot.core.glance import Glance
from bot.core.kept import Kept
from bot.core.ratings import Models
from bot.core.reader import Reader
from bot.core.sayings import LAPSED, REPLACED, TOO_LATE
from bot.core.stops import Stops
from bot.core.terms import TermsOf
from bot.core.waits import Waits
from bot.core.writer import Writer
from bot.events import RETRY, STOP, Control, File, Text, Usage
from bot.guard.access import Access, Action
from bot.guard.spend import Spend, dollars
from bot.model import Model, Tool
from bot.platform import Actor, Edited, Mention, Outcome, Press, Stop, Surface
from bot.show.answer import Answer
from bot.show.pace import Pace
from bot.show.writes import Ending, Showing
from bot.store import Entry, Store
from bot.store.peers import Taken
from bot.tally import Tally
from bot.text.safe import Links
from bot.tools import Caller, Refused
from bot.tools.notebook import Notebook

log = structlog.get_logger(__name__)

#: How often an edited question is asked anew.
REWORDED = 2


async def _nowhere(_mention: Mention, card: Card) -> None:
    """Let nobody be asked."""
    card.decided.set_result(False)


@dataclass(slots=True)
class Cards:
    """Where questions to people are put; `Running` does that."""

    put: Callable[[Mention, Card], Awaitable[None]] = field(default=_nowhere)


@dataclass(frozen=True, slots=True)
class Means:
    """What all answers of a core share.

    Attributes:
        terms: Says what holds for a question.
        clock: Seconds of the wall clock.
        desk: Where files are read.
        waits: Where writes wait that have failed.
        models: Who has given the answers.
        tally: What is counted.
        spend: What may be spent, and is; None for as much as anybody likes.
    """

    model: Model
    access: Access
    stops: Stops[Live]
    pace: Pace
    terms: TermsOf
    store: Store
    clock: Callable[[], float]
    allowed: Allowed = field(default_factory=Allowed)
    cards: Cards = field(default_factory=Cards)
    lasting: Lasting = field(default_factory=Lasting)
    desk: Desk = field(default_factory=Desk)
    waits: Waits = field(default_factory=Waits)
    models: Models = field(default_factory=Models)
    tally: Tally = field(default_factory=Tally)
    spend: Spend | None = None


class Live:
    """One answer being read from the model and written to its surface.

    Args:
        means: What it shares with others.
        mention: The question.
        saying: What to answer without asking the model; or what to ask a person.
        left: What the ledger has of it from an earlier run.
        after: Seconds before anything of it is written.
        past: What came before the question.
        instead: The text of the answer that *left* stands for, if this one takes its place.

    Attributes:
        card: What it asks a person; None for an answer.
        overtaken: Whether another process has the question now.
    """

    def __init__(
        self,
        means: Means,
        mention: Mention,
        saying: str | Card = "",
        left: Entry | None = None,
        after: float = 0.0,
        past: Past | None = None,
        instead: str | None = None,
    ) -> None:
        self.mention = mention
        self._means = means
        self._terms = terms = means.terms(mention.place, mention.actor)
        self._after = after
        self._may_branch = not saying and not left
        self._begun = asyncio.Event()
        self._since = _now()
        self._reworded = 0
        self.overtaken = False
        self._vanishing = False
        self._watched: set[str] = set()
        self._whole = not (terms.showing.stream or saying)
        self.card = saying if isinstance(saying, Card) else None
        self._answer = _answer(terms.showing, mention, CONTROLS if self.card else (STOP,))
        if self.card:  # nobody may see its buttons without the call
            self._answer.receive(Text(self.card.text))
        if left and instead is not None:
            self._answer.replace(instead, left.messages, left.offered)
        elif left:
            self._answer.resume(left.text, left.messages, anew=retries(left.asked.key))
        self._kept = Kept(means.store, mention.key, means.clock, left)
        self._draft = Draft(self._answer, self._kept)
        self._root = past.root if past else ""
        reads = means.model, terms.asking, means.access, past or Past(), means.lasting, means.clock
        self._reader = Reader(self._draft, *reads, means.desk, self._tools, self._may, saying, self._footer)
        watch, forget = self._watch, means.stops.forget
        self._counted = Counted(
            means.tally, mention.key.partition("/")[0], self._answer, asked=not left, said=bool(saying)
        )
        self._writer = Writer(
            self._draft, mention.surface, means.pace, mention.key, watch, forget, means.waits, self._counted
        )

    async def go(self) -> None:
        """Answer the mention; returns after the last edit."""
        bind_contextvars(question=self.mention.key)  # all that is logged meanwhile, whoever does, is about it
        for message in filter(None, (self.mention.key, self._root, *self._answer.messages)):
            self._watch(message)
        try:
            await asyncio.sleep(self._after)
            if not self._begun.is_set():
                await self._surface.status(on=True)
                await self._begun.wait()
                await self._surface.status(on=False)
            await self._kept.adopt()
            if self._draft.open:
                self._reader.begin(self.mention)
            asked = self._surface
            if self._whole:
                await asked.status(on=True)
            await self._writer.settle_in(branch=self._may_branch)
            await self._writer.write()
            for message in self._answer.messages if self._vanishing else self._answer.surplus:
                await self._surface.remove(message)
            if self._whole:
                await asked.status(on=False)
        except Taken:
            log.warning("another process has the question now", question=self.mention.key)
            self.overtaken = True
            self._answer.lost()
        finally:
            if self.card:
                self.card.close(OVER)  # nobody can decide any more
            self._writer.leave()
            self._counted.ended()
            self._means.models.keep(self.mention.key, self.model)
            self._means.stops.forget(*self._watched)
            await self._reader.close()

    @property
    def open(self) -> bool:
        """Whether more may come of it."""
        return self._draft.open

    @property
    def begun(self) -> bool:
        """Whether the model has said anything."""
        return self._answer.received > 0

    @property
    def unread(self) -> bool:
        """Whether nobody can have read any of it, even if the model has said something."""
        held = self._whole and self._draft.open and not self._answer.messages
        return held or not self.begun

    @property
    def calling(self) -> str:
        """See `Entry.calling`."""
        return self._kept.calling

    @property
    def expected(self) -> bool:
        """Whether it is a question to a person that may be read before its message is known here."""
        return self.card is not None and self._answer.unshown > 0

    @property
    def model(self) -> str:
        """Which model has given the answer; "" until it is complete."""
        said = self._answer.model
        return "" if said is None else said or self._terms.asking.model

    @property
    def given_up(self) -> bool:
        """See `Writer.given_up`."""
        return self._writer.given_up

    @property
    def glance(self) -> Glance:
        """How far along it is."""
        answer, mention = self._answer, self.mention
        return Glance(
            mention.key,
            mention.place.channel,
            _now() - self._since,
            answer.phase.name.lower() if self._begun.is_set() else "waiting",
            answer.received,
            answer.unshown,
            len(answer.messages),
            self._terms.asking.model,
        )

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
        if not self.gives_way(stop.actor):
            return Outcome.REFUSED
        self.cut(Ending.STOPPED, f"Stopped by {_shown(stop.actor, self.mention.actor)}.", self._draft.rest)
        return Outcome.STOPPED

    def gives_way(self, actor: Actor) -> bool:
        """Tell whether a newer question of *actor* may end the answer: whoever may stop it may do that."""
        return self._means.access.may_stop(actor, self.mention.actor, self.mention.place)

    def give_way(self) -> None:
        """End the answer for a newer question."""
        self.cut(Ending.STOPPED, REPLACED, self._draft.rest)

    def allows(self, actor: Actor) -> bool:
        """Tell whether *actor* may allow a call of a tool."""
        return self._means.access.may_allow(actor, self.mention.actor, self.mention.place)

    def decide(self, press: Press) -> Outcome:
        """Take a press on a button of the question whether a tool may be called, which ends it."""
        if not self.card:
            return Outcome.UNKNOWN
        if not self.allows(press.actor):
            return Outcome.REFUSED
        decided = self.card.decide(press, _shown(press.actor, self.mention.actor))
        return Outcome.SHOWN if decided else Outcome.UNKNOWN

    def cut(self, ending: Ending, note: str, controls: tuple[Control, ...] = ()) -> None:
        """End the answer now, with *note* and *controls* below, and hang up on the model.

        A question to a person ends without buttons, and what it asks for is not done.
        """
        if self.card:
            self.card.close(LAPSED if ending is Ending.INTERRUPTED else note)
            return
        self._draft.end(ending, note, controls)
        self.begin()
        self._reader.hang_up()

    def vanish(self) -> None:
        """End an answer whose question is gone, and that has said nothing yet: nothing of it stays."""
        self._vanishing = True
        if self.card:
            self.card.close(OVER)
        self._draft.vanish()
        self.begin()
        self._reader.hang_up()

    def rewords(self, edited: Edited) -> bool:
        """Tell whether *edited* is the asker's, before anything was answered."""
        fresh = self._draft.open and not self.begun and edited.key == self.mention.key
        return fresh and edited.text != self.mention.text and edited.actor.id == self.mention.actor.id

    @property
    def rewordable(self) -> bool:
        """Whether the model may be asked anew for an edit; no tool that changes something runs twice."""
        return self._reworded < REWORDED and not self.calling

    def miss(self) -> None:
        """Say below the answer that it is not to the last text of its question."""
        self._answer.remark(TOO_LATE)

    def reword(self, edited: Edited) -> None:
        """Ask anew with the text of *edited*."""
        self._reworded += 1
        self.mention = replace(self.mention, text=edited.text)
        self._answer.allow(Links.of(edited.text, self._terms.showing.hosts))
        self._reader.again(self.mention)

    async def _tools(self, mention: Mention, files: Sequence[File]) -> list[Tool]:
        """Return the tools that the answer to *mention*, with these *files* in it and before it, may use."""
        surface, means = self._surface, self._means

        async def fetch(file: File) -> bytes:
            return await mention.surface.fetch(file, means.desk.bounds.size)

        caller = Caller(
            mention.actor,
            mention.place,
            mention.conversation,
            tuple(files),
            surface.history,
            surface.recent,
            fetch,
            Notebook(
                means.store,
                mention.key.partition("/")[0],
                surface.within or mention.place.channel,
                mention.actor,
                means.clock,
            ),
        )
        offered = self._terms.tools
        known = {each.name for each in offered}
        more = [each for each in await self._terms.more() if each.name not in known]
        return bound(
            [*offered, *more], caller, self._kept.call, partial(self._still_may, mention), means.tally.tools
        )

    async def _still_may(self, mention: Mention) -> bool:
        """Tell whether a tool may be called for the asker; rights may have been taken away meanwhile."""
        return await self._means.access.authorize(mention.actor, mention.place, Action.TOOL)

    def _footer(self, model: str, usage: Usage) -> str:
        """Return what stands below the answer: its model and price, where the operator wants that."""
        if not self._terms.footer:
            return ""
        tokens = usage.input + usage.cache_read + usage.cache_write + usage.output
        cost = self._means.spend.cost_of(model, usage) if self._means.spend else 0
        shown = (model, f"{tokens:,} tokens", dollars(cost) if cost else "")
        return f"({' · '.join(filter(None, shown))})"

    async def _may(self, tool: str, call: str) -> bool:
        """Ask whether *tool* may be called; raise `Refused` where nobody can be asked."""
        known, here, asker = self._means.allowed, self.mention.conversation, self.mention.actor.id
        if known.knows(here, asker, tool):
            return True
        if len(call) > LONGEST:
            raise Refused(TOO_LONG.format(LONGEST))
        card = Card(tool, call)
        key = f"{self.mention.key}/ask{secrets.token_hex(4)}"  # no earlier run has asked by that
        await self._means.cards.put(
            replace(self.mention, key=key, text="", files=(), surface=self._surface.aside()), card
        )
        return await known.decided(card, here, asker)

    def _watch(self, message: str) -> None:
        """Let stops of *message* end this answer; one may have come already."""
        self._watched.add(message)
        if early := self._means.stops.watch(message, self, asyncio.get_running_loop().time()):
            self.decide(early) if isinstance(early, Press) else self.stop(early)


def _now() -> float:
    return asyncio.get_running_loop().time()


def retries(key: str) -> bool:
    """Tell whether the question *key* is a press on *Try again*; see `bot.core.follow`."""
    return f"/{RETRY.name}" in key


def _answer(showing: Showing, mention: Mention, live: tuple[Control, ...]) -> Answer:
    """Return an answer to *mention* of which there is nothing yet; a call is shown whole, never as a file."""
    if live != (STOP,):
        showing = replace(showing, pages=0, code=0)
    return Answer(mention.surface.limits, Links.of(mention.text, showing.hosts), showing, live)


def _shown(actor: Actor, asker: Actor) -> str:
    """Return the name of *actor* on one line; what tells of a stop may lack it, as in direct messages."""
    name = actor.name or (asker.name if actor.id == asker.id else "")
    return " ".join(name.split())[:80] or "a reader"
