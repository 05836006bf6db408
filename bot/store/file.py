"""The SQLite file of the ledger: how it is opened, read and written.  Every call blocks."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.platform import Asked
from bot.store import MOST_RECENT, Entry, Part, tables
from bot.store.keys import Keys
from bot.store.tables import Statement

log = structlog.get_logger(__name__)

NAME = "ledger.db"
#: Seconds that a write waits while another process locks the file; platforms want an event acknowledged
#: within 3.
BUSY = 2.0
#: Kilobytes of the file that are kept in memory; few, since only the newest questions are written.
CACHE = 256


class Gone(OSError):
    """The file that is open is not the one in the folder any more."""


class File:
    """The file itself, as the one thread sees it.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._full = False

    def load(self) -> tuple[list[Entry], Keys]:
        """Return what is not done, oldest first, and the keys of all that is."""
        done = Keys()
        for key, at in self._connected.execute(tables.KEYS):
            done.add(key, at)
        return self._entries("done IS NULL"), done

    def find(self, key: str) -> Entry | None:
        """Return what is known of a question."""
        return next(iter(self._entries("key = ?", key)), None)

    def find_shown(self, message: str) -> Entry | None:
        """See `Store.find_shown`."""
        return next(iter(self._entries(tables.SHOWN, message)), None)

    def recent(self, platform: str, since: float) -> list[Asked]:
        """See `Store.recent`."""
        rows = self._connected.execute(tables.RECENT, (since, f"{platform}/", f"{platform}0", MOST_RECENT))
        return [tables.asked_of(row) for row in rows]

    def count(self, actor: str) -> int:
        """Return how many questions of *actor* are done."""
        return int(self._connected.execute(tables.COUNT, (actor,)).fetchone()[0])

    def _entries(self, where: str, *values: object) -> list[Entry]:
        db = self._connected
        parts: dict[str, list[Part]] = {}
        for nonce, key, *rest in db.execute(tables.PARTS + where + " ORDER BY number", values):
            parts.setdefault(key, []).append(Part(nonce, *rest))
        rows = db.execute(tables.TURNS + where + " ORDER BY at", values)
        return [tables.entry_of(row, parts.get(row[0], ())) for row in rows]

    def apply(self, statements: Sequence[Statement], *, full: bool) -> None:
        """Apply *statements* in one transaction."""
        db = self._connected
        if self._inode != _inode(self._path):
            raise Gone(f"{self._path.name} was deleted or replaced")
        if full is not self._full:
            db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                db.execute(statement, values)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def checkpoint(self) -> None:
        """Move everything from the write-ahead log into the file."""
        if self._db:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close it."""
        if self._db:
            self._db.close()
            self._db = None

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            raise Gone(f"{self._path.name} is not open")
        return self._db

    def reopen(self) -> None:
        """Open it anew; what was open stays if that fails."""
        old, self._db = self._db, None
        try:
            self._open()
        except BaseException:
            self.close()
            self._db = old
            raise
        if old:
            old.close()

    def _open(self) -> None:
        """Open it; move a broken one aside first."""
        try:
            self._connect()
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
            self._connect()

    def _connect(self) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = self._db = sqlite3.connect(
            self._path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        self._full = False
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        db.execute("PRAGMA journal_size_limit = 16777216")
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > tables.VERSION:
            raise sqlite3.OperationalError(f"made by a newer Rivulet (version {version} of its tables)")
        db.executescript(tables.SCHEMA)
        if "controls" not in {row[1] for row in db.execute("PRAGMA table_info(turns)")}:
            db.execute(tables.SECOND)
        db.execute(f"PRAGMA user_version = {tables.VERSION}")
        self._inode = _inode(self._path)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1
