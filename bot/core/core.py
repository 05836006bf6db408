"""The streaming core: takes what adapters hear, and keeps the answers that are live.

Every method of `Core` that an adapter calls asks `Access` itself and returns once the event is claimed, so an
adapter can neither forget the check nor acknowledge what was not taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from bot.core.follow import followed
from bot.core.intake import ANYBODY, Caps, Intake, Refusal, Ticket
from bot.core.live import Live, Means
from bot.core.repair import STALE, missed, resumed
from bot.core.sayings import AWAY, HINT, NOTHING, RESTART, TOO_MUCH, interrupted, means_stop
from bot.core.stops import Stops
from bot.events import STOP
from bot.guard.access import Access, Action
from bot.model import Asking, Model
from bot.platform import (
    Asked,
    Deleted,
    Edited,
    Mention,
    Outcome,
    Platform,
    Press,
    Stop,
    Unavailable,
)
from bot.show.answer import Ending, Showing
from bot.show.pace import Pace
from bot.store import Entry, Store

log = structlog.get_logger(__name__)

#: Answers without a model (hints, notices of the intake) that may be under way at once; more are not given.
SAYINGS = 100

#: Seconds after the start before a repair writes: an edit of the process that died may still land.
LATE = 2.0
#: Seconds after which an answer that could not be written for minutes is taken up again, for a day.
AGAIN = 60.0
#: Of so many searches for missed mentions the tasks are kept, to end them on shutdown.
SEARCHES = 16


class Core:
    """Turns mentions into streamed answers, and stops them; an `Inbox`."""

    def __init__(
        self,
        model: Model,
        store: Store,
        access: Access,
        asking: Asking | None = None,
        showing: Showing | None = None,
        clock: Callable[[], float] = time.time,
        caps: Caps = ANYBODY,
    ) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._stops: Stops[Live] = Stops()
        self._means = Means(
            model, access, self._stops, Pace(), asking or Asking(), showing or Showing(), store, clock
        )
        self._lives: dict[asyncio.Task[None], Live] = {}
        self._taken: set[str] = set()  # keys of questions that this process has in hand
        self._errands: set[asyncio.Task[None]] = set()
        self._searches: deque[asyncio.Task[None]] = deque(maxlen=SEARCHES)
        self._later: dict[str, asyncio.Task[None]] = {}  # a platform's answers that were given up
        self._writes_from: float | None = None
        self._intake: Intake[Live] = Intake(caps)
        self._tickets: dict[Live, Ticket[Live]] = {}
        self._platforms: dict[str, Platform] = {}
        self._draining = False

    async def mention(self, mention: Mention) -> None:
        """Take a question; returns once it is claimed, so that adapters can acknowledge.

        Raises:
            Unavailable: While shutting down; not acknowledged, the platform sends the question again.
        """
        if self._draining:
            raise Unavailable("shutting down")
        if not await self._allowed(mention, Action.ASK):
            return
        if not await self._accepted(_asked(mention, self._clock())):
            return
        if not self._take(mention):
            await self._nothing_said(mention)

    async def stop(self, stop: Stop) -> Outcome:
        """Stop the answer that *stop* points at."""
        if not await self._allowed(stop, Action.STOP):
            return Outcome.REFUSED
        if live := self._stops.find(stop.message):
            return live.stop(stop)
        self._stops.keep(stop, _now())
        return Outcome.UNKNOWN

    async def press(self, press: Press) -> Outcome:
        """Do what a button says; while shutting down, what is asked is left to the next start."""
        if press.control == STOP.name:
            return await self.stop(Stop(press.message, press.actor, press.place))
        if not await self._allowed(press, Action.PRESS):
            return Outcome.REFUSED
        platform = self._platforms.get(press.message.partition("/")[0])
        try:
            live = await followed(self._means, platform, press) if platform else None
            pressed = live and await self._store.find(live.mention.key)
        except OSError as error:
            log.warning("a button was not followed", message=press.message, error=str(error))
            return Outcome.LATER
        if live is None or pressed:
            return Outcome.UNKNOWN
        mention = live.mention
        if refusal := self._refusal(mention):
            told = replace(mention, key=f"{mention.key}/later")  # the ledger keeps the key for the answer
            self._say(told, TOO_MUCH[refusal], "too much")
            return Outcome.LATER
        if not await self._accepted(_asked(mention, self._clock())):
            return Outcome.UNKNOWN
        if not self._draining and not self._queue(live):
            await self._nothing_said(mention)
        return Outcome.TAKEN

    async def _nothing_said(self, mention: Mention) -> None:
        """Let go of a question to which nothing is said."""
        self._taken.discard(mention.key)
        await self._store.done(mention.key, self._clock())

    async def _accepted(self, asked: Asked) -> bool:
        """Tell whether this is the first of *asked*, which is in hand then."""
        new = asked.key not in self._taken
        self._taken.add(asked.key)  # before it is in the ledger, where a repair would find it
        accepted = await self._store.accept(asked)
        if new and not accepted:
            self._taken.discard(asked.key)
        return accepted

    async def edited(self, edited: Edited) -> None:
        """Take the new text of a question whose answer has not begun."""
        live = self._stops.find(edited.key)
        if not (live and edited.text.strip() and await self._allowed(edited, Action.EDIT)):
            return
        if live.reword(edited):
            await self._store.reword(live.mention.key, edited.text)

    async def deleted(self, deleted: Deleted) -> None:
        """Stop the answer whose question or page is gone.

        There is nobody to authorize: platforms say that a message is gone, not by whom.
        """
        if live := self._stops.find(deleted.key):
            live.cut(Ending.STOPPED, "Stopped: a message of it was deleted.")

    async def repair(self, platform: Platform) -> None:
        """Take up what an earlier run has left of a platform's questions; see `Platform.run`.

        Returns once they stand in their conversations, before any newer question; they are written to later.
        Afterwards looks for mentions that nobody has heard.
        """
        restarted = platform.name not in self._platforms
        self._platforms[platform.name] = platform
        if self._draining:
            return
        if self._writes_from is None:
            self._writes_from = _now() + LATE
        await self._take_up(platform, restarted=restarted)
        self._searches.append(self._errand(self._catch_up(platform)))

    async def _take_up(self, platform: Platform, *, restarted: bool) -> None:
        """Go on with what is in nobody's hands: left by an earlier run, or given up in this one."""
        now, reason = self._clock(), RESTART if restarted else AWAY
        left = [
            entry
            for entry in await self._store.unfinished(platform.name)
            if entry.asked.key not in self._taken and (restarted or now - entry.asked.at < STALE)
        ]
        waiting = {entry.asked.key for entry in left}
        self._taken |= waiting  # all at once: while one is resumed, others end and would be found again
        try:
            for entry in left:
                if await self._resume(platform, entry, reason):
                    waiting.discard(entry.asked.key)
        finally:
            self._taken -= waiting
        if left:
            log.info("taking up what is not done", platform=platform.name, answers=len(left))

    async def _resume(self, platform: Platform, entry: Entry, reason: str) -> bool:
        after = max(0.0, (self._writes_from or 0.0) - _now())
        if (found := await resumed(self._means, platform, entry, reason, after)) is None:
            return False
        live, asks = found
        self._owe(live, idle=not asks)
        return True

    def _take_up_later(self, platform: str) -> None:
        """Let the answers that were given up be taken up again."""
        waits = self._later.get(platform)
        if platform in self._platforms and not self._draining and (waits is None or waits.done()):
            self._later[platform] = self._errand(self._again(self._platforms[platform]))

    async def _again(self, platform: Platform) -> None:
        await asyncio.sleep(AGAIN)
        await self._take_up(platform, restarted=False)

    async def _catch_up(self, platform: Platform) -> None:
        """Take the mentions that were made while nobody listened; the ledger knows which those are."""
        with suppress(Unavailable):
            for mention in await missed(self._means, platform, self._clock()):
                await self.mention(mention)

    async def drain(self, grace: float = 8.0) -> None:
        """End every answer with a last edit, within *grace* seconds; called on shutdown."""
        self._draining = True
        for task in (*self._searches, *self._later.values()):
            task.cancel()
        for live in self._lives.values():
            live.cut(Ending.INTERRUPTED, *interrupted(begun=live.begun))
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while waited := {*self._lives, *self._errands}:
                    await asyncio.wait(waited)

    @property
    def state(self) -> Mapping[str, int]:
        """How many answers run and wait, and what was taken, refused and told since the start."""
        return self._intake.state

    @property
    def store_health(self) -> str:
        """What the store says of itself; "ok" for one that has nothing to say."""
        return str(getattr(self._store, "health", "ok"))

    @property
    def model_health(self) -> str:
        """Why the model answers nobody; "ok" if nothing is known."""
        return str(getattr(self._means.model, "trouble", "") or "ok")

    async def _allowed(self, event: Mention | Stop | Press | Edited, action: Action) -> bool:
        if await self._access.authorize(event.actor, event.place, action):
            return True
        if not event.actor.bot:
            log.info("refused", action=action.value, actor=event.actor.id, workspace=event.place.workspace)
        return False

    def _take(self, mention: Mention) -> bool:
        """Begin what answers *mention*; False if nothing is to be said to it."""
        text = mention.text.strip()
        if means_stop(text):
            return not self._stop_newest(mention) and self._say(mention, NOTHING, "nothing")
        if not text and not mention.files:
            return self._say(mention, HINT, "hint")
        # Asked before an answer is made: in a storm most questions are refused.
        if refusal := self._refusal(mention):
            return self._say(mention, TOO_MUCH[refusal], "too much")
        return self._queue(Live(self._means, mention))

    def _refusal(self, mention: Mention) -> Refusal | None:
        where = mention.place.channel, mention.conversation
        return self._intake.refuse(_user(mention), *where, _now())

    def _stop_newest(self, mention: Mention) -> bool:
        newest = self._intake.newest(mention.conversation)
        stop = Stop(mention.key, mention.actor, mention.place)
        return newest is not None and newest.run.stop(stop) is Outcome.STOPPED

    def _queue(self, live: Live) -> bool:
        """Let *live* begin when its turn comes; if that is too much, say so unless it was said just now."""
        ticket = _ticket(live)
        if refusal := self._intake.take(ticket, _now()):
            return self._say(live.mention, TOO_MUCH[refusal], "too much")
        self._tickets[live] = ticket
        self._start(live, waits=not ticket.begun)
        return True

    def _owe(self, live: Live, *, idle: bool) -> None:
        """Let *live*, whose question an earlier run took, begin when its turn comes; see `Ticket.idle`."""
        ticket = self._tickets[live] = _ticket(live, idle=idle)
        self._intake.owe(ticket)
        self._start(live, waits=not ticket.begun)

    def _say(self, mention: Mention, text: str, about: str) -> bool:
        """Answer with *text*, which is *about* something that one person hears of once a minute."""
        under_way = len(self._lives) - len(self._tickets)
        if not self._intake.tell(_user(mention), about, _now(), free=under_way < SAYINGS):
            return False
        log.info("told", about=about, actor=mention.actor.id, workspace=mention.place.workspace)
        self._start(Live(self._means, mention, saying=text))
        return True

    def _start(self, live: Live, *, waits: bool = False) -> None:
        if not waits:
            live.begin()
        task = asyncio.get_running_loop().create_task(live.go())
        self._lives[task] = live
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        live = self._lives.pop(task)
        if task.cancelled() or task.exception() or live.given_up:
            self._taken.discard(live.mention.key)  # what is left of it is there for a repair
            self._take_up_later(live.mention.key.partition("/")[0])
        else:
            self._errand(self._done(live))
        if ticket := self._tickets.pop(live, None):
            for each in self._intake.leave(ticket):
                each.run.begin()
        if not task.cancelled() and (error := task.exception()):
            log.error("an answer crashed", exc_info=error)

    async def _done(self, live: Live) -> None:
        try:
            await live.keep_done()
        except OSError as error:
            log.warning("left to a repair", question=live.mention.key, error=str(error))
            self._take_up_later(live.mention.key.partition("/")[0])
        finally:
            self._taken.discard(live.mention.key)

    def _errand(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do *work* beside the answers; what goes wrong there is told."""
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._run)
        return task

    def _run(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an errand failed", exc_info=error)


def _asked(mention: Mention, at: float) -> Asked:
    return Asked(mention.key, mention.conversation, mention.actor, mention.place, mention.text, at)


def _ticket(live: Live, *, idle: bool = False) -> Ticket[Live]:
    mention = live.mention
    return Ticket(_user(mention), mention.place.channel, mention.conversation, live, idle)


def _user(mention: Mention) -> str:
    """Return one name for who asked over all platforms, whose message keys begin with their names."""
    return f"{mention.key.partition('/')[0]}/{mention.actor.id}"


def _now() -> float:
    return asyncio.get_running_loop().time()
