"""Writing one answer to a Slack thread, and reading what was said there before."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.text import Json, blocks, harmless, said, size
from bot.events import Page, Turn
from bot.platform import Bucket, Gone, Limits, Op, Receipt, SlowDown, Surface

log = structlog.get_logger(__name__)

#: Slack Tier 3: 50+ calls a minute per method and workspace.  45/min and 5 at once: at most 50 in any minute.
UPDATES = (45 / 60, 5)
#: "One message per second per channel", with short bursts.
POSTS = (0.8, 2)
#: All markdown blocks of a message together hold 12,000 characters.
PAGE = 11_000
#: The notification text, which Slack refuses over 4,000 bytes, and people see cut far earlier.
PREVIEW = 200
#: What a 429 without a usable Retry-After is taken for (Slack's own example), and the longest that is obeyed.
RETRY_AFTER = 30.0
LONGEST_RETRY = 300.0

#: Answers to a call that no second try will change.
GONE = frozenset(
    {
        *(
            "message_not_found",
            "cant_update_message",
            "edit_window_closed",
            "thread_not_found",
            "is_inactive",
        ),
        *("channel_not_found", "not_in_channel", "is_archived", "restricted_action", "no_permission"),
        *("missing_scope", "account_inactive", "invalid_auth", "token_revoked", "not_authed"),
    }
)
#: Answers that say that Slack is not well.
ILL = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})

#: Pages of 200 messages that are read of a thread, and threads that are opened in a direct message.
LONGEST_THREAD = 5
DM_THREADS = 3

#: Returns a person's display name.
Names = Callable[[str], Awaitable[str]]


@contextmanager
def translated(bucket: str = "") -> Iterator[None]:
    """Turn the SDK's errors into those of the seam; *bucket* is the key that a 429 is about."""
    try:
        yield
    except SlackApiError as error:
        status, code = error.response.status_code, str(error.response.get("error", ""))
        if status == 429 or code == "ratelimited":
            raise SlowDown(retry_after(error.response.headers), bucket) from error
        if code in GONE:
            raise Gone(code) from error
        if status >= 500 or code in ILL:
            raise ConnectionError(f"Slack answered {status} {code}") from error
        raise
    except TimeoutError:
        raise
    except aiohttp.ClientError as error:
        raise ConnectionError(f"Slack was not reached: {type(error).__name__}") from error


def retry_after(headers: Any) -> float:
    """Return the seconds that a 429 asks for, whatever it says."""
    try:
        seconds = float({key.lower(): value for key, value in headers.items()}["retry-after"])
    except (KeyError, ValueError):
        return RETRY_AFTER
    return min(max(seconds, 1.0), LONGEST_RETRY) if math.isfinite(seconds) else RETRY_AFTER


class SlackSurface(Surface):
    """A thread in a Slack channel or direct message.

    Args:
        web: The client, without retries of its own.
        team: The workspace.
        channel: Where.
        thread: The `ts` of the thread's first message.
        question: The `ts` of the question.
        names: Finds people's names for the history.
    """

    limits = Limits(PAGE, size)

    def __init__(
        self, web: AsyncWebClient, team: str, channel: str, thread: str, question: str, names: Names
    ) -> None:
        self._web = web
        self._team = team
        self._channel = channel
        self._thread = thread
        self._question = question
        self._names = names

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`."""
        if op is Op.POST:
            return [Bucket(f"slack/{self._team}/chat.postMessage/{self._channel}", *POSTS)]
        return [Bucket(f"slack/{self._team}/chat.update", *UPDATES)]

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`."""
        with translated(self.buckets(Op.POST)[0].key):
            answer = await self._web.chat_postMessage(
                channel=self._channel,
                thread_ts=self._thread,
                blocks=blocks(page),
                text=self._preview(page),
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": "rivulet_page", "event_payload": {"nonce": nonce}},
            )
        return Receipt(f"slack/{self._team}/{self._channel}/{answer['ts']}")

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`."""
        _, _, channel, ts = message.split("/")
        with translated(self.buckets(Op.EDIT)[0].key):
            await self._web.chat_update(channel=channel, ts=ts, blocks=blocks(page), text=self._preview(page))
        return Receipt(message)

    async def status(self, on: bool) -> None:
        """See `Surface.status`: a pair of eyes on the question."""
        call = self._web.reactions_add if on else self._web.reactions_remove
        try:
            with translated():
                await call(channel=self._channel, timestamp=self._question, name="eyes")
        except (SlackApiError, SlowDown, Gone, OSError) as error:
            log.info("no status shown", error=str(error))

    async def history(self, limit: int) -> Sequence[Turn]:
        """See `Surface.history`: the thread, or the direct message so far."""
        with translated():
            if self._thread != self._question:
                messages = [message async for message in self._replies(self._thread)]
            elif self._channel.startswith("D"):
                messages = [message async for message in self._direct(limit)]
            else:
                messages = []
        turns = [await self._turn(message) for message in messages[-limit:]]
        return [turn for turn in turns if turn.text]

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

    async def _turn(self, message: Json) -> Turn:
        if message.get("bot_id"):
            return Turn("assistant", said(message))
        return Turn("user", said(message), await self._names(message.get("user", "")))

    def _preview(self, page: Page) -> str:
        return harmless(page.text[:PREVIEW]) or page.note or "…"
