"""A copy of the ledger's file while it is in use, and a copy put in its place.  Every call blocks."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from bot.store.examine import BEFORE, NAME, SUFFIXES, expect_whole

#: What a copy is called until whoever asked for it has taken it.
COPY = "copy-"
#: Seconds after which a copy is nobody's.
LEFT = 600.0


def snapshot(folder: Path) -> Path:
    """Return a copy of the ledger in *folder* as it is at this moment; writes go on meanwhile.

    It is one file, with nothing in a log beside it, and only its owner may read it.

    Raises:
        OSError: The ledger can't be read, or the copy not be written.
    """
    path = folder / NAME
    if not path.is_file():
        raise OSError(f"there is no {NAME} in {folder}")
    to = folder / f"{COPY}{secrets.token_hex(4)}.db"
    os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(to, isolation_level=None)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            expect_whole(target)
    except (sqlite3.Error, OSError) as error:
        to.unlink(missing_ok=True)
        raise OSError(str(error)) from error
    return to


def sweep(folder: Path) -> None:
    """Delete the copies in *folder* that nobody has taken."""
    for path in folder.glob(f"{COPY}*"):
        if time.time() - path.stat().st_mtime > LEFT:
            path.unlink(missing_ok=True)


def restore(folder: Path, source: BinaryIO) -> str:
    """Put the copy of a ledger that *source* holds in place of the one in *folder*, which nobody may use.

    Returns:
        The name of the one that was there, "" if there was none.

    Raises:
        OSError: The copy is no ledger of this Rivulet or an older one, or can't be written.
    """
    new = folder / f"{COPY}{secrets.token_hex(4)}.db"
    try:
        with os.fdopen(
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        ) as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        with closing(sqlite3.connect(f"{new.resolve().as_uri()}?immutable=1", uri=True)) as db:
            expect_whole(db)
            if new.stat().st_size % db.execute("PRAGMA page_size").fetchone()[0]:
                raise sqlite3.DatabaseError("its end is missing")  # which SQLite reads as zeros
            if not db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'turns'").fetchone()[0]:
                raise sqlite3.DatabaseError("it has no questions")
        return _replaced(folder, new)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise OSError(f"that is no copy of a ledger ({error})") from error
    finally:
        new.unlink(missing_ok=True)


def _replaced(folder: Path, new: Path) -> str:
    """Move the ledger of *folder* aside with its log, which would be applied to the other one, too."""
    before = f"{BEFORE}{time.time_ns() // 1_000_000}"
    there = (folder / NAME).exists()
    for suffix in SUFFIXES:
        if (old := folder / f"{NAME}{suffix}").exists():
            old.rename(folder / f"{before}{suffix}")
    new.rename(folder / NAME)
    return before if there else ""
