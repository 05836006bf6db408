"""Slack's native streams: one that is open, and what all of a workspace share.

A stream dies five minutes after its start, whatever is appended, and shows a broken mark if nobody stops it.
So every stream has a keeper, a task that stops it when it is asked to, and in good time if nobody asks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.text import Json, marked, small_print
from adapters.slack.wire.errands import Errands, Tally
from adapters.slack.wire.errors import StillStreaming, TooLong, code_of, translated
from bot.events import Page, Step
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: Slack Tier 2: 20+ calls of chat.startStream a minute and workspace, as many of chat.stopStream; two are
#: kept back.
STARTS = STOPS = 18
#: Seconds after which a stream is stopped and edited from then on; it dies at 300.
ROTATE = 240.0
#: Seconds before each new try of a stop; more would outlast the stream.
AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
#: Seconds for which no stream is tried after Slack has refused one for a reason of the app's or the plan's.
OFF = 600.0
#: Seconds that a last write waits for the stop of its stream before it lets that lag behind.
WITH = 2.0
#: Answers that say that a stream is no more.
OVER = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
#: Streams that are remembered.
KNOWN = 1000


class Streams:
    """What the streams of a workspace share.

    Attributes:
        errands: Keeps the keepers.
        starts: Counts chat.startStream.
        stops: Counts chat.stopStream.
        known: The `ts` of the streams that were started and answered for.
    """

    def __init__(self, web: AsyncWebClient, errands: Errands) -> None:
        self.web = web
        self.errands = errands
        self.starts = Tally(STARTS)
        self.stops = Tally(STOPS)
        self.known: deque[str] = deque(maxlen=KNOWN)
        self._open: set[Stream] = set()

    def keep(self, stream: Stream) -> None:
        """Let *stream* be stopped in time."""
        self.known.append(stream.ts)
        self._open.add(stream)
        self.errands.start(stream.keep()).add_done_callback(lambda _: self._open.discard(stream))

    async def close(self) -> None:
        """Stop what is still open."""
        for stream in self._open:
            stream.ask()
        await self.errands.close()


#: Writes a page by chat.update.
Repair = Callable[[Page], Awaitable[object]]


class Stream:
    """One message that grows by appends.

    Args:
        streams: What it shares with others.
        channel: Where.
        ts: The message.
        sent: What it shows: all that Slack has acknowledged.
        nonce: What its message is marked with when it stops, so that nobody takes it for a stream of theirs.
        repair: Writes the last page if the stream ended before it was whole.

    Attributes:
        steps: The tools that it lists.
        left: Whether nothing is appended any more.
        over: Whether Slack has said that it is no stream any more.
        stopped: Whether it is known to be none, so that nothing is left to do.
    """

    def __init__(
        self, streams: Streams, channel: str, ts: str, sent: str, nonce: str, repair: Repair
    ) -> None:
        self.ts = ts
        self.sent = sent
        self.steps: Sequence[Step] = ()
        self.nonce = nonce
        self.left = False
        self.over = False
        self.stopped = False
        self._streams = streams
        self._channel = channel
        self._repair = repair
        self._page: Page | None = None
        self._asked = asyncio.Event()
        self._done = asyncio.Event()

    def ask(self) -> None:
        """Let the keeper stop it."""
        self.left = True
        self._asked.set()

    async def close(self) -> None:
        """Stop it; afterwards it can be edited."""
        self.ask()
        await self._done.wait()

    async def done(self) -> None:
        """Wait until it is stopped."""
        await self._done.wait()

    async def finish(self, page: Page) -> None:
        """Stop it below *page*, whose text it shows; if that takes long, it lags behind."""
        self._page = page
        self.ask()
        try:
            async with asyncio.timeout(WITH):
                await self._done.wait()
        except TimeoutError:
            log.info("a stream is stopped later", message=self.ts)

    async def keep(self) -> None:
        """Stop it when asked, or in good time; the keeper's task."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROTATE):
                    await self._asked.wait()
            self.left = True
            if (self.over or not await self._stop()) and self._page:
                self.stopped |= await self._whole(self._page)
        finally:
            self._done.set()

    async def _stop(self) -> bool:
        """Stop it, with its note and buttons; False if it does not show them."""
        drawn = small_print(self._page) if self._page else []
        heard = await self._call({"blocks": drawn or None, "metadata": marked(self.nonce)})
        if heard is None:  # Slack calls it invalid: it stops without what is optional
            return bool(await self._call({})) and not drawn
        return heard

    async def _call(self, more: Json) -> bool | None:
        """Call chat.stopStream until it is heard; False if it was over before, None if it is refused."""
        for delay in AGAIN:
            await self._streams.stops.turn()
            try:
                with translated():
                    await self._streams.web.chat_stopStream(channel=self._channel, ts=self.ts, **more)
            except SlowDown as slow:
                self._streams.stops.block(slow.retry_after)
            except (Gone, TooLong, SlackApiError) as error:
                log.info("a stream was not stopped", message=self.ts, error=str(error))
                code = code_of(error) if isinstance(error, SlackApiError) else ""
                self.stopped = isinstance(error, Gone) or code in OVER
                return False if self.stopped else None
            except OSError:
                await asyncio.sleep(delay)
            else:
                self.stopped = True
                return True
        log.warning("a stream was not stopped", message=self.ts)
        return False

    async def _whole(self, page: Page) -> bool:
        """Write *page* over what was a stream; tell whether nothing is left to do."""
        for delay in AGAIN:
            try:
                await self._repair(page)
            except SlowDown as slow:
                await asyncio.sleep(slow.retry_after)
            except StillStreaming:
                break
            except OSError:
                await asyncio.sleep(delay)
            except Gone as gone:
                log.warning("a stream stays as it was", message=self.ts, error=str(gone))
                return True
            else:
                return True
        log.warning("a stream stays as it was", message=self.ts)
        return False
