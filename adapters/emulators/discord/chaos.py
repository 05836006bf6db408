"""Every way in which Discord or what is in front of it has been seen to fail a request, by name; and chance.

A fault is a shape on the wire.  Chance is seeded and counts the requests of each route, so that whatever it
did can be done again with one line: the log has "chaos" entries with the arguments of `Discord.strike`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

#: discord.py compares the media type exactly, and Discord sends it without a charset.
JSON_TYPE = "application/json"
VIA = {"Via": "1.1 google"}
HTML = "text/html; charset=UTF-8"
#: Seconds of the short 429s, and of an answer that is late.
WAIT = 0.5
LATE = 11.0


@dataclass
class Fault:
    """An answer that is not Discord's usual one; see `Discord.fault`."""

    route: str = "*"
    times: int = 1
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    apply: bool = False
    delay: float = 0.0
    via: bool = True
    content_type: str = JSON_TYPE
    after: int = 0
    having: str = ""

    def response(self) -> web.Response | None:
        """Return the answer, or None for a connection cut without one."""
        if self.drop:
            return None
        body = {"message": f"{self.status}: Fault", "code": 0} if self.body is None else self.body
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {**(VIA if self.via else {}), "Content-Type": self.content_type, **self.headers}
        return web.Response(body=text.encode(), status=self.status, headers=headers)


def _limited(seconds: float, scope: str, code: int = 0) -> Fault:
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": scope == "global"}
    headers = {"Retry-After": str(round(seconds + 0.5)), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"
    return Fault(status=429, body={**body, **({"code": code} if code else {})}, headers=headers)


def _refused(status: int, code: int, message: str, errors: Any = None) -> Fault:
    body = {"message": message, "code": code, **({"errors": errors} if errors else {})}
    return Fault(status=status, body=body)


def _html(status: int, text: str, headers: Mapping[str, str] | None = None) -> Fault:
    page = f"<!DOCTYPE html><html><body>{text}</body></html>"
    return Fault(status=status, body=page, headers=headers or {}, via=False, content_type=HTML)


_TOO_LONG = {
    "content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]}
}
#: Codes and texts: topics/opcodes-and-status-codes.mdx; 429s: topics/rate-limits.mdx, discord-api-docs#4830;
#: 1015: what Cloudflare answers a banned address; 40333: what it answers a client that it does not like.
FAULTS: dict[str, Fault] = {
    "429 user": _limited(WAIT, "user"),
    "429 shared": _limited(WAIT, "shared"),
    "429 global": _limited(WAIT, "global"),
    "429 hour": _limited(3600.0, "user"),
    "429 old edits": _limited(WAIT, "user", 30046),
    "429 bare": Fault(status=429, body={"message": "You are being rate limited."}),
    "429 proxy": Fault(status=429, body={"message": "slow down", "retry_after": WAIT}, via=False),
    "429 cloudflare": _html(429, "error code: 1015", {"Retry-After": "3"}),
    "429 text": Fault(status=429, body="error code: 1015", via=False, content_type="text/plain"),
    "429 40333": _refused(429, 40333, "internal network error"),
    "401": _refused(401, 0, "401: Unauthorized"),
    "403 50001": _refused(403, 50001, "Missing Access"),
    "403 50013": _refused(403, 50013, "Missing Permissions"),
    "403 160002": _refused(403, 160002, "Cannot reply without permission to read message history"),
    "403 cloudflare": _html(403, "error code: 1020"),
    "404 10003": _refused(404, 10003, "Unknown Channel"),
    "404 10008": _refused(404, 10008, "Unknown Message"),
    "400 too long": _refused(400, 50035, "Invalid Form Body", _TOO_LONG),
    "400 50006": _refused(400, 50006, "Cannot send an empty message"),
    "400 automod": _refused(400, 200000, "Message was blocked by automatic moderation"),
    **{str(status): Fault(status=status) for status in (500, 502, 503, 504)},
    **{str(status): _html(status, f"error code: {status}") for status in (520, 522, 524, 529)},
    "500 applied": Fault(status=500, apply=True),
    "charset": Fault(status=500, content_type="application/json; charset=utf-8"),
    "cut json": Fault(status=500, body='{"message": "500: Inter'),
    "reset": Fault(drop=True),
    "reset applied": Fault(drop=True, apply=True),
    "late": Fault(status=0, delay=LATE),
    "late applied": Fault(status=0, delay=LATE, apply=True),
}


#: What may happen to gateway connections, by name; see `Discord.harm`.
HARMS = (
    *("cut", "op 7", "op 9", "op 9 resumable", "forgotten", "refused", "half-open", "replayed"),
    *(f"closed {code}" for code in (1000, 1001, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009)),
)
#: Connections that are refused after a cut, and seconds of a half-open connection.
REFUSED, SILENT = 3, 90.0


def named(name: str, route: str, times: int = 1, after: int = 0) -> Fault:
    """Return the fault *name* for *route*.

    Raises:
        LookupError: There is none of that name.
    """
    return replace(FAULTS[name], route=route, times=times, after=after)


@dataclass
class Chaos:
    """Faults by chance.

    Attributes:
        seed: The same seed does the same to the same requests.
        rate: The share of requests that fail.
        names: Which faults there are.
        route: Whose requests fail; * matches any part of it.
    """

    seed: int = 0
    rate: float = 0.0
    names: Sequence[str] = ()
    route: str = "*"
    _seen: Counter[str] = field(default_factory=Counter)

    def take(self, route: str) -> tuple[str, int, Fault] | None:
        """Return what happens to the next request of *route*, its name, and how many came before it."""
        number = self._seen[route]
        self._seen[route] += 1
        if not self.rate or not fnmatchcase(route, self.route):
            return None
        chance = random.Random(f"{self.seed}/{route}/{number}")  # noqa: S311 -- it is to be guessed
        if chance.random() >= self.rate:
            return None
        name = chance.choice(self.names or sorted(FAULTS))
        return name, number, named(name, route)
