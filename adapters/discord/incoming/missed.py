"""Finds the messages that were written while the bot did not listen, in the history of channels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import discord
import structlog

from adapters.discord.incoming.fields import snowflake
from adapters.discord.incoming.history import Channel, translated
from adapters.discord.incoming.shards import Shards
from adapters.discord.incoming.written import Written
from bot.platform import Asked, Gone

log = structlog.get_logger(__name__)

#: Channels that are looked through, and messages that are read of each.
PLACES = 20
NEWEST = 200
#: Seconds that reading may wait for the gateway to tell of the guilds.
TELLING = 60.0


async def missed(client: Shards, recent: Sequence[Asked], since: float) -> list[Written]:
    """Return the messages since *since* in the channels and threads of *recent*, oldest first.

    Only of those whose events come to this process: others ask for theirs.
    """
    await _told(client)
    recent = [asked for asked in recent if client.runs(snowflake(asked.place.workspace))]
    after = discord.utils.time_snowflake(datetime.fromtimestamp(since, UTC))
    found: list[Written] = []
    for channel in _places(client, recent):
        try:
            with suppress(Gone):
                there = await place(client, channel)
                found += await Channel(client.http, channel, guild_of(there)).since(after, NEWEST)
        except OSError as error:
            log.warning("what was missed in a channel is not known", channel=channel, error=repr(error))
    return sorted(found, key=lambda message: message.id)


def newest(recent: Sequence[Asked]) -> dict[int, int]:
    """Return the newest question of *recent* by its channel, and by itself, as a thread's first message."""
    found: dict[int, int] = {}
    for asked in recent:
        channel, question = place_in(asked.key)
        found.setdefault(question, question)
        found[channel] = max(question, found.get(channel, 0))
    return found


def place_in(key: str) -> tuple[int, int]:
    """Return the channel and the message that *key* names; 0 for an id that is none."""
    _, channel, message, *_ = (*key.split("/"), "", "")
    return snowflake(channel), snowflake(message)


def _places(client: discord.Client, recent: Sequence[Asked]) -> list[int]:
    """Return the channels of *recent*, and the threads opened for answers, but for ids that are none."""
    channels = (snowflake(asked.place.channel) for asked in recent)
    questions = (snowflake(name) for asked in recent for name in asked.key.split("/")[2:3])
    threads = (id_ for id_ in questions if client.get_channel(id_))
    return [id_ for id_ in dict.fromkeys((*channels, *threads)) if id_][:PLACES]


async def place(client: discord.Client, channel: int) -> discord.abc.Messageable:
    """Return a channel as the gateway knows it, or as REST does.

    Raises:
        Gone: It is no channel for messages.
    """
    await _told(client)
    with translated():
        found = client.get_channel(channel) or await client.fetch_channel(channel)
    if not isinstance(found, discord.abc.Messageable):
        raise Gone(f"channel {channel} holds no messages")
    return found


def guild_of(channel: object) -> int:
    """Return the id of a channel's guild; 0 for direct messages."""
    guild = getattr(channel, "guild", None)
    return guild.id if isinstance(guild, discord.Guild) else 0


async def _told(client: discord.Client) -> None:
    """Wait until the gateway has told of the guilds; a client that was replaced never hears of them."""
    with translated():
        async with asyncio.timeout(TELLING):
            await client.wait_until_ready()
