"""The streaming core: takes what adapters hear, and keeps the answers that are live.

Every method of `Core` that an adapter calls asks `Access` itself and returns once the event is claimed, so an
adapter can neither forget the check nor acknowledge what was not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from bot.access import Access, Action
from bot.answer import Ending, Showing
from bot.events import STOP
from bot.intake import ANYBODY, Caps, Intake, Refusal, Ticket
from bot.live import Live, Means
from bot.model import Asking, Model
from bot.pace import Pace
from bot.platform import Deleted, Edited, Mention, Outcome, Press, Stop, Unavailable
from bot.stops import Stops
from bot.store import Store

log = structlog.get_logger(__name__)

#: Answers without a model (hints, notices of the intake) that may be under way at once; more are not given.
SAYINGS = 100

HINT = "Mention me with a question, and I'll answer it here. React with 🛑 to an answer to stop it."
NOTHING = "There is nothing to stop here. React with 🛑 to an answer, or press its Stop button."
BUSY = "Too many questions are waiting in this conversation. Please ask again in a moment."
YOURS = "One question of yours is being answered here and one is waiting. Please ask again after them."
OFTEN = "You have asked as often as I may answer for now. Please ask again later."
FULL = "Too many people are asking right now. Please ask again in a minute."
TOO_MUCH = {
    Refusal.CONVERSATION: BUSY,
    Refusal.USER: YOURS,
    Refusal.RATE: OFTEN,
    Refusal.FULL: FULL,
}
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
        caps: Caps = ANYBODY,
    ) -> None:
        self._access = access
        self._store = store
        self._stops: Stops[Live] = Stops()
        self._means = Means(model, access, self._stops, Pace(), asking or Asking(), showing or Showing())
        self._lives: dict[asyncio.Task[None], Live] = {}
        self._intake: Intake[Live] = Intake(caps)
        self._tickets: dict[Live, Ticket[Live]] = {}
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
        self._take(mention)

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
        return Outcome.UNKNOWN if await self._allowed(press, Action.PRESS) else Outcome.REFUSED

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

    @property
    def state(self) -> Mapping[str, int]:
        """How many answers run and wait, and what was taken, refused and told since the start."""
        return self._intake.state

    @property
    def store_health(self) -> str:
        """What the store says of itself; "ok" for one that has nothing to say."""
        return str(getattr(self._store, "health", "ok"))

    async def _allowed(self, event: Mention | Stop | Press | Edited, action: Action) -> bool:
        if await self._access.authorize(event.actor, event.place, action):
            return True
        if not event.actor.bot:
            log.info("refused", action=action.value, actor=event.actor.id, workspace=event.place.workspace)
        return False

    def _take(self, mention: Mention) -> bool:
        """Begin what answers *mention*; False if nothing is to be said to it."""
        text = mention.text.strip()
        if text.lower() == "stop":
            return not self._stop_newest(mention) and self._say(mention, NOTHING, "nothing")
        if not text and not mention.files:
            return self._say(mention, HINT, "hint")
        return self._queue(Live(self._means, mention))

    def _stop_newest(self, mention: Mention) -> bool:
        newest = self._intake.newest(mention.conversation)
        stop = Stop(mention.key, mention.actor, mention.place)
        return newest is not None and newest.run.stop(stop) is Outcome.STOPPED

    def _queue(self, live: Live, *, owed: bool = False) -> bool:
        """Let *live* begin when its turn comes; if that is too much, say so unless it was said just now.

        Args:
            live: The answer.
            owed: Whether its question was taken before, so that no bound applies.
        """
        mention = live.mention
        ticket = Ticket(_user(mention), mention.place.channel, mention.conversation, live)
        if owed:
            self._intake.owe(ticket)
        elif refusal := self._intake.take(ticket, _now()):
            return self._say(mention, TOO_MUCH[refusal], "too much")
        self._tickets[live] = ticket
        self._start(live, waits=not ticket.begun)
        return True

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
        if ticket := self._tickets.pop(live, None):
            for each in self._intake.leave(ticket):
                each.run.begin()
        if not task.cancelled() and (error := task.exception()):
            log.error("an answer crashed", exc_info=error)


def _user(mention: Mention) -> str:
    """Return one name for who asked over all platforms, whose message keys begin with their names."""
    return f"{mention.key.partition('/')[0]}/{mention.actor.id}"


def _now() -> float:
    return asyncio.get_running_loop().time()
