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

RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {"<=": operator.le, "<": operator.lt, "=": operator.eq}

#: Every figure that the issue asks for: by bench, where it stands in the bench's JSON ("*": each platform),
#: the relation, the limit, and the unit.
ASKED: Mapping[str, Sequence[tuple[str, str, float, str]]] = {
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
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that was asked for."""

    name: str
    relation: str
    asked: float
    unit: str
    measured: float

    def met(self, slack: float = 1.0) -> bool:
        """Return whether it is met; *slack* widens limits that are no exact values."""
        limit = self.asked if self.relation == "=" else self.asked * slack
        return RELATIONS[self.relation](self.measured, limit)

    def row(self) -> tuple[str, str, str, str]:
        """Return name, asked, measured and verdict for people."""
        asked = f"{self.relation} {_number(self.asked)} {self.unit}"
        measured = f"{_number(self.measured)} {self.unit}"
        return self.name, asked.strip(), measured.strip(), "met" if self.met() else "MISSED"


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
        paths = [path.replace("*", each) for each in ("slack", "discord")] if "*" in path else [path]
        figures += [Figure(name, relation, asked, unit, _at(measured, name)) for name in paths]
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


def _at(measured: Any, path: str) -> float:
    for key in path.split("."):
        measured = measured[key]
    return measured  # type: ignore[no-any-return]  # JSON


def _number(value: float) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
