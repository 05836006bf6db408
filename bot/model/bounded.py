"""A response as it is read: its events have a longest length, and it rests where many are read at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Protocol

from bot.model import Kind, ModelError
from bot.model.failures import GARBLED

#: Two line breaks, between two events.
BORDER = re.compile(rb"\n\r?\n")

#: Responses that are read as they come; for each one more all rest so many seconds longer, `REST` at most.
FEW, EACH, REST = 100, 0.0015, 0.3


class Crowd:
    """The responses that are read at once.

    Each read costs the same, however much has come.  So where there are many, each is read less often: nobody
    sees it, since a crowd's edits are seconds apart.

    Attributes:
        size: How many there are.
    """

    def __init__(self) -> None:
        self.size = 0

    async def rest(self) -> None:
        """Let more come, where there are many."""
        if self.size > FEW:
            await asyncio.sleep(min(REST, EACH * (self.size - FEW)))


class Response(Protocol):
    """An HTTP response, as far as it is read."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the body."""


class Bounded:
    """What is read of *response*, one of a *crowd*, up to an event of more than *longest* bytes."""

    def __init__(self, response: Response, longest: int, crowd: Crowd) -> None:
        self._response = response
        self._longest = longest
        self._crowd = crowd

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the body; raise `ModelError` at an event that is too long."""
        size, tail = 0, b""
        async for chunk in self._response.aiter_bytes():
            joined = tail + chunk
            borders = [found.end() for found in BORDER.finditer(joined)]
            first = borders[0] if borders else len(joined)
            if size + first - len(tail) > self._longest:
                raise ModelError(GARBLED, Kind.CUT)
            size = len(joined) - borders[-1] if borders else size + len(chunk)
            tail = b"" if borders and borders[-1] == len(joined) else joined[-2:]
            yield chunk
            await self._crowd.rest()
