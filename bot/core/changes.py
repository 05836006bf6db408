"""What an answer does when its question is edited or deleted, also before the answer is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.core.files import kept
from bot.core.gate import Gate
from bot.core.live import Means
from bot.core.running import Running
from bot.core.sayings import means_stop
from bot.guard.access import Action
from bot.platform import Deleted, Edited, Stop
from bot.show.writes import Ending
from bot.text.safe import mended


class Changes:
    """Lets answers follow what happens to their questions.

    Args:
        means: Has the ledger, and whose messages are whose.
        gate: Asked before an edit does anything.
        running: Counts the questions of each person.
    """

    def __init__(self, means: Means, gate: Gate, running: Running) -> None:
        self._store = means.store
        self._stops = means.stops
        self._gate = gate
        self._running = running

    async def edit(self, edited: Edited) -> None:
        """Take the new text of a question whose answer has not begun; or stop the answer if it says so.

        Each new text asks the model anew, so it counts as a question.
        The answer says so where one is too many.
        """
        if (live := self._stops.find(edited.key)) is None:
            self._stops.keep_change(edited, _now())
        if not (live and edited.text.strip() and self._gate.heeds(edited, Action.EDIT)):
            return
        if not await self._gate.allows(edited, Action.EDIT):
            return
        if means_stop(edited.text):
            live.stop(Stop(edited.key, edited.actor, edited.place))
        elif not live.rewords(edited):
            return
        elif live.rewordable and not await self._running.rushed(live.mention) and live.rewords(edited):
            live.reword(replace(edited, text=mended(edited.text)))
            await self._store.reword(live.mention.key, mended(kept(edited.text, live.mention.files)))
        else:
            live.miss()

    def delete(self, deleted: Deleted) -> None:
        """Stop the answer whose question or page is gone; of one that has said nothing yet, nothing stays.

        No right is asked for: platforms do not say who deleted a message.
        """
        live = self._stops.find(deleted.key)
        if live is None:
            self._stops.keep_change(deleted, _now())
        elif deleted.key == live.mention.key and live.unread:
            live.vanish()
        else:
            live.cut(Ending.STOPPED, "Stopped: a message of it was deleted.")

    def catch_up(self, question: str) -> None:
        """Do what was done to *question* before its answer was known."""
        changed = self._stops.changed(question, _now())
        if isinstance(changed, Deleted):
            self.delete(changed)  # before anything is written
        elif changed:
            self._running.errand(self.edit(changed))


def _now() -> float:
    return asyncio.get_running_loop().time()
