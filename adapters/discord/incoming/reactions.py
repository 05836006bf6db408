"""Reads who has reacted to a message, where no event has told it."""

from __future__ import annotations

from collections.abc import Callable

from discord.http import HTTPClient

from adapters.discord.incoming.fields import Json, entries, inner, snowflake, string
from adapters.discord.incoming.history import translated

#: People who are read of one emoji: whoever is the first that may stop the answer stops it.
PEOPLE = 10


async def reacting(
    http: HTTPClient, key: str, wanted: Callable[[Json], bool], me: int
) -> list[tuple[Json, Json]]:
    """Return the emojis that are *wanted* on the message *key*, each with who has set it.

    None of *me*; none if the key is of no message.

    Raises:
        SlowDown, Gone, OSError: When Discord does not say it.
    """
    match key.split("/"):
        case [_, channel, message]:
            found: list[tuple[Json, Json]] = []
        case _:
            return []
    with translated():
        told: object = await http.get_message(int(channel), int(message))
        for reaction in entries(inner(told).get("reactions")):
            emoji = inner(reaction, "emoji")
            if wanted(emoji):
                name = string(emoji.get("name"))
                users = entries(await http.get_reaction_users(int(channel), int(message), name, PEOPLE))
                found += [(emoji, user) for user in users]
    return [each for each in found if snowflake(each[1].get("id")) != me]
