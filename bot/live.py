"""One answer while it is live: a reader, a writer, and nothing else that has tasks for an answer.

The reader feeds the model's events to an `Answer`; the writer shows it on the mention's `Surface` whenever
`Pace` allows.

Rule 1: the reader never awaits a platform's write, so a slow platform never slows a stop.
Rule 2: the writer is never cancelled, only told: it finishes the request that is out, then looks anew.
Rule 3: nothing that is rendered waits; what waits is rendered when its turn comes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import structlog

from bot import conversation
from bot.access import Access
from bot.answer import Answer, Ending, Phase, Write
from bot.events import Event, Text, Turn
from bot.model import Model, ModelError, Request
from bot.pace import Pace
from bot.pace import Turn as WriteTurn
from bot.platform import Edited, Gone, Mention, Outcome, Receipt, SlowDown, Stop
from bot.stops import Stops

log = structlog.get_logger(__name__)

#: Seconds before each new try of a write that failed without the platform saying why.
RETRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0)
#: Seconds after which a page is sent again when an edit before it timed out and may still land (FAULTS R2).
SETTLE = 2.0

BROKEN = "Something broke on our side; the operator's log says what."


@dataclass(frozen=True, slots=True)
class Asking:
    """What every request to the model has in common; see `Request`.

    Attributes:
        ahead: How many characters a reader may be ahead of the screen before it stops reading.
    """

    system: str = ""
    model: str = ""
    effort: str = ""
    max_tokens: int = 8192
    ahead: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Means:
    """What all answers of a core share."""

    model: Model
    access: Access
    stops: Stops[Live]
    pace: Pace
    asking: Asking


class Live:
    """One answer being read from the model and written to its surface."""

    def __init__(self, means: Means, mention: Mention, saying: str = "") -> None:
        self.mention = mention
        self._means = means
        self._saying = saying
        self._surface = mention.surface
        self._answer = Answer(mention.surface.limits)
        self._id = secrets.token_hex(9)  # with a page's number a nonce of at most 25 characters
        self._begun = asyncio.Event()
        self._changed = asyncio.Event()
        self._shown = asyncio.Event()
        self._ended = asyncio.Event()
        self._turn: WriteTurn | None = None
        self._reader: asyncio.Task[None] | None = None
        self._failures = 0
        self._doubtful: str | None = None

    async def go(self) -> None:
        """Answer the mention; returns after the last edit."""
        self._watch(self.mention.key)
        try:
            if not self._begun.is_set():
                await self._surface.status(on=True)
                await self._begun.wait()
                await self._surface.status(on=False)
            if self._answer.phase is Phase.OPEN:
                self._read()
            await self._write()
        finally:
            self._means.stops.forget(self.mention.key, *self._answer.messages)
            if self._reader:
                self._reader.cancel()
                await asyncio.wait({self._reader})

    def begin(self) -> None:
        """Stop waiting for other answers of the conversation."""
        self._begun.set()

    def stop(self, stop: Stop) -> Outcome:
        """End the answer for a person, if it may be them."""
        if not self._means.access.may_stop(stop.actor, self.mention.actor):
            return Outcome.REFUSED
        self.cut(Ending.STOPPED, f"Stopped by {_name(stop)}.")
        return Outcome.STOPPED

    def cut(self, ending: Ending, note: str) -> None:
        """End the answer now and hang up on the model."""
        self._end(ending, note)
        self.begin()
        if self._reader:
            self._reader.cancel()

    def reword(self, edited: Edited) -> None:
        """Ask anew with the text of *edited*, if it is the asker's and nothing was answered yet."""
        fresh = self._answer.phase is Phase.OPEN and not self._answer.received
        news = edited.text != self.mention.text and edited.actor.id == self.mention.actor.id
        if not (fresh and news):
            return
        self.mention = replace(self.mention, text=edited.text)
        if self._reader:
            self._reader.cancel()
            self._read()

    def _end(self, ending: Ending, note: str = "") -> None:
        self._answer.end(ending, note)
        self._changed.set()
        self._shown.set()
        self._ended.set()
        if self._turn:
            self._turn.leave()  # finals do not wait among previews

    def _watch(self, message: str) -> None:
        if early := self._means.stops.watch(message, self, _now()):
            self.stop(early)

    # The reader.

    def _read(self) -> None:
        self._reader = asyncio.get_running_loop().create_task(self._receive())

    async def _receive(self) -> None:
        try:
            if self._saying:
                self._take(Text(self._saying))
            else:
                await self._ask()
        except ModelError as error:
            self._end(Ending.FAILED, str(error))
        except Exception:
            log.exception("reading an answer failed", question=self.mention.key)
            self._end(Ending.FAILED, BROKEN)
        else:
            self._end(Ending.FINISHED)

    async def _ask(self) -> None:
        asking = self._means.asking
        turns = conversation.turns(await self._history(), self.mention)
        request = Request(turns, asking.system, asking.model, asking.effort, asking.max_tokens)
        async with aclosing(self._means.model.stream(request, _no)) as events:
            async for event in events:
                self._take(event)
                while self._answer.unshown > asking.ahead and self._answer.phase is Phase.OPEN:
                    self._shown.clear()
                    await self._shown.wait()

    async def _history(self) -> Sequence[Turn]:
        try:
            return await self._surface.history(conversation.HISTORY)
        except (SlowDown, Gone, OSError) as error:
            log.warning("answering without history", question=self.mention.key, error=repr(error))
            return ()

    def _take(self, event: Event) -> None:
        self._answer.receive(event)
        self._changed.set()

    # The writer.

    async def _write(self) -> None:
        while (write := await self._next_write()) is not None:
            buckets = self._surface.buckets(write.op)
            try:
                receipt = await self._put(write)
            except SlowDown as slow:
                self._means.pace.refused(buckets, slow)
            except Gone as gone:
                log.info("nothing can be written any more", question=self.mention.key, reason=str(gone))
                self._answer.lost()
            except OSError as error:
                log.warning("a write failed", question=self.mention.key, error=str(error))
                await self._failed(write, timed_out=isinstance(error, TimeoutError))
            except Exception:
                log.exception("a write failed", question=self.mention.key)
                await self._failed(write)
            else:
                self._failures = 0
                self._means.pace.accepted(buckets, receipt)
                self._answer.wrote(write, receipt.message)
                self._watch(receipt.message)
                self._shown.set()
        await self._settle()

    async def _next_write(self) -> Write | None:
        """Wait until there is something to write and it may be written; None after the last."""
        since = _now()
        while self._answer.phase is not Phase.CLOSED:
            if (write := self._answer.next_write()) is None:
                self._changed.clear()
                await self._changed.wait()
                since = _now()
                continue
            self._turn = self._means.pace.join(self._surface.buckets(write.op), write.rank, since)
            granted = await self._turn.come()
            self._turn = None
            # Render late: this write carries all that arrived while we waited.
            if granted and (write := self._answer.next_write()):
                return write
        return None

    async def _put(self, write: Write) -> Receipt:
        if write.message is None:
            return await self._surface.post(write.page, f"{self._id}{write.index:x}")
        return await self._surface.edit(write.message, write.page)

    async def _failed(self, write: Write, *, timed_out: bool = False) -> None:
        """Wait before the next try, at most until the answer ends; give up after the last."""
        if timed_out:
            self._doubtful = write.message
        if self._failures == len(RETRIES):
            log.error("gave up on an answer", question=self.mention.key)
            self._answer.lost()
            return
        delay = RETRIES[self._failures]
        self._failures += 1
        if self._ended.is_set():
            await asyncio.sleep(delay)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), delay)

    async def _settle(self) -> None:
        """Send a page once more if an edit of it timed out: that edit may land after the last one."""
        page = self._answer.page_of(self._doubtful) if self._doubtful else None
        if self._doubtful and page and self._answer.ending is not Ending.LOST:
            await asyncio.sleep(SETTLE)
            with suppress(SlowDown, Gone, OSError):
                await self._surface.edit(self._doubtful, page)


async def _no(_title: str) -> bool:
    """Refuse every tool call: there are no tools yet."""
    return False


def _name(stop: Stop) -> str:
    """Return the stopper's name on one line."""
    return " ".join(stop.actor.name.split())[:80] or "a reader"


def _now() -> float:
    return asyncio.get_running_loop().time()
