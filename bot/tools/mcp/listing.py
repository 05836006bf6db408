"""What is offered of the tools that a server tells: under which name, described how, and whether it asks.

All that a server says of its tools is a stranger's: it is cleaned and cut, and a tool with a schema that the
API would not take is left out, since it would cost every answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]
from mcp_types import Tool as Told

from bot.model import Result
from bot.text.heard import heard, one_line
from bot.tools import Caller, Offered
from bot.tools.mcp.settings import Configured

#: Tools of one server that are offered, and pages of the list that are read for them.
MOST, PAGES = 100, 20
#: Characters of a name that the API takes, and how many there may be.
ODD, LONGEST = re.compile("[^a-zA-Z0-9_-]"), 64
#: Characters of the hash that makes a name unique, and of a server's name in it.
HASH, SERVER = 8, 24
#: Characters of a description, of a text in a schema, and of a whole schema.
DESCRIPTION, TEXT, SCHEMA = 2_000, 1_000, 20_000
#: How deep a schema may go.
DEPTH = 24
#: What the API wants of the names of properties, and does not take at the top.
PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
ELSEWHERE = ("oneOf", "allOf", "anyOf")

DESCRIBED = 'Tool "{tool}" of the MCP server "{server}", which says of it:\n{text}'
SILENT = 'Tool "{tool}" of the MCP server "{server}".'

#: Calls a tool, by the server's name for it.
Call = Callable[[str, Mapping[str, Any]], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Listing:
    """What comes of a list.

    Attributes:
        offered: The tools, by their names.
        left_out: A line for each tool that is left out although the settings allow it.
    """

    offered: tuple[Offered, ...] = ()
    left_out: tuple[str, ...] = ()


def listing(name: str, server: Configured, told: Sequence[Told], call: Call, seconds: float) -> Listing:
    """Return what is offered of *told*, the tools of the server *name*; takes a while for long lists."""
    offered: dict[str, Offered] = {}
    left_out = [
        f"{wanted}: the server has no such tool"
        for wanted in server.allow or ()
        if wanted not in {tool.name for tool in told}
    ]
    allowed = [tool for tool in told if server.allow is None or tool.name in server.allow]
    for tool in sorted(allowed, key=lambda tool: tool.name)[:MOST]:
        shown = one_line(tool.name) or "?"
        try:
            made = _offered(name, server, tool, call, seconds)
        except (_Unfit, RecursionError) as error:
            left_out.append(
                f"{shown}: {str(error) if isinstance(error, _Unfit) else 'its schema is too deep'}"
            )
            continue
        if made.name in offered:
            left_out.append(f"{shown}: the server has two tools of this name")
        offered.setdefault(made.name, made)
    if len(allowed) > MOST:
        left_out.append(f"{len(allowed) - MOST} more than the {MOST} tools that one server may have")
    return Listing(tuple(offered.values()), tuple(left_out))


class _Unfit(Exception):
    """The API would not take a tool; the message says why."""


def _offered(name: str, server: Configured, tool: Told, call: Call, seconds: float) -> Offered:
    reads = bool(tool.annotations and tool.annotations.read_only_hint is True)

    async def use(_caller: Caller, given: Mapping[str, Any], asked: str = tool.name) -> Result:
        return await call(asked, given)

    text = heard((tool.description or "")[: 2 * DESCRIPTION])[:DESCRIPTION]
    label = {"tool": one_line(tool.name), "server": one_line(name)}
    described = {
        "name": named(name, tool.name),
        "description": (DESCRIBED if text else SILENT).format(text=text, **label),
        "input_schema": schema_of(tool.input_schema),
    }
    title = f"{ODD.sub('_', tool.name)[:40]} ({ODD.sub('_', name)[:SERVER]})"
    return Offered(described, use, title, seconds, not reads, not reads if server.ask is None else server.ask)


def named(server: str, tool: str) -> str:
    """Return the name by which the model calls *tool* of *server*: the same on every start, and no other's.

    One that is too long, has other characters, or could be read as another server's ends in a hash.
    """
    plain = f"{server}__{tool}"
    clear = "__" not in server and not server.endswith("_") and len(server) <= SERVER
    if clear and tool and len(plain) <= LONGEST and not ODD.search(plain):
        return plain
    digest = sha256(f"{server}\0{tool}".encode(errors="surrogatepass")).hexdigest()[:HASH]
    start = f"{ODD.sub('_', server)[:SERVER]}__{ODD.sub('_', tool)}"
    return f"{start[: LONGEST - HASH - 1]}_{digest}"


def schema_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema *told* with its texts cleaned.

    Raises:
        _Unfit: The API would not take it.
    """
    if len(json.dumps(told, ensure_ascii=False, default=str)) > SCHEMA:
        raise _Unfit(f"its schema is longer than {SCHEMA:,} characters")
    schema: dict[str, Any] = _cleaned(told, DEPTH)
    schema.pop("$schema", None)
    schema.pop("$id", None)
    if schema.get("type") != "object":
        raise _Unfit("its schema is of no object")
    if found := next((key for key in ELSEWHERE if key in schema), None):
        raise _Unfit(f"its schema has {found} at the top, which the API does not take")
    if odd := next((key for key in _properties(schema) if not PROPERTY.fullmatch(key)), None):
        raise _Unfit(f"its schema has a property with a name that the API does not take: {one_line(odd)}")
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        where = one_line("/".join(map(str, error.absolute_path))) or "the top"
        raise _Unfit(f"its schema is not valid, at {where}") from None
    for reference in _references(schema):
        _expect(schema, reference)
    return schema


def _cleaned(value: Any, deep: int) -> Any:
    """Return *value* without characters that nobody sees; texts for people and the model are cut."""
    if not deep:
        raise _Unfit("its schema is too deep")
    if isinstance(value, Mapping):
        return {str(key): _text(key, each, deep) for key, each in value.items() if _plain(key)}
    if isinstance(value, list):
        return [_cleaned(each, deep - 1) for each in value]
    return heard(value) if isinstance(value, str) and heard(value) != value.strip() else value


def _text(key: str, value: Any, deep: int) -> Any:
    if key in {"description", "title", "$comment"} and isinstance(value, str):
        return heard(value[: 2 * TEXT])[:TEXT]
    return _cleaned(value, deep - 1)


def _plain(key: object) -> bool:
    if not isinstance(key, str) or heard(key) != key:
        raise _Unfit("its schema has a name with characters that nobody sees")
    return True


def _properties(schema: Mapping[str, Any]) -> Iterator[str]:
    properties = schema.get("properties")
    yield from properties if isinstance(properties, Mapping) else ()


def _references(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (value[key] for key in ("$ref", "$dynamicRef") if isinstance(value.get(key), str))
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _expect(schema: Any, reference: str) -> None:
    """Look whether *reference* leads to something in *schema* itself."""
    if reference == "#":
        return
    if not reference.startswith("#/"):
        raise _Unfit("its schema refers to another one")
    at = schema
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(at, Mapping) or key not in at:
            raise _Unfit("its schema refers to what is not in it")
        at = at[key]
