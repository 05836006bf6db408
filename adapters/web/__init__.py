"""The chat page: served by the bot itself, so that messages are kept by the bot too (`Inbox.shelf`).

This module and `settings` import nothing that is slow, so that a mistake in the settings is said at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from adapters.web.settings import Settings, origin_of, tokens_of

if TYPE_CHECKING:
    from adapters.web.platform import Web


def load(settings: Settings) -> Callable[[], Web] | None:
    """See `adapters.find`."""
    return partial(_made, tokens_of(settings), origin_of(settings)) if settings.on else None


def _made(tokens: dict[str, str], origin: str) -> Web:
    from adapters.web.platform import Web  # noqa: PLC0415  imports what draws

    return Web(tokens, origin)


__all__ = ["Settings", "load"]
