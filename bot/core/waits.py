"""Waits before what has failed is tried again; they end early once the platform is heard of again."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import suppress

#: Seconds within which those who were woken try again, each at a time of its own.
SPREAD = 1.0
#: The part of a wait that nothing shortens, by how often whoever waits was woken in vain: what fails although
#: other writes get through must not be tried each time that one does.
KEPT = (0.0, 0.1, 0.2, 0.4, 0.8, 1.0)


class Pause:
    """One wait."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._left = asyncio.Event()

    def wake(self) -> None:
        """End it early: the platform was heard of."""
        self._heard.set()

    def leave(self) -> None:
        """End it at once, woken or not: whoever waits has something else to do."""
        self._left.set()
        self._heard.set()

    async def end(self, seconds: float, vain: int) -> bool:
        """Wait so many *seconds* at most; tell whether news made it shorter, as *vain* times before."""
        began = _now()
        await _until(self._heard, seconds)
        waited = _now() - began
        kept = max(0.0, KEPT[min(vain, len(KEPT) - 1)] * seconds - waited)
        still = kept + random.uniform(0.0, SPREAD)  # noqa: S311  nothing secret
        await _until(self._left, min(seconds - waited, still))
        return waited + still < seconds and not self._left.is_set()


class Waits:
    """Who waits, by platform."""

    def __init__(self) -> None:
        self._pauses: defaultdict[str, set[Pause]] = defaultdict(set)

    async def wait(self, platform: str, pause: Pause, seconds: float, vain: int = 0) -> bool:
        """Wait until *pause* ends, as `Pause.end`, or is woken by news of *platform*."""
        self._pauses[platform].add(pause)
        try:
            return await pause.end(seconds, vain)
        finally:
            self._pauses[platform].discard(pause)

    def wake(self, platform: str) -> None:
        """Wake those who wait for *platform*, which was heard of."""
        for pause in self._pauses[platform]:
            pause.wake()


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for *event*, so many *seconds* at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()
