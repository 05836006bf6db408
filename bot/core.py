"""The streaming core: takes what adapters hear, and keeps the answers that are live.

Every method of `Core` that an adapter calls asks `Access` itself and returns once the event is claimed, so an
adapter can neither forget the check nor acknowledge what was not taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress

import structlog

from bot.access import Access, Action
from bot.answer import Ending, Showing
from bot.events import STOP
from bot.live import Live, Means
from bot.model import Asking, Model
from bot.pace import Pace
from bot.platform import (
    Asked,
    Deleted,
    Edited,
    Gone,
    Mention,
    Outcome,
    Platform,
    Press,
    SlowDown,
    Stop,
    Unavailable,
)
from bot.stops import Stops
from bot.store import Entry, Store

log = structlog.get_logger(__name__)

#: Questions that may wait behind a running answer in one conversation.
WAITING = 5
#: Answers that have ended and can still be continued or tried again.
OFFERS = 128

HINT = "Mention me with a question, and I'll answer it here. React with 🛑 to an answer to stop it."
NOTHING = "There is nothing to stop here. React with 🛑 to an answer, or press its Stop button."
BUSY = "Too many questions are waiting in this conversation. Please ask again in a moment."
RESTART = "Interrupted by a restart. Say “continue” for the rest."
UNBEGUN = "Interrupted by a restart before it began. Please ask again."

#: Seconds after the start before a repair writes: an edit of the process that died may still land.
LATE = 2.0
#: Questions younger than this many seconds are answered after a restart, older ones are told.
YOUNG = 300.0
#: How often one question is begun: it may be what ends the process.
RUNS = 3
#: Seconds after which nobody wants to hear of a question that nothing was said to.
STALE = 86_400.0
#: Seconds that a platform may look for mentions that were missed.
SEARCH = 60.0
#: Of so many searches for missed mentions the tasks are kept, to end them on shutdown.
SEARCHES = 16


class Core:
    """Turns mentions into streamed answers, and stops them."""

    def __init__(
        self,
        model: Model,
        store: Store,
        access: Access,
        asking: Asking | None = None,
        showing: Showing | None = None,
        clock: Callable[[], float] = time.time,
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
        self._writes_from: float | None = None
        self._talks: dict[str, deque[Live]] = {}
        self._offers: OrderedDict[str, Live] = OrderedDict()
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
        new = mention.key not in self._taken
        self._taken.add(mention.key)  # before it is in the ledger, where a repair would find it
        if not await self._store.accept(_asked(mention, self._clock())):
            if new:
                self._taken.discard(mention.key)
            return
        text = mention.text.strip()
        if _means_stop(text):
            if self._stop_newest(mention):
                self._taken.discard(mention.key)
                await self._store.done(mention.key, self._clock())
            else:
                self._start(Live(self._means, mention, saying=NOTHING))
        elif not text and not mention.files:
            self._start(Live(self._means, mention, saying=HINT))
        else:
            self._queue(Live(self._means, mention))

    async def stop(self, stop: Stop) -> Outcome:
        """Stop the answer that *stop* points at."""
        if not await self._allowed(stop, Action.STOP):
            return Outcome.REFUSED
        if live := self._stops.find(stop.message):
            return live.stop(stop)
        self._stops.keep(stop, _now())
        return Outcome.UNKNOWN

    async def press(self, press: Press) -> Outcome:
        """Do what a button says."""
        if press.control == STOP.name:
            return await self.stop(Stop(press.message, press.actor, press.place))
        if not await self._allowed(press, Action.PRESS):
            return Outcome.REFUSED
        offer = None if self._draining else self._offers.get(press.message)
        if not offer or press.control not in {control.name for control in offer.offers[1]}:
            return Outcome.UNKNOWN
        del self._offers[press.message]
        live = offer.followed(press)
        self._taken.add(live.mention.key)
        if not await self._store.accept(_asked(live.mention, self._clock())):
            self._taken.discard(live.mention.key)
            return Outcome.UNKNOWN
        self._queue(live)
        return Outcome.TAKEN

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
        if self._draining:
            return
        now, loop = self._clock(), asyncio.get_running_loop()
        if self._writes_from is None:
            self._writes_from = loop.time() + LATE
        after = max(0.0, self._writes_from - loop.time())
        left = [
            entry
            for entry in await self._store.unfinished(platform.name)
            if entry.asked.key not in self._taken
        ]
        for entry in left:
            await self._resume(platform, entry, now, after)
        if left:
            log.info("repairing what a restart interrupted", platform=platform.name, answers=len(left))
        self._searches.append(self._errand(self._catch_up(platform, now)))

    async def _resume(self, platform: Platform, entry: Entry, now: float, after: float) -> None:
        """Answer the question of *entry*, or end its answer."""
        asked, age = entry.asked, now - entry.asked.at
        surface = platform.reopen(asked, entry.remains)
        if surface is None or (age > STALE and not entry.parts):
            log.warning("a question was lost", question=asked.key)
            await self._store.done(asked.key, now)
            return
        mention = Mention(asked.key, asked.conversation, asked.actor, asked.place, asked.text, surface)
        anew = entry.note is None and not entry.text and age < YOUNG and entry.runs < RUNS
        anew = anew and await self._allowed(mention, Action.ASK)
        live = Live(self._means, mention, _plain_answer(asked.text) if anew else "", entry, after)
        self._taken.add(asked.key)
        if entry.note is not None:
            live.cut(Ending.FINISHED, entry.note)
        elif anew:
            await self._store.again(asked.key)
        else:
            live.cut(Ending.INTERRUPTED, RESTART if entry.text else UNBEGUN)
        self._queue(live)

    async def _catch_up(self, platform: Platform, now: float) -> None:
        """Take the mentions that were made while nobody listened; the ledger knows which those are."""
        try:
            recent = await self._store.recent(platform.name, now - STALE)
            async with asyncio.timeout(SEARCH):
                missed = await platform.missed(recent, now - YOUNG) if recent else ()
            for mention in missed:
                await self.mention(mention)
        except (SlowDown, Gone, OSError, Unavailable) as error:
            log.warning("not all that was missed was looked for", platform=platform.name, error=repr(error))

    async def drain(self, grace: float = 8.0) -> None:
        """End every answer with a last edit, within *grace* seconds; called on shutdown."""
        self._draining = True
        for search in self._searches:
            search.cancel()
        for live in self._lives.values():
            live.cut(Ending.INTERRUPTED, RESTART if live.begun else UNBEGUN)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while waited := {*self._lives, *self._errands}:
                    await asyncio.wait(waited)

    async def _allowed(self, event: Mention | Stop | Press | Edited, action: Action) -> bool:
        if await self._access.authorize(event.actor, event.place, action):
            return True
        if not event.actor.bot:
            log.info("refused", action=action.value, actor=event.actor.id, workspace=event.place.workspace)
        return False

    def _stop_newest(self, mention: Mention) -> bool:
        talk = self._talks.get(mention.conversation)
        if not talk:
            return False
        return talk[-1].stop(Stop(mention.key, mention.actor, mention.place)) is Outcome.STOPPED

    def _queue(self, live: Live) -> None:
        """Let *live* wait for the answers before it in its conversation, unless too many do."""
        if len(self._talks.get(live.mention.conversation, ())) > WAITING:
            self._start(Live(self._means, live.mention, saying=BUSY))
            return
        talk = self._talks.setdefault(live.mention.conversation, deque())
        talk.append(live)
        self._start(live, waits=len(talk) > 1)

    def _start(self, live: Live, *, waits: bool = False) -> None:
        if not waits:
            live.begin()
        task = asyncio.get_running_loop().create_task(live.go())
        self._lives[task] = live
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        live = self._lives.pop(task)
        self._offer(live)
        if task.cancelled() or task.exception() or live.given_up:
            self._taken.discard(live.mention.key)  # what is left of it is there for a repair
        else:
            self._errand(self._done(live))
        talk = self._talks.get(live.mention.conversation)
        if talk and live in talk:
            talk.remove(live)
            if talk:
                talk[0].begin()
            else:
                del self._talks[live.mention.conversation]
        if not task.cancelled() and (error := task.exception()):
            log.error("an answer crashed", exc_info=error)

    async def _done(self, live: Live) -> None:
        try:
            await live.keep_done()
        except OSError as error:
            log.warning("left to a repair", question=live.mention.key, error=str(error))
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

    def _offer(self, live: Live) -> None:
        """Keep *live*, which has ended, if there are buttons under it."""
        message, controls = live.offers
        if message and controls:
            self._offers[message] = live
            if len(self._offers) > OFFERS:
                self._offers.popitem(last=False)


def _asked(mention: Mention, at: float) -> Asked:
    return Asked(mention.key, mention.conversation, mention.actor, mention.place, mention.text, at)


def _plain_answer(text: str) -> str:
    """Return what is said to a question that the model need not see; "" for all others."""
    return NOTHING if _means_stop(text) else "" if text.strip() else HINT


def _means_stop(text: str) -> bool:
    return text.strip().lower() == "stop"


def _now() -> float:
    return asyncio.get_running_loop().time()
