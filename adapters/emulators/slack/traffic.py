"""Limits, latency and faults: what happens to a call before the workspace sees it.

No HTTP and no state of the workspace here; time is `time.monotonic()`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.budget import Budget


@dataclass
class Limit:
    """At most *calls* in any *seconds*, then refusals for *retry_after* seconds."""

    calls: int
    seconds: float
    retry_after: float = 10.0  # a field report of chat.update past 50/min: node-slack-sdk#2010


@dataclass
class Fault:
    """How the next *times* calls of a method, of those with the argument *having*, are answered instead."""

    times: int
    status: int
    error: str
    headers: dict[str, str]
    body: Any
    drop: bool
    apply: bool
    delay: float
    raw: bytes = b""
    having: str = ""
    kind: str = "application/json"


@dataclass
class Window:
    """The calls of one method, or of one channel of it, that a limit counts."""

    calls: deque[float] = field(default_factory=deque)
    until: float = 0.0


#: "You are granted at least" 20, 50, 100 a minute in Tiers 2, 3 and 4 [docs rate-limits].
_TIER_2, _TIER_3, _TIER_4 = (20, 60.0), (50, 60.0), (100, 60.0)

#: The tier is on each method's page [docs reference/methods].  auth.test allows "hundreds".
LIMITS = {
    "agents.sessions.setStatus": _TIER_3,
    "chat.appendStream": _TIER_4,
    "chat.delete": _TIER_3,
    "chat.postEphemeral": _TIER_4,
    # "One message per second per channel", short bursts over it are allowed [docs rate-limits].
    "chat.postMessage": (10, 10.0),
    "chat.startStream": _TIER_2,
    "chat.stopStream": _TIER_2,
    "chat.update": _TIER_3,
    "conversations.history": _TIER_3,
    "conversations.info": _TIER_3,
    "conversations.open": _TIER_3,
    "conversations.replies": _TIER_3,
    "files.completeUploadExternal": _TIER_4,
    "files.getUploadURLExternal": _TIER_4,
    "files.info": _TIER_4,
    "reactions.add": _TIER_3,
    "reactions.get": _TIER_3,
    "reactions.remove": _TIER_2,
    "users.info": _TIER_4,
    "views.open": _TIER_4,
}

#: Methods whose limit counts per channel instead of per workspace.
PER_CHANNEL = frozenset({"chat.postMessage"})


class Traffic:
    """The rules that calls meet on their way.

    Attributes:
        limits: By method; a method that is not there is not limited.
        on: Whether limits are applied at all.
        latency: Seconds by method, '*' for all others.
        chance: Says what a call meets that no other fault is meant for.
    """

    def __init__(self) -> None:
        self.limits = {method: Limit(*limit) for method, limit in LIMITS.items()}
        self.on = True
        self.latency: dict[str, float] = {}
        self.chance: Callable[[str], Fault | None] | None = None
        self._windows: dict[tuple[str, str], Window] = {}
        self._faults: dict[str, deque[Fault]] = {}

    def limit(self, method: str, limit: Limit) -> None:
        """Set the limit of *method* and start counting anew."""
        self.limits[method] = limit
        self._windows = {key: window for key, window in self._windows.items() if key[0] != method}

    def refuse(self, method: str, channel: str) -> int:
        """Count a call; return the seconds of its Retry-After if it is one too many, else 0."""
        limit = self.limits.get(method)
        if limit is None or not self.on:
            return 0
        key = (method, channel if method in PER_CHANNEL else "")
        window, now = self._windows.setdefault(key, Window()), time.monotonic()
        while window.calls and window.calls[0] <= now - limit.seconds:
            window.calls.popleft()
        if now >= window.until:
            if len(window.calls) < limit.calls:
                window.calls.append(now)
                return 0
            window.until = now + limit.retry_after
        return max(1, math.ceil(window.until - now))  # Slack's Retry-After is in whole seconds

    def budgets(self) -> list[Budget]:
        """Return what is left of every limit that a call has met."""
        now, found = time.monotonic(), []
        for (method, channel), window in self._windows.items():
            limit = self.limits.get(method)
            if limit and self.on:
                used = sum(called > now - limit.seconds for called in window.calls)
                found.append(
                    Budget(method, channel, used, limit.calls, limit.seconds, max(0.0, window.until - now))
                )
        return found

    def delay(self, method: str) -> float:
        """Return the seconds that a call of *method* takes."""
        return self.latency.get(method, self.latency.get("*", 0.0))

    def add(self, method: str, fault: Fault) -> None:
        """Let the next calls of *method* meet *fault*."""
        self._faults.setdefault(method, deque()).append(fault)

    def calm(self) -> None:
        """Let no call meet a fault, or take long."""
        self._faults.clear()
        self.latency.clear()
        self.chance = None

    def fault(self, method: str, arguments: Mapping[str, Any] | None = None) -> Fault | None:
        """Return what the present call of *method*, with these *arguments*, meets, if anything."""
        waiting = self._faults.get(method)
        if not waiting:
            return self.chance(method) if self.chance else None
        if waiting[0].having and not (arguments or {}).get(waiting[0].having):
            return None
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times else waiting.popleft()
