"""For `tests.bench.faults`: an answer of 21 KB that is to end with a file, which no platform takes any more.

All of it must be there as text then, on pages that follow, ended with a note and without a Stop button, in
the usual time; and the asker's next question is answered at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.terms import Terms, TermsOf
from bot.show.words import FOLLOWS
from bot.show.writes import Showing


@dataclass(frozen=True, slots=True)
class Way:
    """How a file is refused.

    Attributes:
        status: Of the answer.
        late: Seconds until it is cut off instead.
    """

    status: int = 0
    late: float = 0.0


#: By the name of the fault.
WAYS = {
    **{f"file {status}": Way(status) for status in (400, 403, 404, 413, 418, 500)},
    "file late": Way(late=90.0),
}
#: Characters of the answer, and seconds that it may take from the model's last word to the last edit: ten
#: for a file that times out, and a dozen new messages at one a second.
SIZE, USUAL = 21_000, 25.0
#: Seconds in which the model must be asked the next question.
AT_ONCE = 3.0


def showing(page: int) -> Showing:
    """Return how answers are shown: the long one takes a file where a page holds *page* characters."""
    return Showing(pages=SIZE // page // 2 or 1)


def terms(showing: Showing) -> TermsOf:
    """Return what lets all answers show themselves so."""
    same = Terms(showing=showing)
    return lambda _place, _actor: same


def words(rng: random.Random) -> list[str]:
    """Return the long answer in a hundred parts, no word of it twice."""
    each = [f"{rng.choice('abcdefgh')}{number}x " for number in range(SIZE // 7)]
    size = len(each) // 100
    return ["".join(each[at : at + size]) for at in range(0, len(each), size)]


def judged(shown: Sequence[dict[str, Any]], took: float) -> str:
    """Return what is wrong with the messages *shown*, which came to an end *took* seconds after the model."""
    if took > USUAL:
        return f"stuck: the answer ended {took:.0f} s after the model"
    if not any(FOLLOWS in each["note"] for each in shown):
        return f"other: nobody says why there is no file: {[each['note'] for each in shown]}"
    return ""
