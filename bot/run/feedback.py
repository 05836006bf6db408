"""What `rivulet feedback` prints: ratings as CSV, or how many there are of each channel.  Pure."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO

from bot.store import Rated

COLUMNS = ("question", "time", "platform", "channel", "asker", "rater", "rating", "model")
NONE = "Nobody has rated an answer in the last 90 days; people do it with a thumb as a reaction.\n"


def as_csv(ratings: Iterable[Rated]) -> str:
    """Return a line for each rating, below the names of the columns; times are UTC, in ISO 8601."""
    written = StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(COLUMNS)
    for rated in ratings:
        time = datetime.fromtimestamp(rated.at, UTC).isoformat(timespec="seconds")
        rating = "good" if rated.good else "bad"
        who = rated.asker, rated.rater
        lines.writerow((rated.key, time, _platform(rated), rated.channel, *who, rating, rated.model))
    return written.getvalue()


def summary(ratings: Iterable[Rated]) -> str:
    """Return a line for each channel with how many answers were rated up and down in it."""
    counts: dict[tuple[str, str], Counter[bool]] = {}
    for rated in ratings:
        counts.setdefault((_platform(rated), rated.channel), Counter())[rated.good] += 1
    lines = [
        f"{platform} {channel}: {count[True]} up, {count[False]} down\n"
        for (platform, channel), count in sorted(counts.items())
    ]
    return "".join(["Ratings of the last 90 days:\n", *lines]) if lines else NONE


def _platform(rated: Rated) -> str:
    """Return the first part of the question's key."""
    return rated.key.partition("/")[0]
