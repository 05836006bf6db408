"""The chat page: served by the bot itself, so that messages are kept by the bot too (`Inbox.shelf`).

This module and `settings` import nothing that is slow, so that a mistake in the settings is said at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from adapters.web.settings import TABLES, Settings, origin_of, tokens_of
from bot.config import Settings as Common

if TYPE_CHECKING:
    from adapters.web.platform import Web
    from bot.setup import Setup


def load(settings: Settings) -> Callable[[], Web] | None:
    """See `adapters.find`."""
    if not settings.on:
        return None
    return partial(_made, tokens_of(settings), origin_of(settings), Common().file_bytes)


def _made(tokens: Mapping[str, str], origin: str, most: int) -> Web:
    from adapters.web.hearing import routes  # noqa: PLC0415  imports what draws
    from adapters.web.platform import Web  # noqa: PLC0415  the same

    made = Web(tokens, origin, most)
    made.routes = routes(made)
    return made


def setup() -> Setup:
    """See `adapters.setups`."""
    from adapters.web import install  # noqa: PLC0415  no run needs it

    return install.setup()


__all__ = ["TABLES", "Settings", "load", "setup"]
