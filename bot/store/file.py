"""The SQLite file of the ledger: its tables, and how they are read and written.  Every call blocks."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from bot.platform import Actor, Asked, Place
from bot.store import Entry, Part

log = structlog.get_logger(__name__)

NAME = "ledger.db"
#: Seconds that a write waits for a lock of somebody else's.
BUSY = 5.0
VERSION = 2
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
#: What makes the tables of version 1 those of version 2.
SECOND = "ALTER TABLE turns ADD COLUMN controls TEXT NOT NULL DEFAULT ''"
TURN = "INSERT INTO turns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PART = "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)"

Statement = tuple[str, Sequence[Any]]


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
            statements += [(PART, part_row(key, part, number)) for number, part in enumerate(entry.parts)]
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


def asked_row(asked: Asked) -> tuple[Any, ...]:
    """Return what a question is written as; see `SCHEMA`."""
    who = json.dumps({"actor": asdict(asked.actor), "place": asdict(asked.place)})
    return asked.key, asked.conversation, asked.actor.id, who, asked.text, asked.at


def _turn(entry: Entry) -> tuple[Any, ...]:
    controls = " ".join(entry.controls)
    return *asked_row(entry.asked), entry.text, entry.note, entry.runs, entry.done, controls


def part_row(key: str, part: Part, number: int) -> tuple[Any, ...]:
    """Return what a message of an answer is written as; see `SCHEMA`."""
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
