"""Secrets that come from files or `.env`, read at the start, on SIGHUP, and once when Claude refuses the key.

`ANTHROPIC_API_KEY_FILE=/run/secrets/key` stands for `ANTHROPIC_API_KEY`, and so for every setting whose name
ends in KEY, TOKEN, TOKENS (but for MAX_TOKENS) or SECRET, and for RIVULET_STORE.  It must never log a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG

from bot.config import ENV
from bot.config.environment import written
from bot.config.shapes import SECRET
from bot.unavailable import Unavailable

FILE = "_FILE"
#: Characters of a secret; a file with more is another one.
LONGEST = 4096
#: The rights to read a file of all but its owner.
OTHERS = 0o044


class Secrets:
    """What the environment's secrets are, and which have changed since they were last looked at."""

    def __init__(self) -> None:
        self._written = written()

    def take(self) -> None:
        """Put what the files hold into the environment, where settings are read from.

        Raises:
            Unavailable: When a file can't be read, or others can read it.
        """
        for name, path in {**written(), **os.environ}.items():
            secret = name.upper().removesuffix(FILE)
            if path and secret != name.upper() and SECRET.fullmatch(secret):
                os.environ[secret] = _held(name, Path(path))

    def again(self) -> list[str]:
        """Do so anew, also with what has changed in `.env`; return the names of the secrets that changed.

        What a container got from `.env` is in its environment, which would win over the file.

        Raises:
            Unavailable: See `take`.
        """
        before, now = _secrets(self._written), written()
        for name, value in now.items():
            if SECRET.fullmatch(name.upper()) and value != self._written.get(name, "") and name in os.environ:
                os.environ[name] = value
        self._written = now
        self.take()
        after = _secrets(now)
        return sorted(name for name in before | after if before.get(name, "") != after.get(name, ""))


def known() -> dict[str, str]:
    """Return all that the environment and `.env` say; the environment wins."""
    return {**written(), **os.environ}


def exposed() -> str:
    """Return what to do if `.env` can be read by others than its owner, or ""."""
    try:
        mode = ENV.stat().st_mode
    except OSError:
        return ""
    shared = S_ISREG(mode) and mode & OTHERS
    return f"{ENV} can be read by others on this host: chmod 600 {ENV}" if shared else ""


def _secrets(written: Mapping[str, str]) -> dict[str, str]:
    """Return all secrets as settings see them: in any case of letters, and the environment wins."""
    both = ((name.upper(), value) for name, value in (*written.items(), *os.environ.items()))
    return {name: value for name, value in both if SECRET.fullmatch(name)}


def _held(name: str, path: Path) -> str:
    try:
        if path.is_dir():  # Docker makes one where it is to mount a file that is not there
            raise Unavailable(f"{name}: {path} is a folder; it takes the name of a file.")
        if path.stat().st_mode & OTHERS:
            raise Unavailable(f"{name}: {path} can be read by others on this host: chmod 600 {path.name}.")
        value = path.read_text("utf-8-sig")[: LONGEST + 1].strip()
    except OSError as error:
        raise Unavailable(f"{name}: {path} can't be read ({error.strerror}).") from None
    except UnicodeError:
        raise Unavailable(f"{name}: {path} is not UTF-8.") from None
    if not value or len(value) > LONGEST:
        raise Unavailable(f"{name}: {path} holds no secret: write it there, alone.")
    return value
