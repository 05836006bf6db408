"""How much of one rate limit is used, as those see it who set it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit.

    Attributes:
        what: The method or the route that it is for.
        where: The channel that has it for itself, "" where it is shared.
        used: Calls that count now.
        calls: Calls that it allows.
        seconds: In how many seconds.
        refuses: Seconds for which every call will be refused.
    """

    what: str
    where: str
    used: int
    calls: int
    seconds: float
    refuses: float
