"""A limit over several buckets that no platform tells of, learned from refusals.  Pure.

A call that is refused though its own bucket has room shows that there is a wider limit.  One alone may be
about that bucket; those of two buckets within seconds are about all buckets of the platform.
"""

from __future__ import annotations

import math

from bot.show.learned import Tries
from bot.show.windows import OVERDUE

#: Seconds within which refusals of two buckets show a wider limit.
SOON = 10.0
#: Seconds from a call's answer to the next call: what is believed at first is the refusal's own pause, within
#: these; counted from the answer, no jitter makes a call too early.
LEAST, MOST = 0.1, 5.0
#: So much slower after a refusal, so much faster with each step of a try.
SLOWER, FASTER = 1.3, 0.85
#: Seconds after a refusal in which others say nothing new: those calls were on their way.
BRIEF = 2.0


class Wider:
    """What the buckets of one platform may do together: anything, or one call after the other."""

    def __init__(self) -> None:
        self._each = 0.0  # seconds from an answer to the next call; 0: any number of calls
        self._held = 0.0  # what that was before the last try
        self._free = self._blocked = -math.inf
        self._tries = Tries()
        self._surprised = ("", -math.inf)
        self._learned = -math.inf

    def opens(self, now: float) -> float:
        """Return when a call may be made."""
        while steps := self._tries.due(now):
            self._held, self._each = self._each, self._each * FASTER**steps
            if self._each < LEAST:
                self._each = 0.0
                self._tries.end()
        return max(self._free, self._blocked) if self._each else now

    def sent(self, now: float) -> None:
        """Count a call that goes out; without an answer for OVERDUE seconds it holds up others no more."""
        self._free = now + OVERDUE + self._each

    def answered(self, now: float) -> bool:
        """Count a call that came back; tell if that changes when the next may be made."""
        self._free = now + self._each
        return self._each > 0

    def refused(self, key: str, retry_after: float, now: float) -> bool:
        """Learn from a call of the bucket *key* that was refused though that has room; tell if this did."""
        if not self._each and not self._shown(key, now):
            return False
        if now - self._learned >= BRIEF:
            self._learn(retry_after, now)
        self._blocked = max(self._blocked, now + retry_after)
        return True

    def _shown(self, key: str, now: float) -> bool:
        """Tell whether this refusal, after that of another bucket, shows a wider limit."""
        (before, at), self._surprised = self._surprised, (key, now)
        return before not in {"", key} and now - at <= SOON

    def _learn(self, retry_after: float, now: float) -> None:
        """Believe in less than what was refused."""
        if self._tries.made:
            self._each = self._held
        else:
            self._each = min(MOST, max(LEAST, SLOWER * self._each or retry_after))
        self._tries.refused(retry_after, now)
        self._learned = now
