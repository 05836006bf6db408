"""Discord: discord.py's gateway in, a small REST client of our own out.

This module and `settings` import no SDK: that takes half a second, for which neither a mistake in the
settings nor who runs the bot on another platform alone should wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from adapters.discord.settings import TABLES, Settings

if TYPE_CHECKING:
    from adapters.discord.platform import Discord


def load(settings: Settings) -> Callable[[], Discord] | None:
    """See `adapters.find`."""
    return partial(_made, settings) if settings.bot_token.get_secret_value() else None


def _made(settings: Settings) -> Discord:
    from adapters.discord.platform import Discord  # noqa: PLC0415  imports the SDK

    return Discord(settings)


__all__ = ["TABLES", "Settings", "load"]
