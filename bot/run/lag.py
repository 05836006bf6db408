"""How late the event loop is, and what held it up: a thread looks at the loop from outside.

What blocks the loop keeps everything in it from saying so.  Must never log values, only where the code was.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

#: Seconds between two looks at the clock from within the loop, and between two from outside.
TICK, LOOK = 0.1, 0.2
#: Seconds without a turn of the loop after which it is logged what runs, at most once in `QUIET` seconds.
LATE, QUIET = 1.0, 60.0
#: Seconds for which the latest turns are remembered.
SPAN = 60.0
#: Frames of the stack that are logged, the innermost last.
FRAMES = 8


class Lag:
    """Measures how late the event loop is.

    Attributes:
        told: How often it was logged what held the loop up.
    """

    def __init__(self) -> None:
        self.told = 0
        self._turned = time.monotonic()
        self._lates: deque[tuple[float, float]] = deque(maxlen=int(SPAN / TICK))  # when, and seconds late
        self._silent_until = float("-inf")
        self._watched = threading.get_ident()
        self._over = threading.Event()

    def report(self) -> dict[str, float]:
        """Return how late the last turn was, and the latest of the last minute, in milliseconds."""
        since = time.monotonic() - SPAN
        lates = [late for when, late in self._lates if when >= since]
        return {
            "last_ms": round(lates[-1] * 1000, 1) if lates else 0.0,
            "max_ms": round(max(lates, default=0.0) * 1000, 1),
        }

    async def tick(self) -> None:
        """Look at the clock until cancelled."""
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            self._turned = time.monotonic()
            self._lates.append((self._turned, max(0.0, self._turned - due)))

    def watch(self) -> None:
        """Log what runs whenever the loop does not turn; in a thread, until `end`."""
        while not self._over.wait(LOOK):
            now = time.monotonic()
            late = now - self._turned - TICK
            if late < LATE or now < self._silent_until:
                continue
            self._silent_until = now + QUIET
            self.told += 1
            where = _where(sys._current_frames().get(self._watched))  # noqa: SLF001  there is no other way
            log.warning("the event loop is held up", seconds=round(late, 1), where=where)

    def end(self) -> None:
        """Let the thread end."""
        self._over.set()


@asynccontextmanager
async def measured() -> AsyncIterator[Lag]:
    """Measure the running loop while the block runs."""
    lag = Lag()
    ticking = asyncio.create_task(lag.tick())
    threading.Thread(target=lag.watch, name="lag", daemon=True).start()
    try:
        yield lag
    finally:
        lag.end()
        ticking.cancel()
        await asyncio.wait({ticking})


def _where(frame: FrameType | None) -> list[str]:
    """Return where *frame* is: files with their last folder, lines and functions."""
    stack = traceback.extract_stack(frame)[-FRAMES:] if frame else []
    return [f"{'/'.join(each.filename.split('/')[-2:])}:{each.lineno} {each.name}" for each in stack]
