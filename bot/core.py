"""The streaming core: takes what adapters hear, and keeps the answers that are live.

Every method of `Core` that an adapter calls asks `Access` itself and returns once the event is claimed, so an
adapter can neither forget the check nor acknowledge what was not taken.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

import structlog

from bot.access import Access, Action
from bot.answer import Ending, Showing
from bot.events import STOP
from bot.live import Live, Means
from bot.model import Asking, Model
from bot.pace import Pace
from bot.platform import Deleted, Edited, Mention, Outcome, Press, Stop, Unavailable
from bot.stops import Stops
from bot.store import Store

log = structlog.get_logger(__name__)

#: Questions that may wait behind a running answer in one conversation.
WAITING = 5
#: Answers that have ended and can still be continued or tried again.
OFFERS = 128

HINT = "Mention me with a question, and I'll answer it here. React with 🛑 to an answer to stop it."
NOTHING = "There is nothing to stop here. React with 🛑 to an answer, or press its Stop button."
BUSY = "Too many questions are waiting in this conversation. Please ask again in a moment."
RESTART = "Interrupted by a restart. Ask again for the rest."


class Core:
    """Turns mentions into streamed answers, and stops them."""

    def __init__(
        self,
        model: Model,
        store: Store,
        access: Access,
        asking: Asking | None = None,
        showing: Showing | None = None,
    ) -> None:
        self._access = access
        self._store = store
        self._stops: Stops[Live] = Stops()
        self._means = Means(model, access, self._stops, Pace(), asking or Asking(), showing or Showing())
        self._lives: dict[asyncio.Task[None], Live] = {}
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
        if not await self._allowed(mention, Action.ASK) or not await self._store.claim(mention.key):
            return
        text = mention.text.strip()
        if text.lower() == "stop":
            if not self._stop_newest(mention):
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
        self._queue(offer.followed(press))
        return Outcome.TAKEN

    async def edited(self, edited: Edited) -> None:
        """Take the new text of a question whose answer has not begun."""
        live = self._stops.find(edited.key)
        if live and edited.text.strip() and await self._allowed(edited, Action.EDIT):
            live.reword(edited)

    async def deleted(self, deleted: Deleted) -> None:
        """Stop the answer whose question or page is gone.

        There is nobody to authorize: platforms say that a message is gone, not by whom.
        """
        if live := self._stops.find(deleted.key):
            live.cut(Ending.STOPPED, "Stopped: a message of it was deleted.")

    async def drain(self, grace: float = 8.0) -> None:
        """End every answer with a last edit, within *grace* seconds; called on shutdown."""
        self._draining = True
        for live in self._lives.values():
            live.cut(Ending.INTERRUPTED, RESTART)
        if self._lives:
            await asyncio.wait(self._lives, timeout=grace)

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
        talk = self._talks.get(live.mention.conversation)
        if talk and live in talk:
            talk.remove(live)
            if talk:
                talk[0].begin()
            else:
                del self._talks[live.mention.conversation]
        if not task.cancelled() and (error := task.exception()):
            log.error("an answer crashed", exc_info=error)

    def _offer(self, live: Live) -> None:
        """Keep *live*, which has ended, if there are buttons under it."""
        message, controls = live.offers
        if message and controls:
            self._offers[message] = live
            if len(self._offers) > OFFERS:
                self._offers.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
