"""Slack: Socket Mode or HTTP in, Web API out.

This module and `settings` import no SDK: that takes half a second, for which neither a mistake in the
settings nor who runs the bot on another platform alone should wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from adapters.slack.settings import TABLES, Settings, check

if TYPE_CHECKING:
    from bot.platform import Platform
    from bot.setup import Setup


def load(settings: Settings) -> Callable[[], Platform] | None:
    """See `adapters.find`."""
    tokens = (settings.bot_token, settings.app_token)
    if not settings.several and not any(one.get_secret_value() for one in tokens):
        return None
    check(settings)
    return partial(_made, settings)


def _made(settings: Settings) -> Platform:
    if settings.several:
        from adapters.slack.several.platform import Several  # noqa: PLC0415  imports the SDK

        return Several(settings)
    from adapters.slack.platform import Slack  # noqa: PLC0415  the same

    return Slack(settings)


def setup() -> Setup:
    """See `adapters.setups`."""
    from adapters.slack import install  # noqa: PLC0415  no run needs it

    return install.setup()


__all__ = ["TABLES", "Settings", "load", "setup"]
