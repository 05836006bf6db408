"""`rivulet check`: read all settings and `config.toml` without the network, and say what holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from bot.config.faults import dotted
from bot.config.rules import DEFAULTS, Rules
from bot.config.schema import schema_of
from bot.config.shapes import shown
from bot.run.look import Adapters, Found


def check(found: Found) -> int:
    """Print what holds where by what was *found*; 0 if all is well.

    Raises:
        Unavailable: Tools can't be imported, or should not come together.
    """
    found.config.toolsets(found.written)
    console = Console(highlight=False, soft_wrap=True)
    console.print(_grid(found))
    for warning in found.warnings:
        console.print(f"hm: {warning}", markup=False)
    path = found.config.path
    alike = f"The settings are good. There is no {path}: all places are alike."
    console.print(f"The settings and {path} are good." if path.exists() else alike, markup=False)
    return 0


def schema(adapters: Adapters) -> str:
    """Return the JSON schema of `config.toml`, for editors."""
    return json.dumps(schema_of(adapters.tables), indent=2, ensure_ascii=False) + "\n"


def _grid(found: Found) -> Grid:
    """Return a table of what holds in all, and of what differs in each place that the file names."""
    grid = Grid("where", "what holds there", box=None, padding=(0, 2, 0, 0))
    for path, rules in found.config.book(found.written).each():
        if path == DEFAULTS:
            grid.add_row("everywhere", _told(_everywhere(rules)))
        elif found.written.scopes[path].given:
            given = found.written.scopes[path].model_dump(exclude_unset=True)
            grid.add_row(dotted(found.written.paths[path]), _told(given))
    return grid


def _everywhere(rules: Rules) -> dict[str, Any]:
    """Return what holds in all, without what is off."""
    said = asdict(rules)
    caps = {name: dollars for name, dollars in said["caps"].items() if dollars}
    return _known({**said, "who": _known(said["who"]), "caps": caps})


def _known(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of *said* is neither off nor empty."""
    return {name: value for name, value in said.items() if value not in (False, None, "", ())}


def _told(given: Mapping[str, Any]) -> str:
    return escape("\n".join(_lines(given)))


def _lines(given: Mapping[str, Any], before: str = "") -> Iterable[str]:
    """Yield a line for each key."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{before}{name}.")
        elif isinstance(value, tuple):
            yield f"{before}{name} = {', '.join(value) or 'none'}"
        else:
            yield f"{before}{name} = {shown(value)}"
