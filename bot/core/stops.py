"""Find the answer that a stop belongs to.  Pure: callers bring the time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bot.platform import Press, Stop

#: Seconds for which a stop is kept whose message no answer watches yet, and how many are kept.
PATIENCE = 30.0
EARLY = 256

Run = TypeVar("Run")


def _untold(_messages: Sequence[str], _on: bool) -> None:
    """Tell nobody."""


class Stops(Generic[Run]):
    """Which message belongs to which running answer.

    A reaction may arrive before the reply to our own post, so a stop for a message that no answer watches yet
    is kept for a while, and given to the answer that comes to watch it.  So is a press on one of its buttons.

    Attributes:
        told: Told the messages that come to belong to an answer, and those that do not any more.
    """

    def __init__(self) -> None:
        self.told: Callable[[Sequence[str], bool], None] = _untold
        self._watched: dict[str, Run] = {}
        self._early: OrderedDict[str, tuple[float, Stop | Press]] = OrderedDict()

    def watch(self, message: str, run: Run, now: float) -> Stop | Press | None:
        """Let stops of *message* find *run*; return a stop that came before."""
        if self._watched.get(message) is not run:  # it is told again with each write
            self._watched[message] = run
            self.told((message,), True)
        return self.came(message, now)

    def forget(self, *messages: str) -> None:
        """Let *messages* belong to no answer any more."""
        known = [message for message in messages if self._watched.pop(message, None)]
        if known:
            self.told(known, False)

    def find(self, message: str) -> Run | None:
        """Return the answer that *message* belongs to."""
        return self._watched.get(message)

    def watched(self) -> Sequence[tuple[str, Run]]:
        """Return the messages that belong to an answer, newest first, each with it."""
        return [*reversed(self._watched.items())]

    def came(self, message: str, now: float) -> Stop | Press | None:
        """Return the stop that came for *message* and is kept, which is not kept any more then."""
        came, stop = self._early.pop(message, (0.0, None))
        return stop if stop and now - came <= PATIENCE else None

    def keep(self, stop: Stop | Press, now: float) -> None:
        """Keep *stop* for an answer that may still come."""
        self._early[stop.message] = (now, stop)
        self._early.move_to_end(stop.message)
        if len(self._early) > EARLY:
            self._early.popitem(last=False)
