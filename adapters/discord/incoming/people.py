"""Who did something, and where, as the seam names them."""

from __future__ import annotations

import discord

from bot.platform import Actor, Place


class People:
    """Knows who owns the application.

    Attributes:
        owners: Their ids.
    """

    def __init__(self) -> None:
        self.owners: set[int] = set()

    def actor(self, user: discord.abc.User, *, hook: bool = False) -> Actor:
        """Return *user* as an actor; *hook*: it is a webhook, which discord.py gives as a user."""
        return Actor(
            id=str(user.id), name=user.display_name, bot=user.bot or hook, owner=user.id in self.owners
        )

    def stranger(self, user: int) -> Actor:
        """Return somebody of whom Discord told the id alone."""
        return Actor(id=str(user), owner=user in self.owners)


def place_of(channel: int, guild: int | None) -> Place:
    """Return a channel as a place; *guild* is None in direct messages."""
    return Place(str(channel), workspace=str(guild) if guild else "")
