"""How often the bot may start and log in to the gateway: a book of it on disk, and the rules.

Discord resets the token of a bot that identifies more than 1,000 times a day (events/gateway.mdx), which a
crash loop does within hours.  Must never keep the bot from starting because the book cannot be read or
written: it then counts in memory.  Times are wall times, since no monotonic clock outlives the machine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

DAY = 86_400.0
#: Log-ins that are made in any 24 hours: a fifth of Discord's limit; the operator may need the rest.
DAILY = 200
#: Seconds between two log-ins, at least.
GAP = 60.0
#: So many of a day's log-ins come as fast as GAP lets them; the others are spread over the rest of the day,
#: so that a bad day never ends in hours of silence.
QUICK = 100
SLOW_GAP = (DAY - QUICK * GAP) / (DAILY - QUICK)
#: Starts within so many seconds of each other are a crash loop.
LOOP = 600.0
#: Seconds that a start in a crash loop waits at most.
LONGEST = 900.0
#: The book's name in the folder for data.
NAME = "discord-starts.json"


@dataclass
class Starts:
    """Pure: when the process has started and logged in, and how long the next has to wait.

    Attributes:
        starts: Wall times of starts within `LOOP`, oldest first.
        logins: Wall times of IDENTIFYs within a day, oldest first.
    """

    starts: list[float] = field(default_factory=list)
    logins: list[float] = field(default_factory=list)

    def start(self, now: float) -> float:
        """Count a start; return the seconds it has to wait before any call: none for the first."""
        self.starts = [*_since(self.starts, now - LOOP, now), now]
        nth = len(self.starts)
        return 0.0 if nth == 1 else min(2.0**nth, LONGEST)

    def wait(self, now: float, shards: int = 1) -> float:
        """Return the seconds until the next IDENTIFY is allowed, where so many *shards* make them."""
        self.logins = _since(self.logins, now - DAY, now)
        if not self.logins:
            return 0.0
        gap = GAP / max(shards, 1) if len(self.logins) < QUICK else SLOW_GAP
        until = self.logins[-1] + gap
        if len(self.logins) >= DAILY:
            until = max(until, self.logins[-DAILY] + DAY)
        return max(0.0, until - now)

    def login(self, now: float) -> None:
        """Count an IDENTIFY."""
        self.logins = [*_since(self.logins, now - DAY, now), now]


def _since(times: list[float], begin: float, now: float) -> list[float]:
    """Return those after *begin*; those from before a clock was set back count as now."""
    return [min(time, now) for time in times if time > begin]


class Book:
    """`Starts` that outlive the process.

    Args:
        folder: Where the book is; None keeps it in memory.
        clock: Tells the wall time.
    """

    def __init__(self, folder: Path | None, clock: Callable[[], float]) -> None:
        self._path = folder / NAME if folder else None
        self._clock = clock
        self._told = False
        self.starts = self._read()

    def start(self) -> float:
        """See `Starts.start`."""
        seconds = self.starts.start(self._clock())
        self._write()
        return seconds

    def wait(self, shards: int = 1) -> float:
        """See `Starts.wait`."""
        return self.starts.wait(self._clock(), shards)

    def login(self) -> None:
        """See `Starts.login`."""
        self.starts.login(self._clock())
        self._write()

    def _read(self) -> Starts:
        if self._path is None:
            return Starts()
        try:
            book = json.loads(self._path.read_text())
            return Starts(_times(book["starts"]), _times(book["logins"]))
        except FileNotFoundError:
            return Starts()
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            self._tell(error)
            return Starts()

    def _write(self) -> None:
        """Replace the book in one step, so that a crash leaves the old one or the new one."""
        if self._path is None:
            return
        draft = self._path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"starts": self.starts.starts, "logins": self.starts.logins}))
            draft.replace(self._path)
        except OSError as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            log.warning(
                "the book of Discord log-ins is not to be used; counting in memory", error=repr(error)
            )


def _times(found: object) -> list[float]:
    """Return the times in *found*, in order.

    Raises:
        ValueError: It is not a list of finite numbers.
    """
    if not isinstance(found, list):
        raise ValueError("not a list")  # noqa: TRY004  one kind of damage
    times = sorted(float(each) for each in found)
    if not all(math.isfinite(each) for each in times):
        raise ValueError("not finite")
    return times[-DAILY:]
