"""One answer in the making: what its reader and its writer share, and how they tell each other of news.

The reader adds to it and the writer shows it; neither knows the other.
"""

from __future__ import annotations

import asyncio

from bot.core.kept import Kept
from bot.core.waits import Pause
from bot.events import CONTINUE, RETRY, Control, Event
from bot.show.answer import Answer
from bot.show.pace import Turn
from bot.show.writes import Ending, Phase


class Draft:
    """An answer, and when something happens to it.

    Args:
        answer: What should be visible, what is, and the difference.
        kept: Its way into the ledger.

    Attributes:
        answer: See above.
        kept: See above.
        since: When the oldest character came that no write carries yet, by the loop's clock; else None.
        changed: Set when there may be something to write.
        shown: Set when something was written, or cannot be: the reader need not wait for it.
        ended: Set at the end.
        turn: The place in the queue where the writer waits now.
        pause: The writer's wait after a failure or a 429, which the end of the answer ends.
    """

    def __init__(self, answer: Answer, kept: Kept) -> None:
        self.answer = answer
        self.kept = kept
        self.since: float | None = None
        self.changed = asyncio.Event()
        self.shown = asyncio.Event()
        self.ended = asyncio.Event()
        self.turn: Turn | None = None
        self.pause: Pause | None = None
        self._told = Phase.OPEN  # the phase that others know of
        self._noting: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the model may still say something."""
        return self.answer.phase is Phase.OPEN

    @property
    def rest(self) -> tuple[Control, ...]:
        """The buttons under an answer that is cut: what it has said and done is not said and done again."""
        return (CONTINUE if self.answer.received or self.kept.calling else RETRY,)

    def take(self, event: Event) -> None:
        """Add the next event of the model, which may be the end."""
        self.answer.receive(event)
        if self.since is None:
            self.since = _now()
        self.changed.set()
        self._look()

    def end(self, ending: Ending, note: str = "", controls: tuple[Control, ...] = ()) -> None:
        """End the answer; see `Answer.end`.  The writer, which may wait among previews, looks anew."""
        self.answer.end(ending, note, controls)
        self._look()

    def vanish(self) -> None:
        """End an answer of which nothing was said; see `Answer.vanish`."""
        self.answer.vanish()
        self._look()

    def not_shown(self, since: float) -> None:
        """Count as behind since *since* again, since a write failed; an answer that ended, from its end."""
        if self.open or self.since is None:
            self.since = since

    def _look(self) -> None:
        """Tell of the end once: an answer that is ended again neither ends anew nor loses its place."""
        if self.answer.phase is not self._told:
            self._told = self.answer.phase
            self._over()

    def _over(self) -> None:
        if self.answer.phase is Phase.CLOSING and not self._noting:
            self._noting = asyncio.get_running_loop().create_task(self.kept.end(self.answer))
            self._noting.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.since = _now()
        self.changed.set()
        self.shown.set()
        self.ended.set()
        if self.turn:
            self.turn.leave()
        if self.pause:
            self.pause.leave()

    async def noted(self) -> None:
        """Wait until the ledger has the end, if there is one; raises `Taken`."""
        if self._noting:
            await asyncio.shield(self._noting)


def _now() -> float:
    return asyncio.get_running_loop().time()
