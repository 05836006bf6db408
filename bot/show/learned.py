"""A limit that a platform has shown to be lower than it was thought to be.  Pure: callers bring the time."""

from __future__ import annotations

import math

#: Seconds without a refusal after which a little more is tried; twice as long after each try that is refused.
PROBE, LONGEST = 60.0, 600.0
#: The share of what is missing by which each try goes up.
STEP = 1 / 6


class Learned:
    """How much is believed to be allowed: *nominal*, or less after refusals, and then more again in steps."""

    def __init__(self, nominal: int) -> None:
        self._nominal = self._value = self._lowest = nominal
        self._pause = PROBE
        self._next = math.inf

    def at(self, now: float) -> int:
        """Return how much is believed to be allowed now."""
        while now >= self._next:
            self._value += max(1, int(STEP * (self._nominal - self._value)))
            self._next += self._pause
            if self._value >= self._nominal:
                self._value, self._pause, self._next = self._nominal, PROBE, math.inf
        return self._value

    def lower(self, value: int, now: float) -> None:
        """Believe in *value*, which a refusal has shown; at least 1."""
        tried = self.at(now) > self._lowest and self._lowest < self._nominal
        self._pause = min(LONGEST, 2 * self._pause) if tried else self._pause
        self._value = self._lowest = max(1, min(value, self._value))
        self._next = now + self._pause
