"""What the model says in `tests.bench.faults_slack`, and what must be there of it in the end.  Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.bench.faults_slack import Fault, Halting


def told(rng: random.Random) -> list[str]:
    """Return what the model says, no word of it twice."""
    size = rng.choice([1, 3, 12, 40])
    length = rng.choice([1, 1, 60])
    return [
        " ".join(f"{rng.choice('abcdefgh')}{number}x{part}" for part in range(length)) + " "
        for number in range(size)
    ]


def _said(text: str) -> str:
    """Return *text* without the notes of the bot that stand below a message without blocks."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not line.strip("\u2060 ").startswith("\u2014 "))


def judged(shown: list[dict[str, Any]], model: Halting, fault: Fault) -> str:
    """Return what is wrong with the messages *shown*, "property: detail"."""
    wanted = "".join("".join(model.words).split())
    found = "".join("".join(_said(each["text"]) for each in shown).split())
    if model.asked > 1:
        return f"twice: the model was asked {model.asked} times"
    if not model.asked and not shown and (fault.ends or fault.unheard):
        return ""
    if not fault.ends and not model.asked:
        return "lost: the question was never asked"
    if any(each["live"] for each in shown) and not fault.ends:
        return f"stuck: {[each['note'] for each in shown]}"
    if found != wanted and not fault.ends:
        twice = "twice" if len(found) > len(wanted) else "text"
        return f"{twice}: {len(found)} of {len(wanted)} characters in {len(shown)} messages"
    if fault.ends and not wanted.startswith(found.removesuffix("…")):
        return f"text: not the model's: {found[:40]!r}"
    return ""
