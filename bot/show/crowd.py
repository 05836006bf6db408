"""Who is live in a bucket.  Pure: callers bring the time, in seconds of one monotonic clock."""

from __future__ import annotations

import math

#: Mean seconds that an answer lives, until some have ended; 15 to 60 make no difference beyond 5 %.
LIFETIME = 25.0
#: Seconds over which it is remembered how many answers are live usually.
MEMORY = 120.0
#: How far what is live now says what will be, and seconds that soften a memory that is young.
NOW = 0.05
YOUNG = 10.0


class Crowd:
    """How many answers are live in a bucket, how many usually, and for how long."""

    def __init__(self, now: float) -> None:
        self._born: dict[object, float] = {}
        self._elsewhere = 0
        self._sum = 0.0
        self._mean = LIFETIME
        self._began = self._seen = now
        self._load = 0.0  # answer-seconds, decayed

    def __len__(self) -> int:
        return len(self._born) + self._elsewhere

    @property
    def here(self) -> int:
        """How many of them this process writes."""
        return len(self._born)

    def others(self, count: int, now: float) -> None:
        """Count *count* answers that other processes write."""
        self._pass(now)
        self._elsewhere = count

    def enter(self, who: object, now: float) -> None:
        """Count an answer in."""
        self._pass(now)
        self._born[who] = now
        self._sum += now

    def leave(self, who: object, now: float) -> None:
        """Count it out."""
        self._pass(now)
        if (born := self._born.pop(who, None)) is not None:
            self._sum -= born
            self._mean += 0.15 * (now - born - self._mean)

    def lifetime(self, now: float) -> float:
        """Return the mean seconds of an answer: not below the mean age of those that live."""
        return max(self._mean, now - self._sum / len(self._born)) if self._born else self._mean

    def usual(self, now: float) -> float:
        """Return how many answers are expected to be live later on."""
        self._pass(now)
        before = self._load / min(MEMORY, now - self._began + YOUNG)
        return NOW * len(self) + (1 - NOW) * before

    def _pass(self, now: float) -> None:
        past = self._seen - now
        self._load = self._load * math.exp(past / MEMORY) - len(self) * past
        self._seen = now
