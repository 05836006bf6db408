"""What people are told where an answer cannot stand: a direct message, once an hour.

Must never raise.
"""

from __future__ import annotations

import asyncio

from adapters.discord.outgoing.direct import Direct
from adapters.discord.wire.bars import Forbidden

#: Seconds in which somebody is told of a channel once.
AGAIN = 3600.0
#: People and channels of which it is remembered that they were told.
KEPT = 10_000


class Notices:
    """Tells people why there is no answer.

    Args:
        direct: What to tell them with.
    """

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._told: dict[tuple[int, int], float] = {}

    async def barred(self, user: int, channel: int, forbidden: Forbidden) -> None:
        """Tell *user* that a right is missing in *channel*, unless it is known to them."""
        if user and forbidden.right:
            lack = f"I lack the right **{forbidden.right}** there; a moderator of the server can give it."
            await self._tell(user, channel, f"I can't answer in <#{channel}>: {lack}")

    async def moderated(self, user: int, channel: int) -> None:
        """Tell *user* that the server's rules let no answer through in *channel*."""
        if user:
            await self._tell(user, channel, f"The server's AutoMod blocked my answer in <#{channel}>.")

    async def locked(self, user: int, thread: int) -> None:
        """Tell *user* that only moderators may write in *thread*."""
        if user:
            await self._tell(
                user, thread, f"I can't answer in <#{thread}>: it is locked. A moderator can open it."
            )

    async def refused(self, user: int, channel: int) -> None:
        """Tell *user* that Discord takes no answer in *channel*, whatever its form."""
        if user:
            await self._tell(user, channel, f"Discord refuses my answer in <#{channel}>, however I write it.")

    async def _tell(self, user: int, channel: int, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._told.get((user, channel), 0.0) > now:
            return
        if len(self._told) >= KEPT:
            self._told.clear()
        self._told[user, channel] = now + AGAIN
        await self._direct.tell(user, text)
