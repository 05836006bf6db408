"""Reads who has reacted to a message, where no event has told it."""

from __future__ import annotations

from collections.abc import Callable

from discord.http import HTTPClient

from adapters.discord.incoming.fields import Json, entries, inner, string
from adapters.discord.incoming.history import translated

#: People who are read of one emoji: whoever is the first that may stop the answer stops it.
PEOPLE = 10


async def stoppers(http: HTTPClient, key: str, means_stop: Callable[[Json], bool]) -> list[Json]:
    """Return who has set an emoji that *means_stop* on the message *key*; nobody if it is no message.

    Raises:
        SlowDown, Gone, OSError: When Discord does not say it.
    """
    match key.split("/"):
        case [_, channel, message]:
            found: list[Json] = []
        case _:
            return []
    with translated():
        told: object = await http.get_message(int(channel), int(message))
        for reaction in entries(inner(told).get("reactions")):
            emoji = inner(reaction, "emoji")
            if means_stop(emoji):
                name = string(emoji.get("name"))
                found += entries(await http.get_reaction_users(int(channel), int(message), name, PEOPLE))
    return found
