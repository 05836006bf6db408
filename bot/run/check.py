"""`rivulet check`: read all settings and `config.toml` without the network, and say what holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table as Grid

from bot.config import Settings, Table, explain
from bot.config.faults import dotted
from bot.config.rules import DEFAULTS, Rules, Written
from bot.config.schema import schema_of
from bot.config.shapes import shown
from bot.config.strays import strays
from bot.run.configured import ConfigFile
from bot.run.secrets import exposed, known
from bot.unavailable import Unavailable

if TYPE_CHECKING:
    from bot.platform import Platform

T = TypeVar("T")

NO_PLATFORM = "no platform is configured: set SLACK_…, DISCORD_… or RIVULET_WEB as .env.example shows."
NO_KEY = "ANTHROPIC_API_KEY is not set: make a key in the Claude Console."


@dataclass(frozen=True, slots=True)
class Adapters:
    """What is known of all adapters before any of them is made.

    Attributes:
        finds: What looks at the settings of each, and returns what makes it; see `adapters.find`.
        kinds: The classes of their settings.
        tables: What `config.toml` may have tables for; see `ConfigFile`.
    """

    finds: Sequence[Callable[[], Callable[[], Platform] | None]]
    kinds: Sequence[type[BaseSettings]]
    tables: Mapping[str, Mapping[str, Table]]


@dataclass(frozen=True, slots=True)
class Found:
    """Settings that were found to be good.

    Attributes:
        settings: The bot's.
        makes: What makes each platform that has credentials.
        config: `config.toml`.
        written: What it says.
        warnings: What is no fault, but hardly meant.
    """

    settings: Settings
    makes: Sequence[Callable[[], Platform]]
    config: ConfigFile
    written: Written
    warnings: Sequence[str]


def look(adapters: Adapters) -> Found:
    """Read all settings and `config.toml`.

    Raises:
        Unavailable: Something is wrong; the message has a line for each fault.
    """
    faults: list[str] = []
    settings = _tried(Settings, faults)
    makes = [make for find in adapters.finds if (make := _tried(find, faults))]
    if not makes and not faults:
        faults.append(NO_PLATFORM)
    if settings and not settings.anthropic_api_key.get_secret_value():
        faults.append(NO_KEY)
    config = ConfigFile(settings, adapters.tables) if settings else None
    written = _tried(config.read, faults) if config else None
    if faults or settings is None or config is None or written is None:
        raise Unavailable("\n".join(dict.fromkeys(faults)))
    warnings = [*strays(known(), [Settings, *adapters.kinds]), exposed()]
    return Found(settings, makes, config, written, [each for each in warnings if each])


def _tried(make: Callable[[], T], faults: list[str]) -> T | None:
    """Return what *make* returns; None, and a line in *faults*, where it can't."""
    try:
        return make()
    except ValidationError as error:
        faults += explain(error, values=True, between="\n").splitlines()
    except Unavailable as error:
        faults += str(error).splitlines()
    return None


def check(adapters: Adapters) -> int:
    """Print what holds where; 0 if all is well.

    Raises:
        Unavailable: See `look`; tools that can't be imported are faults too.
    """
    found = look(adapters)
    found.config.toolsets(found.written)
    console = Console(highlight=False, soft_wrap=True)
    console.print(_grid(found))
    for warning in found.warnings:
        console.print(f"hm: {warning}", markup=False)
    path = found.config.path
    read = (
        f"The settings and {path} are good."
        if found.written.lines or path.exists()
        else (f"The settings are good. There is no {path}: all places are alike.")
    )
    console.print(read, markup=False)
    return 0


def schema(adapters: Adapters) -> str:
    """Return the JSON schema of `config.toml`, for editors."""
    return json.dumps(schema_of(adapters.tables), indent=2, ensure_ascii=False) + "\n"


def _grid(found: Found) -> Grid:
    """Return a table of what holds in all, and of what differs in each place that the file names."""
    grid = Grid("where", "what holds there", box=None, padding=(0, 2, 0, 0))
    for path, rules in found.config.book(found.written).each():
        if path == DEFAULTS:
            grid.add_row("everywhere", "\n".join(_lines(_everywhere(rules))))
        elif found.written.scopes[path].given:
            given = found.written.scopes[path].model_dump(exclude_unset=True)
            grid.add_row(dotted(found.written.paths[path]), "\n".join(_lines(given)))
    return grid


def _everywhere(rules: Rules) -> dict[str, Any]:
    """Return what holds in all, without what is off."""
    said = asdict(rules)
    who = {name: value for name, value in said["who"].items() if value is not False}
    caps = {name: dollars for name, dollars in said["caps"].items() if dollars}
    return {name: value for name, value in said.items() if value is not False} | {"who": who, "caps": caps}


def _lines(given: Mapping[str, Any], before: str = "") -> Iterable[str]:
    """Yield a line for each key that says something."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{before}{name}.")
        elif value not in (None, "", ()):
            yield f"{before}{name} = {', '.join(value) if isinstance(value, tuple) else shown(value)}"
