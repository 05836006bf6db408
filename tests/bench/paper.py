"""What a fleet of some size needs, on paper, from what one answer was measured to cost.  Pure but its end.

`python -m tests.bench.paper costs.json` prints the table of docs/scale.md; the file has what `Costs` has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

HOUR, DAY, WEEK = 3600.0, 24.0, 7.0
#: Cores that one process may use: its loop is one thread, and above that what people wait for grows.
CORES = 0.6
#: Megabytes that a replica's container has, and the share that it may use.
MEMORY, FULL = 512.0, 0.8
#: Discord: guilds for each shard, as it recommends; sessions that may be begun in a day; calls a second that
#: the bot makes of the 50 that it may (`adapters.discord.wire.traffic`).  Redis: the share of a core that may
#: be used, which is one thread's.
GUILDS, SESSIONS, CALLS = 1000, 1000, 40.0
#: Slack: sockets for each replica while there are enough, and for all of them; more replicas need no more.
LINES, SOCKETS = 2, 8
REDIS_CORES = 0.5
#: Megabytes of Redis that the table is for.
REDIS_MEMORY = 16_384.0
#: Days for which rows of what was spent are kept, and those that are not packed yet, at most.
SPENT, LOOSE = 400, 35


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the fleet.

    Attributes:
        guilds: Discord servers.
        workspaces: Slack workspaces.
        answers: In an hour.
        hours: Of a day in which so many are given.
        seconds: Of one answer, from the question to the last edit.
        discord: The share of answers that is given there.
        heard: Messages in an hour that a guild's or a workspace's channels let the bot hear.
        deploys: Rolling restarts in a day.
        asks: Answers that a person who asks has in a day in a channel: so many make a row of what was spent.
    """

    guilds: int = 10_000
    workspaces: int = 1_000
    answers: float = 50_000.0
    hours: float = 12.0
    seconds: float = 30.0
    discord: float = 0.5
    heard: float = 60.0
    deploys: int = 2
    asks: float = 3.0

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.answers / HOUR

    @property
    def live(self) -> float:
        """Answers that are live at once (Little's law)."""
        return self.rate * self.seconds


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, for one of each.

    Attributes:
        answer_cpu: Seconds of a replica's CPU for an answer.
        heard_cpu: The same for a message that is heard and not answered.
        base_memory: Megabytes of a replica that does nothing.
        answer_memory: Megabytes more for a live answer.
        guild_memory: Megabytes more for a guild that it serves.
        trips: Round trips to Redis for an answer, beside those of time.
        trips_second: Round trips in a second of a replica.
        trip_cpu: Seconds of Redis's CPU for a round trip.
        live_bytes: Bytes in Redis of a question that is being answered.
        text_bytes: The same for one that is answered, while its text is kept: a day.
        row_bytes: The same without its text: a week.
        spent_bytes: Bytes in Redis of a row of what was spent.
        packed_bytes: The same of one that is packed: of a month that is over.
        calls: Calls of Discord's API for an answer that has them for itself.
        least_calls: Those without which it would not be whole.
    """

    answer_cpu: float
    heard_cpu: float
    base_memory: float
    answer_memory: float
    guild_memory: float
    trips: float
    trips_second: float
    trip_cpu: float
    live_bytes: float
    text_bytes: float
    row_bytes: float
    spent_bytes: float
    packed_bytes: float
    calls: float
    least_calls: float


@dataclass(frozen=True, slots=True)
class Row:
    """What is needed of one thing.

    Attributes:
        what: Of which.
        need: How much.
        most: How much there may be; None where that is a matter of money, or of replicas.
        unit: Of both.
    """

    what: str
    need: float
    most: float | None
    unit: str

    @property
    def share(self) -> float:
        """How much of what there may be is needed."""
        return self.need / self.most if self.most else 0.0


def cores(load: Load, costs: Costs) -> float:
    """Return the cores that all replicas together use."""
    heard = (load.guilds + load.workspaces) * load.heard / HOUR
    return load.rate * costs.answer_cpu + heard * costs.heard_cpu


def replicas(load: Load, costs: Costs) -> int:
    """Return how many replicas serve *load*, with one more, so that one may be away."""
    used = load.live * costs.answer_memory + load.guilds * costs.guild_memory
    by_memory = used / (MEMORY * FULL - costs.base_memory)
    return max(1, ceil(cores(load, costs) / CORES), ceil(by_memory)) + 1


def table(load: Load, costs: Costs, redis_memory: float) -> list[Row]:
    """Return what *load* needs where one of each costs *costs*; *redis_memory* is Redis's, in megabytes."""
    count = replicas(load, costs)
    trips = load.rate * costs.trips + count * costs.trips_second
    daily = load.answers * load.hours
    kept = load.live * costs.live_bytes + daily * costs.text_bytes + daily * WEEK * costs.row_bytes
    spent = daily / load.asks * (LOOSE * costs.spent_bytes + (SPENT - LOOSE) * costs.packed_bytes)
    shards = ceil(load.guilds / GUILDS)
    return [
        Row("replicas", count, None, ""),
        Row("answers live at once", load.live, None, ""),
        Row("cores of all replicas", cores(load, costs), None, ""),
        Row("round trips to Redis", trips, REDIS_CORES / costs.trip_cpu, "/s"),
        Row("memory of Redis", (kept + spent) / 2**20, redis_memory, " MB"),
        Row("of it what was spent", spent / 2**20, None, " MB"),
        Row("Discord shards", shards, None, ""),
        Row("Discord sessions begun, if none resumes", shards * load.deploys, SESSIONS, "/day"),
        Row("calls of Discord's API, as alone", load.rate * load.discord * costs.calls, CALLS, "/s"),
        Row("calls of Discord's API, the least", load.rate * load.discord * costs.least_calls, CALLS, "/s"),
        Row("Slack sockets", min(count * LINES, SOCKETS), None, ""),
        Row("requests to Claude", load.answers / 60, None, "/min"),
    ]


def breaks_first(rows: Sequence[Row]) -> Row:
    """Return what is used up first when the load grows; to edit less than when alone breaks nothing."""
    return max((row for row in rows if not row.what.endswith("as alone")), key=lambda row: row.share)


def shown(rows: Sequence[Row]) -> str:
    """Return *rows* as a table in Markdown."""
    lines = ["| what | needed | at most | used |", "|---|---|---|---|"]
    for row in rows:
        most = f"{row.most:,.0f}{row.unit}" if row.most else ""
        used = f"{row.share:.0%}" if row.most else ""
        lines.append(
            f"| {row.what} | {row.need:,.{0 if row.need >= 10 else 1}f}{row.unit} | {most} | {used} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table for what a file says was measured."""
    found = table(Load(), Costs(**json.loads(Path(sys.argv[1]).read_text())), redis_memory=REDIS_MEMORY)
    print(shown(found))
    print(f"\nBreaks first: {breaks_first(found).what}.")


if __name__ == "__main__":
    main()
