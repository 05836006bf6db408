"""Whether a file of the ledger can be used: whole, of our version, with our tables.  Every call blocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from bot.platform import Actor, Asked, Place, Post
from bot.store import Entry, Note, Part, Rated, rows, tables
from bot.store.accounts import Hold, Spent

NAME = "ledger.db"
#: What a file that can't be used is called, with the time after it; and the files that belong to one.
BROKEN = f"{NAME}.broken-"
#: What the ledger is called that a restored one replaced, with the time after it.
BEFORE = f"{NAME}.before-"
#: The file that says which ledger was moved to Redis, or that a move was begun.
MOVED = "moved"
#: Tables of what `rivulet move` is for.
KEPT = ("turns", "notes", "spent", "posts", "choices", "vault")
SUFFIXES = ("", "-wal", "-shm")
#: What passes, or what only the operator can mend: not the content's fault.
PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    }
)
#: Columns of `turns` that a file of version 1 has not.
LATER = frozenset({"controls"})
PROBE = Entry(
    Asked("\0", "", Actor(""), Place(""), "", 0.0), parts=(Part("\0", 0), Part("\0r", 0, replaces="\0"))
)
PROBED = Note("\0", "\0", "\0", "", "", "", 0.0)

POSTED = Post("\0", "\0", "", 0.0, "")
SPENDING = Spent(0, "\0", model="\0", cost=1)
HELD = Hold("\0", 1, SPENDING)
SECRET = ("\0", "\0")
RATING = Rated("\0", "\0", good=True, at=0.0, asker="", channel="")


class Unusable(sqlite3.DatabaseError):
    """It is a database, and not one of ours."""


def is_content(error: Exception) -> bool:
    """Return whether *error* lies in what the file holds, so that trying again is of no use."""
    if not isinstance(error, sqlite3.Error):
        return isinstance(error, IsADirectoryError | UnicodeDecodeError)  # the second: a column's name
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, Unusable) or (code is not None and code & 0xFF not in PASSING)


def expect_whole(db: sqlite3.Connection) -> None:
    """Look at pages, version and columns of a file that there was already.

    Raises:
        sqlite3.DatabaseError: It can't be used; see `is_content`.
    """
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        told = [line for line in str(found).splitlines() if not line.startswith("***")]  # which database
        raise Unusable(told[0] if told else "its pages are damaged")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= tables.VERSION:
        raise Unusable(f"made by another Rivulet (version {version} of its tables)")
    known = (
        *(("turns", rows.TURN), ("parts", rows.PART), ("notes", rows.NOTE), ("ratings", rows.RATED)),
        *(("posts", rows.POST), ("spent", rows.SPENT), ("holds", rows.HOLD)),
        ("vault", rows.KEPT),
    )
    for table, columns in known:
        found = tuple(row[1] for row in db.execute(f"PRAGMA table_xinfo({table})"))
        older = len(tables.UPGRADES) if table == "turns" else 0
        if found and found not in {columns[: len(columns) - lack] for lack in range(older + 1)}:
            raise Unusable(f"its table {table} has other columns")


def rehearse(db: sqlite3.Connection) -> None:
    """Write and delete a question and a note, and take it all back: others' triggers and rules would show."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(tables.NOTE, tables.note_row(PROBED))
        if tables.note_row(PROBED) not in db.execute("SELECT * FROM notes WHERE name = ?", (PROBED.name,)):
            raise Unusable("it keeps no notes")
        db.execute(tables.RATE, tables.rated_row(RATING))
        if tables.rated_row(RATING) not in db.execute("SELECT * FROM ratings WHERE key = ?", (RATING.key,)):
            raise Unusable("it keeps no ratings")
        db.execute(tables.PUT, tables.post_row(POSTED))
        if tables.post_row(POSTED) not in db.execute(tables.FIND_POST, (POSTED.key,)):
            raise Unusable("it keeps no posts")
        _rehearse_money(db)
        db.execute(tables.KEEP, SECRET)
        if SECRET not in db.execute(tables.KEPT, SECRET[:1]):
            raise Unusable("it keeps no secrets")
        for statement, values in tables.upsert(PROBE):
            db.execute(statement, values)
        [row] = db.execute(f"{tables.TURNS} key = ?", (PROBE.asked.key,))
        if tuple(row) != tables.entry_row(PROBE) or _parts(db) != len(PROBE.parts):
            raise Unusable("it does not keep what is written")
        db.execute(*tables.upsert(PROBE)[0])
        if _parts(db):
            raise Unusable("its parts outlive their questions")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _rehearse_money(db: sqlite3.Connection) -> None:
    db.execute(tables.ADD, tables.spent_row(SPENDING))
    db.execute(tables.ADD, tables.spent_row(SPENDING))
    if tables.spent_row(SPENDING + SPENDING) not in db.execute(
        "SELECT * FROM spent WHERE model = ?", ("\0",)
    ):
        raise Unusable("it keeps no accounts")
    db.execute(tables.HOLD, tables.hold_row(HELD))
    if tables.hold_row(HELD) not in db.execute("SELECT * FROM holds WHERE key = ?", (HELD.key,)):
        raise Unusable("it holds no money back")


