"""What it costs to show a text that grows: rendered, safe and in pages, frame by frame."""

from __future__ import annotations

import gc
import random
import statistics
import textwrap
import time
from collections.abc import Sequence
from typing import Any

from bot.platform import Limits
from bot.show.pages import Pages
from tests.bench.figures import percentile
from tests.bench.oracles import SIDES
from tests.bench.texts import markdown, prose

LIMITS = "none; pages of the platforms' own size, read whole after every step"

#: Characters of the answer and steps in which it grows; characters of the long one, in steps of that size.
SIZE, STEPS, LONG = 40_000, 2_000, 1_000_000
#: A block that is open is rendered anew with every step, so its length is part of the question.
OPEN = 2_000
#: Runs of which the median counts.
RUNS = 3

#: Tables among what `texts.markdown` has, one of them nearly as long as `OPEN`.
HEAD, ROW = "| reach | depth | bed |\n|:--|--:|---|", "\n| **upper** | 0.4 m | `stone` |"
TABLES = (HEAD + ROW * 12, HEAD + ROW * 60)


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure both platforms; *quick* means a shorter long text."""
    rng = random.Random(seed)
    text, long = rich(rng, SIZE), rich(rng, LONG // 5 if quick else LONG)
    runs = 1 if quick else RUNS
    sides = {name: _side(side.limits, text, long, runs) for name, side in SIDES.items()}
    return {"limits": LIMITS, "characters": SIZE, "steps": STEPS, "long": len(long), **sides}


def rich(rng: random.Random, size: int) -> str:
    """Return an answer of *size* characters of every kind, no block longer than `OPEN`."""
    blocks: list[str] = []
    while sum(map(len, blocks)) < size:
        sections = [_blocks(markdown(rng, 1).removesuffix("That is all.").strip()) for _ in range(3)]
        blocks += [block for section in sections for block in section if len(block) <= OPEN]
        words = prose(rng, OPEN).replace("\n\n", " ")[:OPEN]
        blocks += [
            *TABLES,
            words,
            _filled("- ", words),
            _filled("> ", words),
            f"```python\n{_filled('    ', words)}\n```",
        ]
    return "\n\n".join(blocks)[:size]


def _filled(mark: str, words: str) -> str:
    """Return *words* as lines that begin with *mark*."""
    return "\n".join(f"{mark}{line}" for line in textwrap.wrap(words, 70))[: OPEN - len("```python\n\n```")]


def _blocks(section: str) -> list[str]:
    """Return the blocks of *section*; a code block, which has blank lines, in one."""
    blocks: list[str] = []
    for part in section.split("\n\n"):
        if blocks and blocks[-1].count("```") % 2 + blocks[-1].count("~~~~") % 2:
            blocks[-1] += f"\n\n{part}"
        else:
            blocks.append(part)
    return blocks


def _side(limits: Limits, text: str, long: str, count: int) -> dict[str, Any]:
    """Return what a frame costs on one platform."""
    step = len(text) // STEPS
    _frames(limits, text[: len(text) // 4], step)  # warm
    gc.collect()
    gc.freeze()  # as the bot does when it is up, so that what the bench has imported is no part of a frame
    runs = [_frames(limits, text, step) for _ in range(count)]
    longer = sum(_frames(limits, long, step))
    usual = statistics.median(map(sum, runs))
    spread = {
        "mean": round(statistics.median(map(statistics.mean, runs)), 4),
        **{
            f"p{rank}": round(statistics.median(percentile(run, rank) for run in runs), 3)
            for rank in (50, 99, 100)
        },
    }
    growth = round(longer / len(long) / (usual / len(text)), 2)
    return {"frame_ms": spread, "us_per_character": round(usual / len(text) * 1e3, 2), "growth": growth}


def _frames(limits: Limits, text: str, step: int) -> list[float]:
    """Return the milliseconds of CPU that each step of *text* takes: fed, and what is new read."""
    pages, times, read = Pages(limits), [], 0
    gc.collect()
    for start in range(0, len(text), step):
        began = time.thread_time()
        pages.feed(text[start : start + step])
        closed = pages.closed
        for piece in closed[read:]:
            assert piece.shown
        read = len(closed)
        assert pages.last.shown is not None
        times.append((time.thread_time() - began) * 1e3)
    return times


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table = [("platform", "frame, mean / p50 / p99 / max", "a character", "the same of the long text")]
    for side in SIDES:
        seen = measured[side]
        frame = " / ".join(f"{seen['frame_ms'][key]:.3f}" for key in ("mean", "p50", "p99", "p100"))
        table.append((side, f"{frame} ms", f"{seen['us_per_character']} us", f"{seen['growth']} x"))
    return table
