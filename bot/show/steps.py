"""The tools of one answer: in one short line, and as the list of a page.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.events import Step, Thinking, ToolFinished, ToolRunning, ToolStarted

#: Seconds from which on the line says how long a tool runs.
LONG = 2
#: Running tools that are named.
NAMED = 3
#: Entries of a page's list.
LISTED = 6
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
    """What the tools of an answer do.

    Args:
        listed: Whether each page lists its own; seconds are not counted then.
    """

    def __init__(self, *, listed: bool = False) -> None:
        self._listed = listed
        self._steps: dict[str, Step] = {}  # oldest first
        self._pages: dict[str, int] = {}
        self._seconds: dict[str, int] = {}
        self._done = 0

    def take(self, event: ToolStarted | ToolRunning | ToolFinished, page: int) -> None:
        """Take news of a tool, while the newest page is *page*; of one that does not run, nothing."""
        if isinstance(event, ToolStarted):
            self._steps[event.id] = Step(event.id, event.title)
            self._pages[event.id] = page
        elif (step := self._steps.get(event.id)) and step.state == "running":
            if isinstance(event, ToolRunning):
                self._steps[event.id] = replace(step, note=event.note)
                self._seconds[event.id] = event.seconds
            else:
                self._done += 1
                self._steps[event.id] = replace(step, note="", state="done" if event.ok else "failed")

    def clear(self) -> None:
        """Count the tools that run as failed: what called for them is over."""
        for step in self._running:
            self._steps[step.id] = replace(step, note="", state="failed")

    @property
    def _running(self) -> list[Step]:
        return [step for step in self._steps.values() if step.state == "running"]

    @property
    def line(self) -> str:
        """The line; "" while no tool runs."""
        running = self._running
        if not running:
            return ""
        named = [f"{step.title} {self._behind(step)}" for step in running[:NAMED]]
        more = len(running) - len(named)
        parts = [", ".join([*named, f"{more} more"] if more else named)]
        return " · ".join([*parts, f"{self._done} done"] if self._done else parts)

    def _behind(self, step: Step) -> str:
        seconds = 0 if self._listed else self._seconds.get(step.id, 0)
        return " ".join(filter(None, [f"{seconds} s" if seconds >= LONG else "", step.note])) or "…"

    def on(self, page: int) -> tuple[Step, ...]:
        """Return the list of *page*, oldest first; the last entry stands for all that are too many."""
        if not self._listed:
            return ()
        steps = [step for step in self._steps.values() if self._pages[step.id] == page]
        if len(steps) > LISTED:
            steps[LISTED - 1 :] = [_together(steps[LISTED - 1 :])]
        return tuple(steps)


def _together(steps: Sequence[Step]) -> Step:
    """Return one step for several."""
    states = {step.state for step in steps}
    return Step("more", f"{len(steps)} more", "running" if "running" in states else "done")
