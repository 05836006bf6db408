"""What a stop ends, and what is said to who may not stop that."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.core.gate import Gate
from bot.core.live import Live
from bot.core.refusals import Refusals
from bot.core.running import Running
from bot.core.sayings import NOTHING
from bot.core.stops import Stops
from bot.guard.access import Access, Action
from bot.platform import Mention, Outcome, Stop


class Stopping:
    """Ends answers because somebody said so.

    Args:
        gate: Asked before anything is ended.
        access: Has the words for who may not.
        refusals: Tells who may not by a reaction, which has no reply of its own.
        stops: Knows whose messages are whose.
        running: Where answers run.
    """

    def __init__(
        self, gate: Gate, access: Access, refusals: Refusals, stops: Stops[Live], running: Running
    ) -> None:
        self._gate = gate
        self._access = access
        self._refusals = refusals
        self._stops = stops
        self._running = running

    async def stop(self, stop: Stop) -> tuple[Outcome, str]:
        """Do what *stop* says; return what came of it, and which right its actor lacks, as they read it."""
        live = self._meant(stop)
        # Who ends an answer to themselves does so once: that is never too often.
        ends_own = live is not None and live.open and live.mention.actor.id == stop.actor.id
        if not (ends_own or self._gate.heeds(stop, Action.STOP)):
            return Outcome.LATER, ""
        if not await self._gate.allows(stop, Action.STOP):
            return Outcome.REFUSED, self._access.refusal(stop.place)
        live = self._meant(stop)  # anew, since it may have come or gone meanwhile
        outcome = live.stop(stop) if live else Outcome.UNKNOWN
        if not live and not stop.conversation:
            self._stops.keep(stop, asyncio.get_running_loop().time())
        return outcome, self._access.not_yours(stop.place) if outcome is Outcome.REFUSED else ""

    async def react(self, stop: Stop) -> Outcome:
        """Do what *stop* says; who may not is told so."""
        outcome, why = await self.stop(stop)
        if why and not stop.actor.bot and (live := self._meant(stop)):
            self._refusals.tell(replace(stop, message=stop.message or live.mention.key), why)
        return outcome

    def newest(self, mention: Mention) -> str:
        """Stop the newest answer where *mention* says so; return what is said to it, "" if it stopped."""
        if (newest := self._running.newest(mention.conversation)) is None:
            return NOTHING
        if newest.stop(Stop(mention.key, mention.actor, mention.place)) is Outcome.STOPPED:
            return ""
        return self._access.not_yours(mention.place) or NOTHING

    def _meant(self, stop: Stop) -> Live | None:
        """Return the answer that *stop* points at."""
        if stop.conversation:
            return self._running.current(stop.conversation)
        return self._stops.find(stop.message)
