"""The tools of one answer in one short line: those that run by name, those that are done by number.  Pure."""

from __future__ import annotations

from bot.events import Thinking, ToolFinished, ToolRunning, ToolStarted

#: Seconds from which on the line says how long a tool runs.
LONG = 2
#: Running tools that are named.
NAMED = 3
#: Characters of a summary of thoughts.
THOUGHT = 120


class Thoughts:
    """What is shown while the model thinks.

    Args:
        show: "seconds", "summary", or anything else for neither.

    Attributes:
        shown: Whether it is worth showing below a text too.
    """

    def __init__(self, show: str) -> None:
        self._show = show
        self.shown = show in {"seconds", "summary"}
        self._seconds = 0
        self._summary = ""

    def take(self, event: Thinking) -> None:
        """Take a thought."""
        self._seconds = event.seconds
        self._summary = f"{self._summary}{event.text}"[-THOUGHT:] if self._show == "summary" else ""

    @property
    def line(self) -> str:
        """What is shown now: of a summary the newest line."""
        lines = [line.strip(" *#") for line in self._summary.split("\n") if line.strip(" *#")]
        parts = [f"thinking {self._seconds} s …" if self.shown and self._seconds >= LONG else "thinking …"]
        return " · ".join([*parts, *lines[-1:]])


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
