"""Markdown that grows, as pages of both platforms: what must hold for any text holds for these.

A case is one text that grows in chunks as pages of one platform; every other case is of the other one.  Half
of the texts are what models write, on pages of the platform's own size as often as on small ones; the others
are what nobody should write.
Every case is made of its seed alone ("1.17": case 17 of seed 1), so a failure is one command to see again.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from types import FrameType
from typing import Any

from bot.platform import Limits
from bot.show.pages import Pages, Piece, paginate
from bot.text.safe import Links
from tests.bench.fidelity import NAMES, read, unlike, unlike_so_far
from tests.bench.nasty import chunked, nasty
from tests.bench.oracles import ALLOWED, SIDES, allowed, empty, lost, torn, unfit
from tests.bench.typical import typical

LIMITS = "none; pages of 60 to 300 units, the platform's own in half of the typical and a tenth of the nasty"
#: Cases without --cases.
CASES = 50_000
#: Cases that a process takes at a time.
BATCH = 250
#: Failures that are shrunk and shown; the others are counted.
SHOWN = 10
#: Seconds of CPU that a case may take, and seconds that shrinking one may.
PATIENCE, SHRINKING = 10, 10.0


@dataclass(frozen=True)
class Case:
    """One text that grows.

    Attributes:
        side: The platform.
        size: Units of a page; 0 for the platform's own.
        linked: Whether some links are allowed.
        chunks: The text, as it comes.
    """

    side: str
    size: int
    linked: bool
    chunks: tuple[str, ...]

    @classmethod
    def of(cls, seed: str) -> Case:
        """Make the case of *seed*."""
        rng = random.Random(seed)
        number = int(seed.rpartition(".")[2] or 0)
        side, make, own = sorted(SIDES)[number % 2], *((typical, 0.5), (nasty, 0.1))[number // 2 % 2]
        size = 0 if rng.random() < own else rng.randint(60, 300)
        return cls(side, size, rng.random() < 0.3, chunked(rng, make(rng)))

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)

    @property
    def limits(self) -> Limits:
        """The platform's, with pages of this case's size."""
        limits = SIDES[self.side].limits
        return replace(limits, size=self.size) if self.size else limits

    @property
    def links(self) -> Links:
        """The links that are allowed."""
        return ALLOWED if self.linked else Links()

    @property
    def allowed(self) -> Callable[[str], bool]:
        """Whether a link is allowed, as the oracles see it."""
        return allowed if self.linked else nothing


def nothing(_url: str) -> bool:
    """Return that no link is allowed."""
    return False


@dataclass(frozen=True)
class Failure:
    """A case that failed, and how: "property: detail"."""

    seed: str
    wrong: str

    @property
    def name(self) -> str:
        """The property that does not hold."""
        return self.wrong.partition(":")[0]


Shown = Sequence[tuple[str, str]]


def complaints(case: Case, *, faithful: bool = False) -> Iterator[str]:
    """Yield what does not hold for *case*, "property: detail" each; if *faithful*, what is told wrong too."""
    pages, text, judged, wrong = Pages(case.limits, case.links), "", {""}, list[str]()
    for chunk in case.chunks:
        pages.feed(chunk)
        text += chunk
        fresh = pages.last.shown not in judged
        yield from _judged(case, [*pages.closed, pages.last], text, judged)
        if fresh and faithful:
            cuts = [*accumulate((len(piece.text) for piece in pages.closed), initial=0)]
            wrong += unlike_so_far(pages.last, text, cuts, case.side, case.allowed, case.limits.size)
    before = _shown(pages.closed)
    pages.end()
    pieces = [*pages.closed, pages.last]
    yield from _judged(case, pieces, text, judged)
    if _shown(pieces[: len(before)]) != before:
        yield "changed: end() changed a closed page"
    if _shown(pieces) != _shown(paginate(text, case.limits, case.links)):
        yield "grown: not the pages of the whole text"
    yield from empty(pieces)
    yield from lost(pieces, text)
    yield from torn(pieces, text, case.limits)
    yield from [*wrong, *unlike(pieces, text, case.side, case.allowed, case.limits.size)] if faithful else ()


def _judged(case: Case, pieces: Sequence[Piece], text: str, judged: set[str]) -> Iterator[str]:
    """Yield what is wrong with *pieces* of *text*, but for pages that were *judged* before."""
    if "".join(piece.text for piece in pieces) != text:
        yield "join: the pages are not the text"
    for piece in pieces:
        if piece.shown not in judged:
            judged.add(piece.shown)
            yield from unfit(piece.shown, SIDES[case.side], case.limits, linked=case.linked)


def _shown(pieces: Sequence[Piece]) -> Shown:
    return [(piece.text, piece.shown) for piece in pieces]


def failing(case: Case) -> str:
    """Return the first thing that does not hold for *case*, also a crash or a hang; ""."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        return next(complaints(case, faithful=True), "")
    except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
        return f"{type(error).__name__}: {error!a}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _hangs(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {PATIENCE} s of CPU")


