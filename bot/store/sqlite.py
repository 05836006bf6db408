"""A store in one SQLite file: `Memory`, written down as it changes.

Everything is read once, at the start, and answered from memory afterwards, so a disk that is full, locked or
gone costs what a restart would need and nothing else.  One thread does all that touches the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.platform import Actor, Asked, Place
from bot.store import OK, ROWS_KEPT, TEXT_KEPT, Entry, Part
from bot.store.memory import Memory

log = structlog.get_logger(__name__)

NAME = "ledger.db"
#: Seconds that a write waits for a lock of somebody else's.
BUSY = 5.0
#: Seconds between two tries to write again after a failure.
RETRY = 5.0
VERSION = 2
CLOSED = "closed"
SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    key TEXT PRIMARY KEY,           -- the platform's identity of the question
    conversation TEXT NOT NULL,
    actor TEXT NOT NULL,            -- the asker's id
    who TEXT NOT NULL,              -- JSON: the asker and the place
    question TEXT NOT NULL,
    at REAL NOT NULL,               -- when it was taken
    text TEXT NOT NULL DEFAULT '',  -- what was said in answer
    note TEXT,                      -- what stands below; NULL while it goes on
    runs INTEGER NOT NULL DEFAULT 1,
    done REAL,                      -- when the last edit was through
    controls TEXT NOT NULL DEFAULT ''  -- names of the buttons below, with spaces between
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    nonce TEXT PRIMARY KEY,
    key TEXT NOT NULL REFERENCES turns(key) ON DELETE CASCADE,
    page INTEGER NOT NULL,
    address TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    replaces TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL         -- the order of the posts
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parts_of ON parts(key);
CREATE INDEX IF NOT EXISTS turns_at ON turns(at);
CREATE INDEX IF NOT EXISTS turns_of ON turns(actor);
"""
ACCEPT = "INSERT OR IGNORE INTO turns (key, conversation, actor, who, question, at) VALUES (?, ?, ?, ?, ?, ?)"
#: What makes the tables of version 1 those of version 2.
SECOND = "ALTER TABLE turns ADD COLUMN controls TEXT NOT NULL DEFAULT ''"
TURN = "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
END = "UPDATE turns SET text = ?, note = ?, controls = ? WHERE key = ?"
PART = "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)"
FADE = "UPDATE turns SET question = '', text = '', note = '' WHERE done < ? AND (question || text) <> ''"
FORGET_PARTS = "DELETE FROM parts WHERE key IN (SELECT key FROM turns WHERE actor = ?)"
FORGET = """
UPDATE turns SET conversation = '', actor = '', who = '', question = '', text = '', note = '', controls = '',
    done = at
WHERE actor = ?
"""

Statement = tuple[str, Sequence[Any]]
Result = TypeVar("Result")


@dataclass(slots=True)
class Batch:
    """What is written in one transaction, and the task that does it."""

    statements: list[Statement] = field(default_factory=list)
    full: bool = False
    written: asyncio.Task[None] | None = None


class Gone(OSError):
    """The file that is open is not the one in the folder any more."""


