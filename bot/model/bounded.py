"""A response whose events have a longest length: the SDK would collect one of any."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Protocol

from bot.model import Kind, ModelError
from bot.model.failures import GARBLED

#: Two line breaks, between two events.
BORDER = re.compile(rb"\n\r?\n")


class Response(Protocol):
    """An HTTP response, as far as it is read."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the body."""


class Bounded:
    """What is read of *response*, up to an event of more than *longest* bytes."""

    def __init__(self, response: Response, longest: int) -> None:
        self._response = response
        self._longest = longest

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
