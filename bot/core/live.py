"""One answer while it is live: a reader, a writer, and nothing else that has tasks for an answer.

The reader feeds the model's events to an `Answer`; the writer shows it on the mention's `Surface` whenever
`Pace` allows.

Rule 1: the reader never awaits a platform's write, so a slow platform never slows a stop.
Rule 2: the writer is never cancelled, only told: it finishes the request that is out, then looks anew.
Rule 3: nothing that is rendered waits; what waits is rendered when its turn comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import structlog

from bot.core import conversation
from bot.core.conversation import Past
from bot.core.kept import Kept
from bot.core.stops import Stops
from bot.events import CONTINUE, RETRY, Control, Event, Text, Turn
from bot.guard.access import Access
from bot.model import Asking, Model, ModelError, Request
from bot.platform import Bucket, Edited, Gone, Mention, Op, Outcome, SlowDown, Stop
from bot.show.answer import Answer, Ending, Phase, Rank, Showing, Write
from bot.show.pace import Pace
from bot.show.pace import Turn as WriteTurn
from bot.store import Entry, Store
from bot.text.safe import Links

log = structlog.get_logger(__name__)

#: Seconds before each new try of a write that failed without the platform saying why.
RETRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0, 30.0)
#: Seconds after which a page is sent again when an edit before it timed out and may still land.
SETTLE = 2.0

#: Seconds that reading what was said before may take; then it is answered without.
READING = 10.0
#: Seconds of a 429 that people are told of.
LONG = 10.0

BROKEN = "Something broke on our side; the operator's log says what."


@dataclass(frozen=True, slots=True)
class Means:
    """What all answers of a core share.

    Attributes:
        clock: Seconds of the wall clock.
    """

    model: Model
    access: Access
    stops: Stops[Live]
    pace: Pace
    asking: Asking
    showing: Showing
    store: Store
    clock: Callable[[], float]


class Live:
    """One answer being read from the model and written to its surface.

    Args:
        means: What it shares with others.
        mention: The question.
        saying: What to answer without asking the model.
        left: What an earlier run has left of it.
        after: Seconds before anything of it is written.
        past: What came before the question.

    Attributes:
        given_up: Whether the platform was not reached for so long that the rest is left to a later repair.
    """

    def __init__(
        self,
        means: Means,
        mention: Mention,
        saying: str = "",
        left: Entry | None = None,
        after: float = 0.0,
        past: Past | None = None,
    ) -> None:
        self.mention = mention
        self._past = past or Past()
        self._means = means
        self._saying = saying
        self._surface = mention.surface
        showing = means.showing
        self._answer = Answer(mention.surface.limits, Links.of(mention.text, showing.hosts), showing)
        self._kept = Kept(means.store, mention.key, means.clock, left)
        self._left = left
        self._after = after
        if left:
            self._answer.resume(left.text, left.messages)
        self.given_up = False
        self._begun = asyncio.Event()
        self._changed = asyncio.Event()
        self._shown = asyncio.Event()
        self._ended = asyncio.Event()
        self._turn: WriteTurn | None = None
        self._since: float | None = None  # when the oldest unshown character came
        self._reader: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._failures = 0
        self._silenced = False
        self._counted: tuple[Bucket, ...] = ()
        self._doubtful: str | None = None

    async def go(self) -> None:
        """Answer the mention; returns after the last edit."""
        for message in (self.mention.key, *self._answer.messages):
            self._watch(message)
        try:
            await asyncio.sleep(self._after)
            if not self._begun.is_set():
                await self._surface.status(on=True)
                await self._begun.wait()
                await self._surface.status(on=False)
            if self._answer.phase is Phase.OPEN:
                self._read()
            await self._settle_in()
            await self._write()
        finally:
            self._count_in(())
            self._means.stops.forget(self.mention.key, *self._answer.messages)
            if self._reader:
                self._reader.cancel()
                await asyncio.wait({self._reader})

    async def _settle_in(self) -> None:
        """Choose the place of the answer, and be counted there."""
        crowded = self._means.pace.crowded(self._surface.buckets(Op.EDIT))
        self._count_in(self._surface.buckets(Op.EDIT))
        if self._answer.phase is Phase.OPEN and not self._saying and not self._left:
            await self._branch(crowded)

    async def _branch(self, crowded: bool) -> None:
        """Let the surface choose its place; that may take a call, which the wider buckets must allow."""
        if wider := self._surface.buckets(Op.POST)[1:]:
            turn = self._turn = self._means.pace.join(wider, Rank.PLACEHOLDER, _now())
            granted = await turn.come()
            self._turn = None
            if not granted:
                return  # it ended meanwhile
        self._surface = await self._surface.branch(crowded)
        self._means.pace.failed(wider)  # whether it took the call is the surface's secret

    def _count_in(self, buckets: Sequence[Bucket]) -> None:
        """Be counted as live in *buckets* and in no others."""
        if tuple(buckets) != self._counted:
            self._means.pace.leave(self, self._counted)
            self._counted = tuple(buckets)
            self._means.pace.enter(self, buckets)

    @property
    def begun(self) -> bool:
        """Whether the model has said anything."""
        return self._answer.received > 0

    async def keep_done(self) -> None:
        """Tell the ledger that the answer is done, as soon as nothing lags behind it."""
        await self._kept.done(self._surface)

    def begin(self) -> None:
        """Stop waiting for other answers of the conversation."""
        self._begun.set()

    def stop(self, stop: Stop) -> Outcome:
        """End the answer for a person, if it may be them."""
        if not self._means.access.may_stop(stop.actor, self.mention.actor):
            return Outcome.REFUSED
        self.cut(Ending.STOPPED, f"Stopped by {_name(stop)}.")
        return Outcome.STOPPED

    def cut(self, ending: Ending, note: str, controls: tuple[Control, ...] = ()) -> None:
        """End the answer now, with *note* and *controls* below, and hang up on the model."""
        self._end(ending, note, controls)
        self.begin()
        if self._reader:
            self._reader.cancel()

    def reword(self, edited: Edited) -> bool:
        """Ask anew with the text of *edited* if it is the asker's and nothing was answered; tell if so."""
        fresh = self._answer.phase is Phase.OPEN and not self._answer.received
        news = edited.text != self.mention.text and edited.actor.id == self.mention.actor.id
        if not (fresh and news):
            return False
        self.mention = replace(self.mention, text=edited.text)
        self._answer.allow(Links.of(edited.text, self._means.showing.hosts))
        if self._reader:
            self._reader.cancel()
            self._read()
        return True

    def _end(self, ending: Ending, note: str = "", controls: tuple[Control, ...] = ()) -> None:
        self._answer.end(ending, note, controls)
        if self._answer.phase is Phase.CLOSING and not self._noting:
            self._noting = asyncio.get_running_loop().create_task(self._kept.end(self._answer))
        self._since = _now()
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
            self._end(Ending.FAILED, str(error), (CONTINUE if self._answer.received else RETRY,))
        except Exception:
            log.exception("reading an answer failed", question=self.mention.key)
            self._end(Ending.FAILED, BROKEN)
        else:
            self._end(Ending.FINISHED)

    async def _ask(self) -> None:
        asking = self._means.asking
        if self._past.read is None:
            self._past = replace(self._past, read=await self._history())
        turns = conversation.turns([*(self._past.read or ()), *self._past.said], self.mention)
        request = Request(turns, asking.system, asking.model, asking.effort, asking.max_tokens)
        async with aclosing(self._means.model.stream(request, _no)) as events:
            async for event in events:
                self._take(event)
                while self._answer.unshown > asking.ahead and self._answer.phase is Phase.OPEN:
                    self._shown.clear()
                    await self._shown.wait()

    async def _history(self) -> Sequence[Turn]:
        try:
            async with asyncio.timeout(READING):
                return await (self._past.surface or self.mention.surface).history(conversation.HISTORY)
        except (SlowDown, Gone, OSError) as error:
            log.warning("answering without history", question=self.mention.key, error=repr(error))
            return ()

    def _take(self, event: Event) -> None:
        self._answer.receive(event)
        if self._since is None:
            self._since = _now()
        self._changed.set()

    # The writer.

    async def _write(self) -> None:
        pace = self._means.pace
        while (planned := await self._next_write()) is not None:
            write, turn, since = planned
            try:
                text, escaped = self._answer.text, turn.escaped
                receipt = await self._kept.put(self._surface, write, text, escaped=escaped)
            except SlowDown as slow:
                pace.refused(turn.buckets, slow)
                self._since = since
                if slow.retry_after >= LONG:
                    await self._say_waiting(on=True)
            except Gone as gone:
                pace.failed(turn.buckets)
                log.info("nothing can be written any more", question=self.mention.key, reason=str(gone))
                self._answer.lost()
            except Exception as error:  # noqa: BLE001  told in full by _tell
                pace.failed(turn.buckets)
                self._since = since
                self._tell(error)
                await self._failed(write, timed_out=isinstance(error, TimeoutError))
            else:
                self._failures = 0
                pace.accepted(turn.buckets, receipt)
                self._answer.wrote(write, receipt.message)
                if write.message and write.message != receipt.message:
                    self._means.stops.forget(write.message)
                self._watch(receipt.message)
                self._shown.set()
                await self._say_waiting(on=False)
        await self._settle()

    async def _say_waiting(self, *, on: bool) -> None:
        """Show at the question that the platform lets nothing through, which the answer itself can't show."""
        if on is not self._silenced:
            self._silenced = on
            await self._surface.status(on)

    async def _next_write(self) -> tuple[Write, WriteTurn, float] | None:
        """Wait until there is something to write and it may be written; None after the last."""
        while self._answer.phase is not Phase.CLOSED:
            if self._noting:
                await asyncio.wait({self._noting})
            await self._catch_up()
            if (write := self._answer.next_write()) is None:
                self._changed.clear()
                self._shown.set()  # what cannot be seen keeps no reader waiting
                await self._changed.wait()
                continue
            self._count_in(self._surface.buckets(Op.EDIT))
            since = _now() if self._since is None else self._since
            turn = await self._granted(write, since)
            if turn is None:
                continue
            # Render late: this write carries all that arrived while we waited.
            write = self._answer.next_write()
            if write and (turn.escaped or tuple(turn.buckets) == tuple(self._surface.buckets(write.op))):
                self._since = None
                return write, turn, since
            self._means.pace.failed(turn.buckets)  # it ended in this very moment
        return None

    async def _catch_up(self) -> None:
        """Read what the model has said in steps, so that nobody else waits for a long text."""
        while self._answer.read():  # noqa: ASYNC110  there is work to do, and nothing to wait for
            await asyncio.sleep(0)

    async def _granted(self, write: Write, since: float) -> WriteTurn | None:
        """Wait for the turn of *write*; None if the answer ended meanwhile."""
        escape = self._surface.escape() if write.op is Op.FINAL else ()
        turn = self._turn = self._means.pace.join(self._surface.buckets(write.op), write.rank, since, escape)
        granted = await turn.come()
        self._turn = None
        return turn if granted else None

    def _tell(self, error: Exception) -> None:
        if isinstance(error, OSError):
            log.warning("a write failed", question=self.mention.key, error=str(error))
        else:
            log.error("a write failed", question=self.mention.key, exc_info=error)

    async def _failed(self, write: Write, *, timed_out: bool = False) -> None:
        """Wait before the next try, at most until the answer ends; give up after the last."""
        if timed_out:
            self._doubtful = write.message
        if self._failures == len(RETRIES):
            log.error("gave up on an answer", question=self.mention.key)
            self.given_up = True
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
        if not self._doubtful or not page or self._answer.ending is Ending.LOST:
            return
        await asyncio.sleep(SETTLE)
        turn = self._means.pace.join(self._surface.buckets(Op.FINAL), Rank.FINAL, _now())
        await turn.come()
        try:
            receipt = await self._surface.edit(self._doubtful, page)
        except (SlowDown, Gone, OSError):
            self._means.pace.failed(turn.buckets)
        else:
            self._means.pace.accepted(turn.buckets, receipt)


async def _no(_title: str) -> bool:
    """Refuse every tool call: there are no tools yet."""
    return False


def _name(stop: Stop) -> str:
    """Return the stopper's name on one line."""
    return " ".join(stop.actor.name.split())[:80] or "a reader"


def _now() -> float:
    return asyncio.get_running_loop().time()
