"""Finds the messages that were written while the bot did not listen, in the history of channels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import discord
import structlog

from adapters.discord.incoming.history import translated
from bot.platform import Asked, Gone

log = structlog.get_logger(__name__)

#: Channels that are looked through, and messages that are read of each.
PLACES = 20
NEWEST = 200
#: Seconds that reading may wait for the gateway to tell of the guilds.
TELLING = 60.0


async def missed(client: discord.Client, recent: Sequence[Asked], since: float) -> list[discord.Message]:
    """Return the messages since *since* in the channels and threads of *recent*, oldest first."""
    await _told(client)
    questions = [int(asked.key.split("/")[2]) for asked in recent]
    threads = [id_ for id_ in questions if client.get_channel(id_)]  # opened for their answers
    channels = [*dict.fromkeys([*(int(asked.place.channel) for asked in recent), *threads])][:PLACES]
    after = datetime.fromtimestamp(since, UTC)
    found: list[discord.Message] = []
    for channel in channels:
        try:
            with suppress(Gone), translated():
                there = await place(client, channel)
                history = there.history(limit=NEWEST, after=after, oldest_first=False)
                found += [message async for message in history]
        except OSError as error:
            log.warning("what was missed in a channel is not known", channel=channel, error=repr(error))
    return sorted(found, key=lambda message: message.id)


async def place(client: discord.Client, channel: int) -> discord.abc.Messageable:
    """Return a channel as the gateway knows it, or as REST does.

    Raises:
        Gone: It is no channel for messages.
    """
    await _told(client)
    found = client.get_channel(channel) or await client.fetch_channel(channel)
    if not isinstance(found, discord.abc.Messageable):
        raise Gone(f"channel {channel} holds no messages")
    return found


async def _told(client: discord.Client) -> None:
    """Wait until the gateway has told of the guilds; a client that was replaced never hears of them."""
    async with asyncio.timeout(TELLING):
        await client.wait_until_ready()
