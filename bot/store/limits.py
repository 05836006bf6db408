"""How often one person may ask; see `RateLimits`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

MINUTE, HOUR = 60.0, 3600.0


class RateLimits(Protocol):
    """Counts what people ask, in all processes that serve the bot together."""

    async def admit(self, user: str, per_minute: int, per_hour: int, *, count: bool = True) -> bool:
        """Tell whether *user* may ask once more, and count it then; atomic.

        Args:
            user: Who asks: one name over all platforms.
            per_minute: Questions that are admitted in any minute; 0 for any number.
            per_hour: The same in any hour.
            count: Whether it is counted; else this is a mere look.
        """
        ...


class MemoryRateLimits:
    """Counts in one process; see `RateLimits`.

    Args:
        clock: Seconds; the event loop's, if none is given.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or _now
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()

    async def admit(self, user: str, per_minute: int, per_hour: int, *, count: bool = True) -> bool:
        """See `RateLimits.admit`."""
        now, times = self._clock(), self._asked.get(user, ())
        for most, span in ((per_minute, MINUTE), (per_hour, HOUR)):
            if most and sum(now - each < span for each in times) >= most:
                return False
        if count and (per_minute or per_hour):
            self._remember(user, now, max(per_minute, per_hour))
        return True

    def _remember(self, user: str, now: float, most: int) -> None:
        """Keep when *user* asked, and forget those who have not for an hour."""
        self._asked[user] = deque([*self._asked.get(user, ()), now], maxlen=most)
        self._asked.move_to_end(user)
        while now - next(iter(self._asked.values()))[-1] >= HOUR:
            self._asked.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
