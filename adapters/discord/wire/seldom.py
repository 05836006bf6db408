"""What is logged once a minute, however often it happens.  Pure: callers bring the time."""

from __future__ import annotations

#: Seconds between two lines of a kind, and kinds that are remembered.
MINUTE = 60.0
KINDS = 100


class Seldom:
    """When each kind of thing was logged last."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def due(self, kind: str, now: float) -> bool:
        """Tell whether *kind* is to be logged now."""
        if now - self._logged.get(kind, now - MINUTE) < MINUTE:
            return False
        if len(self._logged) >= KINDS:
            self._logged.clear()
        self._logged[kind] = now
        return True
