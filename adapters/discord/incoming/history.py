"""What was said before a question: the newest messages of a place, or a chain of replies, and how it began.

Read as JSON through discord.py's HTTP client, so that one message that nobody understands costs itself only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import aiohttp
import discord
from discord.http import HTTPClient

from adapters.discord.incoming.fields import inner, snowflake, string
from adapters.discord.incoming.markup import Names
from adapters.discord.incoming.reading import files
from adapters.discord.incoming.written import SPOKEN, Written
from adapters.discord.outgoing.drawing import said
from bot.platform import Actor, Gone, Said

#: Messages that are read in one call, and calls for a history; those for links of a chain further back.
NEARBY = 100
PAGES = 2
FETCHES = 5


@contextmanager
def translated() -> Iterator[None]:
    """Turn discord.py's errors into those of the seam, and what it raises when it can't parse an answer.

    Its client that was closed meanwhile, since another takes its place, raises a `RuntimeError`.
    """
    try:
        yield
    except (discord.Forbidden, discord.NotFound) as error:
        raise Gone(str(error)) from error
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError) as error:
        raise ConnectionError(f"Discord did not tell the history: {error}") from error
    except (discord.InvalidData, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConnectionError(f"Discord's history makes no sense: {error!r}") from error
    except RuntimeError as error:
        raise ConnectionError(f"this client of Discord is closed: {error}") from error


@dataclass(frozen=True, slots=True)
class Channel:
    """The messages of one channel, as REST tells them.

    Attributes:
        http: discord.py's client.
        id: The channel's.
        guild: Its guild; 0 for a direct message.
    """

    http: HTTPClient
    id: int
    guild: int

    async def one(self, message: int) -> Written | None:
        """Return a message; None if it is not there, or can't be read."""
        try:
            with translated():
                return Written.of(await self.http.get_message(self.id, message), self.guild)
        except (Gone, OSError):
            return None

    async def first(self) -> Written | None:
        """Return the channel's first message that somebody wrote; None if none is near its beginning."""
        try:
            found = await self._some(10, after=1)
        except (Gone, OSError):
            return None
        return min(found, key=lambda each: each.id, default=None)

    async def before(self, message: int, count: int = NEARBY) -> list[Written]:
        """Return the last *count* messages before *message*, those that somebody wrote; newest first."""
        found: dict[int, Written] = {}
        for _ in range(min(-(-count // NEARBY), PAGES)):
            told = await self._told(min(count - len(found), NEARBY), before=message)
            found |= {each.id: each for each in self._read(told)}
            message = min((snowflake(inner(each).get("id")) for each in told), default=0)
            if len(told) < NEARBY or not message:
                break
        return sorted(found.values(), key=lambda each: -each.id)

    async def newest(self, message: int, count: int) -> list[Written]:
        """Return the last messages before *message* as `before` does, in as many calls as that takes."""
        found: list[Written] = []
        left = -(-count // NEARBY)
        while left:
            told = await self._told(NEARBY, before=message)
            found += self._read(told)
            ids = [id_ for each in told if (id_ := snowflake(inner(each).get("id")))]
            left = left - 1 if len(told) == NEARBY and ids else 0
            message = min(ids, default=0)
        return sorted(found, key=lambda each: -each.id)[:count]

    async def since(self, message: int, count: int) -> list[Written]:
        """Return the newest messages after *message*: a page more than *count* at most."""
        found: list[Written] = []
        before: int | None = None
        while len(found) < count:
            told = await self._told(NEARBY, before=before)
            found += [each for each in self._read(told) if each.id > message]
            ids = [snowflake(inner(each).get("id")) for each in told]
            if len(told) < NEARBY or min(ids) <= message:
                break
            before = min(ids)
        return found

    async def _some(
        self, count: int, *, before: int | None = None, after: int | None = None
    ) -> list[Written]:
        return self._read(await self._told(count, before=before, after=after))

    async def _told(self, count: int, *, before: int | None = None, after: int | None = None) -> list[object]:
        with translated():
            told: object = await self.http.logs_from(self.id, count, before=before, after=after)
        return told if isinstance(told, list) else []

    def _read(self, told: Sequence[object]) -> list[Written]:
        read = (Written.of(each, self.guild) for each in told)
        return [each for each in read if each and each.kind in SPOKEN]


@dataclass(frozen=True, slots=True)
class History:
    """Reads one conversation.

    Attributes:
        channel: Where it is.
        question: The message before which it is read.
        names: Who and what is meant by an id.
        actor: Says who wrote a message.
    """

    channel: Channel
    question: int
    names: Names
    actor: Callable[[Written], Actor]

    async def recent(self, limit: int) -> Sequence[Said]:
        """Return the last messages of a direct message."""
        found = await self.channel.before(self.question, limit + 1)
        return self._said(found[:limit], [], left_out=len(found) > limit)

    async def nearby(self, limit: int) -> Sequence[Said]:
        """Return the last messages of the channel, any number."""
        return self._said(await self.channel.newest(self.question, limit), [], left_out=False)

    async def only(self, message: Written, _limit: int) -> Sequence[Said]:
        """Return *message* alone."""
        return [self._one(message)]

    async def thread(self, parent: Channel, limit: int) -> Sequence[Said]:
        """Return what a thread was opened from, and the newest of its messages.

        A thread has the id of the message in *parent* that it was opened from, a forum's post that of its
        first message.  The messages that the one in *parent* replies to are there if there is room.
        """
        id_ = self.channel.id
        inside, opening = await asyncio.gather(
            self.channel.before(self.question, limit + 1),
            parent.one(id_),  # at once: the first text waits for both
        )
        if any(each.id == id_ for each in inside):  # a short post in a forum
            return self._said(inside[:limit], [], left_out=len(inside) > limit)
        room = limit - len(inside)
        if opening and opening.kind in SPOKEN:
            above = replace(self, channel=parent, question=id_)
            links = await above.links(opening.replied, room - 1)
            return self._said(inside[: limit - 1], [opening, *links], left_out=room < 1)
        if room >= 0:
            return self._said(inside, [], left_out=False)
        first = await self.channel.one(id_) or await self.channel.first()
        return self._said(inside[: limit - 1], [first] if first else [], left_out=True)

    async def chain(self, last: int, root: int, limit: int) -> Sequence[Said]:
        """Return the chain of replies that ends at the message *last*, and what it began with.

        *root* is the id of the conversation's first message, as far as the bot remembers it.
        """
        found = await self.links(last, PAGES * NEARBY)
        whole = not found or not found[-1].replied
        if whole and len(found) <= limit:
            return self._said(found, [], left_out=False)
        known = root in {each.id for each in found}
        began = found[-1] if whole else None if known else await self.channel.one(root)
        newest = found[: limit - 1] if began else found[:limit]
        return self._said(newest, [began] if began else [], left_out=True)

    async def links(self, last: int, limit: int) -> list[Written]:
        """Return the chain of replies that ends at the message *last*, newest first."""
        if not last or limit < 1:
            return []
        nearby = {each.id: each for each in await self.channel.before(self.question)}
        found: list[Written] = []
        fetches, pages = FETCHES, PAGES - 1
        while last and len(found) < limit:
            if (
                last not in nearby and pages and len(found) > NEARBY // 2
            ):  # a long talk, and not an old message
                pages -= 1
                nearby |= {each.id: each for each in await self.channel.before(min(nearby))}
            message = nearby.get(last)
            if message is None and fetches:
                fetches -= 1
                message = await self.channel.one(last)
            if message is None or message in found:
                break
            found.append(message)
            last = message.replied
        return [each for each in found if each.kind in SPOKEN]

    def _said(self, newest: Sequence[Written], first: Sequence[Written], *, left_out: bool) -> list[Said]:
        """Return messages, both newest first, as the seam's, oldest first; some between were *left_out*."""
        began, later = [*map(self._one, reversed(first))], [*map(self._one, reversed(newest))]
        if left_out and later:
            later[0] = replace(later[0], skipped=True)
        return [*began, *later]

    def _one(self, message: Written) -> Said:
        message = message.restored(self.names.me)
        if message.author == self.names.me:
            return Said(said(string(message.raw.get("content"))), None)
        return Said(message.says(self.names), self.actor(message), files=files(message.raw))
