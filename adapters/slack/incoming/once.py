"""Remembers what was taken, so that none of it is taken twice."""

from __future__ import annotations

from collections import OrderedDict

#: How many are remembered.
REMEMBERED = 1_000


class Once:
    """The ids of what was taken of late."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, None] = OrderedDict()

    def first(self, id_: str) -> bool:
        """Tell whether *id_* was not taken yet, and remember it; what has no id is always the first."""
        if not id_:
            return True
        if id_ in self._taken:
            return False
        self._taken[id_] = None
        if len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        return True

    def forget(self, id_: str) -> None:
        """Let *id_* be taken once more."""
        self._taken.pop(id_, None)
