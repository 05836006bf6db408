"""Reads who has reacted to a message, where no event has told it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from discord.http import HTTPClient

from adapters.discord.incoming.fields import Json, entries, inner, string
from adapters.discord.incoming.history import translated
from bot.platform import Gone

log = structlog.get_logger(__name__)

#: People who are read of one emoji: whoever is the first that may stop the answer stops it.
PEOPLE = 10


async def stoppers(http: HTTPClient, key: str, means_stop: Callable[[Json], bool]) -> list[Json]:
    """Return the users who have set an emoji that *means_stop* on the message *key*."""
    _, channel, message = key.split("/")
    found: list[Json] = []
    try:
        with translated():
            told: object = await http.get_message(int(channel), int(message))
            for reaction in entries(inner(told).get("reactions")):
                emoji = inner(reaction, "emoji")
                if means_stop(emoji):
                    name = string(emoji.get("name"))
                    found += entries(await http.get_reaction_users(int(channel), int(message), name, PEOPLE))
    except (Gone, OSError) as error:
        log.info("the reactions on a message are not known", message=key, error=repr(error))
    return found
