"""The platforms' limiters, on a virtual clock, as the platforms document them."""

from __future__ import annotations

import math
from collections import deque


class Window:
    """So many calls in any `seconds`; past that a 429, and silence for `penalty` seconds (Slack)."""

    def __init__(self, calls: int = 50, seconds: float = 60.0, penalty: float = 10.0) -> None:
        self.calls, self.seconds, self.penalty = calls, seconds, penalty
        self._log: deque[float] = deque()
        self._silent = -math.inf

    def take(self, now: float) -> tuple[float, None]:
        """Return the Retry-After, 0 for a call that is let through."""
        while self._log and self._log[0] <= now - self.seconds:
            self._log.popleft()
        if now < self._silent:
            return math.ceil(self._silent - now), None
        if len(self._log) >= self.calls:
            self._silent = now + self.penalty
            return self.penalty, None
        self._log.append(now)
        return 0.0, None


class Gate:
    """Lets so many calls a second out, first come, first served: what the bot itself holds back (Discord)."""

    def __init__(self, calls: int) -> None:
        self._out: deque[float] = deque([-math.inf] * calls, maxlen=calls)

    def leaves(self, now: float) -> float:
        """Return when a call that is made *now* goes out."""
        self._out.append(max(now, self._out[0] + 1.0))
        return self._out[-1]


class Channel:
    """So many calls in `seconds` from the first on, told with every answer; 50 a second in all (Discord)."""

    def __init__(self, everything: deque[float], calls: int = 5, seconds: float = 5.0) -> None:
        self._everything = everything
        self._calls, self._seconds = calls, seconds
        self._ends, self._left = -math.inf, calls

    def take(self, now: float) -> tuple[float, tuple[int, float] | None]:
        """Return the Retry-After, 0 for a call that is let through, and (remaining, reset after)."""
        while self._everything and self._everything[0] <= now - 1:
            self._everything.popleft()
        if len(self._everything) >= 50:
            return 1.0, None
        if now >= self._ends:
            self._ends, self._left = now + self._seconds, self._calls
        if not self._left:
            return self._ends - now, (0, self._ends - now)
        self._left -= 1
        self._everything.append(now)
        return 0.0, (self._left, self._ends - now)
