"""Where something was done: what rules hold there hangs on the channel that a thread is in, and its category.

The gateway tells of channels and threads, but not of each before something is done in it; messages and
reactions name only an id.  Then Discord is asked, so that no rule of a channel is passed by in its threads.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import discord

from adapters.discord.incoming.fields import Json, inner, snowflake, whole
from adapters.discord.incoming.history import translated
from adapters.discord.incoming.people import place_of
from adapters.discord.incoming.questions import THREADS
from bot.platform import Gone, Place

#: Channels that were asked for and are remembered.
REMEMBERED = 1_000


class Places:
    """Knows the places of one client.

    Args:
        client: Knows channels.
    """

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._asked: OrderedDict[int, Json] = OrderedDict()

    async def find(self, channel: int, guild: int) -> Place:
        """Return a channel as a place; *guild* is 0 in direct messages.

        Raises:
            OSError: Discord does not tell which channel that is.
        """
        if not guild or self._client.get_channel(channel) is not None:
            return place_of(channel, guild, self._client.get_channel(channel))
        if channel not in self._asked:
            self._asked[channel] = await self._ask(channel)
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
        return self.told(channel, guild, self._asked[channel])

    def told(self, channel: int, guild: int, room: Json) -> Place:
        """Return a channel as a place; *room* is what Discord's JSON says of it, as far as it does."""
        here = self._client.get_channel(channel)
        where = place_of(channel, guild, here)
        if here is not None or where.direct:
            return where
        above = snowflake(room.get("parent_id"))
        if whole(room.get("type")) not in THREADS:
            return replace(where, category=str(above or ""))
        category = place_of(above, guild, self._client.get_channel(above)).category
        return replace(where, parent=str(above or ""), category=category)

    async def _ask(self, channel: int) -> Json:
        try:
            with translated():
                return inner(await self._client.http.get_channel(channel))
        except Gone as gone:
            raise ConnectionError(f"Discord does not say where channel {channel} is: {gone}") from gone
