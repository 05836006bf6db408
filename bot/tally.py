"""What is counted while the bot runs: plain numbers, which whoever wants them reads.  Pure.

What is told apart is a handful of words, as a platform's name and how an answer ended; an id of a person, a
channel or a message must never be one of them, nor anything that was said.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Combinations of words that are told apart; what comes after them counts as `OTHER`.
MOST = 200
OTHER = "other"

#: Upper bounds, in seconds, of what people wait for; the last one of those that they wait long for.
WAITS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 60.0)
#: The same, for what a store on the same network takes.
TRIPS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
#: The same, for what should take no time at all.
INSTANTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class Count:
    """How often something happened, or how much there was of it.

    Args:
        labels: What the words say, in their order.

    Attributes:
        labels: See above.
        values: The numbers, by the words.
    """

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self.values: dict[tuple[str, ...], float] = {}

    def add(self, *words: str, by: float = 1) -> None:
        """Count one more, or *by* more."""
        values = self.values
        key = words if words in values or len(values) < MOST else (OTHER,) * len(words)
        values[key] = values.get(key, 0) + by


@dataclass(slots=True)
class Times:
    """How often something took how long.

    Attributes:
        counts: For each bound how often it took so long or less, and longer than the bound before; the last
            one is for all that took longer.
        total: Seconds in all.
    """

    counts: list[int]
    total: float = 0.0


class Spread:
    """How long something took.

    Args:
        bounds: Seconds, the shortest first.
        labels: See `Count`.

    Attributes:
        bounds, labels: See above.
        values: The times, by the words.
    """

    def __init__(self, bounds: Sequence[float], *labels: str) -> None:
        self.bounds = bounds
        self.labels = labels
        self.values: dict[tuple[str, ...], Times] = {}

    def took(self, seconds: float, *words: str) -> None:
        """Count one that took so long."""
        values = self.values
        key = words if words in values or len(values) < MOST else (OTHER,) * len(words)
        times = values.get(key)
        if times is None:
            times = values[key] = Times([0] * (len(self.bounds) + 1))
        times.counts[bisect_left(self.bounds, seconds)] += 1
        times.total += seconds


def _waits() -> Spread:
    return Spread(WAITS, "platform")


@dataclass(frozen=True, slots=True)
class Tally:
    """All that is counted, from the start of the process.

    Attributes:
        answers: Answers that have ended.
        first_text: From the question until a word of its answer is visible.
        staleness: How old the oldest character that was not shown yet is when an edit shows it.
        last_edit: From the end of an answer (a stop, the model's last word) until its last edit is through.
        writes: Posts and edits of answers; "slowed" are those that met a 429.
        failures: What failed at Claude, and whether it was tried again.
        tokens: What the API counted.
        cost: Micro-dollars.
        tools: Calls of tools that ran here, and how they went.
        trips: Round trips to Redis.
        handed: Events that another replica took, and questions taken over from one that died or left.
    """

    answers: Count = field(default_factory=lambda: Count("platform", "ending"))
    first_text: Spread = field(default_factory=_waits)
    staleness: Spread = field(default_factory=_waits)
    last_edit: Spread = field(default_factory=lambda: Spread(INSTANTS, "platform", "ending"))
    writes: Count = field(default_factory=lambda: Count("platform", "op", "outcome"))
    failures: Count = field(default_factory=lambda: Count("kind", "outcome"))
    tokens: Count = field(default_factory=lambda: Count("model", "kind"))
    cost: Count = field(default_factory=lambda: Count("platform", "model"))
    tools: Count = field(default_factory=lambda: Count("tool", "outcome"))
    trips: Spread = field(default_factory=lambda: Spread(TRIPS))
    handed: Count = field(default_factory=lambda: Count("kind"))
