"""Which MCP servers there are: a JSON file in the form that other programs use for it, and what it says.

It imports nothing of the `mcp` package, so that the settings are read at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.config import explain
from bot.unavailable import Unavailable

#: Bytes of the file; a longer one is another file.
LONGEST = 256 * 1024
#: Servers in it.
MOST = 32
#: What stands for a value of the environment: "${NAME}", or "${NAME:-what to take without it}".
_NAMED = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class Configured(BaseModel):
    """One server of the file.

    Attributes:
        command: The program to start, for one that speaks over its standard input and output.
        args: Its arguments.
        env: Its environment, beside a few names that say where things are.
        cwd: The folder to start it in; "" for this process's own.
        url: Where it is, for one that speaks HTTP.
        headers: What every request to it carries.
        type: How it speaks; follows from the other keys.
        allow: The tools that are offered, by the server's names for them; None for all.
        ask: Whether a person is asked before each call; None to ask where a tool may change something.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # most have no such file

    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str = ""
    url: str = Field(default="", pattern=r"^(https?://[^\s/]+.*)?$")
    headers: dict[str, str] = Field(default_factory=dict)
    type: Literal["", "stdio", "http", "streamable-http"] = ""
    allow: tuple[str, ...] | None = None
    ask: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Configured:
        if bool(self.command) is bool(self.url):
            raise ValueError("needs either a command or a url")
        return self


@dataclass(frozen=True, slots=True)
class Named:
    """All that the file says.

    Attributes:
        named: The servers by their names, in the order of the file.
        secrets: The values that came from the environment.
    """

    named: Mapping[str, Configured] = field(default_factory=dict)
    secrets: Sequence[str] = ()


def read(path: Path | None, known: Mapping[str, str]) -> Named:
    """Return what the file at *path* says; no server where there is no path.

    Args:
        path: The file.
        known: The environment, for `${NAME}`.

    Raises:
        Unavailable: The file can't be read, or says something that is not understood.
    """
    if path is None:
        return Named()
    raw = _json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("mcpServers"), dict):
        raise Unavailable(f'RIVULET_MCP: {path} has no "mcpServers": see docs/mcp.md.')
    entries = raw["mcpServers"]
    if len(entries) > MOST:
        raise Unavailable(f"RIVULET_MCP: {path} has more than {MOST} servers.")
    secrets: list[str] = []
    named = {}
    for name, entry in entries.items():
        where = f"mcpServers.{name}"
        try:
            named[name] = Configured.model_validate(_filled(entry, where, known, secrets))
        except ValidationError as error:
            said = explain(error).replace("; ", f"; {where}.")
            raise Unavailable(f"RIVULET_MCP: {path}: {where}.{said}".replace(".: ", ": ")) from None
        except _Missing as missing:
            raise Unavailable(f"RIVULET_MCP: {path}: {missing}") from None
    return Named(named, secrets)


class _Missing(Exception):
    """The environment has no such name."""


def _json(path: Path) -> Any:
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise Unavailable(f"RIVULET_MCP: {path} can't be read ({error.strerror}).") from None
    if len(content) > LONGEST:
        raise Unavailable(f"RIVULET_MCP: {path} is longer than {LONGEST:,} bytes.")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeError:
        raise Unavailable(f"RIVULET_MCP: {path} is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unavailable(f"RIVULET_MCP: {path} is no JSON{at}.") from None


def _filled(value: Any, where: str, known: Mapping[str, str], secrets: list[str]) -> Any:
    """Return *value* with what `known` has for its names; add that to *secrets*."""
    if isinstance(value, dict):
        return {key: _filled(each, f"{where}.{key}", known, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, f"{where}.{at}", known, secrets) for at, each in enumerate(value)]
    return "".join(_pieces(value, where, known, secrets)) if isinstance(value, str) else value


def _pieces(text: str, where: str, known: Mapping[str, str], secrets: list[str]) -> Iterator[str]:
    end = 0
    for found in _NAMED.finditer(text):
        name, otherwise = found[1], found[2]
        value = known.get(name) or otherwise
        if value is None:
            raise _Missing(f"{where}: {name} is not set in the environment.")
        if value == known.get(name):
            secrets.append(value)
        yield text[end : found.start()] + value
        end = found.end()
    yield text[end:]
