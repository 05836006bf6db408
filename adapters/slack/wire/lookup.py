"""Asks Slack for one thing by its id: once for all who wait, and not again while the answer is good."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bot.platform import SlowDown

Found = TypeVar("Found")

#: Seconds for which an answer is good, and how many answers are remembered.
FRESH = 600.0
REMEMBERED = 10_000
#: Calls under way at once, and calls that may wait for those: half of what Tier 4 allows in a minute.
AT_ONCE, WAITING = 8, 50
#: Calls in a minute that are made for what can do without: the rest of Tier 4's 100 is for questions.
SPARE, MINUTE = 30, 60.0


class Full(SlowDown):
    """So many were asked for in this minute that the rest of what Slack allows is for questions."""


class Lookup(Generic[Found]):
    """A cache over one method.

    After a 429 nothing is asked until Slack's Retry-After is over.

    Args:
        ask: Asks Slack; raises the seam's errors.
    """

    def __init__(self, ask: Callable[[str], Awaitable[Found]]) -> None:
        self._ask = ask
        self._known: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Found]] = {}
        self._lanes = asyncio.Semaphore(AT_ONCE)
        self._shut = float("-inf")
        self._spared: deque[float] = deque(maxlen=SPARE)

    def keep(self, key: str, found: Found) -> None:
        """Remember *found*, which need not be asked for."""
        self._known[key] = (_now(), found)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def known(self, key: str, *, stale: bool = False) -> Found | None:
        """Return what is known of *key*, if that is still good; *stale*: or was once."""
        at, found = self._known.get(key, (float("-inf"), None))
        return found if stale or _now() - at <= FRESH else None

    async def find(self, key: str, *, spare: bool = False) -> Found:
        """Return what *key* is; *spare*: only if there is room beside what questions need.

        Raises:
            Full: When there is no room.
            SlowDown, Gone, OSError: When Slack could not be asked.
        """
        if (found := self.known(key)) is not None:
            return found
        if key not in self._flights:
            self._admit(spare=spare)
            flight = self._flights[key] = asyncio.get_running_loop().create_task(self._fly(key))
            flight.add_done_callback(lambda _: self._landed(key))
        return await asyncio.shield(self._flights[key])

    def _landed(self, key: str) -> None:
        flight = self._flights.pop(key)
        if not flight.cancelled():
            flight.exception()  # nobody may wait any more

    def _admit(self, *, spare: bool) -> None:
        """Raise SlowDown if nothing may be asked now."""
        now = _now()
        if now < self._shut:
            raise SlowDown(self._shut - now)
        if len(self._flights) >= AT_ONCE + WAITING:
            raise SlowDown(1.0)
        if not spare:
            return
        if len(self._spared) == SPARE and now - self._spared[0] < MINUTE:
            raise Full(MINUTE - (now - self._spared[0]))
        self._spared.append(now)

    async def _fly(self, key: str) -> Found:
        async with self._lanes:
            if (now := _now()) < self._shut:
                raise SlowDown(self._shut - now)
            try:
                found = await self._ask(key)
            except SlowDown as slow:
                self._shut = _now() + slow.retry_after
                raise
        self.keep(key, found)
        return found


def _now() -> float:
    return asyncio.get_running_loop().time()