def _parts(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM parts WHERE key = ?", (PROBE.asked.key,)).fetchone()[0])


def aside(folder: Path) -> list[str]:
    """Return the names of the files that were moved aside in *folder*, oldest first."""
    return copies(folder, (BROKEN,))


def copies(folder: Path, kinds: Collection[str] = (BROKEN, BEFORE)) -> list[str]:
    """Return the names of the ledgers of *kinds* in *folder*, which no bot reads any more, oldest first."""
    try:
        found = [path.name for kind in kinds for path in folder.glob(f"{kind}*")]
    except OSError:
        return []
    return sorted({name.removesuffix("-wal").removesuffix("-shm") for name in found})


def remove(path: Path) -> None:
    """Delete the ledger at *path* with what belongs to it.

    Raises:
        OSError: It can't be deleted.
    """
    for suffix in SUFFIXES:
        old = path.with_name(path.name + suffix)
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)


def unmoved(folder: Path) -> bool:
    """Tell whether *folder* has a ledger with something in it that no `rivulet move` was begun for."""
    path = folder / NAME
    try:
        if not path.is_file() or begun(folder):
            return False
        with closing(_read_only(path)) as db:
            return any(db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in KEPT)  # noqa: S608
    except (OSError, sqlite3.Error):
        return False


def begun(folder: Path) -> bool:
    """Tell whether a `rivulet move` of the ledger in *folder* was begun; raises OSError.

    An empty mark is none: an older version, which wrote it in two steps, was ended between them.
    """
    mark = folder / MOVED
    return mark.exists() and mark.stat().st_size > 0


def findings(folder: Path) -> list[str]:
    """Return what an operator should know about the ledger in *folder*; changes nothing there."""
    if why := _unusable(folder):
        return [f"RIVULET_DATA: {folder} can't be used, so nothing survives a restart ({why})"]
    found = [f"RIVULET_DATA: {name} could not be used and lies aside; delete it" for name in aside(folder)]
    path = folder / NAME
    if path.exists() and (why := trouble(path)):
        found.append(f"RIVULET_DATA: {NAME} {why}")
    return found


def _unusable(folder: Path) -> str:
    """Return why no ledger can be kept in *folder*; "" where it can, also if it is to be made."""
    try:
        if not folder.is_dir():
            return "it is no folder" if folder.exists() else _unusable(folder.parent)
        return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "it may not be read and written"
    except OSError as error:
        return str(error.strerror).lower()


def _read_only(path: Path) -> sqlite3.Connection:
    # Without a log beside it, nobody has it open, and SQLite would want to make one.
    mode = "mode=ro" if path.with_name(f"{NAME}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=1.0)


def trouble(path: Path) -> str:
    """Return what is to be said of the ledger at *path*, "" if it can be used."""
    if path.is_dir():
        return "is moved aside at the next start (it is a folder)"
    try:
        with closing(_read_only(path)) as db:
            expect_whole(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        what = "is moved aside at the next start" if is_content(error) else "can't be read now"
        return f"{what} ({error})"
    return ""
