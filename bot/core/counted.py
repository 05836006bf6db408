"""One answer, as it is counted: what its writer tells of each write, and how it ended."""

from __future__ import annotations

import asyncio

from bot.platform import Op
from bot.show.answer import Answer
from bot.show.writes import Phase, Write
from bot.tally import Tally

#: How an answer ended whose task failed, which is a bug.
CRASHED = "crashed"


class Counted:
    """One answer's way into the tally.

    Args:
        tally: What is counted.
        platform: Where it is written.
        answer: The answer.
        asked: Whether the model is asked for it in this process, so that people wait for it from now on.
        said: Whether it is none: a hint, or a question to a person.
    """

    def __init__(self, tally: Tally, platform: str, answer: Answer, *, asked: bool, said: bool) -> None:
        self._tally = tally
        self._platform = platform
        self._answer = answer
        self._said = said
        self._since = _now() if asked else None

    def wrote(self, write: Write, since: float) -> None:
        """Count *write*, which got through, and whose oldest new character is there *since* then."""
        self._count(write.op, "ok")
        if self._said:
            return
        now, tally = _now(), self._tally
        if write.page.text and self._since is not None:
            tally.first_text.took(now - self._since, self._platform)
            self._since = None
        if write.page.text and write.op is not Op.FINAL:  # else *since* is when the answer ended
            tally.staleness.took(now - since, self._platform)
        if self._answer.phase is Phase.CLOSED and self._answer.ending:
            tally.last_edit.took(now - since, self._platform, self._answer.ending.name.lower())

    def slowed(self, op: Op) -> None:
        """Count a write that met a 429."""
        self._count(op, "slowed")

    def gone(self, op: Op) -> None:
        """Count a write to where none is possible any more."""
        self._count(op, "gone")

    def failed(self, op: Op) -> None:
        """Count a write that failed otherwise."""
        self._count(op, "failed")

    def ended(self) -> None:
        """Count the answer."""
        if not self._said:
            ending = self._answer.ending
            self._tally.answers.add(self._platform, ending.name.lower() if ending else CRASHED)

    def _count(self, op: Op, outcome: str) -> None:
        self._tally.writes.add(self._platform, op.name.lower(), outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()
