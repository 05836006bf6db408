"""Reading what was said in Slack before a question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.text import Json, said, words
from bot.platform import Actor, Said

#: Pages of 200 messages that are read of a thread, and threads that are opened in a direct message.
LONGEST_THREAD = 5
DM_THREADS = 3

#: Returns who a user is.
Actors = Callable[[str], Awaitable[Actor]]


class History:
    """What came before one question.

    Args:
        web: The client.
        channel: Where.
        thread: The `ts` of the thread's first message.
        question: The `ts` of the question.
        actors: Finds people.
        me: The bot's user.
    """

    def __init__(
        self, web: AsyncWebClient, channel: str, thread: str, question: str, actors: Actors, me: str
    ) -> None:
        self._web = web
        self._channel = channel
        self._thread = thread
        self._question = question
        self._actors = actors
        self._me = me

    async def said(self, limit: int) -> Sequence[Said]:
        """Return what was said in the thread, or in the direct message so far; see `Surface.history`."""
        messages = await self._earlier(limit)
        there = [message for message in messages if not self._is_silent(message)]
        if len(there) <= limit:
            return [await self._said(message) for message in there]
        newest = [await self._said(message) for message in there[len(there) - limit + 1 :]]
        return [await self._said(there[0]), *(replace(each, skipped=each is newest[0]) for each in newest)]

    async def _earlier(self, limit: int) -> list[Json]:
        if self._thread != self._question:
            return [message async for message in self._replies(self._thread)]
        if self._channel.startswith("D"):
            return [message async for message in self._direct(limit)]
        return []

    async def _replies(self, thread: str) -> AsyncIterator[Json]:
        cursor = ""
        for _ in range(LONGEST_THREAD):
            answer = await self._web.conversations_replies(
                channel=self._channel, ts=thread, latest=self._question, limit=200, cursor=cursor or None
            )
            for message in answer["messages"]:
                if float(message["ts"]) < float(self._question):
                    yield message
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return

    async def _direct(self, limit: int) -> AsyncIterator[Json]:
        """Yield the last top-level messages, the newest threads among them opened."""
        answer = await self._web.conversations_history(
            channel=self._channel, latest=self._question, inclusive=False, limit=limit
        )
        messages = list(reversed(answer["messages"]))
        threads = [message["ts"] for message in messages if message.get("reply_count")][-DM_THREADS:]
        for message in messages:
            if message["ts"] in threads:
                async for reply in self._replies(message["ts"]):
                    yield reply
            else:
                yield message

    def _is_silent(self, message: Json) -> bool:
        """Whether *message* says nothing: what is left of a deleted one, or files of ours."""
        ours = message.get("user") == self._me and not message.get("text")
        return message.get("subtype") == "tombstone" or bool(ours and message.get("files"))

    async def _said(self, message: Json) -> Said:
        user = message.get("user", "")
        if user == self._me:
            return Said(said(message), None)
        actor = await self._actors(user) if user else Actor(message.get("bot_id", ""), bot=True)
        return Said(words(message.get("text", ""), self._me), actor)
