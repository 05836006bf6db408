"""A limit that a platform has shown to be lower than it was thought to be.  Pure: callers bring the time."""

from __future__ import annotations

import math

#: Seconds without a refusal after which more is tried, and the most that it may become.
PROBE, LONGEST = 60.0, 600.0
#: A try that is refused costs the pause that the refusal asks for: it is made after so many times that.
WORTH = 20.0
#: The share of what is missing by which the first try goes up.
STEP = 1 / 6


class Tries:
    """When more than what is believed in is tried, and how boldly.

    Each try that is not refused is followed by one after twice the time, and twice as bold: as much is won in
    the same time as by many small ones, with fewer refusals on the way.  After one that is refused all begins
    anew, half as often.
    """

    def __init__(self) -> None:
        self._first = 0.0  # seconds before the first try after a refusal; 0: nothing was refused
        self._gap = self._next = math.inf
        self._steps = 0  # of the last try; 0: none since the last refusal

    @property
    def made(self) -> bool:
        """Whether more was tried since the last refusal."""
        return self._steps > 0

    def due(self, now: float) -> int:
        """Return by how many steps more is to be believed in now: 0 until the next try."""
        if now < self._next:
            return 0
        self._steps = max(1, 2 * self._steps)
        self._gap = min(LONGEST, 2 * self._gap)
        self._next += self._gap
        return self._steps

    def refused(self, retry_after: float, now: float) -> None:
        """Begin anew, after a refusal that asks for a pause of *retry_after* seconds."""
        worth = 2 * self._first if self.made else self._first
        self._first = min(LONGEST, max(PROBE, WORTH * retry_after, worth))
        self._gap, self._next, self._steps = self._first, now + self._first, 0

    def end(self) -> None:
        """Try no more: all is believed in."""
        self._first, self._next, self._steps = 0.0, math.inf, 0


class Learned:
    """How much is believed to be allowed: *nominal*, or less after refusals, and then more again in steps."""

    def __init__(self, nominal: int) -> None:
        self._nominal = self._value = nominal
        self._tries = Tries()

    def at(self, now: float) -> int:
        """Return how much is believed to be allowed now."""
        while self._value < self._nominal and (steps := self._tries.due(now)):
            self._value += steps * max(1, int(STEP * (self._nominal - self._value)))
            if self._value >= self._nominal:
                self._value = self._nominal
                self._tries.end()
        return self._value

    def lower(self, value: int, retry_after: float, now: float) -> None:
        """Believe in *value*, at least 1, which a refusal has shown that asks for *retry_after* seconds."""
        self._value = max(1, min(value, self.at(now)))
        self._tries.refused(retry_after, now)
