"""Where the bot was asked: what people write there since needs no mention.  Pure."""

from __future__ import annotations

from collections import OrderedDict

#: Names of conversations and questions that are remembered, two for each question: a few megabytes.
REMEMBERED = 20_000


class Talks:
    """The conversations that the bot was asked in, and the questions; of too many, the newest."""

    def __init__(self) -> None:
        self._first: OrderedDict[str, str] = OrderedDict()

    def add(self, conversation: str, key: str) -> None:
        """Remember that the bot was asked the question *key* in *conversation*."""
        for name in (conversation, key):
            self._first.setdefault(name, key)
            self._first.move_to_end(name)
        while len(self._first) > REMEMBERED:
            self._first.popitem(last=False)

    def first(self, name: str) -> str:
        """Return the first question of the conversation *name*, or the question *name*; "" if unknown."""
        return self._first.get(name, "")
