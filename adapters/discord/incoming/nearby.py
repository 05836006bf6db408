"""What was said lately in the channel of a question, for who asks: they read no more than they may."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import discord

from adapters.discord.incoming.history import Channel, History, translated
from adapters.discord.incoming.markup import Names
from adapters.discord.incoming.missed import guild_of, place
from adapters.discord.incoming.written import Written
from bot.platform import Actor, Gone, Said


def room_of(channel: object) -> int:
    """Return the id of the channel that a public thread or a post is in; 0 for every other channel."""
    if not isinstance(channel, discord.Thread) or channel.is_private():
        return 0
    return channel.parent_id if isinstance(channel.parent, discord.TextChannel | discord.ForumChannel) else 0


def said_in(channel: object) -> int:
    """Return the id of that channel; 0 where it has no messages of its own, as a forum."""
    return 0 if isinstance(getattr(channel, "parent", None), discord.ForumChannel) else room_of(channel)


async def nearby(
    client: discord.Client,
    question: int,
    channel: int,
    asker: str,
    names: Callable[[int], Names],
    author: Callable[[Written], Actor],
    limit: int,
) -> Sequence[Said]:
    """Return the last messages of *channel* before *question*; see `Surface.recent`."""
    there = await place(client, channel)
    with translated():
        readable = await _may_read(there, int(asker))
    if not readable:
        raise Gone("who asks may not read what was said there")
    guild = guild_of(there)
    room = Channel(client.http, channel, guild)
    return await History(room, question, names(guild), author).nearby(limit)


async def _may_read(channel: object, asker: int) -> bool:
    """Return whether a person may read what was said in *channel*; asked anew, since roles change.

    Raises:
        discord.HTTPException: Discord does not know them there, or does not say.
    """
    if isinstance(channel, discord.DMChannel):
        return True  # the question came from the one person there
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return False
    ruled = channel.parent if isinstance(channel, discord.Thread) else channel
    if ruled is None:
        return False
    rights = ruled.permissions_for(await channel.guild.fetch_member(asker))
    return rights.view_channel and rights.read_message_history
