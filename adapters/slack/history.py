"""Reading what was said in Slack before a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.blocks import objects, string
from adapters.slack.people import People
from adapters.slack.reading import Message, unnamed
from adapters.slack.text import Json, said
from adapters.slack.wire.errors import translated
from bot.platform import Actor, Said

#: Replies that are asked for at once, and requests that one thread may take.
PAGE = 200
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
        there = [message for message in messages if not self._is_silent(message)]
        if len(there) > limit:
            there, gap = [there[0], *there[len(there) - limit + 1 :]], True
        result = await self._told(there)
        return [replace(each, skipped=gap and number == 1) for number, each in enumerate(result)]

    async def recent(self, limit: int) -> Sequence[Said]:
        """Return the newest messages of the channel, the newest threads opened; see `Surface.recent`."""
        found = await self._opened(await self._newest(limit), PAGE)
        there = [message for message in found if not self._is_silent(message)]
        return await self._told(sorted(there, key=_moment)[-limit:])

    async def _newest(self, limit: int) -> list[Json]:
        """Return the newest top-level messages before the question, in at most `REQUESTS` requests."""
        found: list[Json] = []
        latest = self._question
        for _ in range(REQUESTS):
            with translated():
                answer = await self._web.conversations_history(
                    channel=self._channel, latest=latest, inclusive=False, limit=min(PAGE, limit - len(found))
                )
            page = objects(answer.get("messages"))
            found += page
            if not page or len(found) >= limit or not answer.get("has_more"):
                break
            latest = string(page[-1].get("ts"))
        return found[::-1]

    async def _told(self, there: Sequence[Json]) -> list[Said]:
        """Return messages as the seam's, with names for ids."""
        read = {id(message): Message.of(message) for message in there}
        names = await self._people.names(unnamed(read.values()))
        actors = await self._actors(there)
        return [
            Said(said(message), None)
            if self._ours(message)
            else Said(read[id(message)].says(names, self._me), actors[_author(message)])
            for message in there
        ]

    async def _actors(self, messages: Sequence[Json]) -> dict[str, Actor]:
        """Return who wrote *messages*, the newest of them asked for first."""
        authors = {_author(message): message for message in reversed(messages) if not self._ours(message)}
        found: dict[str, Actor] = {}
        asked = 0
        for author, message in authors.items():
            user = string(message.get("user"))
            asked += bool(user) and self._people.known(user) is None
            if user and asked <= AUTHORS:
                found[author] = await self._people.somebody(user)
            else:
                bots = self._people.bots
                name = string(message.get("username")) or author
                found[author] = Actor(author, name, bot=author not in bots, guest=bool(user))
        return found

    async def _earlier(self, limit: int) -> tuple[list[Json], bool]:
        """Return the messages before the question, and whether some are missing behind the first."""
        if self._thread != self._question:
            return await self._replies(self._thread, limit)
        if self._channel.startswith("D"):
            return await self._direct(limit), False
        return [], False

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
        with translated():
            answer = await self._web.conversations_replies(
                channel=self._channel, ts=thread, latest=self._question, oldest=oldest or None, limit=PAGE
            )
        found = objects(answer.get("messages"))
        return [message for message in found if _before(message, self._question)], bool(
            answer.get("has_more")
        )

    async def _direct(self, limit: int) -> list[Json]:
        """Return the last top-level messages, the newest threads among them opened."""
        return await self._opened(await self._newest(limit), limit)

    async def _opened(self, messages: Sequence[Json], limit: int) -> list[Json]:
        """Return top-level *messages* with what stands in the newest threads among them."""
        threads = [message.get("ts") for message in messages if message.get("reply_count")][-DM_THREADS:]
        found: list[Json] = []
        for message in messages:
            if message.get("ts") in threads:
                found += (await self._replies(string(message.get("ts")), limit))[0]
            else:
                found.append(message)
        return found

    def _ours(self, message: Json) -> bool:
        return message.get("user") == self._me

    def _is_silent(self, message: Json) -> bool:
        """Whether *message* says nothing: what is left of a deleted one, or files of ours."""
        ours = self._ours(message) and not message.get("text")
        return message.get("subtype") == "tombstone" or bool(ours and message.get("files"))


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
