"""Which ids that the settings name are nobody's: no person's, and no role's of the bot's servers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adapters.discord.wire.rest import Refused, Rest
from bot.platform import Gone

#: Servers whose roles are looked at; with more of them, an id may be a role that was not seen.
SERVERS = 20


async def strangers(rest: Rest, ids: Collection[str], admits: Collection[str]) -> Sequence[str]:
    """Return those of *ids* that are nobody's.

    Args:
        rest: Asks Discord.
        ids: Of people and roles.
        admits: Ids of the servers whose members may use the bot; "*" means all that it is in.

    Raises:
        SlowDown, OSError: Discord could not be asked.
    """
    lost = [id_ for id_ in ids if not await _is_person(rest, id_)]
    if not lost:
        return ()
    answer, _ = await rest.call("GET", "users/@me/guilds", "discord/guilds")
    guilds = [str(guild["id"]) for guild in answer.get("items", ())]
    named = [id_ for id_ in guilds if "*" in admits or id_ in admits]
    if len(named) > SERVERS:
        return ()
    roles = {role for id_ in named for role in await _roles(rest, id_)}
    return [id_ for id_ in lost if id_ not in roles]


async def _is_person(rest: Rest, id_: str) -> bool:
    try:
        await rest.call("GET", f"users/{id_}", "discord/users")
    except (Gone, Refused):
        return False
    return True


async def _roles(rest: Rest, guild: str) -> Sequence[str]:
    answer, _ = await rest.call("GET", f"guilds/{guild}", "discord/guilds")
    return [str(role["id"]) for role in answer.get("roles", ())]
