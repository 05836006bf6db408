"""The JSON schema of `config.toml`, for editors: made of the classes that check the file.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.config.scope import PriceKeys, Scope, Table

ABOUT = "What holds where: defaults, then platforms and places in them; the narrower wins. No secrets."


def schema_of(platforms: Mapping[str, Mapping[str, Table]]) -> dict[str, Any]:
    """Return the schema of a file that may have the tables of *platforms*."""
    scope = Scope.model_json_schema(ref_template="#/$defs/{model}")
    defs = scope.pop("$defs")
    schema: dict[str, Any] = _plain(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "config.toml of Rivulet",
            "description": ABOUT,
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "defaults": {"$ref": "#/$defs/Scope"},
                **{name: _platform(scope, tables) for name, tables in platforms.items()},
                "prices": {
                    "type": "object",
                    "description": "What models cost that the bot knows no price of.",
                    "additionalProperties": {"$ref": "#/$defs/PriceKeys"},
                },
            },
            "$defs": {**defs, "Scope": scope, "PriceKeys": PriceKeys.model_json_schema()},
        }
    )
    return schema


def _platform(scope: Mapping[str, Any], tables: Mapping[str, Table]) -> dict[str, Any]:
    """Return the schema of a platform's part: the keys of a scope, and a table for each place in it."""
    places = {
        name: {
            "type": "object",
            "description": f"Tables by ids, as in {table.example}.",
            "patternProperties": {f"^(?:{table.ids.pattern})$": {"$ref": "#/$defs/Scope"}},
            "additionalProperties": False,
        }
        for name, table in tables.items()
    }
    return {**scope, "properties": {**scope["properties"], **places}}


def _plain(value: Any) -> Any:
    """Return *value* without titles and defaults: what is not there is left to a wider table."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {"properties", "$defs", "patternProperties"}
    return {
        key: {name: _plain(inner) for name, inner in each.items()} if key in named else _plain(each)
        for key, each in value.items()
        if key != "default" and (key != "title" or "$schema" in value)
    }
