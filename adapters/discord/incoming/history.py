"""What was said before a question: the last messages, a thread from its opening on, or a chain of replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import aiohttp
import discord

from adapters.discord.incoming.people import People
from adapters.discord.reading import SPOKEN, says
from adapters.discord.surface import said
from bot.platform import Gone, Said

#: Messages among which a chain is looked for in one call, and calls for links that are further back.
NEARBY = 100
FETCHES = 5


@contextmanager
def translated() -> Iterator[None]:
    """Turn discord.py's errors into those of the seam, and what it raises when it can't parse an answer."""
    try:
        yield
    except (discord.Forbidden, discord.NotFound) as error:
        raise Gone(str(error)) from error
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError) as error:
        raise ConnectionError(f"Discord did not tell the history: {error}") from error
    except (discord.InvalidData, KeyError, ValueError) as error:
        raise ConnectionError(f"Discord's history makes no sense: {error!r}") from error


async def recent(channel: discord.abc.Messageable, question: int, me: int, limit: int) -> list[Said]:
    """Return the last turns of a direct message or a forum's post, oldest first."""
    before = discord.Object(id=question)
    with translated():
        messages = [message async for message in channel.history(limit=limit, before=before)]
    return _said(reversed(messages), me)


async def thread(
    channel: discord.Thread, parent: discord.PartialMessageable, question: int, me: int, limit: int
) -> list[Said]:
    """Return the turns of a thread, oldest first, after those that led to it.

    A thread has the id of the message in *parent* that it was opened from, if from any; that message is
    always there, and the messages that it replies to are if there is room.
    """
    before = discord.Object(id=question)
    with translated():
        messages = channel.history(limit=limit, before=before)
        inside = [message async for message in messages if message.type in SPOKEN]
    opening = await _opening(parent, channel.id, max(1, limit - len(inside)))
    return _said(reversed([*inside[: limit - len(opening)], *opening]), me)


async def chain(
    channel: discord.PartialMessageable, question: int, first: int, me: int, limit: int
) -> list[Said]:
    """Return the chain of replies that ends at the message *first*, oldest first."""
    return _said(reversed(await _links(channel, question, first, limit)), me)


async def _opening(parent: discord.PartialMessageable, first: int, limit: int) -> list[discord.Message]:
    """Return the message *first* and those that it replies to, newest first; nothing if it is not there."""
    try:
        with translated():
            opening = await parent.fetch_message(first)
        if limit == 1 or not opening.reference or not opening.reference.message_id:
            return [opening]
        return [opening, *await _links(parent, first, opening.reference.message_id, limit - 1)]
    except (Gone, OSError):
        return []


async def _links(
    channel: discord.PartialMessageable, question: int, first: int, limit: int
) -> list[discord.Message]:
    """Return the chain of replies that ends at the message *first*, newest first."""
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
    return found


def _said(messages: Iterable[discord.Message], me: int) -> list[Said]:
    return [_one(message, me) for message in messages if message.type in SPOKEN]


def _one(message: discord.Message, me: int) -> Said:
    if message.author.id == me:
        return Said(said(message.content), None)
    actor = People().actor(message.author, hook=message.webhook_id is not None)
    return Said(says(message, me), actor)
