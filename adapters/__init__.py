"""One file (or, past 400 lines, one package of the same name) per platform, each with a `load`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bot.platform import Platform

#: The adapters that `rivulet run` looks at.
NAMES = ("slack", "discord")


def load(name: str, **settings: Any) -> Platform | None:
    """Return the platform *name*, or None if it has no credentials.

    Args:
        name: One of `NAMES`.
        settings: What overrides the environment and `.env`, by the name of the environment variable.

    Raises:
        Unavailable: When its settings are incomplete.
        pydantic.ValidationError: When one of them is no valid value.
    """
    module = import_module(f"adapters.{name}")
    platform: Platform | None = module.load(module.Settings(**settings))
    return platform
