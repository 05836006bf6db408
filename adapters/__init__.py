"""One file (or, past 400 lines, one package of the same name) per platform, each with a `load`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bot.config import FromEnvironment, Table
from bot.config.scope import TABLES

if TYPE_CHECKING:
    from bot.platform import Platform
    from bot.setup import Setup, Shape

#: The adapters that `rivulet run` looks at.
NAMES = ("slack", "discord", "web")

#: Makes a platform.  May import an SDK first, so it may take half a second.
Make = Callable[[], "Platform"]


def find(name: str, **settings: Any) -> Make | None:
    """Return what makes the platform *name*, or None if it has no credentials; imports no SDK yet.

    So that what is wrong with the settings of any platform is said before anything slow is done.

    Args:
        name: One of `NAMES`.
        settings: What overrides the environment and `.env`, by the name of the environment variable.

    Raises:
        Unavailable: When its settings are incomplete.
        pydantic.ValidationError: When one of them is no valid value.
    """
    module = import_module(f"adapters.{name}")
    make: Make | None = module.load(module.Settings(**settings))
    return make


def tables() -> dict[str, Mapping[str, Table]]:
    """Return what `config.toml` may have tables for, by the platform's name."""
    return {name: getattr(import_module(f"adapters.{name}"), "TABLES", TABLES) for name in NAMES}


def settings() -> list[type[FromEnvironment]]:
    """Return the class of each platform's settings, in the order of `NAMES`."""
    return [import_module(f"adapters.{name}").Settings for name in NAMES]


def load(name: str, **settings: Any) -> Platform | None:
    """Return the platform *name*, or None if it has no credentials; see `find`."""
    make = find(name, **settings)
    return make() if make else None


def people() -> dict[str, Shape | None]:
    """Return what ids of people look like, by the platform's name; see `Setup.people`."""
    return {**dict.fromkeys(NAMES), **{setup.name: setup.people for setup in setups()}}


def setups() -> list[Setup]:
    """Return how each platform is set up, of those that say so with a function `setup`."""
    makes = [getattr(import_module(f"adapters.{name}"), "setup", None) for name in NAMES]
    return [make() for make in makes if make]
