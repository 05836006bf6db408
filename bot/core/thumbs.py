"""Finds what people thought of answers while nobody listened: their thumbs stand on the messages.

Who has taken a thumb away meanwhile still counts: platforms list no end of people, so none can be missed for
sure.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from bot.platform import Asked, Gone, Place, Platform, Rating, SlowDown
from bot.store import Store

log = structlog.get_logger(__name__)

#: Messages that are looked at, of the newest answer of each conversation: a call for each, of the 50 a minute
#: that Slack allows.
LOOKED_AT = 20
#: Seconds that it may take, and between two looks at one platform: connections may come and go.
LOOKING, PAUSE = 60.0, 300.0
#: Seconds for which an answer can be rated: for so long its text is kept.
KEPT = 86_400.0


class Thumbs:
    """Looks for ratings that were missed, platform by platform.

    Args:
        store: Knows the answers, and what people think of them.
        clock: Seconds of the wall clock.
        rated: Takes a rating.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], rated: Callable[[Rating], Awaitable[None]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._rated = rated
        self._due: dict[str, float] = {}

    async def look(self, platform: Platform) -> None:
        """Take what was missed on *platform*, once that is due."""
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._due.get(platform.name, 0.0) - now()))
        self._due[platform.name] = now() + PAUSE
        try:
            async with asyncio.timeout(LOOKING):
                await self._look(platform)
        except (SlowDown, OSError) as error:  # a time-out is an OSError
            log.info("not all thumbs were looked for", platform=platform.name, error=repr(error))

    async def _look(self, platform: Platform) -> None:
        known: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        for each in await self._store.ratings():
            known[each.key][each.rater] = each.good
        for asked, message in await self._answers(platform.name):
            for rating in fresh(await _standing(platform, message, asked.place), known[asked.key]):
                await self._rated(rating)

    async def _answers(self, platform: str) -> list[tuple[Asked, str]]:
        """Return the messages of the newest answers, each with its question."""
        found: list[tuple[Asked, str]] = []
        for asked in await self._store.recent(platform, self._clock() - KEPT):
            if len(found) >= LOOKED_AT:
                break
            entry = await self._store.find(asked.key)
            found += [(asked, part.message) for part in (entry.shown if entry else ())]
        return found[:LOOKED_AT]


async def _standing(platform: Platform, message: str, place: Place) -> Sequence[Rating]:
    try:
        return await platform.thumbs(message, place)
    except Gone as gone:
        log.info("the reactions on a message are not known", message=message, reason=str(gone))
        return ()


def fresh(found: Sequence[Rating], known: Mapping[str, bool]) -> list[Rating]:
    """Return those of *found*, on one message, that say what is not *known*, by the ids of people.

    Of somebody who has set both thumbs nothing says which came last.
    """
    said: defaultdict[str, list[Rating]] = defaultdict(list)
    for each in found:
        said[each.actor.id].append(each)
    clear = {who: all_of[0] for who, all_of in said.items() if len({each.good for each in all_of}) == 1}
    return [each for who, each in clear.items() if known.get(who) is not each.good]
