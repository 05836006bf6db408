"""What can still be read of a file that can't be used: its good rows, for a new file.  Every call blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from bot.store import rows, tables
from bot.store.rows import BadRow
from bot.store.tables import Statement

#: What looks at a row of each table that has nothing to do with another.
LOOKS: Mapping[str, Callable[[Sequence[Any]], object]] = {
    "notes": rows.note_of,
    "posts": rows.post_of,
    "ratings": rows.rated_of,
    "spent": rows.spent_of,
    "holds": rows.hold_of,
    "vault": rows.kept_of,
}


def salvage(path: Path) -> list[Statement]:
    """Return what writes the good rows of the file at *path* into another one; () if there are none."""
    found: list[Statement] = []
    with suppress(sqlite3.Error, OSError, UnicodeDecodeError), closing(_opened(path)) as db:
        kept = set()
        for found_row in _rows(db, "turns", len(rows.TURN), len(tables.UPGRADES)):
            row = found_row + ("",) * (len(rows.TURN) - len(found_row))
            with suppress(BadRow):
                rows.entry_of(row, ())
                kept.add(row[0])
                found.append((tables.TURN, row))
        for row in _rows(db, "parts", len(rows.PART)):
            with suppress(BadRow):
                if rows.part_of(row)[0] in kept:
                    found.append((tables.PART, row))
        for table, statement, row in _others(db):
            with suppress(BadRow):
                LOOKS[table](row)
                found.append((statement, row))
    return found


def _others(db: sqlite3.Connection) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Iterate over the rows of the tables of `LOOKS`: table, what writes the row, and the row."""
    yield from (("notes", tables.NOTE, row) for row in _rows(db, "notes", len(rows.NOTE), key=3))
    # Of files, their names: all contents together may be more than the memory holds.
    bare = "key, talk, owner, at, body, x''"
    yield from (("posts", tables.PUT, row) for row in _rows(db, "posts", len(rows.POST), what=bare))
    yield from (("ratings", tables.RATE, row) for row in _rows(db, "ratings", len(rows.RATED), key=2))
    yield from (("spent", tables.ADD, row) for row in _rows(db, "spent", len(rows.SPENT), key=6))
    yield from (("holds", tables.HOLD, row) for row in _rows(db, "holds", len(rows.HOLD)))
    yield from (("vault", tables.KEEP, row) for row in _rows(db, "vault", len(rows.KEPT)))


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.text_factory = rows.text_of
    return db


def _rows(
    db: sqlite3.Connection, table: str, columns: int, lacks: int = 0, key: int = 1, what: str = "*"
) -> Iterator[tuple[Any, ...]]:
    """Iterate over the rows of *table*, each once: from both ends, up to where it can't be read.

    An older version's rows may lack as many of the last columns as *lacks* says; the first *key* columns are
    what a row is known by.
    """
    seen = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error, UnicodeDecodeError):
            for row in db.execute(f"SELECT {what} FROM {table} ORDER BY 1 {order}"):  # noqa: S608  our names
                if columns - lacks <= len(row) <= columns and row[:key] not in seen:
                    seen.add(row[:key])
                    yield row
