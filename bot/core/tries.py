"""The tries of one answer's writes: how long the next waits after one that failed, and which is the last."""

from __future__ import annotations

import asyncio

from bot.core.draft import Draft
from bot.core.waits import Pause, Waits

#: Seconds before each new try of a write that failed without the platform saying for how long; tries after a
#: 429 of another call are counted with them.
RETRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0)


class Tries:
    """Counts them, and waits.

    A wait ends with the answer, so that its last write goes out at once; one after that write does not.

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
        self._since = 0.0
        self._ended = False  # whether the answer had ended when the newest try began

    @property
    def over(self) -> bool:
        """Whether there is no other try."""
        return self._failed >= len(RETRIES)

    @property
    def lasting(self) -> float:
        """The seconds since the first of the tries began that failed in a row."""
        return _now() - self._since

    def begin(self) -> None:
        """Note that a write goes out."""
        if not self._failed and not self._vain:
            self._since = _now()
        self._ended = self._draft.ended.is_set()

    def passed(self) -> None:
        """Note that it got through, which is news for all others that wait for the platform."""
        self._failed = self._vain = 0
        self._waits.wake(self._platform)

    async def after_failure(self) -> None:
        """Wait before the next try; a try does not count whose wait news of the platform made shorter."""
        pause = self._pause()
        woken = await self._waits.wait(self._platform, pause, RETRIES[self._failed], self._vain)
        self._draft.pause = None
        self._vain += woken
        self._failed += not woken

    async def after_429(self, seconds: float) -> None:
        """Wait so many *seconds*, as the platform has asked for; it says nothing against what was written."""
        await self._pause().end(seconds, 0)
        self._draft.pause = None
        self._failed += 1
        self._since = _now()

    def _pause(self) -> Pause:
        """Return a wait that the end of the answer ends, also if it came in the try before."""
        pause = Pause()
        if not self._ended:
            self._draft.pause = pause
            if self._draft.ended.is_set():
                pause.leave()
        return pause


def _now() -> float:
    return asyncio.get_running_loop().time()
