"""All settings, read at once: so that whatever is wrong is told before anything slow is imported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from bot.config import ENV, FromEnvironment, Settings, Table, explain
from bot.config.rules import Written
from bot.config.strays import strays
from bot.model.failures import EMPTY_KEY, NO_KEY, is_sound
from bot.run.configured import ConfigFile
from bot.run.named import misshapen
from bot.run.secrets import exposed, known
from bot.setup import Shape
from bot.unavailable import Unavailable

if TYPE_CHECKING:
    from bot.platform import Platform

T = TypeVar("T")

UNMOVED = (
    "RIVULET_STORE names Redis, and {0} has what one process remembered, which Redis has not: with the bot "
    "stopped, `rivulet move` takes it there; or delete the file."
)
NO_PLATFORM = "no platform is configured: run `rivulet init`, or set what .env.example shows."
#: Commands read `.env` and `config.toml` where they are called.
ELSEWHERE = " There is no .env in {}."
FOLDER = " What is called .env in {} is a folder, and settings are read from a file."


@dataclass(frozen=True, slots=True)
class Adapters:
    """What is known of all adapters before any of them is made.

    Attributes:
        names: What they are called.
        finds: What looks at the settings of each, and returns what makes it; see `adapters.find`.
        kinds: The classes of their settings.
        tables: What `config.toml` may have tables for; see `ConfigFile`.
        people: Returns what ids of people look like on each; see `Setup.people`.
    """

    names: Sequence[str]
    finds: Sequence[Callable[[], Callable[[], Platform] | None]]
    kinds: Sequence[type[FromEnvironment]]
    tables: Mapping[str, Mapping[str, Table]]
    people: Callable[[], Mapping[str, Shape | None]]


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
    if settings and (where := settings.store.get_secret_value()):
        _tried(lambda: _expect_address(where), faults)
    found = {name: _tried(find, faults) for name, find in zip(adapters.names, adapters.finds, strict=True)}
    makes = {name: make for name, make in found.items() if make}
    if not makes and not faults:
        faults.append(NO_PLATFORM + _unread())
    key = settings.anthropic_api_key.get_secret_value() if settings else None
    if key is not None and not is_sound(key):
        faults.append(EMPTY_KEY if key else NO_KEY)
    config = ConfigFile(settings, adapters.tables) if settings else None
    written = _tried(config.read, faults) if config else None
    if faults or settings is None or config is None or written is None:
        raise Unavailable("\n".join(dict.fromkeys(faults)))
    warnings = [*strays(known(), [Settings, *adapters.kinds]), exposed(), left_behind(settings)]
    warnings += misnamed(written, makes, adapters)
    return Found(settings, [*makes.values()], config, written, [each for each in warnings if each])


def _unread() -> str:
    """Say why nothing was read from `.env`; "" where it was."""
    if ENV.is_dir():  # Docker makes one where it is to mount a file that is not there
        return FOLDER.format(Path.cwd())
    return "" if ENV.exists() else ELSEWHERE.format(Path.cwd())


def misnamed(written: Written, served: Collection[str], adapters: Adapters) -> list[str]:
    """Return a line for each id in *written* that is none of the platforms that are *served*."""
    if not any("who" in scope.given for scope in written.scopes.values()):
        return []
    shapes = adapters.people()
    return misshapen(written, {name: shapes[name] for name in served})


def left_behind(settings: Settings) -> str:
    """Say that a ledger of one process lies beside the Redis of *settings*; "" where none does."""
    if not settings.store.get_secret_value():
        return ""
    from bot.store.examine import NAME, unmoved  # noqa: PLC0415  most have no Redis

    return UNMOVED.format(settings.data / NAME) if unmoved(settings.data) else ""


def _expect_address(where: str) -> None:
    """Raise `Unavailable` if *where* is no address of a Redis that the bot takes."""
    from bot.store.redis.address import parted  # noqa: PLC0415  most have none

    try:
        parted(where)
    except ValueError as error:
        raise Unavailable(f"RIVULET_STORE: that is no address of a Redis ({error}).") from None


def _tried(make: Callable[[], T], faults: list[str]) -> T | None:
    """Return what *make* returns; None, and a line in *faults*, where it can't."""
    try:
        return make()
    except ValidationError as error:
        faults += explain(error, values=True, between="\n").splitlines()
    except Unavailable as error:
        faults += str(error).splitlines()
    return None
