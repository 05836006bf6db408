"""What tells how the bot is, to `/metrics` and to `rivulet top`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.platform import Platform
from bot.tally import Count, Tally

if TYPE_CHECKING:
    from bot.core.core import Core
    from bot.run.lag import Lag


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to read.

    Attributes:
        core: Its tally, budgets, answers and health.
        platforms: Whether they are there.
        lag: How late the event loop is.
        data: The data folder; None where nothing is kept.
    """

    core: Core
    platforms: Collection[Platform]
    lag: Lag
    data: Path | None = None

    def report(self) -> dict[str, Any]:
        """Return what `rivulet top` shows, as JSON has it."""
        core, means = self.core, self.core.means
        return {
            "answers": [asdict(live.glance) for live in core.running.lives.values()],
            "budgets": [asdict(reading) for reading in means.pace.readings()],
            "platforms": {platform.name: platform.health for platform in self.platforms},
            "questions": dict(core.state),
            "endings": _summed(means.tally.answers, "ending"),
            "tokens": _summed(means.tally.tokens, "kind"),
            "cost": _summed(means.tally.cost, "model"),
            "today": means.spend.today.spent if means.spend else 0,
            "loop_ms": self.lag.report()["max_ms"],
            "store": means.store.health,
            "model": core.model_health,
        }


@dataclass(slots=True)
class Watched:
    """What a process shows of itself while it runs.

    Attributes:
        tally: What it counts.
        sources: The rest, once it serves.
    """

    tally: Tally = field(default_factory=Tally)
    sources: Sources | None = None


def _summed(count: Count, label: str) -> dict[str, float]:
    """Return the numbers of *count* by one of its labels."""
    index, found = count.labels.index(label), dict[str, float]()
    for words, number in count.values.items():
        found[words[index]] = found.get(words[index], 0) + number
    return found
