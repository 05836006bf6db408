"""What one person is told beside a message, and nobody else sees: see `Platform.whisper`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.blocks import objects, string
from adapters.slack.outgoing.replies import reply
from adapters.slack.text import Json
from adapters.slack.wire.errands import Tally
from adapters.slack.wire.errors import TooLong, translated
from adapters.slack.wire.web import Web
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: Slack Tier 4, chat.postEphemeral: 100+ a minute; the rest is for notices.
WHISPERS = 80
#: Seconds that one waits for its turn, or for a Slack that is not well; then it is not said.
PATIENCE = 5.0

#: Returns the thread that a message is in, "" for none; None if that is not known.
Threads = Callable[[str], str | None]


class Whispers:
    """Tells people things that only they see.

    Args:
        web: The client.
        threads: Knows the threads of questions.
    """

    def __init__(self, web: Web, threads: Threads) -> None:
        self._web = web
        self._threads = threads
        self._tally = Tally(WHISPERS)

    async def tell(self, message: str, user: str, text: str) -> bool:
        """Show *text*, plain markdown, to *user* alone where *message*, a key, is; tell whether it was."""
        match message.split("/"):
            case [_, _, channel, ts, *_]:
                thread = self._threads(f"{'/'.join(message.split('/')[:3])}/{ts}")
                thread = await self._thread(channel, ts) if thread is None else thread
                below = {"thread_ts": thread} if thread else {}
                return await self._tell({"channel": channel, "user": user, **below}, text)
        return False

    async def notify(self, user: str, text: str) -> bool:
        """Send *text*, plain markdown, to *user* as a direct message; tell whether that was done."""
        where = {"channel": user, "unfurl_links": False, "unfurl_media": False}
        return bool(user) and await self._tell(where, text, "chat.postMessage")

    async def _tell(self, where: Json, text: str, method: str = "chat.postEphemeral") -> bool:
        full = reply(text)
        for shown in (full, {"text": full["text"]}):
            if not await self._turn():
                return False
            try:
                with translated():
                    await self._web.api_call(method, json={**where, **shown})
            except SlowDown as slow:
                self._tally.block(slow.retry_after)
            except (Gone, OSError) as error:
                log.info("somebody was not told", error=str(error))
                return False
            except (TooLong, SlackApiError) as error:  # perhaps of the blocks
                log.info("somebody was not told", error=str(error))
            else:
                return True
        return False

    async def _turn(self) -> bool:
        """Wait a little until a call may be made; tell whether it may."""
        if (wait := self._tally.take()) > PATIENCE:
            return False
        if not wait:
            return True
        await asyncio.sleep(wait)
        return not self._tally.take()

    async def _thread(self, channel: str, ts: str) -> str:
        """Return the thread that a message is a reply in; "" if it is none, or Slack does not say.

        What is whispered in a thread that nobody has begun is shown nowhere.
        """
        try:
            with translated():
                answer = await self._web.conversations_replies(channel=channel, ts=ts, limit=1)
        except (Gone, SlowDown, OSError, SlackApiError) as error:
            log.info("the thread of a message is not known", error=str(error))
            return ""
        found = (string(each.get("thread_ts")) for each in objects(answer.get("messages")))
        return next((thread for thread in found if thread and thread != ts), "")
