"""docs/settings.md, made from the code.  `.venv/bin/python -m tests.settings_page` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import adapters
from bot.config import FromEnvironment, Settings
from bot.config.rules import Caps
from bot.config.scope import CapKeys, Keys, PriceKeys, Scope, WhoKeys, takes

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
KINDS: tuple[type[FromEnvironment], ...] = (Settings, *adapters.settings())

ABOVE = """# Settings

This page is made from the code. `rivulet check` looks at all that is set, without the network, and says
what is wrong or what holds.

## Environment

From the environment, or from `.env`; the environment wins. A secret may come from a file instead, as in
`ANTHROPIC_API_KEY_FILE=/run/secrets/anthropic`.

| setting | default | what it is |
|---|---|---|
"""
BETWEEN = """
## config.toml

What holds where; [config.md](config.md) says how. `rivulet check --schema` prints a JSON schema for editors.

In `[defaults]`, below a platform's name (`[slack]`), and in the table of a place
(`[slack.channels.C0123ABCD]`):
"""


def page() -> str:
    """Return the page as it has to be."""
    return "\n".join([ABOVE.rstrip("\n"), *rows(), BETWEEN, *_keys(), ""])


def rows() -> list[str]:
    """Return a row of the table for each setting of the environment."""
    return [
        f"| `{field.validation_alias}` | {_default(field.default)} | {field.description} |"
        for kind in KINDS
        for field in kind.model_fields.values()
    ]


def _default(value: Any) -> str:
    if value is None or (isinstance(value, SecretStr | str) and not value):
        return ""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if 0 < len(text) < 60 else "see `bot/config/settings.py`" if text else ""


def _keys() -> Iterator[str]:
    yield from _table(Scope)
    yield "\nIn `[defaults.who]`, `[slack.who]`, `[slack.channels.C0123ABCD.who]` and so on:\n"
    yield from _table(WhoKeys)
    yield "\nIn `[defaults.caps]` and so on, in dollars:\n"
    yield from _table(CapKeys)
    dollars = f"{Caps().person_day:g} and {Caps().day:g}"
    yield f"\nWhere nothing is said, `person_day` and `day` are {dollars}; all others are 0. `day` and"
    yield "`month` stand in `[defaults.caps]` alone, `workspace_day` and `workspace_month` also in those of a"
    yield "platform or a workspace."
    yield '\nIn `[prices."claude-my-model"]`, for a model whose price the bot does not know:\n'
    yield from _table(PriceKeys)
    yield "\nBelow a platform there are tables for places, by their ids:\n"
    yield "| platform | tables |"
    yield "|---|---|"
    for name, tables in adapters.tables().items():
        found = ", ".join(f"`[{name}.{key}.{table.example}]`" for key, table in tables.items())
        yield f"| `[{name}]` | {found} |"


def _table(kind: type[Keys]) -> Iterator[str]:
    yield "| key | takes | what it is |"
    yield "|---|---|---|"
    for name, field in kind.model_fields.items():
        yield f"| `{name}` | {_takes(field)} | {field.description} |"


def _takes(field: FieldInfo) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, Keys):
        return "a table; below"
    options = get_args(field.annotation)
    return ", ".join(f"`{each}`" for each in options) if _named(options) else takes(field)


def _named(options: tuple[Any, ...]) -> bool:
    return bool(options) and all(isinstance(each, str) for each in options)


if __name__ == "__main__":
    PAGE.write_text(page())
