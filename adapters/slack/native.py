"""Writing one answer as native streams: a page grows by appends, for the one person that it is for.

Only the kind of write differs: what the core asks for is still a page, and this sends the part of it that is
not shown yet.  Rule 1: only what Slack has acknowledged counts as shown; after any doubt nothing is appended,
the stream is stopped and its message edited.  Rule 2: `buckets` names what the next write really spends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.models.messages.chunk import MarkdownTextChunk, TaskUpdateChunk

from adapters.slack.outgoing.looks import STRIPPED, Look
from adapters.slack.outgoing.streams import OFF, OVER, Stream, Streams
from adapters.slack.surface import CELLS, ITEMS, ROWS, SlackSurface
from adapters.slack.text import DIALECT, Json, joint, marked, weight
from adapters.slack.wire.errors import GONE, StillStreaming, TooLong, translated, why
from bot.events import Page, Step
from bot.platform import Bucket, Gone, Limits, Op, Receipt, Remains, SlowDown

log = structlog.get_logger(__name__)

#: Slack Tier 2 and Tier 4: 20+ and 100+ calls a minute and workspace.
STARTING = (20 / 60, 20)
APPENDS = (100 / 60, 100, 0.5)
#: UTF-8 bytes in a page; a stream holds 10.6 to 12 thousand, its task cards included.
PAGE = 9_000
#: Characters of a field of a task card, and what its states are called.
FIELD = 256
STATUSES = {"running": "in_progress", "done": "complete", "failed": "error"}


class Left(ConnectionError):
    """A stream is not appended to any more; the page is still to be written, by an edit."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who sees a stream live.

    Attributes:
        user: The person.
        team: Their workspace.
        stopped: Called when Slack says that a reader has stopped the stream in this message.
    """

    user: str
    team: str
    stopped: Callable[[str], Awaitable[None]]


async def _nothing(_message: str) -> None:
    """Let nobody know."""


#: The mark of a stream of which it is not known what it was started for.
UNKNOWN = "stream"
#: For messages of an earlier run, which are only edited.
NOBODY = Reader("", "", _nothing)


class NativeSurface(SlackSurface):
    """A thread in which answers stream natively where Slack lets them, and by edits where not.

    Args:
        where: See `SlackSurface`.
        streams: What it shares with others.
        reader: For whom.
    """

    limits = Limits(PAGE, weight, DIALECT, items=ITEMS, rows=ROWS, cells=CELLS, appends=True, steps=True)

    def __init__(self, *where: Any, streams: Streams, reader: Reader) -> None:
        super().__init__(*where)
        self._streams = streams
        self._reader = reader
        self._mine: dict[str, Stream] = {}
        self._newest = ""
        self._native: bool | None = None  # how the next message is to be made, once that is decided
        self._unsure: set[str] = set()
        self._stuck: set[str] = set()

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`."""
        if op is Op.POST:
            # Slack may refuse the stream, and a page that is not live is none: then it is a post.
            start = Bucket(f"slack/{self._team}/chat.startStream", *STARTING)
            return [start, self._posts()] if self._decided() else super().buckets(op)
        if stream := self._mine.get(self._newest):
            native = not stream.left
        else:
            native = not self._newest and self._decided()
        return [self._appends()] if native else super().buckets(op)

    def _decided(self) -> bool:
        """Decide once for every message whether it is to be a stream."""
        if self._native is None:
            self._native = bool(self._reader.user) and not self._streams.starts.take()
        return self._native

    def _appends(self) -> Bucket:
        return Bucket(f"slack/{self._team}/chat.appendStream", *APPENDS)

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`; a start has no nonce, so after a failure we look for a stream nobody knows."""
        self._works(page)
        if message := self._posted_as.get(nonce):
            receipt = await self.edit(message, page)
        elif nonce in self._unsure:
            receipt = await self._again(page, nonce)
        elif page.live and self._decided():
            receipt = await self._start(page, nonce)
        else:
            receipt = await super().post(page, nonce)
        self._newest, self._native = receipt.message, None
        self._unsure.discard(nonce)
        return receipt

    def resume(self, remains: Remains) -> None:
        """See `SlackSurface.resume`; a stream of an earlier run is found because it is no known one."""
        super().resume(remains)
        self._unsure.update(remains.nonces)
        self._streams.known.extend(message.split("/")[-1] for message in remains.messages)

    async def settle(self) -> None:
        """See `Surface.settle`: a stream is still to be stopped."""
        for stream in [*self._mine.values()]:
            await stream.done()
        await super().settle()
        if not all(stream.stopped for stream in self._mine.values()):
            raise ConnectionError("a stream is not stopped yet")

    async def _start(self, page: Page, nonce: str) -> Receipt:
        text = page.text[: joint(page.text, page.settled)]
        try:
            with translated():
                answer = await self._web.chat_startStream(
                    channel=self._channel,
                    thread_ts=self._thread,
                    **_grown(text, page.steps),
                    recipient_user_id=self._reader.user,
                    recipient_team_id=self._reader.team,
                )
        except SlowDown as slow:
            self._streams.starts.block(slow.retry_after)
        except (Gone, SlackApiError) as error:
            code = why(error) if isinstance(error, SlackApiError) else str(error)
            if code not in GONE or code == "missing_scope":  # the others are about this channel
                log.warning("Slack refuses native streams; answers are edited", error=code)
                self._streams.starts.block(OFF)
        except TooLong as error:
            if error.ts:  # it is there, and shows a part
                message = self._posted_as[nonce] = self._adopt(self._key(error.ts), nonce=nonce)
                self._mine[message].ask()
                return await self.edit(message, page)
        except OSError:
            self._unsure.add(nonce)
            raise
        else:
            message = self._adopt(self._key(answer["ts"]), text, nonce=nonce)
            self._mine[message].steps = page.steps
            return Receipt(message)
        return await super().post(page, nonce)

    def _adopt(self, message: str, sent: str = "", nonce: str = UNKNOWN) -> str:
        """Keep the stream that *message* is; return *message*."""
        _, _, channel, ts = message.split("/")
        repair = partial(super()._update, message)
        stream = self._mine[message] = Stream(self._streams, channel, ts, sent, nonce, repair)
        self._streams.keep(stream)
        if self._sessions:
            self._sessions.works(self._channel, self._thread)
        return message

    async def _again(self, page: Page, nonce: str) -> Receipt:
        """Post after a start of which nobody knows whether it got through."""
        if ts := await self._unknown():
            message = self._posted_as[nonce] = self._adopt(self._key(ts), nonce=nonce)
            self._mine[message].ask()
            return await self.edit(message, page)
        return await super().post(page, nonce)

    async def _unknown(self) -> str:
        """Return the `ts` of a message of ours in this thread that is no post and no known stream, if any.

        It returns "" too if Slack won't say.
        """
        try:
            answer = await self._since()
        except (Gone, SlackApiError) as error:
            log.warning("a stream that may have begun was not looked for", error=str(error))
            return ""
        later = (each for each in answer if float(each["ts"]) > float(self._question))
        mine = (each for each in later if each.get("user") == self._me and not _posted(each))
        return next((str(each["ts"]) for each in mine if each["ts"] not in self._streams.known), "")

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`: an append, while the message streams."""
        stream = self._mine.get(message)
        if stream is None:
            return await super().edit(message, page)
        if stream.left:
            await stream.close()
            return await super().edit(message, page)
        await self._grow(stream, message, page)
        return await self._filed(Receipt(message), page)

    async def _grow(self, stream: Stream, message: str, page: Page) -> None:
        """Append what *page* shows and the stream does not."""
        whole = page.text
        wanted = whole[: joint(whole, page.settled)] if page.live else whole
        # While nothing is said yet, Slack's own mark of a session at work stands for the note, and the list
        # of tools for what it says of those that run.
        working = any(step.state == "running" for step in page.steps)
        noted = page.live and page.note and page.text and not working
        if noted or not whole.startswith(stream.sent):
            stream.ask()
            raise Left("a page is not what its stream shows with more below: it is edited from here on")
        rest, steps = wanted[len(stream.sent) :], [step for step in page.steps if step not in stream.steps]
        if rest or steps:
            await self._append(stream, message, rest, steps)
            stream.steps = page.steps
        if page.live:
            return
        if stream.left:
            raise Left("a stream came of age: its message is edited from here on")
        await stream.finish(page)

    async def _append(self, stream: Stream, message: str, text: str, steps: Sequence[Step]) -> None:
        try:
            with translated(self._appends().key):
                await self._web.chat_appendStream(channel=self._channel, ts=stream.ts, **_grown(text, steps))
        except SlowDown:
            raise
        except TooLong as error:
            stream.ask()
            raise Left("Slack has shortened a stream: its message is edited") from error
        except SlackApiError as error:
            code = why(error)
            stream.over = code in OVER
            stream.ask()
            if code == "stopped_by_user":
                await self._reader.stopped(message)
            raise Left(f"Slack takes no more of a stream ({code}): its message is edited") from error
        except (Gone, OSError):
            stream.ask()  # it may have got through, so it is never sent again
            raise
        stream.sent += text

    async def _update(self, message: str, page: Page) -> Receipt:
        try:
            receipt = await super()._update(message, page)
        except StillStreaming as error:
            return await self._taken_up(message, page, error)
        if stream := self._mine.get(message):
            stream.stopped = True
        return receipt

    async def _taken_up(self, message: str, page: Page, error: StillStreaming) -> Receipt:
        """Let *message*, which cannot be changed yet, be stopped; once that is done, it is not done again."""
        stream = self._mine.get(message)
        if stream is None or not stream.stopped:  # a crash left it streaming, or its stop was not heard
            self._mine[self._adopt(message, nonce=stream.nonce if stream else UNKNOWN)].ask()
        elif message in self._stuck:
            log.warning("Slack says of a stream that it is none, and that it is one", message=message)
            self._fixed.add(message)
            return await self._beside(message, page)
        else:
            self._stuck.add(message)
        raise Left("a message is still a stream") from error

    def _mark(self, message: str) -> Json:
        """See `SlackSurface._mark`: a stream has no mark unless its stop was heard as it was meant."""
        stream = self._mine.get(message)
        return {"metadata": marked(stream.nonce)} if stream else {}

    async def _send(self, page: Page, nonce: str, look: Look) -> str:
        ts = await super()._send(page, nonce, look)
        if look is Look.BARE:
            self._streams.known.append(ts)  # it has no mark, and is no stream
        return ts

    async def replace(self, message: str, page: Page, nonce: str) -> Receipt:
        """See `Surface.replace`; a stream can be deleted once it is stopped."""
        if stream := self._mine.get(message):
            stream.ask()
        receipt = await super().replace(message, page, nonce)
        self._newest = receipt.message
        return receipt

    async def _delete(self, message: str, after: float = 0.0) -> None:
        if stream := self._mine.get(message):
            await stream.close()
        await super()._delete(message, after)


def _grown(text: str, steps: Sequence[Step]) -> Json:
    """Return the arguments that add *text* and *steps* to a stream, each step as a task card."""
    if not steps:
        return {"markdown_text": text or None}
    said = [MarkdownTextChunk(text=text)] if text else []
    return {"chunks": [*said, *(_card(step) for step in steps)]}


def _card(step: Step) -> TaskUpdateChunk:
    details = step.note[:FIELD] or None
    return TaskUpdateChunk(id=step.id, title=step.title[:FIELD], status=STATUSES[step.state], details=details)


def _posted(message: Json) -> bool:
    """Whether *message*, which is ours, was posted or was a stream that was stopped."""
    return bool(message.get("metadata") or message.get("files") or STRIPPED in message.get("text", ""))


__all__ = ["NOBODY", "Left", "NativeSurface", "Reader"]
