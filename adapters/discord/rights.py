"""What the bot's roles let it do in a channel.  Where that is not known, Discord is asked by trying."""

from __future__ import annotations

from dataclasses import replace

import discord

from adapters.discord.surface import DiscordSurface
from bot.platform import Limits


def limits(message: discord.Message, me: int) -> Limits:
    """Return what a page holds below *message*: no files where the user *me* may attach none."""
    member = message.guild.get_member(me) if message.guild else None
    here = message.channel
    channel = here.parent if isinstance(here, discord.Thread) else here  # a thread has its parent's rights
    if member is None or not isinstance(channel, discord.abc.GuildChannel):
        return DiscordSurface.limits
    if channel.permissions_for(member).attach_files:
        return DiscordSurface.limits
    return replace(DiscordSurface.limits, attach=0)
