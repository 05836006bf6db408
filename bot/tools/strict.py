"""Which schemas the API can hold the model to (`strict`), and how many of them a request may have.  Pure.

The API makes a grammar of a strict schema, which takes a part of JSON Schema only and refuses a request that
has anything else (structured outputs, "JSON Schema limitations").  Pydantic validates every input, strict or
not; so a tool that can't be strict costs the model a second try, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Strict tools of one request, their optional parameters, and their parameters of several types
#: ("Schema complexity limits").
TOOLS, OPTIONAL, UNIONS = 20, 24, 16
#: Keywords that may be in a strict schema, with those that only tell people something.
TAKEN = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "anyOf", "$ref", "$defs"),
        *("enum", "const", "default", "title", "description"),
    }
)
#: The `format`s of texts that a strict schema may ask for.
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
Schema = Mapping[str, Any]


def strict(schema: Schema) -> bool:
    """Return whether the API can hold the model to *schema*, the input of one tool."""
    return not _recurs(schema) and all(map(_taken, _parts(schema)))


def bounded(described: Sequence[Schema]) -> list[dict[str, Any]]:
    """Return descriptions of tools, the last of them without `strict` where a request has no room for it."""
    tools = optional = unions = 0
    kept = []
    for each in described:
        more = _counts(each["input_schema"]) if each.get("strict") else (0, 0)
        if tools + 1 > TOOLS or optional + more[0] > OPTIONAL or unions + more[1] > UNIONS:
            kept.append({name: value for name, value in each.items() if name != "strict"})
            continue
        tools, optional, unions = tools + bool(each.get("strict")), optional + more[0], unions + more[1]
        kept.append(dict(each))
    return kept


def _counts(schema: Schema) -> tuple[int, int]:
    """Return how many parameters of *schema* are optional, and how many have several types."""
    parts = list(_parts(schema))
    optional = sum(len(part.get("properties", {})) - len(part.get("required", ())) for part in parts)
    return optional, sum("anyOf" in part or isinstance(part.get("type"), list) for part in parts)


def _parts(schema: Any) -> Iterator[Schema]:
    """Yield *schema* and all schemas inside it; what is none becomes one that nobody takes."""
    if not isinstance(schema, Mapping):
        yield {"no schema": schema}
        return
    yield schema
    for name in ("properties", "$defs"):
        for part in schema.get(name, {}).values():
            yield from _parts(part)
    for part in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])):
        yield from _parts(part)


def _taken(part: Schema) -> bool:
    """Return whether *part*, without the schemas inside it, has only what is taken."""
    rest = set(part) - TAKEN
    if part.get("type") == "string" and part.get("format") in FORMATS:
        rest.discard("format")
    if part.get("type") == "array" and part.get("minItems") in {0, 1}:
        rest.discard("minItems")
    if part.get("type") == "object" and part.get("additionalProperties") is not False:
        return False
    plain = all(
        value is None or isinstance(value, str | int | float | bool)
        for value in (*part.get("enum", ()), part.get("const"))
    )
    typed = part.keys() & {"type", "anyOf", "$ref", "enum", "const"}
    return not rest and plain and bool(typed) and str(part.get("$ref", "#")).startswith("#")


def _recurs(schema: Schema) -> bool:
    """Return whether a definition of *schema* has itself inside it."""
    inside = {
        f"#/$defs/{name}": {str(part["$ref"]) for part in _parts(definition) if "$ref" in part}
        for name, definition in schema.get("$defs", {}).items()
    }
    for _ in inside:  # after as many steps, what is inside what is inside is known
        inside = {
            name: named.union(*(inside.get(each, ()) for each in named)) for name, named in inside.items()
        }
    return any(name in named for name, named in inside.items())
