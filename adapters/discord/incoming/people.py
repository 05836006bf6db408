"""Who did something, and where, as the seam names them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection

import discord

from adapters.discord.incoming.fields import Json, inner, snowflake, whole
from adapters.discord.incoming.reading import name_of
from adapters.discord.incoming.written import Written
from bot.platform import Actor, Place

#: Roles of one member that are looked at, and members whose roles are remembered.
ROLES, REMEMBERED = 300, 10_000


def _no_ids() -> Collection[str]:
    return ()


class People:
    """Knows who owns the application, which bots may ask, and which roles people have.

    Whatever somebody does in a guild, Discord tells their roles with it; not with messages that are read
    again later, nor with reactions that are taken back.  There the roles count that were told last.

    Args:
        bots: Ids of the bots, webhooks and applications that may.
        named: See `Inbox.named`.

    Attributes:
        owners: The ids of those who own it.
    """

    def __init__(self, bots: Collection[str] = (), named: Callable[[], Collection[str]] = _no_ids) -> None:
        self._bots = frozenset(bots)
        self._named = named
        self._roles: OrderedDict[tuple[int, int], frozenset[int]] = OrderedDict()
        self.owners: set[int] = set()

    def told(self, user: Json, member: Json, guild: int = 0) -> Actor:
        """Return a user of Discord's JSON as an actor; *guild*: where, if that is one and is told."""
        id_ = snowflake(user.get("id"))
        bot, owner = user.get("bot") is True, id_ in self.owners
        roles = self._roles_of(id_, member, guild)
        return Actor(str(id_), name_of(user, member), bot=bot, owner=owner, roles=roles)

    def author(self, message: Written) -> Actor:
        """Return who wrote *message*; a bot that may ask is as good as a person."""
        if admitted := self.admitted(message):
            return Actor(admitted, message.name)
        owner = not message.bot and message.author in self.owners
        guild = 0 if message.bot else message.guild  # roles of bots need not be remembered
        roles = self._roles_of(message.author, inner(message.raw, "member"), guild)
        return Actor(str(message.author), message.name, bot=message.bot, owner=owner, roles=roles)

    def admitted(self, message: Written) -> str:
        """Return the id by which the bot that wrote *message* may ask; "" if it may not, or is no bot."""
        return next((str(each) for each in sorted(message.senders) if str(each) in self._bots), "")

    def reacting(self, data: Json) -> Actor:
        """Return who reacted; in direct messages Discord tells the id alone."""
        member = inner(data, "member")
        user = {**inner(member, "user"), "id": data.get("user_id")}
        return self.told(user, member, snowflake(data.get("guild_id")))

    def holding(self, role: int) -> list[int]:
        """Return the people whose roles are remembered, and who have *role*; the last that was told first.

        Discord tells the members of a role only to who has another privileged intent.
        """
        return [user for (_, user), roles in reversed(self._roles.items()) if role in roles]

    def _roles_of(self, user: int, member: Json, guild: int) -> tuple[str, ...]:
        """Return the roles of *user* that the rules name."""
        listed, who = member.get("roles"), (guild, user)
        if isinstance(listed, list):
            found = frozenset(map(snowflake, listed[:ROLES])) - {0}
            if guild:
                self._remember(who, found)
        else:
            found = self._roles.get(who, frozenset())
        named = self._named() if found else ()
        return tuple(role for role in map(str, sorted(found)) if role in named)

    def _remember(self, who: tuple[int, int], roles: frozenset[int]) -> None:
        self._roles[who] = roles
        self._roles.move_to_end(who)
        if len(self._roles) > REMEMBERED:
            self._roles.popitem(last=False)


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
