"""The tries of one answer's writes: how long the next waits after one that failed, and which is the last."""

from __future__ import annotations

import asyncio
import random

from bot.core.draft import Draft
from bot.core.waits import SPREAD, Pause, Waits

#: Seconds before each new try of a write that failed without the platform saying for how long; tries after a
#: 429 of another call are counted with them.
RETRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0)


class Tries:
    """Counts them, and waits.

    The end of the answer ends a wait, so that its last write goes out at once.

    Args:
        draft: The answer.
        waits: Where all wait for the platform; told of what gets through.
        platform: Its name.
    """

    def __init__(self, draft: Draft, waits: Waits, platform: str) -> None:
        self._draft = draft
        self._waits = waits
        self._platform = platform
        self._failed = 0
        self._vain = 0  # how often a wait after them was ended early
        self._since: float | None = None
        self._ended = False  # whether the answer had ended when the newest try began

    @property
    def over(self) -> bool:
        """Whether there is no other try."""
        return self._failed >= len(RETRIES)

    @property
    def lasting(self) -> float:
        """The seconds since the first of the tries began that failed in a row; a 429 ends the row."""
        return 0.0 if self._since is None else _now() - self._since

    def begin(self) -> None:
        """Note that a write goes out."""
        if self._since is None or not (self._failed or self._vain):
            self._since = _now()
        self._ended = self._draft.ended.is_set()

    def passed(self) -> None:
        """Note that it got through, which is news for all others that wait for the platform."""
        self._failed = self._vain = 0
        self._since = None
        self._waits.wake(self._platform)

    async def after_failure(self) -> None:
        """Wait before the next try; if news of the platform ends the wait, the failure does not count."""
        pause = self._pause()
        woken = await self._waits.wait(self._platform, pause, self._next(), self._vain)
        self._draft.pause = None
        self._vain += woken
        self._failed += not woken

    async def after_429(self, seconds: float) -> None:
        """Wait so many *seconds*, as the platform has asked for, and as after a failure at least.

        Those who wait for the same look again at moments of their own.
        """
        spread = random.uniform(0.0, SPREAD)  # noqa: S311  nothing secret
        await self._pause().end(max(seconds, self._next()) + spread, 0)
        self._draft.pause = None
        self._failed += 1
        self._since = None  # a 429 says nothing against what was written

    def _next(self) -> float:
        return RETRIES[min(self._failed, len(RETRIES) - 1)]

    def _pause(self) -> Pause:
        """Return a wait; it has ended already if the answer ended during the try before."""
        pause = self._draft.pause = Pause()
        if self._draft.ended.is_set() and not self._ended:
            pause.leave()
        return pause


def _now() -> float:
    return asyncio.get_running_loop().time()
