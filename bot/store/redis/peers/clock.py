"""The clock by which a replica believes in its own lease."""

from __future__ import annotations

import time

#: Goes on while the machine sleeps, and no one sets it; other systems than Linux have only the second.
CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def passed() -> float:
    """Return seconds since some moment in the past, the same for as long as the process lives."""
    return time.monotonic() if CLOCK is None else time.clock_gettime(CLOCK)
