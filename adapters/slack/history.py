"""Reading what was said in Slack before a question."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.text import Json, said, words
from bot.events import Turn

#: Pages of 200 messages that are read of a thread, and threads that are opened in a direct message.
LONGEST_THREAD = 5
DM_THREADS = 3

#: Returns a person's display name.
Names = Callable[[str], Awaitable[str]]


class History:
    """What came before one question.

    Args:
        web: The client.
        channel: Where.
        thread: The `ts` of the thread's first message.
        question: The `ts` of the question.
        names: Finds people's names.
        me: The bot's user.
    """

    def __init__(
        self, web: AsyncWebClient, channel: str, thread: str, question: str, names: Names, me: str
    ) -> None:
        self._web = web
        self._channel = channel
        self._thread = thread
        self._question = question
        self._names = names
        self._me = me

    async def turns(self, limit: int) -> Sequence[Turn]:
        """Return up to *limit* turns of the thread, or of the direct message so far, oldest first."""
        messages = await self._earlier(limit)
        there = [message for message in messages if not self._is_silent(message)]
        turns = [await self._turn(message) for message in there[-limit:]]
        return [turn for turn in turns if turn.text]

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

    async def _turn(self, message: Json) -> Turn:
        user = message.get("user", "")
        if user == self._me:
            return Turn("assistant", said(message))
        name = await self._names(user) if user else ""
        return Turn("user", words(message.get("text", ""), self._me), name)
