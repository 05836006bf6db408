"""The one thread that touches the ledger's file: writes in order what it is told, and mends what failed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from bot.store import OK
from bot.store.ballast import Ballast
from bot.store.examine import NAME, is_content
from bot.store.file import File, Gone
from bot.store.tables import Statement
from bot.store.thread import Thread

log = structlog.get_logger(__name__)

#: Seconds between two tries to write again after a failure.
RETRY = 5.0
#: Seconds between two transactions of what nobody waits for: where many answers grow, each has a few.
APART = 0.015
CLOSED = "closed"
FULL = "the disk is full, and the last of it in use; make room where RIVULET_DATA is"

Result = TypeVar("Result")


@dataclass(slots=True)
class Batch:
    """What is written in one transaction.

    Attributes:
        statements: That.
        full: Whether it is to be safe against loss of power.
        urgent: Whether it is not to wait for more.
        told: Who is told whether it was written.
    """

    statements: list[Statement] = field(default_factory=list)
    full: bool = False
    urgent: bool = False
    told: list[asyncio.Future[bool]] = field(default_factory=list)


class Writer:
    """Statements on their way to the file.

    Args:
        folder: Where the file is, or is made.
        catch_up: Writes, by `apply`, all that was not written while there was trouble.
        expect_held: Raises OSError where another process has the folder.

    Attributes:
        trouble: Why nothing is written; "" while all is well.
    """

    def __init__(
        self,
        folder: Path,
        catch_up: Callable[[], Awaitable[None]],
        expect_held: Callable[[], None] = lambda: None,
    ) -> None:
        self.trouble = ""
        self.file = File(folder / NAME)
        self._folder = folder
        self._catch_up = catch_up
        self._expect_held = expect_held
        self._thread = Thread("ledger")
        self._ballast = Ballast(folder)
        self._healing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._next = Batch()
        self._timer: asyncio.TimerHandle | None = None  # begins to write what is next
        self._wrote = float("-inf")
        self._busy = False  # the thread writes, or catches up: what comes then is written after that

    @property
    def health(self) -> str:
        """See `Store.health`."""
        trouble = self.trouble or self.file.missing or (FULL if self._ballast.spent else "")
        if trouble:
            return f"degraded: {trouble}"
        return (
            f"{OK}; could not be used and lies aside: {', '.join(aside)}"
            if (aside := self.file.aside)
            else OK
        )

    async def write(self, *statements: Statement, full: bool = False, soon: bool = False) -> bool:
        """Apply *statements* together; *full*: safe against loss of power; *soon*: a question waits for it.

        All that comes while the thread writes is written next in one transaction: in a storm, a commit for
        each question would take too long.

        Returns:
            Whether they were applied.  `trouble` does not tell that: it may have come, or gone, since.
        """
        written = self.post(*statements, full=full, soon=soon)
        return written is not None and await written

    def post(
        self, *statements: Statement, full: bool = False, soon: bool = False
    ) -> asyncio.Future[bool] | None:
        """Begin to apply *statements*, as `write`; return what tells whether they were, None for no hope.

        They are applied also if nobody waits for it any more.
        """
        if self.trouble:
            return None  # `_heal` catches up
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        batch = self._next
        batch.statements += statements
        batch.full |= full
        batch.urgent |= full or soon
        batch.told.append(written)
        if not self._busy:
            self._begin()
        return written

    async def apply(self, statements: Sequence[Statement], *, full: bool = True) -> None:
        """Apply *statements* together, at once, also while there is trouble; raises as `run`."""
        await self.run(lambda: self._apply(statements, full=full))

    async def read(self, work: Callable[[], Result]) -> Result:
        """Return what *work* finds in the file.

        Raises:
            OSError: It can't be read.
        """
        try:
            return await self.run(work)
        except sqlite3.Error as error:
            self.file.doubt(error)
            if is_content(error):
                self.degrade(error)  # which opens a new file
            raise OSError(f"the ledger can't be read: {error}") from error

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do *work* in the thread.

        Raises:
            sqlite3.Error, OSError: It failed, or all is closed.
        """
        if self.trouble == CLOSED:
            raise Gone("the ledger is closed")
        return await self._thread.run(work)

    async def take_ballast(self) -> None:
        """Put room aside for a full disk, if there is plenty."""
        if not self.trouble:
            await self.run(self._ballast.take)

    async def checkpoint(self) -> None:
        """Empty the write-ahead log, so that what was deleted is in no file."""
        try:
            await self.run(self.file.checkpoint)
        except (sqlite3.Error, OSError) as error:
            log.warning("the ledger's log was not emptied", error=str(error))

    async def sweep(self, before: float, kinds: Collection[str]) -> None:
        """Delete the ledgers of *kinds* that lie aside since *before*."""
        try:
            await self.run(lambda: self.file.sweep(before, kinds))
        except (sqlite3.Error, OSError) as error:
            log.warning("a ledger that lies aside was not deleted", error=_reason(error))

    def degrade(self, error: Exception) -> None:
        """Write nothing any more, until that works again."""
        if self.trouble == CLOSED:
            return
        known, self.trouble = self.trouble, _reason(error)
        if (self._healing is None or self._healing.done()) and not self._closing.is_set():
            self._healing = asyncio.get_running_loop().create_task(self._heal())
        if not known:
            told = "the ledger can't be written: going on from memory"
            log.error(told, folder=str(self._folder), error=self.trouble)

    async def close(self) -> None:
        """Write what waits, then nothing any more; once is enough.

        What is in memory alone is lost afterwards, so there is a last try to catch up.
        """
        if self.trouble == CLOSED:
            return
        used = self.file.is_open or self._healing  # else it was never opened, and must not be now
        if used and (written := self.post(soon=True)):
            await asyncio.wait({written})
        self._closing.set()
        if self._healing:
            await asyncio.wait({self._healing})
        if not self.trouble:
            await self.checkpoint()
        self.trouble = CLOSED  # answers that still write are left to a repair
        await self._thread.run(self.file.close)
        self._thread.end()

    def _begin(self) -> None:
        """Have written what is next: at once if it is urgent, else `APART` after the last transaction."""
        if self._next.urgent:
            self._hand_over()
        elif self._timer is None:
            # Also if that is long ago: what comes in the same turn of the loop comes with it.
            self._timer = asyncio.get_running_loop().call_at(self._wrote + APART, self._hand_over)

    def _hand_over(self) -> None:
        """Give what is next to the thread."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._busy:
            return  # `_go_on` follows
        batch, self._next = self._next, Batch()
        if self.trouble:
            _tell(batch, Gone(self.trouble))
            return
        self._busy = True
        self._thread.tell(
            lambda: self._apply(batch.statements, full=batch.full),
            lambda _, error: self._written(batch, error),
        )

    def _written(self, batch: Batch, error: BaseException | None) -> None:
        """Tell whether *batch* was written, and go on with what came meanwhile."""
        self._wrote = asyncio.get_running_loop().time()
        try:
            if error and isinstance(error, sqlite3.Error | OSError):
                self.degrade(error)
        finally:
            _tell(batch, error)
            self._go_on()

    def _go_on(self) -> None:
        """Have written what came meanwhile."""
        self._busy = False
        if self._next.told:
            self._begin()

    def _apply(self, statements: Sequence[Statement], *, full: bool) -> None:
        """Apply *statements*; if the disk is full, delete the ballast and try again.  In the thread."""
        try:
            self.file.apply(statements, full=full)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL or not self._ballast.drop():
                raise
            log.error(FULL, folder=str(self._folder))  # noqa: TRY400  said in one line
            self.file.apply(statements, full=full)

    async def _heal(self) -> None:
        """Try until all is written again; once more, at once, when it is closed."""
        while True:
            last = await self._paused()
            try:
                await self.run(self._expect_held)
                await self.run(self.file.reopen)
                await self._catch_up()  # most of it, which may take long; writes go on meanwhile
                await self._finish()
                await self.take_ballast()
            except Exception as error:
                if not isinstance(error, sqlite3.Error | OSError):
                    log.exception("a fault of ours while the ledger was to be written again")
                self.degrade(error)
            if not self.trouble:  # else what came meanwhile has failed, maybe since `_finish`
                log.warning("the ledger is written again", folder=str(self._folder))
                return
            if last:
                return

    async def _paused(self) -> bool:
        """Wait `RETRY` seconds, or until it is closed; return whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY):
                await self._closing.wait()
        return self._closing.is_set()

    async def _finish(self) -> None:
        """Catch up with the rest, and go on: what comes from here on is written after that."""
        self.trouble, self._busy = "", True
        try:
            await self._catch_up()
        except (sqlite3.Error, OSError) as error:
            self.degrade(error)  # before what came meanwhile is written
            raise
        finally:
            self._go_on()


def _tell(batch: Batch, error: BaseException | None) -> None:
    """Tell whether *batch* was written, or raise an *error* that is a fault of ours."""
    for each in batch.told:
        if each.done():
            continue
        if error is None or isinstance(error, sqlite3.Error | OSError):
            each.set_result(error is None)
        else:
            each.set_exception(error)


def _reason(error: Exception) -> str:
    """Return what is wrong without a path: it is shown to all who ask for the bot's state."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {said}"
