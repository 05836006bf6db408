"""What the bot's roles let it do in a channel.  Where that is not known, the bot tries, and Discord says."""

from __future__ import annotations

from dataclasses import replace

import discord

from adapters.discord.surface import DiscordSurface
from adapters.discord.wire.bars import MISSING_ACCESS, MISSING_PERMISSIONS, NO_REPLY_WITHOUT_HISTORY
from bot.platform import Limits


def limits(channel: object, me: int) -> Limits:
    """Return what a page holds in *channel*: no files where the user *me* may attach none."""
    rights = _rights(channel, me)
    if rights is None or rights.attach_files:
        return DiscordSurface.limits
    return replace(DiscordSurface.limits, attach=0)


def lacking(channel: object, me: int) -> int:
    """Return the JSON error code that an answer in *channel* would meet; 0 where it may stand."""
    rights = _rights(channel, me)
    if rights is None or rights.administrator:
        return 0
    if not rights.view_channel:
        return MISSING_ACCESS
    inside = isinstance(channel, discord.Thread)
    if not (rights.send_messages_in_threads if inside else rights.send_messages):
        return MISSING_PERMISSIONS
    return 0 if rights.read_message_history else NO_REPLY_WITHOUT_HISTORY


def _rights(here: object, me: int) -> discord.Permissions | None:
    channel = here.parent if isinstance(here, discord.Thread) else here  # a thread has its parent's rights
    if not isinstance(channel, discord.abc.GuildChannel) or (member := channel.guild.get_member(me)) is None:
        return None
    return channel.permissions_for(member)
