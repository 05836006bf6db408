"""Discord's rate limits: fixed windows per (method, route, channel), and 50 requests a second.

It only counts and says no, with the headers Discord sends; it must never delay a request.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import defaultdict
from dataclasses import dataclass, field

from adapters.emulators.budget import Budget
from adapters.emulators.discord.rules import Refusal
from adapters.emulators.discord.shapes import Json

#: (calls, seconds).  5 per 5 s: discord.py#6073, discord-api-docs#20; reactions: Discord.Net#401;
#: deleting: discord-api-docs#1295; threads: size unknown, discord-api-docs#7816; global: rate-limits.mdx.
DEFAULTS: dict[str, tuple[int, float]] = {
    "POST messages": (5, 5.0),
    "PATCH messages": (5, 5.0),
    "GET messages": (5, 5.0),
    "GET message": (5, 5.0),
    "DELETE messages": (5, 1.0),
    "PUT reactions": (1, 0.25),
    "DELETE reactions": (1, 0.25),
    "POST threads": (50, 300.0),
    "POST webhooks": (5, 5.0),
    "PATCH webhooks": (5, 5.0),
    "global": (50, 1.0),
}
#: Edits of messages older than an hour, per channel: userdoccers#551 (starboard-4#118 guessed 20 s).
OLD_EDITS = (3, 6.0)
OLD = 3600.0
#: Counted apart, yet named alike: discord-api-docs#8073.
SAME_BUCKET = {"POST messages": "messages", "PATCH messages": "messages"}


class TooMany(Refusal):
    """A 429.

    Args:
        wait: Seconds until it may be tried again.
        scope: "user", "shared" or "global".
        code: A JSON error code, where there is one.
        message: Its text, where it is not the usual one.
    """

    def __init__(self, wait: float, scope: str, code: int = 0, message: str = "") -> None:
        what = "The resource is" if scope == "shared" else "You are"
        super().__init__(429, code, message or f"{what} being rate limited.")
        self.scope = scope
        self.body: Json = {
            "message": str(self),
            "retry_after": round(wait, 3),
            "global": scope == "global",
            **({"code": code} if code else {}),
        }
        self.headers = {
            "Retry-After": str(math.ceil(wait)),
            "X-RateLimit-Scope": scope,
            **({"X-RateLimit-Global": "true"} if scope == "global" else {}),
        }


@dataclass
class _Window:
    start: float = -math.inf
    used: int = 0

    def spend(self, calls: int, seconds: float) -> float:
        """Count a call; return the seconds to the window's end."""
        at = time.monotonic()
        if at - self.start >= seconds:
            self.start, self.used = at, 0
        self.used += 1
        return max(0.001, self.start + seconds - at)


@dataclass
class Limits:
    """All the windows of one bot.

    Attributes:
        sizes: (calls, seconds) by route name, such as "PATCH messages"; settable at any time.
        on: Whether there are limits at all; without, there are no headers either.
        shared: Waits of 429s still to be sent in scope "shared", by route name.
    """

    sizes: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(DEFAULTS))
    on: bool = True
    shared: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _windows: dict[tuple[str, str], _Window] = field(default_factory=lambda: defaultdict(_Window))

    def resize(self, route: str, calls: int, seconds: float) -> None:
        """Give *route* another limit, and fresh windows."""
        self.sizes[route] = (calls, seconds)
        for key in [key for key in self._windows if key[0] == route]:
            del self._windows[key]

    def spend(self, route: str, major: str, *, exempt: bool, headers: dict[str, str]) -> None:
        """Count a request and fill in its *headers*, or raise `TooMany`.

        Args:
            route: Its route name.
            major: The channel or webhook that has buckets of its own.
            exempt: Whether the global limit leaves it alone, as interactions.
            headers: Receives X-RateLimit-*, for refused requests too.
        """
        if self.shared.get(route):
            raise TooMany(self.shared[route].pop(0), "shared")
        if not self.on:
            return
        if not exempt:
            self._spend_global()
        if route in self.sizes:
            self._spend_bucket(route, major, headers)

    def _spend_global(self) -> None:
        calls, seconds = self.sizes["global"]
        window = self._windows["global", ""]
        wait = window.spend(calls, seconds)
        if window.used > calls:
            raise TooMany(wait, "global")

    def _spend_bucket(self, route: str, major: str, headers: dict[str, str]) -> None:
        calls, seconds = self.sizes[route]
        window = self._windows[route, major]
        wait = window.spend(calls, seconds)
        name = SAME_BUCKET.get(route, route)
        headers |= {
            "X-RateLimit-Limit": str(calls),
            "X-RateLimit-Remaining": str(max(0, calls - window.used)),
            "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(name.encode()).hexdigest()[:32],
        }
        if window.used > calls:
            raise TooMany(wait, "user")

    def budgets(self) -> list[Budget]:
        """Return what is left of every limit that a request has met; of windows that are over, all."""
        now, found = time.monotonic(), []
        for (route, major), window in self._windows.items():
            if self.on and route in self.sizes:
                calls, seconds = self.sizes[route]
                left = window.start + seconds - now
                used = window.used if left > 0 else 0
                refuses = left if used > calls else 0.0
                found.append(Budget(route, major, min(used, calls), calls, seconds, refuses))
        return found

    def spend_old_edit(self, channel: str) -> None:
        """Count an edit of a message older than an hour, or raise code 30046 as a 429."""
        calls, seconds = OLD_EDITS
        window = self._windows["old edits", channel]
        wait = window.spend(calls, seconds)
        if self.on and window.used > calls:
            text = "Maximum number of edits to messages older than 1 hour reached. Try again later."
            raise TooMany(wait, "user", 30046, text)
