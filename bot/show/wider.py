"""A limit over several buckets that no platform tells of, learned from refusals.  Pure.

A call that is refused though its own bucket has room shows that there is a wider limit.  One alone may be
about that bucket; those of two buckets within seconds are about all buckets of the platform.
"""

from __future__ import annotations

import math

#: Seconds within which refusals of two buckets show a wider limit.
SOON = 10.0
#: Seconds between two calls: what is believed at first is the refusal's own pause, within these.
LEAST, MOST = 0.1, 5.0
#: So much slower after a refusal, so much faster after each try.
SLOWER, FASTER = 1.3, 0.85
#: Seconds without a refusal before a faster rate is tried; twice as long after each try that is refused.
PROBE, LONGEST = 60.0, 960.0
#: Seconds after a refusal in which others say nothing new: those calls were on their way.
BRIEF = 2.0


class Wider:
    """What the buckets of one platform may do together: anything, or a call every so many seconds."""

    def __init__(self) -> None:
        self._each = 0.0  # seconds between two calls; 0: any number
        self._opens = -math.inf
        self._pause = PROBE
        self._next = math.inf
        self._tried = False  # whether the rate was raised since the last refusal
        self._surprised = ("", -math.inf)
        self._learned = -math.inf

    def opens(self, now: float) -> float:
        """Return when a call may be made."""
        while now >= self._next:
            self._each *= FASTER
            self._tried = True
            self._next += self._pause
            if self._each < LEAST:
                self._each, self._pause, self._next = 0.0, PROBE, math.inf
        return self._opens if self._each else now

    def sent(self, now: float) -> None:
        """Count a call that goes out."""
        self._opens = max(self._opens, now) + self._each

    def refused(self, key: str, retry_after: float, now: float) -> bool:
        """Learn from a call of the bucket *key* that was refused though that has room; tell if this did."""
        if self._each and now - self._learned < BRIEF:
            self._opens = max(self._opens, now + retry_after)
            return True
        if self._each:
            self._pause = min(LONGEST, 2 * self._pause) if self._tried else self._pause
            self._each = min(MOST, SLOWER * self._each)
        else:
            before, at = self._surprised
            self._surprised = key, now
            if before in {"", key} or now - at > SOON:
                return False
            self._each = min(MOST, max(LEAST, retry_after))
        self._tried, self._next, self._learned = False, now + self._pause, now
        self._opens = max(self._opens, now + retry_after)
        return True
