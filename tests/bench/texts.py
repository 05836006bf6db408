"""What Claude is made to say, and what people see of it put together again.  Pure.

`tells` is written from the wire, not from `bot/show/pages.py`: both must not share a misunderstanding.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

#: About what one delta of Claude's holds.
DELTA = 5

WORDS = [
    *("a rivulet", "finds", "the lowest fold", "of", "ground", "and", "keeps", "to it", "until", "stone"),
    *("or root", "turns", "it", "aside", "then", "waits", "fills", "goes on", "so that", "after some years"),
    *("the valley", "looks", "drawn", "R&D", "x < y", "&&", "y > z", "`flow->next`", "**never**", "round"),
]

FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)")


def deltas(text: str) -> list[str]:
    """Cut *text* as a stream brings it."""
    return [text[start : start + DELTA] for start in range(0, len(text), DELTA)]


def paced(text: str, rate: float, first: float = 0.0) -> list[str | float]:
    """Return a script that says *text* at *rate* deltas a second, after *first* seconds."""
    return [first, *(step for delta in deltas(text) for step in (delta, 1 / rate))]


def prose(rng: random.Random, size: int) -> str:
    """Return plain paragraphs of at least *size* characters."""
    return _filled(size, lambda: f"{_sentences(rng, 4)}\n\n")


def markdown(rng: random.Random, size: int) -> str:
    """Return an answer of at least *size* characters with all that makes pages hard.

    Headings, lists, quotes, `& < >`, and code blocks of which some are longer than a page of Discord's.
    """
    number = 0

    def section() -> str:
        nonlocal number
        number += 1
        parts = [
            f"## {number}. {_sentences(rng, 1)[:40].rstrip()}",
            _sentences(rng, 5),
            "\n".join(
                f"{mark} {_sentences(rng, 1)}" for mark in rng.choice((("-",) * 3, ("1.", "2.", "3.")))
            ),
            _code(rng, rng.choice((6, 20, 90))),
            f"> {_sentences(rng, 2)}",
        ]
        return "\n\n".join(parts) + "\n\n"

    return _filled(size, section) + "That is all."


def tells(pages: Sequence[str], source: str) -> bool:
    """Return whether *pages*, read one after the other, say *source*.

    A page that begins inside a code block must re-open it and one that ends inside must close it; these lines
    count for nothing, nor does white space at the ends of a page.
    """
    reached = {0}
    for page in pages:
        reached = {end for start in reached for end in _ends(page, source, start)}
    return any(not source[end:].strip() for end in reached)


def _ends(page: str, source: str, start: int) -> Iterator[int]:
    """Yield where in *source* the page may end that begins at *start*."""
    if opened := _open_fence(source[:start]):
        if not page.startswith(f"{opened}\n"):
            return
        page = page.removeprefix(f"{opened}\n")
    start += len(source[start:]) - len(source[start:].lstrip())
    head, _, last = page.rpartition("\n")
    for body, dressed in ((page, False), (head, True)):
        end = start + len(body.strip())
        if source[start:end] != body.strip():
            continue
        fence = FENCE.fullmatch(_open_fence(source[:end]))
        if dressed == bool(fence) and (not fence or last == fence["mark"]):
            yield end


def _open_fence(text: str) -> str:
    """Return the line that opened the code block in which *text* ends; "" if in none."""
    opened = mark = ""
    for line in text.split("\n"):
        if not (fence := FENCE.fullmatch(line)):
            continue
        if not opened:
            opened, mark = line, fence["mark"]
        elif fence["mark"].startswith(mark) and not fence["info"].strip():
            opened = ""
    return opened


def _filled(size: int, part: Callable[[], str]) -> str:
    text = ""
    while len(text) < size:
        text += part()
    return text


def _sentences(rng: random.Random, many: int) -> str:
    said = (" ".join(rng.choices(WORDS, k=rng.randint(6, 14))) for _ in range(many))
    return " ".join(f"{sentence.capitalize()}." for sentence in said)


def _code(rng: random.Random, lines: int) -> str:
    """Return a code block; indented, with blank lines, and with what Slack escapes."""
    body = (
        rng.choice(
            ("", f"    if bed[{n}] < depth && *p > 0:", f"        flow({n}, &bed[{n}])  # {n} <- {n - 1}")
        )
        for n in range(lines)
    )
    mark = rng.choice(("```", "```", "~~~~"))
    return "\n".join((f"{mark}{rng.choice(('', 'python'))}", "def run():", *body, "    return 0", mark))
