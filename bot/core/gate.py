"""Whether somebody may do what they do, and does it no more often than hands can."""

from __future__ import annotations

import asyncio

from bot.core.rates import Rates
from bot.core.refusals import Refusals
from bot.guard.access import Access, Action
from bot.platform import Command, Edited, Mention, Press, Rating, Stop

#: What people do that needs a right.
Happening = Mention | Stop | Press | Rating | Edited | Command


class Gate:
    """Stands in front of what people do.

    Args:
        access: Knows who may do what.
        refusals: Tells who asked and may not.
    """

    def __init__(self, access: Access, refusals: Refusals) -> None:
        self._access = access
        self._refusals = refusals
        self._rates = Rates()

    async def allows(self, event: Happening, action: Action) -> bool:
        """Tell whether who did *event* may do *action*; of a question, they are told that they may not."""
        if await self._access.authorize(event.actor, event.place, action):
            return True
        talks_to_others = isinstance(event, Mention) and event.follow_up
        if not event.actor.bot and not talks_to_others:
            self._refusals.count(event.actor, event.place, action)
            if isinstance(event, Mention):
                self._refusals.tell(event, self._access.refusal(event.place))
        return False

    def heeds(self, event: Happening, action: Action) -> bool:
        """Tell whether who did *event* does not do *action* too often; looks nobody up."""
        return self.admits(event.actor.id, action.value)

    def admits(self, actor: str, kind: str) -> bool:
        """Tell whether *actor*, an id, does not do things of *kind* too often."""
        return self._rates.admit(actor, kind, asyncio.get_running_loop().time())
