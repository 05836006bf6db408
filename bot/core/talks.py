"""Where the bot was asked: what people write there needs no mention.  Pure."""

from __future__ import annotations

from collections import OrderedDict

#: Names of conversations and questions that are remembered, two for each question: a few megabytes.
REMEMBERED = 20_000


class Talks:
    """The conversations that the bot was asked in, and the questions; of too many, the newest."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def add(self, *names: str) -> None:
        """Remember that the bot was asked in a conversation, by a question, both by their *names*."""
        for name in names:
            self._names[name] = None
            self._names.move_to_end(name)
        while len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def __contains__(self, name: str) -> bool:
        return name in self._names
