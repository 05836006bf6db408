"""What `rivulet init` writes: answers merged into the text of `.env` and of `config.toml`.

Pure but for `put`.  Lines that it does not have to change stay as they are, comments too.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from bot.unavailable import Unavailable

#: A value that `.env` takes without quotes, whoever reads it: the bot, docker compose, a shell.
PLAIN = re.compile(r"[\w@%+=:,./*~-]*")
#: Only its owner reads and writes it.
PRIVATE = 0o600
SHARED = 0o644


def env_text(old: str, answers: Mapping[str, str]) -> str:
    """Return *old*, the text of an `.env`, with *answers* in it, by setting.

    A setting that is there is replaced where it counts, at its last place; the others come at the end.

    Raises:
        Unavailable: A value can't be written there.
    """
    lines = {name: f"{name}={_quoted(name, value)}" for name, value in answers.items()}
    parts = list(parse_stream(StringIO(old)))
    last = {part.key: number for number, part in enumerate(parts) if part.key}
    text = ""
    for number, part in enumerate(parts):
        said = part.original.string
        if part.key in lines and last[part.key] == number:
            start = said[: len(said) - len(said.lstrip())]
            end = said[len(said.rstrip("\r\n")) :]
            said = start + lines.pop(part.key) + end
        text += said
    if lines and text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{line}\n" for line in lines.values())


def _quoted(name: str, value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    if "'" in value or "\\" in value or not value.isprintable():
        raise Unavailable(f"{name}: .env can't hold this value; it takes no quotes and no backslashes.")
    return f"'{value}'"


def toml_text(old: str, keys: Mapping[str, Any]) -> str:
    """Return *old*, the text of a `config.toml`, with *keys* in it, by path: "defaults.caps.day".

    Raises:
        Unavailable: *old* is no TOML, or has a key in a way that a line can't replace; it says what to write.
    """
    _parsed(old)
    text = old
    for path, value in keys.items():
        table, _, key = path.rpartition(".")
        text = _with(text, table, key, _toml(value))
        if _at(text, path) != value:
            raise Unavailable(
                f"config.toml: [{table}] is written in another way there; set {key} = {_toml(value)} by hand."
            )
    return text


def _with(text: str, table: str, key: str, value: str) -> str:
    """Return *text* with `key = value` in *table*."""
    lines = text.removesuffix("\n").split("\n") if text else []
    header = next(
        (n for n, line in enumerate(lines) if re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", line)), None
    )
    if header is None:
        gap = [""] if lines and lines[-1].strip() else []
        return "\n".join([*lines, *gap, f"[{table}]", f"{key} = {value}", ""])
    end = next((n for n in range(header + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
    for number in range(header + 1, end):
        if re.match(rf"\s*{re.escape(key)}\s*=", lines[number]):
            lines[number] = f"{key} = {value}{_comment(lines[number])}"
            return "\n".join([*lines, ""])
    while end > header + 1 and not lines[end - 1].strip():
        end -= 1
    return "\n".join([*lines[:end], f"{key} = {value}", *lines[end:], ""])


def _comment(line: str) -> str:
    """Return the comment behind the value of *line*, "" where there may be none."""
    found = re.search(r"\s+#[^\"'\]]*$", line)
    return found[0] if found else ""


def _at(text: str, path: str) -> Any:
    try:
        found: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unavailable(f"config.toml is no TOML ({error}): mend it, or move it away.") from None


def at(text: str, path: str) -> Any:
    """Return what the text of a `config.toml` has at *path*; None where nothing is.

    Raises:
        Unavailable: It is no TOML.
    """
    _parsed(text)
    return _at(text, path)


def _toml(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False
    )  # strings, booleans, numbers and lists of strings are the same


def read(path: Path) -> str:
    """Return the text of *path*; "" where there is no such file.

    Raises:
        Unavailable: It can't be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Unavailable(f"{path} can't be read: {error.strerror}.") from None
    except UnicodeError:
        raise Unavailable(f"{path} is not UTF-8: save it as UTF-8 in your editor.") from None


def put(path: Path, text: str, mode: int) -> None:
    """Write *text* to *path* in one step, readable as *mode* says from its first byte on.

    Raises:
        Unavailable: That can't be done; what was there stays.
    """
    real = path.resolve()
    try:
        number, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
                os.fchmod(number, mode)
                file.write(text)
                file.flush()
                os.fsync(number)
            Path(name).replace(real)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise Unavailable(f"{path} can't be written: {error.strerror}.") from None
