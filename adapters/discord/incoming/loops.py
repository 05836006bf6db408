"""Keeps two bots from answering each other for ever.  Pure: callers bring the time."""

from __future__ import annotations

from collections import OrderedDict, deque

#: Questions that bots may ask in one channel in ten minutes, and one bot in an hour.
TALK, TALK_SPAN = 3, 600.0
BOT, BOT_SPAN = 20, 3600.0
#: Channels and bots that are remembered.
REMEMBERED = 2_000


class Loops:
    """What the bots that may ask have asked lately."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, channel: str, bot: str, now: float) -> bool:
        """Tell whether *bot* may ask once more in *channel*; if so, it is counted."""
        bounds = ((f"talk {channel}", TALK, TALK_SPAN), (f"bot {bot}", BOT, BOT_SPAN))
        if any(self._count(key, span, now) >= most for key, most, span in bounds):
            return False
        for key, most, _ in bounds:
            self._asked.setdefault(key, deque(maxlen=most)).append(now)
            self._asked.move_to_end(key)
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return True

    def _count(self, key: str, span: float, now: float) -> int:
        return sum(now - time < span for time in self._asked.get(key, ()))