def _batch(seed: int, start: int, end: int) -> tuple[list[Failure], int, int]:
    """Run cases *start* to *end* here; return failures, characters, and cases that were not compared."""
    signal.signal(signal.SIGPROF, _hangs)
    gc.disable()  # the trees are no circles, and looking for some takes a tenth of the time
    failures, size, unread = [], 0, 0
    for number in range(start, end):
        case = Case.of(name := f"{seed}.{number}")
        size += len(case.text)
        if wrong := failing(case):
            failures.append(Failure(name, wrong))
        unread += read(case.text, case.side, case.allowed) is None
    gc.collect()
    return failures, size, unread


# Shrinking.


def shrunk(case: Case, name: str, patience: float = SHRINKING) -> Case:
    """Return a case that is as small as is quickly found and fails in the property *name* too."""
    end = time.monotonic() + patience

    def fails(chunks: Sequence[str]) -> bool:
        return failing(replace(case, chunks=tuple(chunks))).partition(":")[0] == name

    for chunks in ((case.text,), tuple(case.text)):
        if fails(chunks):
            case = replace(case, chunks=chunks)
            break
    one = len(case.chunks) == 1
    parts = list(case.text if one else case.chunks)
    step = max(1, len(parts) // 2)
    while step and time.monotonic() < end:
        parts, smaller = _without(parts, step, lambda kept: fails(["".join(kept)] if one else kept), end)
        step = min(step, len(parts) // 2) if smaller and step > 1 else step // 2
    return replace(case, chunks=("".join(parts),) if one else tuple(parts))


def _without(parts: list[str], step: int, fails: Any, end: float) -> tuple[list[str], bool]:
    """Return *parts* without all that *step* of them at a time can be left away, and whether any was."""
    start, smaller = 0, False
    while start < len(parts) and time.monotonic() < end:
        kept = parts[:start] + parts[start + step :]
        if fails(kept):
            parts, smaller = kept, True
        else:
            start += step
    return parts, smaller


def line(failure: Failure) -> str:
    """Return the one line that says how to see *failure* again, with a shrunk text."""
    case = shrunk(Case.of(failure.seed), failure.name)
    what = f"{case.side}, size {case.limits.size}{', some links allowed' * case.linked}"
    text = ascii(list(case.chunks) if len(case.chunks) > 1 else case.text)
    return f"python -m tests.bench fuzz --replay {failure.seed}  # {what}: {failing(case)} <- {text[:400]}"


def replay(seed: str) -> str:
    """Return all about the case of *seed*, for people."""
    signal.signal(signal.SIGPROF, _hangs)
    case = Case.of(seed)
    if not (wrong := failing(case)):
        return f"case {seed} holds: {case.side}, size {case.limits.size}, {len(case.text)} characters"
    small = shrunk(case, wrong.partition(":")[0])
    told = [line(Failure(seed, wrong)), f"text: {case.text!a}", f"whole: {wrong}", f"shrunk: {small.text!a}"]
    try:
        pieces = paginate(small.text, small.limits, small.links)
    except Exception as error:  # noqa: BLE001  that may be the failure
        return "\n".join([*told, repr(error)])
    pages = [f"page {number}: {piece.text!a}\n  -> {piece.shown!a}" for number, piece in enumerate(pieces)]
    return "\n".join([*told, *pages])


# The bench.


async def bench(*, quick: bool, seed: int, cases: int = 0, again: str = "") -> dict[str, Any]:
    """Run so many *cases* of *seed* on all cores; *again*: only that one, and say all about it."""
    if again:
        print(replay(again))
        seed, cases = int(again.partition(".")[0]), 1
    cases = cases or (CASES // 10 if quick else CASES)
    began = time.monotonic()
    failures, size, unread = _one(again) if again else _all(seed, cases)
    took = time.monotonic() - began
    lines = [line(failure) for failure in _different(failures)] if not again else []
    print("\n".join(lines))
    return {
        "limits": LIMITS,
        "cases": cases,
        "failures": sum(failure.name not in NAMES for failure in failures),
        "unlike_percent": round(100 * sum(failure.name in NAMES for failure in failures) / cases, 2),
        "seed": seed,
        "mean_characters": round(size / cases),
        "not_compared": round(unread / cases, 3),
        "cases_per_s": round(cases / took),
        "by": Counter(failure.name for failure in failures),
        "failed": lines,
    }


def _one(name: str) -> tuple[list[Failure], int, int]:
    seed, _, number = name.partition(".")
    return _batch(int(seed), int(number), int(number) + 1)


def _all(seed: int, cases: int) -> tuple[list[Failure], int, int]:
    signal.signal(signal.SIGPROF, _hangs)  # for shrinking, in this process
    starts = range(0, cases, BATCH)
    ends = [min(start + BATCH, cases) for start in starts]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(_batch, [seed] * len(ends), starts, ends))
    failures, sizes, unread = zip(*done, strict=True)
    return [failure for some in failures for failure in some], sum(sizes), sum(unread)


def _different(failures: Sequence[Failure]) -> list[Failure]:
    """Return the failures to show: every property first, then others."""
    first = {failure.name: failure for failure in reversed(failures)}.values()
    return [*first, *(failure for failure in failures if failure not in first)][:SHOWN]


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    return [
        ("what", "figure"),
        ("cases", str(measured["cases"])),
        ("characters of a text, on average", str(measured["mean_characters"])),
        ("cases a second", str(measured["cases_per_s"])),
        *((f"failures: {name}", str(count)) for name, count in measured["by"].items()),
    ]
