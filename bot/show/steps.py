"""The tools of one answer in one short line: those that run by name, those that are done by number.  Pure."""

from __future__ import annotations

from bot.events import ToolFinished, ToolRunning, ToolStarted

#: Seconds from which on the line says how long a tool runs.
LONG = 2
#: Running tools that are named.
NAMED = 3


class Steps:
    """What the tools of an answer do."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, str]] = {}  # title, and what is said behind it
        self._done = 0

    def take(self, event: ToolStarted | ToolRunning | ToolFinished) -> None:
        """Take news of a tool; of one that was not started, nothing."""
        match event:
            case ToolStarted(id, title):
                self._running[id] = title, "…"
            case ToolRunning(id, seconds, note) if id in self._running:
                told = [f"{seconds} s" if seconds >= LONG else "", note]
                self._running[id] = self._running[id][0], " ".join(filter(None, told)) or "…"
            case ToolFinished(id) if self._running.pop(id, None):
                self._done += 1

    def clear(self) -> None:
        """Forget the tools that run: what called for them is over."""
        self._running.clear()

    @property
    def line(self) -> str:
        """The line; "" while no tool runs."""
        if not self._running:
            return ""
        named = [f"{title} {behind}" for title, behind in [*self._running.values()][:NAMED]]
        more = len(self._running) - len(named)
        parts = [", ".join([*named, f"{more} more"] if more else named)]
        return " · ".join([*parts, f"{self._done} done"] if self._done else parts)