class Sqlite(Memory):
    """Entries in memory and in a file; see `Store`.

    Args:
        folder: Where the file is, or is made.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / NAME
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._file = File(self._path)
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

    async def _load(self) -> None:
        """Take over what the file holds, below what is known already."""
        known, entries = [*self._entries.values()], await self._run(self._file.load)
        self._read = True
        self._entries.clear()
        self._open.clear()
        for entry in (*entries, *known):
            self._put(entry)

    @property
    def health(self) -> str:
        """See `Store.health`."""
        return f"degraded: {self._trouble}" if self._trouble else OK

    async def accept(self, asked: Asked) -> bool:
        """See `Store.accept`."""
        if not await super().accept(asked):
            await self._write()  # the first delivery may still be on its way to the disk
            return False
        await self._write((ACCEPT, _asked(asked)))
        return True

    async def reword(self, key: str, question: str) -> None:
        """See `Store.reword`."""
        await super().reword(key, question)
        await self._write(("UPDATE turns SET question = ? WHERE key = ?", (question, key)))

    async def intend(self, key: str, part: Part, text: str) -> None:
        """See `Store.intend`."""
        await super().intend(key, part, text)
        if entry := self._entries.get(key):
            row = _part(key, part, len(entry.parts))
            await self._write(
                ("UPDATE turns SET text = ? WHERE key = ?", (text, key)), (PART, row), full=True
            )

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """See `Store.posted`."""
        await super().posted(key, nonce, message)
        await self._write(("UPDATE parts SET message = ? WHERE nonce = ?", (message, nonce)))

    async def save(self, key: str, text: str) -> None:
        """See `Store.save`."""
        await super().save(key, text)
        await self._write(("UPDATE turns SET text = ? WHERE key = ?", (text, key)))

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """See `Store.end`."""
        await super().end(key, text, note, controls)
        await self._write((END, (text, note, " ".join(controls), key)))

    async def done(self, key: str, at: float) -> None:
        """See `Store.done`."""
        await super().done(key, at)
        await self._write(("UPDATE turns SET done = ? WHERE key = ?", (at, key)), full=True)

    async def again(self, key: str) -> None:
        """See `Store.again`."""
        await super().again(key)
        await self._write(("UPDATE turns SET runs = runs + 1 WHERE key = ?", (key,)), full=True)

    async def prune(self, now: float) -> None:
        """See `Store.prune`."""
        await super().prune(now)
        await self._write(("DELETE FROM turns WHERE at < ?", (now - ROWS_KEPT,)), (FADE, (now - TEXT_KEPT,)))

    async def forget(self, actor: str) -> int:
        """See `Store.forget`."""
        count = await super().forget(actor)
        await self._write((FORGET_PARTS, (actor,)), (FORGET, (actor,)), full=True)
        await self._checkpoint()
        return count

    async def purge(self) -> int:
        """See `Store.purge`."""
        count = await super().purge()
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

    async def _write(self, *statements: Statement, full: bool = False) -> None:
        """Apply *statements* together; *full*: safe against loss of power.

        What comes while the thread writes is written next, all in one transaction: a storm of questions would
        else wait for a commit each.
        """
        self._changes += 1
        if self._trouble:
            return  # `_heal` writes everything down anew
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
                await self._run(lambda: self._file.apply(batch.statements, full=batch.full))
            except (sqlite3.Error, OSError) as error:
                self._degrade(error)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _degrade(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if not self._trouble:
            log.error("the ledger can't be written: going on from memory", file=str(self._path), error=reason)
        self._trouble = reason
        if self._healing is None or self._healing.done():
            self._healing = asyncio.get_running_loop().create_task(self._heal())

    async def _heal(self) -> None:
        """Write everything down anew, until that works and nothing has changed meanwhile."""
        while True:
            await asyncio.sleep(RETRY)
            try:
                if not self._read:
                    await self._load()
                seen = -1
                while seen != self._changes:
                    seen, entries = self._changes, [*self._entries.values()]
                    await self._run(lambda: self._file.rewrite(entries))  # noqa: B023  awaited here
            except (sqlite3.Error, OSError) as error:
                self._trouble = f"{type(error).__name__}: {error}"
            else:
                self._trouble = ""
                log.warning("the ledger is written again", file=str(self._path))
                return


class File:
    """The file itself, as the one thread sees it; every method blocks.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._full = False

    def load(self) -> list[Entry]:
        """Open it and return all entries, oldest first."""
        db = self._open()
        parts: dict[str, list[Part]] = {}
        for nonce, key, *rest in db.execute(
            "SELECT nonce, key, page, address, message, replaces FROM parts ORDER BY number"
        ):
            parts.setdefault(key, []).append(Part(nonce, *rest))
        rows = db.execute("SELECT * FROM turns ORDER BY at")
        return [_entry(row, parts.get(row[0], ())) for row in rows]

    def apply(self, statements: Sequence[Statement], *, full: bool) -> None:
        """Apply *statements* in one transaction."""
        db = self._db
        if db is None or self._inode != _inode(self._path):
            raise Gone(f"{self._path.name} was deleted or replaced")
        if full is not self._full:
            db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        self._transaction(db, statements)

    def rewrite(self, entries: Sequence[Entry]) -> None:
        """Open it anew and let it hold *entries* and nothing else."""
        self.close()
        statements: list[Statement] = [("DELETE FROM turns", ())]
        for entry in entries:
            key = entry.asked.key
            statements.append((TURN, _turn(entry)))
            statements += [(PART, _part(key, part, number)) for number, part in enumerate(entry.parts)]
        self._transaction(self._open(), statements)

    def checkpoint(self) -> None:
        """Move everything from the write-ahead log into the file."""
        if self._db:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close it."""
        if self._db:
            self._db.close()
            self._db = None

    def _transaction(self, db: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                db.execute(statement, values)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        """Open it; move a broken one aside first."""
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked, full, read-only: not its content's fault
            aside = self._path.with_name(f"{NAME}.broken-{int(time.time())}")
            log.error(  # noqa: TRY400  said in one line
                "the ledger is broken: starting a new one; answers that a crash interrupted stay as they "
                "are, and questions of before may be answered again",
                moved_to=str(aside),
                error=str(error),
            )
            self.close()
            for suffix in ("", "-wal", "-shm"):
                if (old := self._path.with_name(NAME + suffix)).exists():
                    old.rename(f"{aside}{suffix}")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = self._db = sqlite3.connect(
            self._path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        self._full = False
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        db.execute("PRAGMA journal_size_limit = 16777216")
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise sqlite3.OperationalError(f"made by a newer Rivulet (version {version} of its tables)")
        db.executescript(SCHEMA)
        if "controls" not in {row[1] for row in db.execute("PRAGMA table_info(turns)")}:
            db.execute(SECOND)
        db.execute(f"PRAGMA user_version = {VERSION}")
        self._inode = _inode(self._path)
        return db


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _asked(asked: Asked) -> tuple[Any, ...]:
    who = json.dumps({"actor": asdict(asked.actor), "place": asdict(asked.place)})
    return asked.key, asked.conversation, asked.actor.id, who, asked.text, asked.at


def _turn(entry: Entry) -> tuple[Any, ...]:
    controls = " ".join(entry.controls)
    return *_asked(entry.asked), entry.text, entry.note, entry.runs, entry.done, controls


def _part(key: str, part: Part, number: int) -> tuple[Any, ...]:
    return part.nonce, key, part.page, part.address, part.message, part.replaces, number


def _entry(row: Sequence[Any], parts: Sequence[Part]) -> Entry:
    key, conversation, actor, who, question, at, text, note, runs, done, controls = row
    told = json.loads(who) if who else {}
    asked = Asked(
        key,
        conversation,
        Actor(**told.get("actor", {"id": actor})),
        Place(**told.get("place", {"channel": ""})),
        question,
        at,
    )
    return Entry(asked, text, note, tuple(parts), runs, done, tuple(controls.split()))
