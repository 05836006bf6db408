"""How often one person may do what is no question, and what is logged of those who may not.  Pure.

Callers bring the time.  Questions have bounds of their own; see `bot.core.intake`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

#: Events of one kind that one person's are taken of in so many seconds: more than hands can do.
EVENTS, SPAN = 20, 10.0
#: People, by kinds of events, that are remembered.
REMEMBERED = 10_000
#: Seconds between two lines of the log about those who were refused.
MINUTE = 60.0


class Rates:
    """When people have done each kind of thing lately."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def admit(self, actor: str, kind: str, now: float) -> bool:
        """Tell whether *actor* may do *kind* once more; if so, it is counted."""
        times = self._times.setdefault((actor, kind), deque(maxlen=EVENTS))
        self._times.move_to_end((actor, kind))
        if len(times) == EVENTS and now - times[0] < SPAN:
            return False
        times.append(now)
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        return True


class Refused:
    """Counts those who were refused, for one line of the log in a minute."""

    def __init__(self) -> None:
        self._actions: Counter[str] = Counter()
        self._last: tuple[str, str] = ("", "")
        self._logged = float("-inf")

    def add(self, action: str, actor: str, workspace: str) -> None:
        """Count that *actor* may not do *action*."""
        self._actions[action] += 1
        self._last = actor, workspace

    def wait(self, now: float) -> float:
        """Return the seconds until the next line is due."""
        return max(0.0, self._logged + MINUTE - now)

    def line(self, now: float) -> dict[str, object]:
        """Return what to log, and count anew: how often what was refused, and the last to whom."""
        if not self._actions:
            return {}
        actor, workspace = self._last
        told: dict[str, object] = {**self._actions, "last": actor, "workspace": workspace}
        self._actions.clear()
        self._logged = now
        return told
