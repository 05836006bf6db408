"""Find the answer that a stop belongs to.  Pure: callers bring the time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bot.platform import Deleted, Edited, Press, Stop

#: Seconds for which a stop is kept whose message no answer watches yet, and how many are kept.
PATIENCE = 30.0
EARLY = 256

Run = TypeVar("Run")
Event = TypeVar("Event")


def _untold(_messages: Sequence[str], _on: bool) -> None:
    """Tell nobody."""


class Stops(Generic[Run]):
    """Which message belongs to which running answer.

    A reaction may arrive before the reply to our own post, so a stop for a message that no answer watches yet
    is kept for a while, and given to the answer that comes to watch it.  So is a press on one of its buttons.
    A question may be changed or deleted before it is taken; that is kept as well, but not for messages of
    answers, and apart: people change and delete much that is none of ours.

    Attributes:
        told: Told the messages that come to belong to an answer, and those that do not any more.
    """

    def __init__(self) -> None:
        self.told: Callable[[Sequence[str], bool], None] = _untold
        self._watched: dict[str, Run] = {}
        self._early: _Early[Stop | Press] = _Early()
        self._changed: _Early[Edited | Deleted] = _Early()

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
        return self._early.take(message, now)

    def keep(self, stop: Stop | Press, now: float) -> None:
        """Keep *stop* for an answer that may still come."""
        self._early.keep(stop.message, stop, now)

    def changed(self, question: str, now: float) -> Edited | Deleted | None:
        """Return what was done to *question* before it was known, which is not kept any more then."""
        return self._changed.take(question, now)

    def keep_change(self, change: Edited | Deleted, now: float) -> None:
        """Keep *change* for a question that may still come; only the last one counts."""
        self._changed.keep(change.key, change, now)


class _Early(Generic[Event]):
    """What came before that which it is about."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Event]] = OrderedDict()

    def keep(self, about: str, event: Event, now: float) -> None:
        """Keep *event* for a while, and nothing that is older."""
        self._kept.pop(about, None)
        while self._kept and (len(self._kept) == EARLY or now - self._oldest > PATIENCE):
            self._kept.popitem(last=False)
        self._kept[about] = (now, event)

    def take(self, about: str, now: float) -> Event | None:
        """Return what is kept *about* something, which is not kept any more then."""
        came, event = self._kept.pop(about, (0.0, None))
        return event if event and now - came <= PATIENCE else None

    @property
    def _oldest(self) -> float:
        return next(iter(self._kept.values()))[0]
