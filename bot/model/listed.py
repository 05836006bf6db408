"""What the API says about its models, asked without its SDK, whose import alone takes a second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from bot.model.failures import (
    AWAY,
    CHECKS,
    EMPTY_KEY,
    NO_KEY,
    NO_STREAM,
    RETIRED,
    TYPES,
    UNKNOWN,
    UNTOLD,
    is_own,
    is_sound,
    named,
)

VERSION = "2023-06-01"
#: Bytes of an answer that are read.
LONGEST = 2**20
OK = 200
#: What HTTP calls a redirect.
REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Listed:
    """What came of asking.

    Attributes:
        trouble: What is wrong, and what to do; "" where nothing is.
        final: Whether only the operator can help.
        date: The far side's clock, in seconds since 1970; None where it did not say.
        window: How many tokens the model reads; None where it did not say.
    """

    trouble: str = ""
    final: bool = False
    date: float | None = None
    window: int | None = None


async def listed(session: aiohttp.ClientSession, key: str, url: str, model: str) -> Listed:
    """Ask the API at *url* whether *key* may use *model*; raises nothing for what the far side does."""
    if not is_sound(key):
        return Listed(EMPTY_KEY if key else NO_KEY, final=True)
    headers = {"x-api-key": key, "anthropic-version": VERSION}
    try:
        asked = f"{url.rstrip('/')}/v1/models/{model}"
        async with session.get(asked, headers=headers, allow_redirects=False) as answer:
            said, date = await _object(answer.content), _seconds(answer.headers.get("Date"))
            host, status = str(answer.url.host), answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Listed(AWAY.format(host=URL(url).host or url, why=type(error).__name__))
    trouble, final = _judged(status, said, host, model)
    window = said.get("max_input_tokens")
    return Listed(trouble, final, date, window if isinstance(window, int) and not trouble else None)


async def models_of(session: aiohttp.ClientSession, key: str, url: str) -> list[str]:
    """Return the ids of the models that the API at *url* has for *key*; none where it does not tell."""
    if not is_sound(key):
        return []
    headers = {"x-api-key": key, "anthropic-version": VERSION}
    try:
        asked = f"{url.rstrip('/')}/v1/models?limit=1000"
        async with session.get(asked, headers=headers, allow_redirects=False) as answer:
            said = await _object(answer.content) if answer.status == OK else {}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return []
    data = said.get("data")
    each = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return [one["id"] for one in each if isinstance(one.get("id"), str)]


async def _object(content: aiohttp.StreamReader) -> Mapping[str, Any]:
    """Return the JSON object that *content* is; an empty one where it is none."""
    raw = b""
    async for part in content.iter_any():
        raw += part
        if len(raw) > LONGEST:
            return {}
    try:
        said = json.loads(raw)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _judged(status: int, said: Mapping[str, Any], host: str, model: str) -> tuple[str, bool]:
    """Return what an answer means, and whether only the operator can help."""
    if status == OK:
        if said.get("type") != "model":
            return NO_STREAM, False
        retired = said.get("lifecycle") == "retired"
        return (RETIRED.format(model=model), True) if retired else ("", False)
    if status in REDIRECTS:
        return NO_STREAM, False
    error = said.get("error")
    kind = str(error.get("type")) if isinstance(error, dict) else ""
    known = kind if kind in CHECKS else TYPES.get(status, "api_error")
    if known in CHECKS and (is_own(host) or kind == "authentication_error"):
        return CHECKS[known].format(model=model), True
    if is_own(host) or status not in UNTOLD:
        return named(kind, TYPES.get(status, "api_error")).sentence, False
    return UNKNOWN.format(host=host, model=model), False


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None
