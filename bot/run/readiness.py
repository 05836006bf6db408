"""Whether the bot can serve: what was heard from the far side, and since when nothing.  Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from bot.platform import Platform

if TYPE_CHECKING:
    from bot.core.core import Core
    from bot.run.lag import Lag

#: Seconds for which a platform may be away, once it was there, before the bot is not ready.
AWAY = 120.0


class Readiness:
    """Remembers since when platforms are away; `look` has to be called now and then.

    A timer that runs and a socket that is open prove nothing, so a platform that says when it last heard
    anything is away once that is `AWAY` seconds ago, whatever it believes of its own health.

    Args:
        platforms: Those that are to be there.
        core: Whose store and answers are reported; none in a process without one.
        lag: How late the event loop is.
    """

    def __init__(
        self, platforms: Collection[Platform], core: Core | None = None, lag: Lag | None = None
    ) -> None:
        self._lag = lag
        self._platforms = platforms
        self._core = core
        self._seen: set[str] = set()
        self._away: dict[str, float] = {}

    def look(self, now: float) -> None:
        """Note which platforms are there."""
        for platform in self._platforms:
            if platform.health == "up":
                self._seen.add(platform.name)
                self._away.pop(platform.name, None)
            else:
                self._away.setdefault(platform.name, now)

    def report(self, now: float) -> tuple[bool, dict[str, Any]]:
        """Return whether the bot is ready, and how each part of it is."""
        self.look(now)
        well, states = not (self._core and self._core.draining), {}
        for platform in self._platforms:
            silent = None if platform.heard_at is None else now - platform.heard_at
            away = now - self._away.get(platform.name, now)
            there = platform.name in self._seen and max(away, silent or 0.0) < AWAY
            well = well and there
            states[platform.name] = {
                "ready": there,
                "health": platform.health,
                "heard_s": None if silent is None else round(silent, 1),
                "away_s": round(away, 1),
            }
        said: dict[str, Any] = {"platforms": states}
        if self._core:
            # A store that is degraded costs no answer, so nobody need be sent elsewhere for it.
            model = self._core.model_health
            well = well and model == "ok"
            store = self._core.means.store.health
            said |= {"store": store, "model": model, "answers": dict(self._core.state)}
            said["draining"] = self._core.draining
        if self._lag:
            said["loop"] = self._lag.report()
        return well, {"ready": well, **said}
