"""Writing one answer: shows its draft on a `Surface`, whenever `Pace` lets it.

Rule 1: the writer is never cancelled, only told: it finishes the request that is out, then looks anew.
Rule 2: no page waits in a queue: a page is rendered when its write may go out, so it carries all that came
while the writer waited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bot.core.counted import Counted
from bot.core.draft import Draft
from bot.core.kept import Denied
from bot.core.tries import Tries
from bot.core.waits import Waits
from bot.platform import Bucket, Gone, Op, Page, Receipt, SlowDown, Surface
from bot.show.pace import Pace, Turn
from bot.show.writes import Ending, Phase, Rank, Write
from bot.store.peers import Taken

log = structlog.get_logger(__name__)

#: Seconds after which a page is sent again when an edit before it timed out and may still land.
SETTLE = 2.0
#: Seconds for which a write with files may fail until it is made without: a platform that is not well often
#: is well again within seconds, and what a file makes it fail at stays so.  A timeout alone is longer.
FILES = 3.0
NOT_SENT = "A file could not be sent."
#: Seconds of a 429 that people are told of.
LONG = 10.0


class Writer:
    """Writes one answer.

    Args:
        draft: What to show.
        surface: Where.
        pace: Says when.
        question: The question's key, for the log.
        watch: Told each message that shows a page.
        forget: Told a message that shows none any more.
        waits: Where it waits after a failure; told of what gets through.
        counted: Told what became of each write.

    Attributes:
        surface: Where it writes; `settle_in` may choose another place.
        given_up: Whether nothing got through for so long that the rest is left to a later repair.
    """

    def __init__(
        self,
        draft: Draft,
        surface: Surface,
        pace: Pace,
        question: str,
        watch: Callable[[str], object],
        forget: Callable[[str], object],
        waits: Waits,
        counted: Counted,
    ) -> None:
        self._draft = draft
        self._answer = draft.answer
        self._pace = pace
        self._question = question
        self._watch = watch
        self._forget = forget
        self._tries = Tries(draft, waits, question.partition("/")[0])
        self._count = counted
        self.surface = surface
        self.given_up = False
        self._waiting = False
        self._counted: tuple[Bucket, ...] = ()
        self._doubtful: dict[str, None] = {}  # messages of which an edit timed out
        self._unknown: Write | None = None  # a post that failed, and may be there all the same

    async def settle_in(self, *, branch: bool) -> None:
        """Count as live where the answer goes; *branch*: the surface may choose another place first."""
        crowded = self._pace.crowded(self.surface.buckets(Op.EDIT))
        self._count_in(self.surface.buckets(Op.EDIT))
        if branch and self._draft.open:
            await self._branch(crowded)

    async def write(self) -> None:
        """Write until the last edit is through.

        Raises:
            Taken: Another process has the question; nothing was written since.
        """
        while (planned := await self._next_write()) is not None:
            write, turn, since = planned
            self._tries.begin()
            try:
                text, escaped = self._answer.text, turn.escaped
                claim = self._pace.claim(turn)
                receipt = await self._draft.kept.put(
                    self.surface, write, text, self._seen, escaped=escaped, claim=claim
                )
            except Denied:
                self._draft.not_shown(since)
            except SlowDown as slow:
                self._count.slowed(write.op)
                await self._slowed(write, turn, since, slow)
            except Gone as gone:
                self._count.gone(write.op)
                self._pace.failed(turn)
                log.info("nothing can be written any more", question=self._question, reason=str(gone))
                self._unknown = None
                self._answer.lost()
            except Taken:
                self._pace.failed(turn)
                raise
            except Exception as error:  # noqa: BLE001  told in full by _tell
                self._count.failed(write.op)
                self._pace.failed(turn)
                self._draft.not_shown(since)
                self._tell(error)
                await self._failed(write, timed_out=isinstance(error, TimeoutError))
            else:
                await self._wrote(write, turn, receipt)
                self._count.wrote(write, since)
        await self._say_waiting(on=False)
        await self._write_last_again()

    def leave(self) -> None:
        """Count as live nowhere."""
        self._count_in(())

    async def _branch(self, crowded: bool) -> None:
        """Let the surface choose its place; that may take a call, which the wider buckets must allow."""
        if not (wider := self.surface.buckets(Op.POST)[1:]):
            self.surface = await self.surface.branch(crowded)
            return
        turn = self._draft.turn = self._pace.join(wider, Rank.PLACEHOLDER, _now())
        granted = await turn.come()
        self._draft.turn = None
        if granted:  # else it ended meanwhile
            self.surface = await self.surface.branch(crowded)
            self._pace.failed(turn)  # the surface does not say whether it made the call

    def _count_in(self, buckets: Sequence[Bucket]) -> None:
        """Be counted as live in *buckets* and in no others."""
        if tuple(buckets) != self._counted:
            self._pace.leave(self, self._counted)
            self._counted = tuple(buckets)
            self._pace.enter(self, buckets)

    async def _next_write(self) -> tuple[Write, Turn, float] | None:
        """Wait until there is something to write and it may be written; None after the last."""
        while self._answer.phase is not Phase.CLOSED:
            await self._draft.noted()
            await self._catch_up()
            if (wanted := self._wanted()) is None:
                await self._wait_for_news()
                continue
            self._count_in(self.surface.buckets(Op.EDIT))
            since = _now() if self._draft.since is None else self._draft.since
            turn = await self._granted(*wanted, since)
            if turn is None:
                continue
            # Render late: this write carries all that arrived while we waited.
            write = self._answer.next_write()
            if write and (turn.escaped or tuple(turn.buckets) == tuple(self.surface.buckets(write.op))):
                self._draft.since = None
                return write, turn, since
            self._pace.failed(turn)  # it ended in this very moment, or shows no more
        return await self._post_again()

    async def _post_again(self) -> tuple[Write, Turn, float] | None:
        """Wait until a post of which nothing is known may be made again, if the answer is not to be there.

        Its nonce keeps it from being there twice; once its message is known, that can be removed.
        """
        if self._answer.ending is Ending.LOST or not (write := self._unknown):
            return None
        turn = await self._granted(write.op, write.rank, since := _now())
        return (write, turn, since) if turn else None

    def _wanted(self) -> tuple[Op, Rank] | None:
        """Return what kind of write is due; None if none is.

        Where posts and edits spend the same, a preview is not rendered to know that: it is when its turn
        comes, and if it then shows no more, no harm is done.
        """
        if self._answer.previews and tuple(self.surface.buckets(Op.POST)) == tuple(
            self.surface.buckets(Op.EDIT)
        ):
            return Op.EDIT, Rank.PREVIEW
        write = self._answer.next_write()
        return (write.op, write.rank) if write else None

    async def _wait_for_news(self) -> None:
        self._draft.changed.clear()
        self._draft.shown.set()  # all is shown that can be
        if self._answer.phase is not Phase.CLOSED:
            await self._draft.changed.wait()

    async def _catch_up(self) -> None:
        """Read what the model has said in steps, so that nobody else waits for a long text."""
        while self._answer.read():  # noqa: ASYNC110  there is work to do, and nothing to wait for
            await asyncio.sleep(0)

    async def _granted(self, op: Op, rank: Rank, since: float) -> Turn | None:
        """Wait for the turn of such a write; None if the answer ended meanwhile."""
        escape = self.surface.escape() if op is Op.FINAL else ()
        turn = self._draft.turn = self._pace.join(self.surface.buckets(op), rank, since, escape)
        granted = await turn.come()
        self._draft.turn = None
        return turn if granted else None

    def _seen(self, message: str, ours: bool) -> None:
        (self._watch if ours else self._forget)(message)

    async def _wrote(self, write: Write, turn: Turn, receipt: Receipt) -> None:
        self._unknown = None
        self._tries.passed()
        self._pace.accepted(turn, receipt)
        self._answer.wrote(write, receipt.message, receipt.unattached)
        if write.message and write.message != receipt.message:
            self._forget(write.message)
        self._watch(receipt.message)
        self._draft.shown.set()
        await self._say_waiting(on=False)

    async def _slowed(self, write: Write, turn: Turn, since: float, slow: SlowDown) -> None:
        """Record a 429; one that is about none of the buckets of *turn* is waited for here."""
        self._pace.refused(turn, slow)
        self._draft.not_shown(since)
        if slow.retry_after >= LONG:
            await self._say_waiting(on=True)
        if not slow.bucket or any(bucket.key == slow.bucket for bucket in turn.buckets):
            return
        self._unknown = None if write.message else write  # what was refused may have come after the post
        if self._goes_on(write):
            await self._tries.after_429(slow.retry_after)

    async def _say_waiting(self, *, on: bool) -> None:
        """Show at the question that the platform lets nothing through, which the answer itself can't show."""
        if on is not self._waiting:
            self._waiting = on
            await self.surface.status(on)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, OSError):
            log.warning("a write failed", question=self._question, error=str(error))
        else:
            log.error("a write failed", question=self._question, exc_info=error)

    async def _failed(self, write: Write, *, timed_out: bool = False) -> None:
        """Wait before the next try; where files have failed for too long, go on at once without them."""
        if timed_out and write.message:
            self._doubtful[write.message] = None
        self._unknown = None if write.message else write
        if self._tries.lasting >= FILES and self._unfiled(write):
            return
        if self._goes_on(write):
            await self._tries.after_failure()

    def _unfiled(self, write: Write) -> bool:
        """Give up the files of *write*; tell whether it had any."""
        if unfiled := self._answer.unfile(write, NOT_SENT):
            log.warning("files were given up", question=self._question)
        return unfiled

    def _goes_on(self, write: Write) -> bool:
        """Give up after the last try, files first; tell whether there is another."""
        if not self._tries.over or self._unfiled(write):
            return True
        log.error("gave up on an answer", question=self._question)
        self._unknown = None
        self.given_up = self._answer.phase is not Phase.CLOSED  # else its question is gone
        self._answer.lost()
        return False

    async def _write_last_again(self) -> None:
        """Send the pages once more of which an edit timed out: that edit may land after the last one."""
        if not self._doubtful or self.given_up or self._answer.ending is Ending.LOST:
            return
        await asyncio.sleep(SETTLE)
        for message in self._doubtful:
            if page := self._answer.page_of(message):
                await self._write_again(message, page)

    async def _write_again(self, message: str, page: Page) -> None:
        turn = self._pace.join(self.surface.buckets(Op.FINAL), Rank.FINAL, _now())
        await turn.come()
        try:
            receipt = await self.surface.edit(message, page)
        except SlowDown as slow:
            self._pace.refused(turn, slow)
        except (Gone, OSError):
            self._pace.failed(turn)
        except BaseException:
            self._pace.failed(turn)
            raise
        else:
            self._pace.accepted(turn, receipt)


def _now() -> float:
    return asyncio.get_running_loop().time()
