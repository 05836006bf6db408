"""The store that `RIVULET_STORE` names."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from bot.platform import Finding, Unavailable
from bot.store.redis import checks
from bot.store.redis.checks import SETTING
from bot.store.redis.keys import PREFIX, Names
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
        text, fix = checks.lets_nobody_in(error)
        return [Finding(ok=False, text=f"{SETTING}: {text}", fatal=True, fix=fix)]
    finally:
        await wire.close()


def secrets_of(url: str) -> list[str]:
    """Return what of *url* no log may show, as it is written and as it is meant."""
    who = urlsplit(url).netloc.rpartition("@")[0]
    password = who.partition(":")[2]
    told = [value for name, value in parse_qsl(urlsplit(url).query) if "password" in name]
    return [secret for secret in (password, unquote(password), *told) if secret]


def wired(url: str) -> tuple[Wire, Names]:
    """Return the connection to the Redis at *url*, not opened yet, and what keys are called there.

    Raises:
        Unavailable: That is no address.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    prefix = dict(query).get("prefix", PREFIX)
    rest = urlencode([(name, value) for name, value in query if name != "prefix"])
    try:
        return Wire(connector(urlunsplit(parts._replace(query=rest)))), Names(prefix)
    except ValueError as error:
        raise Unavailable(f"{SETTING}: that is no address of a Redis ({error}).") from None
