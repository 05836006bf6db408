"""A chart of what was spent a day, by model, as SVG: no library is needed to draw it.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from html import escape

from bot.guard.spend import dollars
from bot.guard.usage import counted
from bot.store.accounts import EPOCH, Spent, grouped

#: Days that are drawn at most, the newest.
DAYS = 92
WIDTH, HEIGHT = 960, 400
#: Where the bars stand.
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 60, 40
#: Colours that people who see few can tell apart (Okabe and Ito), in turn.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
STYLE = "font:12px sans-serif;fill:#333"


def chart(rows: Sequence[Spent], today: int) -> str:
    """Return an SVG picture of *rows*, up to *today*: a bar a day, a colour a model."""
    spent = grouped([row for row in rows if today - DAYS < row.day <= today], ["day", "model"])
    first = min((row.day for row in spent), default=today)
    models = [row.model for row in sorted(grouped(spent, ["model"]), key=lambda row: -row.cost)]
    top = _round_up(max((row.cost for row in grouped(spent, ["day"])), default=0))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" style="{STYLE}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *_axes(first, today, top),
            *_bars(spent, models, first, today, top),
            *_legend(models),
            "</svg>\n",
        ]
    )


def iso(day: int) -> str:
    """Return *day*, since 1970, as ISO 8601 writes it."""
    return date.fromordinal(EPOCH + day).isoformat()


def _bars(spent: Sequence[Spent], models: Sequence[str], first: int, last: int, top: int) -> Iterator[str]:
    width = (WIDTH - LEFT - RIGHT) / (last - first + 1)
    heights: dict[int, float] = {}
    for row in sorted(spent, key=lambda row: models.index(row.model)):
        height = (HEIGHT - TOP - BOTTOM) * row.cost / top
        heights[row.day] = heights.get(row.day, 0.0) + height
        x, y = LEFT + width * (row.day - first), HEIGHT - BOTTOM - heights[row.day]
        told = f"{iso(row.day)}, {escape(row.model)}: {dollars(row.cost)}, {counted(row.turns)}"
        yield (
            f'<rect x="{x + width * 0.1:.2f}" y="{y:.2f}" width="{width * 0.8:.2f}" height="{height:.2f}" '
            f'fill="{_colour(models, row.model)}"><title>{told}</title></rect>'
        )


def _axes(first: int, last: int, top: int) -> Iterator[str]:
    for part in range(5):
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part / 4
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{dollars(top * part // 4)}</text>'
    width = (WIDTH - LEFT - RIGHT) / (last - first + 1)
    for day in range(first, last + 1, max(1, math.ceil((last - first + 1) / 8))):
        x = LEFT + width * (day - first + 0.5)
        yield f'<text x="{x:.2f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{iso(day)}</text>'


def _legend(models: Sequence[str]) -> Iterator[str]:
    yield f'<text x="{LEFT}" y="22" style="font-weight:bold">Dollars a day (UTC)</text>'
    for number, model in enumerate(models[: len(COLOURS)]):
        x, y = LEFT + 220 * (number % 4), 38 + 16 * (number // 4)
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{_colour(models, model)}"/>'
        yield f'<text x="{x + 15}" y="{y}">{escape(model or "(unnamed)")}</text>'


def _colour(models: Sequence[str], model: str) -> str:
    return COLOURS[min(models.index(model), len(COLOURS) - 1)]


def _round_up(micro: int) -> int:
    """Return a round sum that is no less than *micro*: 1, 2, 4, 6 or 8 of a power of ten."""
    size = int(10 ** max(4, len(str(max(micro, 1))) - 1))
    return next(size * digit for digit in (1, 2, 4, 6, 8, 10, 100) if size * digit >= micro)
