"""All that a ledger's file holds, read in pieces, to move it into another kind of store.  Every call blocks.

Nobody may write to the file meanwhile.  A row that is none of ours is passed over, but for a question's key,
which stays so that nothing is answered twice.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bot.platform import Actor, Asked, Place, Post
from bot.store import Entry, Note, Part, Rated, rows, tables
from bot.store.accounts import Spent
from bot.store.examine import NAME
from bot.store.rows import BadRow
from bot.text.safe import SURROGATE

T = TypeVar("T")

#: Questions that are read at once, and posts, which may have files in them.
PAGE, POSTS = 200, 10


class Contents:
    """What the ledger in *folder* holds.

    Attributes:
        bad: Rows so far that were none of ours.
    """

    def __init__(self, folder: Path) -> None:
        self.bad = 0
        self._db = sqlite3.connect(f"{(folder / NAME).resolve().as_uri()}?mode=ro", uri=True)
        self._db.text_factory = rows.text_of

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def entries(self) -> Iterator[list[Entry]]:
        """Iterate over all questions, some at a time."""
        for page in self._pages("SELECT * FROM turns", PAGE):
            keys = [row[0] for row in page if isinstance(row[0], str) and not SURROGATE.search(row[0])]
            parts, bad = self._parts(keys)
            yield [self._entry(row, None if row[0] in bad else parts.get(row[0], [])) for row in page]

    def posts(self) -> Iterator[list[Post]]:
        """Iterate over all messages of platforms that the bot itself serves, some at a time."""
        for page in self._pages("SELECT * FROM posts", POSTS):
            yield self._good(rows.post_of, page)

    def notes(self) -> list[Note]:
        """Return all notes, oldest first."""
        return self._good(rows.note_of, self._db.execute(tables.NOTES))

    def ratings(self) -> list[Rated]:
        """Return all ratings, oldest first."""
        return self._good(rows.rated_of, self._db.execute(tables.RATINGS))

    def choices(self) -> dict[str, str]:
        """Return who has chosen which model."""
        return dict(self._db.execute(tables.CHOICES).fetchall())

    def spent(self) -> list[Spent]:
        """Return all that was spent."""
        return self._good(rows.spent_of, self._db.execute(tables.SPENT_ROWS, (0,)))

    def secrets(self) -> dict[str, str]:
        """Return what platforms keep for good, by name."""
        return dict(self._good(rows.kept_of, self._db.execute("SELECT * FROM vault")))

    def _parts(self, keys: Sequence[str]) -> tuple[dict[str, list[Part]], set[str]]:
        """Return the messages of the questions *keys*, and the questions of which one is none of ours."""
        found: dict[str, list[Part]] = {}
        bad: set[str] = set()
        which = ", ".join("?" * len(keys))
        for row in self._db.execute(f"{tables.PARTS}key IN ({which}) ORDER BY number", keys):
            try:
                key, part = rows.part_of(row)
                found.setdefault(key, []).append(part)
            except BadRow:
                bad.add(row[1])
        return found, bad

    def _entry(self, row: Sequence[Any], parts: Sequence[Part] | None) -> Entry:
        """Return the question of *row* with its *parts*; of one that is none of ours the key alone."""
        try:
            if parts is not None:
                return rows.entry_of(row, parts)
        except BadRow:
            pass
        self.bad += 1
        now = time.time()
        return Entry(Asked(rows.shown(row[0]), "", Actor(""), Place(""), "", now), note="", done=now)

    def _good(self, look: Callable[[Sequence[Any]], T], found: Iterable[Sequence[Any]]) -> list[T]:
        good = []
        for row in found:
            try:
                good.append(look(row))
            except BadRow:
                self.bad += 1
        return good

    def _pages(self, statement: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Iterate over what *statement* returns, some rows at a time."""
        cursor = self._db.execute(statement)
        while page := cursor.fetchmany(size):
            yield page
