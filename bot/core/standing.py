"""Finds stops that were set while nobody listened: reactions stand on the messages of answers that run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.core.live import Live
from bot.core.stops import Stops
from bot.platform import Gone, Outcome, Place, Platform, SlowDown, Stop

log = structlog.get_logger(__name__)

#: Messages of answers that are looked at, and the seconds that it may take.
LOOKED_AT, LOOKING = 50, 60.0
#: Seconds before those are looked at again of which the platform could not tell.
AGAIN = 2.0


async def look(platform: Platform, stops: Stops[Live], stop: Callable[[Stop], Awaitable[Outcome]]) -> None:
    """Give the stops that stand on messages of *platform* to *stop*."""
    ours = [(key, live) for key, live in stops.watched() if key.partition("/")[0] == platform.name]
    left = [(key, live.mention.place) for key, live in ours[:LOOKED_AT]]

    async def looked(key: str, place: Place) -> bool:
        """Look at one message, if it belongs to an answer still; tell whether that is done."""
        try:
            found = await platform.standing(key, place) if stops.find(key) else ()
        except SlowDown as slow:
            await asyncio.sleep(slow.retry_after)
            return False
        except Gone as gone:
            log.info("the reactions on a message are not known", message=key, reason=str(gone))
            return True
        except OSError:
            return False
        for each in found:
            if stops.find(key):
                await stop(each)
        return True

    try:
        async with asyncio.timeout(LOOKING):
            while left := [each for each in left if not await looked(*each)]:  # noqa: ASYNC110  no event tells
                await asyncio.sleep(AGAIN)
    except TimeoutError:
        log.warning("stops that were set meanwhile may be lost", platform=platform.name, messages=len(left))
