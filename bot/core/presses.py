"""What a pressed button does: it decides what a person was asked, or asks what stood above it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from bot.core.follow import followed
from bot.core.live import Live, Means
from bot.core.running import Running
from bot.events import RETRY
from bot.platform import Outcome, Platform, Press

log = structlog.get_logger(__name__)


class Presses:
    """Follows buttons, for people who may press them.

    Args:
        means: What all answers share.
        running: Where answers run.
        platforms: Those that are served, by name.
    """

    def __init__(self, means: Means, running: Running, platforms: Mapping[str, Platform]) -> None:
        self._means = means
        self._running = running
        self._platforms = platforms

    def decide(self, press: Press) -> Outcome:
        """Give *press* to the question that it decides, or that may turn out to be in its message."""
        if card := self._means.stops.find(press.message):
            return card.decide(press)
        expected = [live for live in self._running.lives.values() if live.expected]
        if not expected:
            return Outcome.LAPSED
        if not any(live.allows(press.actor) for live in expected):
            return Outcome.REFUSED
        self._means.stops.keep(press, asyncio.get_running_loop().time())
        return Outcome.SHOWN

    async def follow(self, press: Press) -> Outcome:
        """Ask what the button stands for; while shutting down, that is answered after the next start."""
        platform = self._platforms.get(press.message.partition("/")[0])
        try:
            live = await followed(self._means, platform, press) if platform else None
            pressed = live and await self._means.store.find(live.mention.key)
        except OSError as error:
            log.warning("a button was not followed", message=press.message, error=str(error))
            return Outcome.LATER
        if live is None:
            return Outcome.LAPSED
        if pressed:
            return Outcome.UNKNOWN
        return await self._ask(live, press)

    async def _ask(self, live: Live, press: Press) -> Outcome:
        mention, running = live.mention, self._running
        if refusal := running.refusal(mention) or await running.rushed(mention):
            told = replace(mention, key=f"{mention.key}/later")  # the ledger keeps the key for the answer
            running.say(told, refusal, "too much")
            return Outcome.LATER
        if not await running.accept(mention):
            return Outcome.UNKNOWN
        if not running.closing and not running.queue(live):
            await running.drop(mention)
        return Outcome.SHOWN if press.control == RETRY.name else Outcome.TAKEN
