"""What `rivulet usage` prints: what was spent, as a summary or as CSV; or draws."""

from __future__ import annotations

import csv as lines_of
import sys
import time
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from bot.guard.prices import MICRO
from bot.guard.spend import DAY, dollars
from bot.guard.usage import cache_share
from bot.run.chart import chart, iso
from bot.store.accounts import NAMES, NUMBERS, Spent, first_of_month, grouped
from bot.unavailable import Unavailable

#: Lines of a list.
MOST = 10
NONE = "Nothing was spent in the last 400 days.\n"
COLUMNS = (*NAMES, *NUMBERS[:-2], "cost_dollars", "estimated_dollars")


def show(rows: Sequence[Spent], *, csv: bool, plot: str | None) -> int:
    """Print *rows* as CSV or as a summary, or draw them into the file *plot*; return the exit code.

    Raises:
        Unavailable: The file can't be written.
    """
    today = int(time.time() // DAY)
    if plot:
        try:
            Path(plot).write_text(chart(rows, today), encoding="utf-8")
        except OSError as error:
            raise Unavailable(f"--plot: {plot} can't be written ({error.strerror}).") from None
    if csv or not plot:
        sys.stdout.write(as_csv(rows) if csv else summary(rows, today))
    return 0


def as_csv(rows: Iterable[Spent]) -> str:
    """Return a line for each of *rows*, below the names of the columns; days are UTC, in ISO 8601."""
    written = StringIO()
    lines = lines_of.writer(written, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in rows:
        counts = (getattr(row, name) for name in NUMBERS[:-2])
        lines.writerow((iso(row.day), *row.key[1:], *counts, _exact(row.cost), _exact(row.estimated)))
    return written.getvalue()


def summary(rows: Sequence[Spent], today: int) -> str:
    """Return what was spent today, this month and in all, and by whom, where and for what."""
    if not rows:
        return NONE
    month = [row for row in rows if row.day >= first_of_month(today)]
    lines = [
        _total("today", [row for row in month if row.day == today]),
        _total("this month", month),
        _total("in the last 400 days", rows),
        *_list("This month by model", month, "model"),
        *_list("This month by person", month, "actor"),
        *_list("This month by channel", month, "channel"),
        *_list("The dearest days", rows, "day"),
    ]
    return "".join(f"{line}\n" for line in lines)


def _total(when: str, rows: Sequence[Spent]) -> str:
    [*found] = grouped(rows, ())
    if not found:
        return f"{when}: nothing"
    [total] = found
    guessed = f", {dollars(total.estimated)} of it by estimate" if total.estimated else ""
    read = total.input + total.cache_read + total.cache_write
    told = (
        f"{when}: {dollars(total.cost)}{guessed}",
        _count(total.turns, "answer"),
        f"{read:,} tokens read ({cache_share(total):.0%} from the cache), {total.output:,} written",
        _count(total.tools, "tool call"),
    )
    return "; ".join(told)


def _list(title: str, rows: Sequence[Spent], name: str) -> list[str]:
    found = sorted(grouped(rows, ["platform", name]), key=lambda row: -row.cost)
    lines = [f"  {_named(row, name)}: {dollars(row.cost)}, {_count(row.turns, 'answer')}" for row in found]
    more = len(found) - MOST
    return ["", f"{title}:", *lines[:MOST], *([f"  and {more:,} more"] if more > 0 else [])] if lines else []


def _named(row: Spent, name: str) -> str:
    match name:
        case "day":
            return f"{iso(row.day)} ({row.platform})"
        case "model":
            return f"{row.model} ({row.platform})"
    return f"{row.platform} {getattr(row, name) or '(forgotten)'}"


def _exact(micro: int) -> str:
    return f"{micro / MICRO:.6f}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
