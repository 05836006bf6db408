"""What was said before a question: the last messages, or a chain of replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import aiohttp
import discord

from adapters.discord.surface import said
from bot.events import Turn
from bot.platform import Gone

#: Messages among which a chain is looked for in one call, and calls for links that are further back.
NEARBY = 100
FETCHES = 5


@contextmanager
def translated() -> Iterator[None]:
    """Turn discord.py's errors into those of the seam."""
    try:
        yield
    except (discord.Forbidden, discord.NotFound) as error:
        raise Gone(str(error)) from error
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError) as error:
        raise ConnectionError(f"Discord did not tell the history: {error}") from error


async def recent(channel: discord.abc.Messageable, question: int, me: int, limit: int) -> list[Turn]:
    """Return the last turns of a thread or a direct message, oldest first."""
    before = discord.Object(id=question)
    with translated():
        messages = [message async for message in channel.history(limit=limit, before=before)]
    return _turns(reversed(messages), me)


async def chain(
    channel: discord.PartialMessageable, question: int, first: int, me: int, limit: int
) -> list[Turn]:
    """Return the chain of replies that ends at the message *first*, oldest first."""
    before = discord.Object(id=question)
    with translated():
        nearby = {message.id: message async for message in channel.history(limit=NEARBY, before=before)}
    found: list[discord.Message] = []
    fetches = FETCHES
    next_id: int | None = first
    while next_id and len(found) < limit:
        message = nearby.get(next_id)
        if message is None:
            if not fetches:
                break
            fetches -= 1
            try:
                with translated():
                    message = await channel.fetch_message(next_id)
            except (Gone, OSError):
                break
        found.append(message)
        next_id = message.reference.message_id if message.reference else None
    return _turns(reversed(found), me)


def _turns(messages: Iterable[discord.Message], me: int) -> list[Turn]:
    return [turn for message in messages if (turn := _turn(message, me)).text]


def _turn(message: discord.Message, me: int) -> Turn:
    if message.author.id == me:
        return Turn("assistant", said(message.content))
    return Turn("user", words(message, me), message.author.display_name)


def words(message: discord.Message, me: int) -> str:
    """Return what *message* says, without mentions of the bot and with names for those of people."""
    text = message.content
    for user in message.mentions:
        for token in (f"<@{user.id}>", f"<@!{user.id}>"):
            text = text.replace(token, "" if user.id == me else f"@{user.display_name}")
    role = message.guild.self_role if message.guild else None
    return text.replace(f"<@&{role.id}>", "").strip() if role else text.strip()
