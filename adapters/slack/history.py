"""Reading what was said in Slack before a question."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.blocks import objects, string
from adapters.slack.people import People
from adapters.slack.reading import Message, attributed, unnamed
from adapters.slack.text import Json, said
from adapters.slack.wire.errors import translated, why
from bot.events import File
from bot.platform import Actor, Said

#: Replies that are asked for at once, and requests that one thread may take.
PAGE = 500
REQUESTS = 8
#: Threads that are opened in a direct message.
DM_THREADS = 3
#: People that are asked for, of one history; the others are strangers.
AUTHORS = 20


class History:
    """What came before one question.

    Args:
        web: The client.
        channel: Where.
        thread: The `ts` of the thread's first message.
        question: The `ts` of the question.
        people: Finds people and names.
        me: The bot's user.
    """

    def __init__(
        self, web: AsyncWebClient, channel: str, thread: str, question: str, people: People, me: str
    ) -> None:
        self._web = web
        self._channel = channel
        self._thread = thread
        self._question = question
        self._people = people
        self._me = me

    async def said(self, limit: int) -> Sequence[Said]:
        """Return what was said in the thread, or in the direct message so far; see `Surface.history`."""
        messages, gap = await self._earlier(limit)
        there = self._heard(messages)
        root = 0 if self._is_direct() else 1  # what a direct message began with says nothing
        if len(there) > limit:
            there, gap = [*there[:root], *there[root - limit :]], True
        result = await self._told(there)
        return [replace(each, skipped=gap and number == root) for number, each in enumerate(result)]

    def _is_direct(self) -> bool:
        """Tell whether the question stands in a direct message, and in no thread there."""
        return self._thread == self._question and self._channel.startswith("D")

    async def recent(self, limit: int) -> Sequence[Said]:
        """Return the newest messages of the channel, the newest threads opened; see `Surface.recent`."""
        found = await self._opened(await self._newest(limit), PAGE)
        there = self._heard(found)
        return await self._told(sorted(there, key=_moment)[-limit:])

    def _heard(self, messages: Sequence[Json]) -> list[Json]:
        """Return those of *messages* that say something, each as its writer's."""
        return [attributed(message, self._me) for message in messages if not self._is_silent(message)]

    async def _newest(self, limit: int) -> list[Json]:
        """Return the newest top-level messages before the question, in at most `REQUESTS` requests."""
        found: list[Json] = []
        latest = self._question
        for _ in range(REQUESTS):
            with _asking():
                answer = await self._web.conversations_history(
                    channel=self._channel, latest=latest, inclusive=False, limit=min(PAGE, limit - len(found))
                )
            page = objects(answer.get("messages"), PAGE)
            found += page
            if not page or len(found) >= limit or not answer.get("has_more"):
                break
            latest = string(page[-1].get("ts"))
        return found[::-1]

    async def _told(self, there: Sequence[Json]) -> list[Said]:
        """Return messages as the seam's, with names for ids."""
        read = {id(message): Message.of(message) for message in there}
        names, actors = await asyncio.gather(self._people.names(unnamed(read.values())), self._actors(there))
        return [
            Said(said(message), None)
            if self._ours(message)
            else _of(read[id(message)], names, self._me, actors[_author(message)])
            for message in there
        ]

    async def attached(self) -> Sequence[File]:
        """Return the files of the question."""
        with _asking():
            answer = await self._web.conversations_replies(
                channel=self._channel,
                ts=self._thread,
                oldest=self._question,
                latest=self._question,
                inclusive=True,
                limit=2,  # the thread's first message comes too
            )
        found = (each for each in objects(answer.get("messages")) if each.get("ts") == self._question)
        return [file for message in found for file in Message.of(message).files]

    async def _actors(self, messages: Sequence[Json]) -> dict[str, Actor]:
        """Return who wrote *messages*; those who are not known are asked for at once, the newest of them."""
        authors = {_author(message): message for message in reversed(messages) if not self._ours(message)}
        users = [user for message in authors.values() if (user := string(message.get("user")))]
        strangers = [user for user in users if self._people.known(user) is None][AUTHORS:]
        asked = [user for user in users if user not in strangers]
        people = dict(zip(asked, await asyncio.gather(*map(self._people.somebody, asked)), strict=True))
        return {
            author: people.get(author) or self._stranger(author, message)
            for author, message in authors.items()
        }

    def _stranger(self, author: str, message: Json) -> Actor:
        """Return who wrote *message* as far as it says that itself."""
        name, user = string(message.get("username")) or author, string(message.get("user"))
        return Actor(author, name, bot=author not in self._people.bots, guest=bool(user))

    async def _earlier(self, limit: int) -> tuple[list[Json], bool]:
        """Return the messages before the question, and whether some are missing; see `said`."""
        if self._thread != self._question:
            return await self._replies(self._thread, limit)
        return await self._direct(limit) if self._is_direct() else ([], False)

    async def _replies(self, thread: str, limit: int) -> tuple[list[Json], bool]:
        """Return the root and the newest replies before the question.

        Slack lists a thread from its root on.  A long one is therefore asked for from a later moment on;
        which one leaves about as many as are wanted is found by halving, in at most `REQUESTS` requests.
        """
        found, more = await self._window(thread, "")
        if not more or not found:
            return found, False
        root, end = found[0], float(self._question)
        shortest, longest = 0.0, end - float(thread)
        span = longest * min(1.0, 2 * limit / max(_count(root), PAGE))
        best: list[Json] = []
        for _ in range(REQUESTS - 1):
            window, more = await self._window(thread, f"{end - span:.6f}")
            replies = [message for message in window if message.get("ts") != root.get("ts")]
            if more:
                longest = span
            else:
                shortest, best = span, max(best, replies, key=len)
                if len(replies) >= limit:
                    break
            span = (shortest * longest) ** 0.5 if shortest else longest / 8
        return [root, *(best or found[1:])], True

    async def _window(self, thread: str, oldest: str) -> tuple[list[Json], bool]:
        """Return the root and the first replies from *oldest* on, and whether there are more."""
        with _asking():
            answer = await self._web.conversations_replies(
                channel=self._channel, ts=thread, latest=self._question, oldest=oldest or None, limit=PAGE
            )
        found = objects(answer.get("messages"), PAGE + 1)  # the root comes with each page
        return [message for message in found if _before(message, self._question)], bool(
            answer.get("has_more")
        )

    async def _direct(self, limit: int) -> tuple[list[Json], bool]:
        """Return the last top-level messages, the newest threads among them opened; and if there are more."""
        found = await self._newest(limit)
        return await self._opened(found, limit), len(found) >= limit

    async def _opened(self, messages: Sequence[Json], limit: int) -> list[Json]:
        """Return top-level *messages* with what stands in the newest threads among them."""
        threads = [message.get("ts") for message in messages if message.get("reply_count")][-DM_THREADS:]
        opened = await asyncio.gather(*(self._replies(string(ts), limit) for ts in threads))
        inside = {ts: found for ts, (found, _) in zip(threads, opened, strict=True)}
        return [each for message in messages for each in inside.get(message.get("ts"), [message])]

    def _ours(self, message: Json) -> bool:
        return message.get("user") == self._me

    def _is_silent(self, message: Json) -> bool:
        """Whether *message* says nothing: what is left of a deleted one, or files of ours."""
        ours = self._ours(message) and not message.get("text")
        return message.get("subtype") == "tombstone" or bool(ours and message.get("files"))


@contextmanager
def _asking() -> Iterator[None]:
    """Turn what Slack says when it shows nothing into an error of the seam."""
    try:
        with translated():
            yield
    except SlackApiError as error:
        raise ConnectionError(f"Slack does not show what was said: {why(error)}") from error


def _of(message: Message, names: Mapping[str, str], me: str, actor: Actor) -> Said:
    return Said(message.says(names, me), actor, files=message.files)


def _author(message: Json) -> str:
    """Return the id of who wrote *message*: a user, or a bot without one."""
    return string(message.get("user")) or string(message.get("bot_id")) or "nobody"


def _count(root: Json) -> int:
    count = root.get("reply_count")
    return count if isinstance(count, int) else 0


def _before(message: Json, question: str) -> bool:
    return 0 < _moment(message) < float(question)


def _moment(message: Json) -> float:
    """Return when *message* was written, in seconds since 1970; 0 if that is not said."""
    try:
        return float(string(message.get("ts")))
    except ValueError:
        return 0.0
