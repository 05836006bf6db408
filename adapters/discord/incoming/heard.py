"""How far a session was heard: the event up to which all are done with, so that none need be sent again.

discord.py knows the newest event that it has received.  Whoever resumes after that one would miss those that
were received and not yet stored when their process died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

#: The connection whose frame is being taken.
hearing: ContextVar[Any] = ContextVar("hearing", default=None)
#: The event that the running task is about.
_event: ContextVar[Event | None] = ContextVar("event", default=None)


@dataclass(eq=False)
class Event:
    """One event that is being handled.

    Attributes:
        number: Its place in the session.
        left: Whether it was not stored: it is to be sent again.
    """

    number: int
    left: bool = False


@dataclass(eq=False)
class Heard:
    """What is being handled of one session's events."""

    _open: dict[asyncio.Task[None], Event] = field(default_factory=dict)
    _left: list[int] = field(default_factory=list)

    def track(self, number: int, start: Callable[[], asyncio.Task[None]]) -> asyncio.Task[None]:
        """Count the event *number* as not done before the task that *start* makes is.

        If that task calls `leave`, the event is never done.
        """
        event = Event(number)
        token = _event.set(event)
        try:
            task = start()
        finally:
            _event.reset(token)
        self._open[task] = event
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        event = self._open.pop(task)
        if event.left or task.cancelled():
            self._left.append(event.number)

    def upto(self, newest: int) -> int:
        """Return the number up to which all is done; *newest* is the newest that was received."""
        waiting = (event.number for event in self._open.values())
        return min((newest, *(number - 1 for number in (*waiting, *self._left))))

    async def settle(self, seconds: float) -> None:
        """Wait for what is being handled, but not longer than that."""
        if self._open:
            await asyncio.wait(set(self._open), timeout=seconds)


def leave() -> None:
    """Say that the event of this task was not stored."""
    if event := _event.get():
        event.left = True
