"""Discord: discord.py's gateway in, a small REST client of our own out.

This module and `settings` import no SDK: that takes half a second, for which neither a mistake in the
settings nor who runs the bot on another platform alone should wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from adapters.discord.settings import TABLES, Settings, check

if TYPE_CHECKING:
    from adapters.discord.platform import Discord
    from bot.setup import Setup


def load(settings: Settings) -> Callable[[], Discord] | None:
    """See `adapters.find`."""
    if not settings.bot_token.get_secret_value():
        return None
    check(settings)
    return partial(_made, settings)


def _made(settings: Settings) -> Discord:
    from adapters.discord.platform import Discord  # noqa: PLC0415  imports the SDK

    return Discord(settings)


def setup() -> Setup:
    """See `adapters.setups`."""
    from adapters.discord import install  # noqa: PLC0415  no run needs it

    return install.setup()


__all__ = ["TABLES", "Settings", "load", "setup"]
