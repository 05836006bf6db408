"""What single settings may be, where their type does not say it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, SecretStr

_MODEL = re.compile(r"[\w.:/@-]{0,100}")
_STORES = frozenset({"redis", "rediss", "unix", "redis+sentinel"})
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
_HOST = re.compile(r"[\w.:%\[\]-]+")


def _url(value: str, schemes: tuple[str, ...]) -> str:
    wanted = f"write a URL, as in {schemes[-1]}://example.com"
    try:
        parts = urlsplit(value)
        there = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        there = False
    if not there or parts.scheme not in schemes or any(map(str.isspace, value)):
        raise ValueError(wanted)
    return value


def http(value: str) -> str:
    """Return *value*; raise ValueError if it is no URL of HTTP."""
    return _url(value, ("http", "https"))


def socket(value: str) -> str:
    """Return *value*; raise ValueError if it is no URL of a WebSocket."""
    return _url(value, ("ws", "wss"))


def model(value: str) -> str:
    """Return *value*; raise ValueError if no model has such an id."""
    if not _MODEL.fullmatch(value):
        raise ValueError("write a model's id, as in claude-haiku-5-5")
    return value


def host(value: str) -> str:
    """Return *value*; raise ValueError if it is no host's name or address."""
    if not _HOST.fullmatch(value):
        raise ValueError("write an address or a host's name, as in 127.0.0.1")
    return value


def store(value: SecretStr) -> SecretStr:
    """Return *value*; raise ValueError if it is no address of a Redis, without saying what it is."""
    wanted = (
        "write where Redis is, as in redis://:password@host:6379/0, a password's / ? # and @ as "
        "%2F %3F %23 and %40; or nothing, for SQLite"
    )
    try:
        parts = urlsplit(value.get_secret_value())
        there = parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        if parts.scheme in {"redis", "rediss"}:
            _ = parts.port  # which may be none
    except ValueError:
        raise ValueError(wanted) from None
    if value.get_secret_value() and (parts.scheme not in _STORES or not there):
        raise ValueError(wanted)
    if not all(_PREFIX.fullmatch(prefix) for prefix in query.get("prefix", [])):
        raise ValueError("the prefix may have letters, digits, _ . : and - alone, 60 at most")
    return value


Http = Annotated[str, AfterValidator(http)]
Socket = Annotated[str, AfterValidator(socket)]
ModelId = Annotated[str, AfterValidator(model)]
Host = Annotated[str, AfterValidator(host)]
StoreUrl = Annotated[SecretStr, AfterValidator(store)]
