"""Addresses of a Redis: what they may have, and what of them no log may show.  Pure.

A part that can't be read is not shown either: it may be a piece of a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from bot.store.redis.keys import PREFIX

SENTINEL = "redis+sentinel"
#: What may stand behind the "?", beside the prefix; and what begins the rest of it: all about TLS.
OPTIONS, TLS = frozenset({"username", "password", "db", "protocol"}), "ssl_"
SPELLING = "in a password / ? # and % are written %2F %3F %23 and %25"


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Where sentinels are, and of what they are asked who is master.

    Attributes:
        pairs: Their hosts and ports.
        service: What the master is called.
        number: The database.
        user: Who logs in to the master; "" for nobody.
        password: With what.
    """

    pairs: tuple[tuple[str, int], ...]
    service: str
    number: int
    user: str
    password: str


def parted(url: str) -> tuple[str, str]:
    """Return *url* without our prefix, and that.

    Raises:
        ValueError: It is no address; the message shows nothing of it but the names of options.
    """
    parts = _split(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    prefix = dict(query).get("prefix", PREFIX)
    rest = [(name, value) for name, value in query if name != "prefix"]
    if parts.scheme in {"redis", "rediss"} and not parts.hostname:
        raise ValueError(f"there is no host in it; {SPELLING}")
    for name, _ in rest:
        if parts.scheme == SENTINEL or not (name in OPTIONS or name.startswith(TLS)):
            raise ValueError(f"it takes no ?{name[:20]}=")
    if parts.scheme in {"redis", "rediss"} and not _is_number(parts.path.removeprefix("/") or "0"):
        raise ValueError(f"the database behind the last / is no number; {SPELLING}")
    if not _is_number(dict(rest).get("db", "0")):
        raise ValueError("?db= is no number")
    return urlunsplit(parts._replace(query=urlencode(rest))), prefix


def sentinels_of(url: str) -> Sentinels:
    """Return what *url* says, which begins with redis+sentinel; raises as `parted`."""
    who, _, where = url.partition("://")[2].rpartition("@")
    hosts, _, rest = where.partition("/")
    service, _, number = rest.partition("/")
    pairs = [host.rpartition(":") for host in hosts.split(",")]
    if not service or not all(name and _is_number(port) for name, _, port in pairs):
        raise ValueError("it is not redis+sentinel://host:port,host:port/service")
    if not _is_number(number or "0"):
        raise ValueError("the database behind the service is no number")
    user, _, password = who.rpartition(":")
    bare = [(name.removeprefix("[").removesuffix("]"), int(port)) for name, _, port in pairs]
    return Sentinels(tuple(bare), service, int(number or 0), unquote(user), unquote(password))


def secrets_of(url: str) -> list[str]:
    """Return what of *url* no log may show, as it is written and as it is meant; raises as `parted`."""
    parts = _split(url)
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    told = [value for name, value in parse_qsl(parts.query) if "password" in name]
    return [secret for secret in (password, unquote(password), *told) if secret]


def _split(url: str) -> SplitResult:
    """Return the parts of *url*, whose host and port can be read."""
    try:
        parts = urlsplit(url)
        if parts.scheme != SENTINEL:
            _ = parts.port
    except ValueError:
        raise ValueError(f"its host or its port can't be read; {SPELLING}") from None
    if parts.fragment:
        raise ValueError(f"there is a # in it; {SPELLING}")
    return parts


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
