"""The answers that run and wait: each begins when its turn comes, and lets others begin when it ends.

All tasks of the core are started here: one for each answer, and errands beside them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress

import structlog

from bot.core.approvals import ASKED, Card
from bot.core.files import kept
from bot.core.intake import ANYBODY, Caps, Intake, Refusal, Ticket
from bot.core.kept import ELSEWHERE
from bot.core.latest import Latest
from bot.core.live import Live, Means
from bot.core.sayings import TOO_MUCH
from bot.platform import Actor, Asked, Mention, Place
from bot.show.writes import Ending
from bot.store.peers import Taken
from bot.text.safe import mended

log = structlog.get_logger(__name__)

#: Answers without a model (hints, notices of the intake) that may be under way at once; more are not given.
SAYINGS = 100


class Running:
    """The answers of one core, from the moment that their question is taken.

    Args:
        means: What they share.
        caps: How many there may be.

    Attributes:
        lives: The answers that run or wait, by the tasks that they run in.
        taken: The keys of all questions that this process works on.
        latest: The newest questions that were taken.
        closing: Whether nothing new begins any more.
        given_up: Told the key of a question whose answer ended before it was done.
        took: Told a question that is to be answered here.
        overtaken: Told a question that another process has now, though it was answered here.
    """

    def __init__(self, means: Means, caps: Caps = ANYBODY) -> None:
        self._means = means
        self._caps = caps
        self._intake: Intake[Live] = Intake(caps)
        self._tickets: dict[Live, Ticket[Live]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self.lives: dict[asyncio.Task[None], Live] = {}
        self.taken: set[str] = set()
        self.latest = Latest()
        self.closing = False
        self.given_up: Callable[[str], None] = _nobody
        self.took: Callable[[Mention], None] = _untold
        self.overtaken: Callable[[Mention], None] = _untold
        means.cards.put = self.put
        means.store.lost = self._lost

    @property
    def state(self) -> Mapping[str, int]:
        """See `Intake.state`."""
        return self._intake.state

    async def accept(self, mention: Mention) -> bool:
        """Tell whether *mention* is new to the ledger, which has it then; if so, this process works on it."""
        asked = _asked(mention, self._means.clock())
        new = asked.key not in self.taken
        self.taken.add(asked.key)  # before it is in the ledger, where a repair would find it
        accepted = False
        try:
            accepted = await self._means.store.accept(asked)
        finally:
            if new and not accepted:
                self.taken.discard(asked.key)
        return accepted

    async def drop(self, mention: Mention) -> None:
        """Be done with a question to which nothing is said."""
        self.taken.discard(mention.key)
        with suppress(Taken):
            await self._means.store.done(mention.key, self._means.clock())

    def refusal(self, mention: Mention, but: Collection[Ticket[Live]] = ()) -> str:
        """Return what is said to *mention* because there is no room or no money for it; "" if there is.

        Counts what is refused.  *but*: see `Intake.refuse`.
        """
        where = mention.place.channel, mention.conversation
        if refusal := self._intake.refuse(_user(mention), *where, but):
            return TOO_MUCH[refusal]
        return self.unpaid(mention.actor, mention.place)

    async def bars(self, actor: Actor, place: Place) -> str:
        """Return what would be said to a question of *actor* that began a conversation in *place*, or ""."""
        user = f"{place.platform}/{actor.id}"
        if refusal := self._intake.refuse(user, place.channel, ""):
            return TOO_MUCH[refusal]
        return self.unpaid(actor, place) or await self._rushed(user, count=False)

    def unpaid(self, actor: Actor, place: Place) -> str:
        """Return what is said where there is no money for a question; "" if there is."""
        return self._means.spend.refusal(actor, place) if self._means.spend else ""

    def outdated(self, mention: Mention) -> list[Ticket[Live]]:
        """Return what is to give way to *mention*; see `Intake.outdated`."""
        found = self._intake.outdated(mention.conversation)
        return [each for each in found if each.run.gives_way(mention.actor)]

    def give_way(self, tickets: Collection[Ticket[Live]]) -> None:
        """End the answers of *tickets*; a newer question need not wait for their last edits."""
        for ticket in tickets:
            ticket.run.give_way()
            self._leave(ticket.run)

    async def rushed(self, mention: Mention) -> str:
        """Return what is said to *mention* because its asker asks too often; else "", and it is counted."""
        return await self._rushed(_user(mention))

    async def _rushed(self, user: str, *, count: bool = True) -> str:
        caps = self._caps
        if await self._means.store.limits.admit(user, caps.per_minute, caps.per_hour, count=count):
            return ""
        self._intake.count(Refusal.RATE)
        return TOO_MUCH[Refusal.RATE]

    def queue(self, live: Live) -> bool:
        """Let *live* begin when its turn comes; if that is too much, say so.  False if nothing is said."""
        ticket = _ticket(live)
        if refusal := self._intake.take(ticket):
            return self.say(live.mention, TOO_MUCH[refusal], "too much")
        self._tickets[live] = ticket
        self.latest.note(live.mention)
        self.took(live.mention)
        self._start(live, waits=not ticket.begun)
        return True

    def owe(self, live: Live, *, idle: bool) -> None:
        """Let *live*, whose question an earlier run took, begin when its turn comes; see `Ticket.idle`."""
        ticket = self._tickets[live] = _ticket(live, idle=idle)
        self._intake.owe(ticket)
        self._start(live, waits=not ticket.begun)

    def say(self, mention: Mention, text: str, about: str) -> bool:
        """Answer *mention* with *text*, without the model; False if nothing is said.

        A person hears *about* one thing once a minute, and nothing while too many others are being told.  Who
        did not call the bot hears nothing: they may have talked to others.
        """
        free = len(self.lives) - len(self._tickets) < SAYINGS and not mention.follow_up
        if not self._intake.tell(_user(mention), about, _now(), free=free):
            return False
        log.info("told", about=about, actor=mention.actor.id, workspace=mention.place.workspace)
        self._start(Live(self._means, mention, saying=text))
        return True

    async def put(self, mention: Mention, card: Card) -> None:
        """Ask a person, by a message of its own, what *card* says; see `Cards`."""
        await self.accept(mention)
        await self._means.store.call(mention.key, ASKED.format(card.tool))
        self._start(Live(self._means, mention, card))

    def newest(self, conversation: str) -> Live | None:
        """Return the newest answer that runs or waits in *conversation*."""
        ticket = self._intake.newest(conversation)
        return ticket.run if ticket else None

    def current(self, conversation: str) -> Live | None:
        """Return the answer that runs in *conversation*, or is the next to."""
        ticket = self._intake.current(conversation)
        return ticket.run if ticket else None

    def errand(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do *work* beside the answers; a failure of it is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_ended)
        return task

    async def all_done(self, within: float | None = None) -> None:
        """Wait until no answer and no errand is left, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while waited := {*self.lives, *self._errands}:
                    await asyncio.wait(waited)

    def _start(self, live: Live, *, waits: bool = False) -> None:
        if not waits:
            live.begin()
        task = asyncio.get_running_loop().create_task(live.go())
        self.lives[task] = live
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        live = self.lives.pop(task)
        if live.overtaken:
            self.taken.discard(live.mention.key)
            self.overtaken(live.mention)
        elif task.cancelled() or task.exception() or live.given_up:
            self.taken.discard(live.mention.key)  # for a repair, which may take it up
            self.given_up(live.mention.key)
        else:
            self.errand(self._done(live))
        self._leave(live)
        if not task.cancelled() and (error := task.exception()):
            log.error("an answer crashed", exc_info=error)

    def _lost(self, key: str) -> None:
        """End the answer to a question that is another process's; else its next write would find that out."""
        for live in self.lives.values():
            if live.mention.key == key:
                live.cut(Ending.LOST, ELSEWHERE)

    def _leave(self, live: Live) -> None:
        """Let *live* keep no other answer from beginning any more."""
        if ticket := self._tickets.pop(live, None):
            for each in self._intake.leave(ticket):
                each.run.begin()

    async def _done(self, live: Live) -> None:
        try:
            await live.keep_done()
        except OSError as error:
            log.warning("left to a repair", question=live.mention.key, error=str(error))
            self.given_up(live.mention.key)
        except Taken:
            self.overtaken(live.mention)
        finally:
            self.taken.discard(live.mention.key)

    def _errand_ended(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an errand failed", exc_info=error)


def _nobody(_key: str) -> None:
    """Tell nobody: what was given up is left to the next start."""


def _untold(_mention: Mention) -> None:
    """Tell nobody."""


def _asked(mention: Mention, at: float) -> Asked:
    text = mended(kept(mention.text, mention.files))
    return Asked(mention.key, mention.conversation, mention.actor, mention.place, text, at)


def _ticket(live: Live, *, idle: bool = False) -> Ticket[Live]:
    mention = live.mention
    return Ticket(_user(mention), mention.place.channel, mention.conversation, live, idle)


def _user(mention: Mention) -> str:
    """Return one name for who asked over all platforms, whose message keys begin with their names."""
    return f"{mention.key.partition('/')[0]}/{mention.actor.id}"


def _now() -> float:
    return asyncio.get_running_loop().time()
