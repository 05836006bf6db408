"""The store that `RIVULET_STORE` names."""

from __future__ import annotations

from collections.abc import Callable

from bot.platform import Finding, Unavailable
from bot.store.redis import checks, rights
from bot.store.redis.address import parted
from bot.store.redis.checks import SETTING
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers
from bot.store.redis.store import RedisStore
from bot.store.redis.wire import Away, Refusal, Wire, connector


def store_at(url: str, *, joins: bool, took: Callable[[float], object] = float) -> RedisStore:
    """Return the store at *url*, not opened yet.

    Args:
        url: See `RIVULET_STORE`.
        took: See `Wire.took`.
        joins: Whether this process is a replica; else it is a command, which nobody counts.

    Raises:
        Unavailable: That is no address.
    """
    wire, names = wired(url)
    wire.took = took
    return RedisStore(wire, names, RedisPeers(wire, names) if joins else None)


async def findings_at(url: str) -> list[Finding]:
    """Return what `rivulet doctor` says of the Redis at *url*; nothing in it is changed."""
    try:
        wire, names = wired(url)
    except Unavailable as error:
        return [Finding(ok=False, text=str(error), fatal=True)]
    try:
        return await checks.findings(wire, names)
    except Away as error:
        text = f"{SETTING}: Redis can't be reached ({error})"
        return [Finding(ok=False, text=text, fatal=True, fix=checks.REACH)]
    except Refusal as error:
        return [Finding(ok=False, text=f"{SETTING}: {rights.refusal(error, names)}", fatal=True)]
    finally:
        await wire.close()


def wired(url: str) -> tuple[Wire, Names]:
    """Return the connection to the Redis at *url*, not opened yet, and what keys are called there.

    Raises:
        Unavailable: That is no address.
    """
    try:
        rest, prefix = parted(url)
        return Wire(connector(rest)), Names(prefix)
    except ValueError as error:
        raise Unavailable(f"{SETTING}: that is no address of a Redis ({error}).") from None
