"""The SQLite file of the ledger: how it is opened, read and written.  Every call blocks."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog

from bot.platform import Asked
from bot.store import MOST_RECENT, MOST_TALKS, Entry, Note, Part, Rated, rows, tables
from bot.store.examine import BROKEN, SUFFIXES, aside, copies, expect_whole, is_content, rehearse, remove
from bot.store.keys import Keys
from bot.store.rows import BadRow
from bot.store.salvage import salvage
from bot.store.tables import Statement
from bot.text.safe import mended

log = structlog.get_logger(__name__)

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

    Attributes:
        aside: Names of the files beside it that could not be used.
    """

    def __init__(self, path: Path) -> None:
        self.aside: Sequence[str] = ()
        self._path = path
        self._at = str(path)
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._full = False
        self._spoiled: sqlite3.Error | None = None

    def load(self) -> tuple[list[Entry], Keys]:
        """Return what is not done, oldest first, and the keys of all that is."""
        done = Keys()
        for key, at, when in self.connected.execute(tables.KEYS).fetchall():
            try:
                rows.expect_times(at, when)
            except BadRow as why:
                self._set_aside(key, why)
                at = time.time()  # noqa: PLW2901  as the row has it now
            done.add(key, at)
        return self._entries("done IS NULL", done), done

    def notes(self) -> list[Note]:
        """Return all notes that are good, oldest first; the others are deleted, and that is said."""
        found = []
        for row in self.connected.execute(tables.NOTES).fetchall():
            try:
                found.append(rows.note_of(row))
            except BadRow as why:
                log.warning(
                    "a note of the ledger was bad and is deleted", note=rows.shown(row[2]), reason=str(why)
                )
                self.connected.execute(tables.ASIDE_NOTE, [rows.bytes_of(part) for part in row[:3]])
        return found

    def choices(self) -> dict[str, str]:
        """Return the models that people have chosen."""
        return dict(self.connected.execute(tables.CHOICES).fetchall())

    def find(self, key: str) -> Entry | None:
        """Return what is known of a question."""
        return next(iter(self._entries("key = ?", None, key)), None)

    def find_shown(self, message: str, *, first: bool) -> Entry | None:
        """See `Store.find_shown`."""
        found = self._entries(tables.SHOWN, None, message)
        return found[0 if first else -1] if found else None

    def recent(self, platform: str, since: float) -> list[Asked]:
        """See `Store.recent`."""
        values = (since, f"{platform}/", f"{platform}0", MOST_RECENT)
        found = []
        for row in self.connected.execute(tables.RECENT, values).fetchall():
            try:
                found.append(rows.asked_of(row))
            except BadRow as why:
                self._set_aside(row[0], why)
        return found

    def talks(self, platform: str) -> list[tuple[str, str]]:
        """See `Store.talks`."""
        values = (f"{platform}/", f"{platform}0", MOST_TALKS)
        return self.connected.execute(tables.TALKS, values).fetchall()[::-1]

    def ratings(self) -> list[Rated]:
        """Return the ratings that are good, oldest first; the others are deleted, and that is said."""
        found = []
        for row in self.connected.execute(tables.RATINGS).fetchall():
            try:
                found.append(rows.rated_of(row))
            except BadRow as why:
                key = rows.shown(row[0])
                log.warning("a rating of the ledger was bad and is deleted", question=key, reason=str(why))
                self.connected.execute(tables.ASIDE_RATING, [rows.bytes_of(part) for part in row[:2]])
        return found

    def count(self, actor: str) -> int:
        """Return how many questions of *actor* are done."""
        return int(self.connected.execute(tables.COUNT, (actor,)).fetchone()[0])

    def _entries(self, where: str, done: Keys | None = None, *values: object) -> list[Entry]:
        """Return the good entries; the others are set aside, and *done* gets their keys."""
        db = self.connected
        parts: dict[str, list[Part]] = {}
        bad: dict[object, BadRow] = {}
        for row in db.execute(tables.PARTS + where + " ORDER BY number", values).fetchall():
            try:
                key, part = rows.part_of(row)
                parts.setdefault(key, []).append(part)
            except BadRow as why:
                bad[row[1]] = why
        found = []
        for row in db.execute(tables.TURNS + where + " ORDER BY at", values).fetchall():
            try:
                if row[0] in bad:
                    raise bad[row[0]]
                found.append(rows.entry_of(row, parts.get(row[0], ())))
            except BadRow as why:
                self._set_aside(row[0], why)
                if done is not None:
                    done.add(row[0], time.time())
        return found

    def _set_aside(self, key: object, why: BadRow) -> None:
        """Keep of a row that is none of ours its key alone, so that nothing is answered twice."""
        log.error("a row of the ledger was set aside", question=rows.shown(key), reason=str(why))
        raw = rows.bytes_of(key)
        self.connected.execute(tables.ASIDE_PARTS, (raw,))
        self.connected.execute(tables.ASIDE, (time.time(), raw))

    def apply(self, statements: Sequence[Statement], *, full: bool) -> None:
        """Apply *statements* in one transaction; half a character, which the file can't hold, is replaced.

        They are of many questions, which must not fail because of one.
        """
        if self.missing:
            raise Gone(self.missing)
        if full is not self._full:
            self.connected.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full
        try:
            self._transact(statements)
        except UnicodeEncodeError:
            self._transact([(statement, tuple(map(_mended, row))) for statement, row in statements])

    def _transact(self, statements: Sequence[Statement]) -> None:
        db = self.connected
        try:
            if len(statements) == 1:  # which is a transaction of its own
                db.execute(*statements[0])
                return
            db.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                db.execute(statement, values)
            db.execute("COMMIT")
        except BaseException as error:
            self.doubt(error)
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def doubt(self, error: BaseException) -> None:
        """Move the file aside when it is next opened if *error* lies in what it holds."""
        if isinstance(error, sqlite3.Error) and is_content(error):
            self._spoiled = error

    def sweep(self, before: float, kinds: Collection[str]) -> None:
        """Delete the ledgers of *kinds* that lie aside since *before*, seconds of the wall clock."""
        for name in copies(self._path.parent, kinds):
            path = self._path.with_name(name)
            if not path.exists() or path.stat().st_ctime < before:  # of the first, its log alone is there
                remove(path)
        self.aside = aside(self._path.parent)

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
    def connected(self) -> sqlite3.Connection:
        """The open database; raise `Gone` where there is none."""
        if self._db is None:
            raise Gone(f"{self._path.name} is not open")
        return self._db

    @property
    def is_open(self) -> bool:
        """Whether there is an open database."""
        return self._db is not None

    @property
    def missing(self) -> str:
        """Why the file that is open is of no use any more, or ""."""
        gone = self._db is not None and self._inode != _inode(self._at)
        return f"{self._path.name} was deleted or replaced" if gone else ""

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
        """Open it; move one that can't be used aside first, and take over what can be read of it."""
        try:
            if odd := next((each for each in self._files() if each.is_dir()), None):
                raise IsADirectoryError(f"{odd.name} is a folder")
            if self._spoiled:
                raise self._spoiled
            self._connect()
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            if not is_content(error):
                raise  # locked, full, read-only: that passes
            self._replace(error)

    def _replace(self, error: Exception) -> None:
        """Move the file aside and begin a new one."""
        self.close()
        to = self._path.with_name(f"{BROKEN}{time.time_ns() // 1_000_000}")
        for suffix, old in zip(SUFFIXES, self._files(), strict=True):
            if old.exists():
                old.rename(f"{to}{suffix}")
        self._spoiled = None
        saved = salvage(to)
        self._connect()
        self.apply(saved, full=True)
        log.error(
            "the ledger is broken: starting a new one; what could not be read stays as it is in the chats, "
            "and may be answered again",
            moved_to=str(to),
            error=str(error),
            saved=sum(statement == tables.TURN for statement, _ in saved),
        )

    def _files(self) -> list[Path]:
        """Return the paths of the database and of what SQLite keeps beside it."""
        return [self._path.with_name(self._path.name + suffix) for suffix in SUFFIXES]

    def _connect(self) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = self._db = sqlite3.connect(
            self._path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        db.text_factory = rows.text_of
        self._full = False
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        db.execute("PRAGMA journal_size_limit = 16777216")
        expect_whole(db)
        db.executescript(tables.SCHEMA)
        lacks = len(rows.TURN) - len(db.execute("PRAGMA table_info(turns)").fetchall())
        for upgrade in tables.UPGRADES[len(tables.UPGRADES) - lacks :]:
            db.execute(upgrade)
        rehearse(db)
        db.execute(f"PRAGMA user_version = {tables.VERSION}")
        self._inode = _inode(self._at)
        self.aside = aside(self._path.parent)


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116  at each write, where a Path takes longer than the call
    except OSError:
        return -1


def _mended(value: object) -> object:
    return mended(value) if isinstance(value, str) else value
