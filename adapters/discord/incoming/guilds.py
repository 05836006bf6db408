"""Learns a guild that the gateway tells nothing of: whoever resumes a session of another process hears of it.

The gateway tells of guilds, their roles, channels and threads after an IDENTIFY alone.  So after a RESUME
Discord is asked, once for each guild, when something is said there that may be for the bot.
"""

from __future__ import annotations

import asyncio

import aiohttp
import discord

from adapters.discord.incoming.events import unusable
from adapters.discord.wire.seldom import Seldom

#: Seconds that a message waits for it; what is not known then, is not known.
PATIENCE = 5.0
#: Seconds before a guild is asked for again that could not be learnt.
AGAIN = 60.0
#: Guilds that are asked for at once.
AT_ONCE = 4


class Guilds:
    """Asks Discord for guilds.

    Args:
        client: Knows guilds, and is told of them.
        seldom: What was logged of late.
    """

    def __init__(self, client: discord.Client, seldom: Seldom) -> None:
        self._client = client
        self._seldom = seldom
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._failed: dict[int, float] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def learn(self, guild: int) -> None:
        """Let discord.py know *guild*, if it does not; never raises."""
        now = asyncio.get_running_loop().time()
        if self._client.get_guild(guild) is not None or now - self._failed.get(guild, -AGAIN) < AGAIN:
            return
        if guild not in self._asking:
            self._asking[guild] = asyncio.create_task(self._ask(guild))
            self._asking[guild].add_done_callback(lambda _: self._asking.pop(guild))
        await asyncio.wait({self._asking[guild]}, timeout=PATIENCE)

    async def _ask(self, guild: int) -> None:
        http, me = self._client.http, self._client.user
        try:
            async with self._room:
                told, channels, threads, own = await asyncio.gather(
                    http.get_guild(guild, with_counts=False),
                    http.get_all_guild_channels(guild),
                    http.get_active_threads(guild),
                    http.get_member(guild, me.id if me else 0),
                )
            found = {**told, "channels": channels, "threads": threads["threads"], "members": [own]}
            if self._client.get_guild(guild) is None:
                self._client._connection._add_guild_from_data(found)  # type: ignore[arg-type]  # noqa: SLF001
        except (discord.DiscordException, aiohttp.ClientError, OSError, LookupError, TypeError) as error:
            self._failed[guild] = asyncio.get_running_loop().time()
            unusable(self._seldom, "a server's roles and channels are not known", error, guild=guild)
