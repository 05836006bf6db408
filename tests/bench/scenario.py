"""The scenario of the pacing benches: who answers when, how fast, and what a reader sees.

Three waves, 45 s apart, of N answers that start within 5 s; each takes 10 to 40 s at 150 to 350 characters a
second, in deltas of 20 characters.  Other loads: Poisson arrivals, short answers and long ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: Characters of one delta.
DELTA = 20
#: Answers that share a channel.
IN_CHANNEL = 4
#: Seconds from a question to the first word; a placeholder is there by then.
THINKS = 0.6
#: Seconds between two looks at the screen.
LOOK = 0.1


@dataclass(eq=False)
class Spoken:
    """One answer as the model says it, and what of it was visible when.

    Attributes:
        number: Unique in the run.
        start: When the model begins.
        seconds: For how long it speaks.
        rate: Characters a second.
        channel: Where it is asked.
        seen: (time, characters visible from then on), in order.
        final: When all of it was visible as final.
        posted: Whether its last page was posted anew.
        thread: Whether it has a thread of its own.
    """

    number: int
    start: float
    seconds: float
    rate: float
    channel: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    final: float | None = None
    posted: bool = False
    thread: bool = False

    @property
    def end(self) -> float:
        """When the model has said all."""
        return self.start + self.seconds

    @property
    def total(self) -> int:
        """How many characters it says."""
        return int(self.seconds * self.rate)

    def said(self, now: float) -> int:
        """Return how many characters have come by *now*."""
        characters = min(self.total, max(0.0, (now - self.start) * self.rate + 1e-6))
        if now >= self.end or characters >= self.total:
            return self.total
        return int(characters // DELTA * DELTA)

    def next_delta(self, after: int) -> float:
        """Return when more than *after* characters have come."""
        return self.start + (after + DELTA) / self.rate

    def show(self, now: float, characters: int) -> None:
        """Record what is visible from *now* on; an older text that lands late is not what readers keep."""
        if not self.seen or characters >= self.seen[-1][1]:
            self.seen.append((now, characters))

    def staleness(self) -> list[float]:
        """Return the age of the newest visible character at each look; 0 where nothing is missing."""
        found, index, visible = [], 0, 0
        for look in range(1, int(self.seconds / LOOK)):
            now = self.start + look * LOOK
            while index < len(self.seen) and self.seen[index][0] <= now:
                visible = self.seen[index][1]
                index += 1
            behind = visible < self.said(now)
            found.append(now - (self.start + visible / self.rate) if behind else 0.0)
        return found

    def first(self) -> float:
        """Return the seconds from the first delta to the first visible text."""
        shown = next((when for when, characters in self.seen if characters), self.end)
        return shown - self.start - DELTA / self.rate


Load = Callable[[int, random.Random], Sequence[Spoken]]


def waves(seconds: tuple[float, float] = (10, 40), gap: float = 45.0) -> Load:
    """Return the load of three waves."""

    def load(n: int, rng: random.Random) -> list[Spoken]:
        return [
            Spoken(
                wave * n + k,
                wave * gap + rng.uniform(0, 5),
                rng.uniform(*seconds),
                rng.uniform(150, 350),
                f"C{k // IN_CHANNEL}",
            )
            for wave in range(3)
            for k in range(n)
        ]

    return load


def poisson(seconds: tuple[float, float] = (10, 40), span: float = 135.0) -> Load:
    """Return a load of Poisson arrivals, with on average N answers live."""

    def load(n: int, rng: random.Random) -> list[Spoken]:
        now, made = 0.0, list[Spoken]()
        while not made or now <= span:
            now += rng.expovariate(2 * n / sum(seconds))
            channel = f"C{len(made) % max(1, n // IN_CHANNEL)}"
            made.append(Spoken(len(made), now, rng.uniform(*seconds), rng.uniform(150, 350), channel))
        return made

    return load


LOADS: dict[str, Load] = {
    "waves": waves(),
    "short": waves((5, 20), 22.5),
    "long": waves((60, 180), 216.0),
    "poisson": poisson(),
}


def round_trip(rng: random.Random) -> float:
    """Return the seconds that one write takes; it is applied after half of them."""
    return 0.15 + rng.expovariate(1 / 0.08)


def summary(spoken: Sequence[Spoken], refused: int, runs: int) -> dict[str, float]:
    """Return the figures of *runs* runs.

    Returns:
        mean and p95 staleness, mean `first` and `final` and its p95 (seconds), 429s a run, the share of
        finals `posted` anew, the share of answers in `threads`, and the characters `unshown` in the end.
    """
    ages = sorted(age for one in spoken for age in one.staleness())
    finals = sorted(one.final - one.end for one in spoken if one.final is not None)
    return {
        "mean": round(sum(ages) / len(ages), 3),
        "p95": round(ages[int(0.95 * len(ages))], 2),
        "n429": round(refused / runs, 2),
        "first": round(sum(one.first() for one in spoken) / len(spoken), 3),
        "final": round(sum(finals) / len(finals), 3) if finals else float("nan"),
        "final_p95": round(finals[int(0.95 * len(finals))], 2) if finals else float("nan"),
        "unshown": sum(one.total - (one.seen[-1][1] if one.seen else 0) for one in spoken),
        "posted": round(sum(one.posted for one in spoken) / len(spoken), 3),
        "threads": round(sum(one.thread for one in spoken) / len(spoken), 3),
    }
