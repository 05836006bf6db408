"""What survives and what is shared: one protocol, a file per kind of store."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Remembers which events were taken."""

    async def claim(self, key: str) -> bool:
        """Return True to the first caller with *key*, False to all others for at least an hour."""
        ...
