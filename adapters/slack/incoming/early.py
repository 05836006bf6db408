"""Stops that came before the message that they point at was known: kept for a while, and looked at again.

Slack may tell of a reaction before it has answered our own post.  Nobody is looked up for such a stop until
its message turns out to be one of ours.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from adapters.slack.wire.errands import Errands
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: Seconds for which a stop is kept, seconds between two looks, and how many are kept.
PATIENCE = 30.0
PAUSE = 0.25
KEPT = 256

#: Does what was kept.
Act = Callable[[], Awaitable[object]]


class Early:
    """Stops of messages that are not known yet.

    Args:
        knows: Tells whether a message is known now.
        errands: Does the waiting.
    """

    def __init__(self, knows: Callable[[str], bool], errands: Errands) -> None:
        self._knows = knows
        self._errands = errands
        self._kept: OrderedDict[str, tuple[float, Act]] = OrderedDict()
        self._looking = False

    def keep(self, message: str, act: Act) -> None:
        """Keep a stop of *message*: *act* is what to do as soon as it is known."""
        self._kept[message] = (asyncio.get_running_loop().time(), act)
        self._kept.move_to_end(message)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        if not self._looking:
            self._looking = True
            self._errands.watch(self._look())

    async def _look(self) -> None:
        try:
            while self._kept:
                now = asyncio.get_running_loop().time()
                for message, (came, act) in list(self._kept.items()):
                    if self._knows(message):
                        del self._kept[message]
                        self._errands.start(_quietly(act))
                    elif now - came > PATIENCE:
                        del self._kept[message]
                await asyncio.sleep(PAUSE)
        finally:
            self._looking = False


async def _quietly(act: Act) -> None:
    try:
        await act()
    except (SlowDown, Gone, OSError) as error:
        log.info("an early stop was not taken", error=repr(error))
