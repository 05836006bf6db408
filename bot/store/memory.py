"""A store for one process that forgets everything on restart."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

#: Slack redelivers for up to six minutes (FAULTS 1.2) and Discord replays while a session lives.
KEPT = 3600.0


class Memory:
    """Claims in a dictionary; see `Store`."""

    def __init__(self) -> None:
        self._claimed: OrderedDict[str, float] = OrderedDict()

    async def claim(self, key: str) -> bool:
        """See `Store.claim`."""
        now = asyncio.get_running_loop().time()
        while self._claimed and next(iter(self._claimed.values())) < now - KEPT:
            self._claimed.popitem(last=False)
        if key in self._claimed:
            return False
        self._claimed[key] = now
        return True
