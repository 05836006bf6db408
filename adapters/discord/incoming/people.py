"""Who did something, and where, as the seam names them."""

from __future__ import annotations

from collections.abc import Collection

import discord

from adapters.discord.incoming.fields import Json, inner, snowflake, whole
from adapters.discord.incoming.reading import name_of
from adapters.discord.incoming.written import Written
from bot.platform import Actor, Place


class People:
    """Knows who owns the application, and which bots may ask.

    Args:
        bots: Ids of the bots, webhooks and applications that may.

    Attributes:
        owners: The ids of those who own it.
    """

    def __init__(self, bots: Collection[str] = ()) -> None:
        self._bots = frozenset(bots)
        self.owners: set[int] = set()

    def told(self, user: Json, member: Json) -> Actor:
        """Return a user of Discord's JSON as an actor."""
        id_ = snowflake(user.get("id"))
        bot = user.get("bot") is True
        return Actor(str(id_), name_of(user, member), bot=bot, owner=id_ in self.owners)

    def author(self, message: Written) -> Actor:
        """Return who wrote *message*; a bot that may ask is as good as a person."""
        if admitted := self.admitted(message):
            return Actor(admitted, message.name)
        owner = not message.bot and message.author in self.owners
        return Actor(str(message.author), message.name, bot=message.bot, owner=owner)

    def admitted(self, message: Written) -> str:
        """Return the id by which the bot that wrote *message* may ask; "" if it may not, or is no bot."""
        return next((str(each) for each in sorted(message.senders) if str(each) in self._bots), "")

    def reacting(self, data: Json) -> Actor:
        """Return who reacted; in direct messages Discord tells the id alone."""
        member = inner(data, "member")
        user = {**inner(member, "user"), "id": data.get("user_id")}
        return self.told(user, member)


def place_of(channel: int, guild: int | None, here: object = None) -> Place:
    """Return a channel as a place.

    Args:
        channel: Its id.
        guild: Its guild's; None or 0 in direct messages.
        here: The channel as discord.py knows it, if it does.
    """
    parent = whole(getattr(here, "parent_id", None))
    above = getattr(here, "parent", None) or here
    category = whole(getattr(above, "category_id", None)) if not isinstance(above, discord.Thread) else 0
    return Place(
        str(channel),
        workspace=str(guild) if guild else "",
        platform="discord",
        category=str(category or ""),
        parent=str(parent or ""),
        direct=not guild,
    )
