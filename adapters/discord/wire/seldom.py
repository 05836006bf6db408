"""What is said once in a while, however often it happens.  Pure: callers bring the time."""

from __future__ import annotations

#: Seconds between two lines of a kind in the log.
MINUTE = 60.0


class Seldom:
    """When each kind of thing was said last.

    Args:
        span: Seconds between two times that a kind is said.
        kinds: How many are remembered.
    """

    def __init__(self, span: float = MINUTE, kinds: int = 100) -> None:
        self._span = span
        self._kinds = kinds
        self._said: dict[str, float] = {}

    def due(self, kind: str, now: float) -> bool:
        """Tell whether *kind* is to be said now; it counts as said then."""
        if now - self._said.get(kind, now - self._span) < self._span:
            return False
        if len(self._said) >= self._kinds:
            self._said.clear()
        self._said[kind] = now
        return True
