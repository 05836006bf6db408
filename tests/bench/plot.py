"""Draws staleness over the number of answers, ours beside what comparable bots do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

LABELS = {
    "slack_update": "Rivulet, Slack, edits only",
    "slack_lanes": "Rivulet, Slack",
    "slack_native": "Rivulet, Slack, native streams",
    "discord_channel": "Rivulet, Discord, one channel, no threads",
    "discord_auto": "Rivulet, Discord, four a server",
    "discord_crowd": "Rivulet, Discord, all in one server",
}


def draw(measured: Mapping[str, Any], path: Path) -> None:
    """Write the picture to *path*."""
    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=120)
    for kind, label in LABELS.items():
        _line(axes, measured[kind], label, "o-")
    for name, cells in measured["others"].items():
        _line(axes, cells, f"Slack, {name}", "x--")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    axes.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes.set_xlabel("answers at once in one Slack workspace or of one Discord bot")
    axes.set_ylabel("mean age of the newest visible text, s")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _line(axes: Any, cells: Mapping[str, Any], label: str, style: str) -> None:
    axes.plot([int(n) for n in cells], [cell["mean"] for cell in cells.values()], style, label=label)
