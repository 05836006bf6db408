"""A store in one SQLite file: `Memory`, written down as it changes.

What is not done is in memory, read once at the start, so a disk that is full, locked or gone costs what a
restart would need and nothing else.  What is done is in the file alone; of that memory has the keys, so that
nothing is answered twice.  One thread does all that touches the file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from bot.platform import Asked
from bot.store import MOST_RECENT, OK, ROWS_KEPT, TEXT_KEPT, Entry, Part, tables
from bot.store.ballast import Ballast
from bot.store.file import NAME, File
from bot.store.keys import Keys
from bot.store.memory import Memory
from bot.store.tables import Statement

log = structlog.get_logger(__name__)

#: Seconds between two tries to write again after a failure.
RETRY = 5.0
CLOSED = "closed"
FULL = "the disk is full, and the last of it in use; make room where RIVULET_DATA is"

Result = TypeVar("Result")


@dataclass(slots=True)
class Batch:
    """What is written in one transaction, and the task that does it."""

    statements: list[Statement] = field(default_factory=list)
    full: bool = False
    written: asyncio.Task[None] | None = None


class Sqlite(Memory):
    """Entries in a file, and in memory until they are done; see `Store`.

    Args:
        folder: Where the file is, or is made.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._done = Keys()  # of entries that only the file has
        self._path = folder / NAME
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._file = File(self._path)
        self._ballast = Ballast(folder)
        self._trouble = ""
        self._changes = 0
        self._read = False
        self._healing: asyncio.Task[None] | None = None
        self._next: Batch | None = None
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Read what there is; start afresh, and say so, where that can't be read."""
        try:
            await self._load()
        except (sqlite3.Error, OSError) as error:
            self._degrade(error)
        else:
            await self._run(self._ballast.take)

    async def _load(self) -> None:
        """Take over what the file holds, below what is known already."""
        entries, self._done = await self._run(self._file.load)
        known = [*self._entries.values()]
        self._read = True
        self._entries.clear()
        self._open.clear()
        for entry in (*entries, *known):
            self._put(entry)

    @property
    def health(self) -> str:
        """See `Store.health`."""
        trouble = self._trouble or (FULL if self._ballast.spent else "")
        return f"degraded: {trouble}" if trouble else OK

    async def accept(self, asked: Asked) -> bool:
        """See `Store.accept`."""
        if asked.key in self._done:
            return False
        if not await super().accept(asked):
            await self._write()  # the first delivery may still be on its way to the disk
            return False
        await self._write((tables.ACCEPT, tables.asked_row(asked)))
        return True

    async def reword(self, key: str, question: str) -> None:
        """See `Store.reword`."""
        await super().reword(key, question)
        await self._note(key, ("UPDATE turns SET question = ? WHERE key = ?", (question, key)))

    async def intend(self, key: str, part: Part, text: str) -> None:
        """See `Store.intend`."""
        await super().intend(key, part, text)
        if entry := self._entries.get(key):
            row = tables.part_row(key, part, len(entry.parts))
            await self._write(
                ("UPDATE turns SET text = ? WHERE key = ?", (text, key)), (tables.PART, row), full=True
            )

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """See `Store.posted`."""
        await super().posted(key, nonce, message)
        await self._note(key, ("UPDATE parts SET message = ? WHERE nonce = ?", (message, nonce)))

    async def save(self, key: str, text: str) -> None:
        """See `Store.save`."""
        await super().save(key, text)
        await self._note(key, ("UPDATE turns SET text = ? WHERE key = ?", (text, key)))

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """See `Store.end`."""
        await super().end(key, text, note, controls)
        await self._note(key, (tables.END, (text, note, " ".join(controls), key)))

    async def done(self, key: str, at: float) -> None:
        """See `Store.done`."""
        await super().done(key, at)
        entry = self._entries.get(key)
        bare = () if entry and entry.controls else ((tables.BARE, (key,)), (tables.BARE_PARTS, (key,)))
        await self._note(key, ("UPDATE turns SET done = ? WHERE key = ?", (at, key)), *bare, full=True)
        self._let_go([key])

    async def again(self, key: str) -> None:
        """See `Store.again`."""
        await super().again(key)
        await self._note(key, ("UPDATE turns SET runs = runs + 1 WHERE key = ?", (key,)), full=True)

    async def find(self, key: str) -> Entry | None:
        """See `Store.find`."""
        return await super().find(key) or await self._read_or(lambda: self._file.find(key), None)

    async def find_shown(self, message: str) -> Entry | None:
        """See `Store.find_shown`."""
        going = await super().find_shown(message)
        return going or await self._read_or(lambda: self._file.find_shown(message), None)

    async def recent(self, platform: str, since: float) -> Sequence[Asked]:
        """See `Store.recent`."""
        known = await super().recent(platform, since)
        read: list[Asked] = await self._read_or(lambda: self._file.recent(platform, since), [])
        found: dict[str, Asked] = {}
        for asked in sorted([*known, *read], key=lambda asked: asked.at, reverse=True):
            found.setdefault(asked.conversation, asked)
        return [*found.values()][:MOST_RECENT]

    async def prune(self, now: float) -> None:
        """See `Store.prune`."""
        await super().prune(now)
        self._done.prune(now - ROWS_KEPT)
        old, faded = (now - ROWS_KEPT,), (now - TEXT_KEPT,)
        await self._write(
            ("DELETE FROM turns WHERE at < ?", old), (tables.FADE_PARTS, faded), (tables.FADE, faded)
        )
        self._let_go([*self._entries])
        if not self._trouble:
            await self._run(self._ballast.take)

    async def forget(self, actor: str) -> int:
        """See `Store.forget`."""
        count = await self._read_or(lambda: self._file.count(actor), 0) + await super().forget(actor)
        await self._write((tables.FORGET_PARTS, (actor,)), (tables.FORGET, (actor,)), full=True)
        self._let_go([*self._entries])
        await self._checkpoint()
        return count

    async def purge(self) -> int:
        """See `Store.purge`."""
        count = await super().purge() + len(self._done)
        self._done.clear()
        await self._write(("DELETE FROM turns", ()), full=True)
        await self._checkpoint()
        return count

    async def close(self) -> None:
        """See `Store.close`."""
        if self._healing:
            self._healing.cancel()
            await asyncio.wait({self._healing})
        if self._next and self._next.written:
            await asyncio.wait({self._next.written})
        if not self._trouble:
            await self._checkpoint()
        self._trouble = CLOSED  # what an answer still has to say is for the repair to find out
        await self._run(self._file.close)
        self._thread.shutdown(wait=False)

    async def _checkpoint(self) -> None:
        """Empty the write-ahead log, so that what was deleted is in no file."""
        try:
            await self._run(self._file.checkpoint)
        except (sqlite3.Error, OSError) as error:
            log.warning("the ledger's log was not emptied", error=str(error))

    async def _note(self, key: str, *statements: Statement, full: bool = False) -> None:
        """Apply *statements* on a question, unless it was forgotten; see `_write`."""
        if key in self._entries:
            await self._write(*statements, full=full)

    async def _write(self, *statements: Statement, full: bool = False) -> None:
        """Apply *statements* together; *full*: safe against loss of power.

        What comes while the thread writes is written next, all in one transaction: a storm of questions would
        else wait for a commit each.
        """
        self._changes += 1
        if self._trouble:
            return  # `_heal` writes it down
        if self._next is None:
            self._next = Batch()
            self._next.written = asyncio.create_task(self._apply(self._next))
        batch = self._next
        batch.statements += statements
        batch.full |= full
        assert batch.written  # noqa: S101  it was made with the batch
        await asyncio.shield(batch.written)

    async def _apply(self, batch: Batch) -> None:
        async with self._writing:
            self._next = None
            if self._trouble:
                return
            try:
                await self._run(lambda: self._write_down(batch))
            except (sqlite3.Error, OSError) as error:
                self._degrade(error)

    def _write_down(self, batch: Batch) -> None:
        """Apply *batch*, with the ballast's room where there is no other; in the thread."""
        try:
            self._file.apply(batch.statements, full=batch.full)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL or not self._ballast.drop():
                raise
            log.error(FULL, folder=str(self._path.parent))  # noqa: TRY400  said in one line
            self._file.apply(batch.statements, full=batch.full)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _read_or(self, read: Callable[[], Result], other: Result) -> Result:
        """Return what *read* finds in the file, or *other* if that can't be read."""
        if self._trouble == CLOSED:
            return other
        try:
            return await self._run(read)
        except (sqlite3.Error, OSError) as error:
            log.warning("the ledger was not read", file=str(self._path), error=str(error))
            return other

    def _let_go(self, keys: Sequence[str]) -> None:
        """Leave to the file alone those of *keys* that are done."""
        for key in keys if not self._trouble else ():
            if key in self._entries and key not in self._open:
                self._done.add(key, self._entries.pop(key).asked.at)

    def _degrade(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if not self._trouble:
            log.error("the ledger can't be written: going on from memory", file=str(self._path), error=reason)
        self._trouble = reason
        if self._healing is None or self._healing.done():
            self._healing = asyncio.get_running_loop().create_task(self._heal())

    async def _heal(self) -> None:
        """Write down all that is in memory, until that works and nothing has changed meanwhile."""
        while True:
            await asyncio.sleep(RETRY)
            try:
                if not self._read:
                    await self._load()
                seen = -1
                while seen != self._changes:
                    seen, entries = self._changes, [*self._entries.values()]
                    await self._run(lambda: self._file.mend(entries))  # noqa: B023  awaited here
            except (sqlite3.Error, OSError) as error:
                self._trouble = f"{type(error).__name__}: {error}"
            else:
                self._trouble = ""
                self._let_go([*self._entries])
                await self._run(self._ballast.take)
                log.warning("the ledger is written again", file=str(self._path))
                return
