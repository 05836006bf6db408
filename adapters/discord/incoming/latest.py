"""The last questions of each channel: what /stop and /again are about where there is no thread.  Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import NamedTuple

#: Channels that are remembered, and questions of each.
CHANNELS, QUESTIONS = 500, 20


class Question(NamedTuple):
    """A question: its key, its conversation, and the id of who asked."""

    key: str
    conversation: str
    asker: str


class Latest:
    """Remembers questions."""

    def __init__(self) -> None:
        self._asked: OrderedDict[int, deque[Question]] = OrderedDict()

    def note(self, channel: int, question: Question) -> None:
        """Remember *question*, which was asked in *channel*."""
        self._asked.setdefault(channel, deque(maxlen=QUESTIONS)).append(question)
        self._asked.move_to_end(channel)
        if len(self._asked) > CHANNELS:
            self._asked.popitem(last=False)

    def conversation(self, channel: int, asker: str, running: Callable[[str], bool]) -> str:
        """Return the conversation in *channel* that *asker* most likely means; "" if there is none.

        That is the newest whose answer is *running*, or else the newest; theirs before those of others.
        """
        newest = [*reversed(self._asked.get(channel, ()))]
        now = [each for each in newest if running(each.key)] or newest
        ours = [each for each in now if each.asker == asker] or now
        return ours[0].conversation if ours else ""
