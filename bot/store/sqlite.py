"""A store in one SQLite file: `Memory`, written down as it changes.

Questions that are not done are also in memory, read once at the start: while the disk is full, locked or
gone, answers go on, and only what a restart would need is missing.  Questions that are done are in the file
alone; memory has their keys, so that none is answered twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import structlog

from bot.platform import Asked, Shelf, Vault
from bot.store import (
    MOST_RECENT,
    POSTS_KEPT,
    RATINGS_KEPT,
    ROWS_KEPT,
    TEXT_KEPT,
    Entry,
    Note,
    Part,
    Rated,
    tables,
)
from bot.store.accounts_file import FileAccounts, today
from bot.store.examine import BEFORE, BROKEN, is_content
from bot.store.keys import DAY, Keys
from bot.store.memory import Memory
from bot.store.shelf import FileShelf
from bot.store.tables import Statement
from bot.store.vault import FileVault
from bot.store.writer import Writer

log = structlog.get_logger(__name__)

#: Ratings that wait for a file that can't be written.
RATINGS_OWED = 1000


class Sqlite(Memory):
    """Entries in a file, and in memory until they are done; see `Store`.

    Args:
        folder: Where the file is, or is made.
        expect_held: Raises OSError where another process has the folder.
    """

    def __init__(self, folder: Path, expect_held: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._done = Keys()  # of entries that only the file has
        self._writer = Writer(folder, self._catch_up, expect_held)
        self._file = self._writer.file
        self._posts = FileShelf(self._writer)
        self._secrets = FileVault(self._writer)
        self._accounts: FileAccounts = FileAccounts(self._writer)
        self._read = False
        # Deletions, ratings and posts that were not written, in order: a deletion takes earlier posts along.
        self._owed: list[Statement] = self._posts.owed
        self._aside: set[str] | None = None  # see `_delete`, of deletions that are owed; None if none are

    async def open(self) -> None:
        """Read what there is; start afresh, and say so, where that can't be read."""
        try:
            await self._writer.run(self._file.reopen)
            try:
                await self._load()
            except sqlite3.Error as error:
                if not is_content(error):
                    raise
                await self._writer.run(self._file.reopen)  # which moves it aside
                await self._load()
        except (sqlite3.Error, OSError) as error:
            self._writer.degrade(error)
        else:
            await self._writer.take_ballast()

    @property
    def shelf(self) -> Shelf:
        """See `Store.shelf`."""
        return self._posts

    @property
    def vault(self) -> Vault:
        """See `Store.vault`."""
        return self._secrets

    async def _load(self) -> None:
        """Take over what the file holds, below what is known already; not if a deletion came meanwhile."""
        try:
            entries, self._done = await self._writer.run(self._file.load)
            notes = await self._writer.run(self._file.notes)
            choices = await self._writer.run(self._file.choices)
            spent, holds = await self._writer.run(self._accounts.read)
        except sqlite3.Error as error:
            self._file.doubt(error)  # a look at every page does not find all that is wrong
            raise
        if self._owed:  # it came while the file was read
            return
        self._notes = {note.key: note for note in notes} | self._notes
        self._choices = choices | self._choices
        known = [*self._entries.values()]
        self._read = True
        self._accounts.take(spent, holds)
        self._entries.clear()
        self._open.clear()
        for entry in (*entries, *known):
            self._put(entry)

    async def _catch_up(self) -> None:
        """Write all that is in memory; then keep in memory only what is not done."""
        while not self._read:
            await self._settle()  # before what it deletes is read
            await self._load()
        entries, owed = [*self._entries.values()], [*self._owed]
        upserts = [statement for entry in entries for statement in tables.upsert(entry)]
        upserts += [(tables.NOTE, tables.note_row(note)) for note in self._notes.values()]
        upserts += [(tables.CHOOSE, choice) for choice in self._choices.items()]
        due, accounts = self._accounts.due()
        try:
            await self._writer.apply([*owed, *upserts, *accounts])
        except BaseException:
            self._accounts.undone(due)
            raise
        del self._owed[: len(owed)]
        self._let_go([entry.asked.key for entry in entries if entry.done is not None])
        if self._aside is not None and not self._owed:
            aside, self._aside = self._aside, None
            await self._writer.sweep(float("inf"), aside)  # maybe what was just opened anew
            await self._writer.checkpoint()

    async def _settle(self) -> None:
        """Delete from the file what could not be deleted before."""
        owed = [*self._owed]
        await self._writer.apply(owed)
        del self._owed[: len(owed)]

    @property
    def health(self) -> str:
        """See `Store.health`."""
        return self._writer.health

    async def accept(self, asked: Asked) -> bool:
        """See `Store.accept`."""
        if not await super().accept(asked):
            await self._writer.write()  # the first delivery may still be on its way to the disk
            return False
        await self._writer.write((tables.ACCEPT, tables.asked_row(asked)), soon=True)
        return True

    async def reword(self, key: str, question: str) -> None:
        """See `Store.reword`."""
        await super().reword(key, question)
        await self._note(key, ("UPDATE turns SET question = ? WHERE key = ?", (question, key)))

    async def intend(self, key: str, part: Part, text: str) -> None:
        """See `Store.intend`."""
        await super().intend(key, part, text)
        if entry := self._going(key):
            row = tables.part_row(key, part, len(entry.parts))
            saved = ("UPDATE turns SET text = ? WHERE key = ?", (text, key))
            await self._writer.write(saved, (tables.PART, row), full=True)

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """See `Store.posted`."""
        await super().posted(key, nonce, message)
        await self._note(key, ("UPDATE parts SET message = ? WHERE nonce = ?", (message, nonce)))

    async def save(self, key: str, text: str) -> None:
        """See `Store.save`."""
        await super().save(key, text)
        await self._note(key, ("UPDATE turns SET text = ? WHERE key = ?", (text, key)))

    async def call(self, key: str, calling: str) -> None:
        """See `Store.call`."""
        await super().call(key, calling)
        await self._note(key, (tables.CALL, (calling, key)), full=True)

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """See `Store.end`."""
        await super().end(key, text, note, controls)
        await self._note(key, (tables.END, (text, note, " ".join(controls), key)))

    async def done(self, key: str, at: float) -> None:
        """See `Store.done`."""
        if (entry := self._going(key)) is None:
            return
        await super().done(key, at)
        bare = () if entry.controls else ((tables.BARE, (key,)), (tables.BARE_PARTS, (key,)))
        ended = ("UPDATE turns SET done = ? WHERE key = ?", (at, key))
        if await self._writer.write(ended, *bare, full=True):
            self._let_go([key])

    async def again(self, key: str) -> None:
        """See `Store.again`."""
        await super().again(key)
        await self._note(key, ("UPDATE turns SET runs = runs + 1 WHERE key = ?", (key,)), full=True)

    async def find(self, key: str) -> Entry | None:
        """See `Store.find`."""
        return await super().find(key) or await self._writer.read(lambda: self._file.find(key))

    async def find_shown(self, message: str, *, first: bool = False) -> Entry | None:
        """See `Store.find_shown`."""
        going = await super().find_shown(message)
        if going and not first:
            return going
        return await self._writer.read(lambda: self._file.find_shown(message, first=first)) or going

    async def recent(self, platform: str, since: float) -> Sequence[Asked]:
        """See `Store.recent`; if the file can't be read, only the questions that are not done."""
        known = [*await super().recent(platform, since)]
        try:
            known += await self._writer.read(lambda: self._file.recent(platform, since))
        except OSError as error:
            log.warning("the ledger was not read", error=str(error))
        found: dict[str, Asked] = {}
        for asked in sorted(known, key=lambda asked: asked.at, reverse=True):
            found.setdefault(asked.conversation, asked)
        return [*found.values()][:MOST_RECENT]

    async def note(self, note: Note) -> None:
        """See `Store.note`."""
        await super().note(note)
        await self._writer.write((tables.NOTE, tables.note_row(note)), full=True)

    async def erase(self, platform: str, channel: str, name: str) -> bool:
        """See `Store.erase`."""
        found = await super().erase(platform, channel, name)
        await self._delete((tables.ERASE, (platform, channel, name)), aside=())
        return found

    async def choose(self, who: str, model: str) -> None:
        """See `Store.choose`."""
        await super().choose(who, model)
        statement = (tables.CHOOSE, (who, model)) if model else (tables.UNCHOOSE, (who,))
        if not await self._writer.write(statement) and not model:
            self._owed.append(statement)

    async def talks(self, platform: str) -> Sequence[tuple[str, str]]:
        """See `Store.talks`; if the file can't be read, only the questions that are not done."""
        going = await super().talks(platform)
        try:
            known = await self._writer.read(lambda: self._file.talks(platform))
        except OSError as error:
            log.warning("the ledger was not read", error=str(error))
            known = []
        return list(dict.fromkeys([*known, *going]))

    async def rate(self, rated: Rated) -> None:
        """See `Store.rate`."""
        await self._rated((tables.RATE, tables.rated_row(rated)))

    async def unrate(self, key: str, rater: str, *, good: bool) -> None:
        """See `Store.unrate`."""
        await self._rated((tables.UNRATE, (key, rater, int(good))))

    async def _rated(self, statement: Statement) -> None:
        """Apply *statement*, which is about the file's ratings; if that fails, when it is next caught up."""
        if not await self._writer.write(statement) and len(self._owed) < RATINGS_OWED:
            self._owed.append(statement)

    async def ratings(self) -> Sequence[Rated]:
        """See `Store.ratings`."""
        return await self._writer.read(self._file.ratings)

    async def prune(self, now: float) -> None:
        """See `Store.prune`."""
        await super().prune(now)
        self._done.prune(now - ROWS_KEPT)
        old, faded = (now - ROWS_KEPT,), (now - TEXT_KEPT,)
        await self._writer.write((tables.OLD, old), (tables.FADE_PARTS, faded), (tables.FADE, faded))
        await self._writer.write(
            (tables.OLD_RATINGS, (now - RATINGS_KEPT,)), (tables.OLD_POSTS, (now - POSTS_KEPT,))
        )
        await self._writer.write(*self._accounts.pruning(int(now // DAY)))
        await self._writer.take_ballast()
        await self._writer.sweep(now - ROWS_KEPT, (BROKEN, BEFORE))

    async def forget(self, actor: str) -> int:
        """See `Store.forget`."""
        try:
            done = await self._writer.read(lambda: self._file.count(actor))
        except OSError:
            done = 0
        count = done + await super().forget(actor)
        whose = (actor,)
        beside = (
            tables.FORGET_NOTES,
            tables.FORGET_RATINGS,
            tables.FORGET_POSTS,
            tables.FORGET_CHOICES,
        )
        await self._delete(
            (tables.FORGET_PARTS, whose),
            (tables.FORGET, whose),
            *((each, whose) for each in beside),
            *self._accounts.forgetting(actor, today()),
        )
        return count

    async def purge(self) -> int:
        """See `Store.purge`."""
        count = await super().purge() + len(self._done)
        self._done.clear()
        everything = ((statement, ()) for statement in tables.PURGE)
        await self._delete(*everything, aside=(BROKEN, BEFORE))
        return count

    async def close(self) -> None:
        """See `Store.close`."""
        await self._writer.close()

    async def _delete(self, *statements: Statement, aside: Collection[str] = (BROKEN,)) -> None:
        """Apply *statements* now; if that fails, when the file is next caught up.

        Args:
            statements: What deletes.
            aside: The kinds of ledgers that lie aside and are deleted too.  Of one that could not be used
                nobody knows whose words are in it; one that was replaced is the operator's way back.
        """
        done = [key for key in self._entries if key not in self._open]
        written, why = await self._writer.write(*statements, full=True), self._writer.trouble
        if not written:
            self._owed += statements  # at once: what catches up meanwhile must know of it
            self._aside = {*(self._aside or ()), *aside}
        await self._writer.sweep(float("inf"), aside)
        if not written:
            raise OSError(why)
        self._let_go(done)
        await self._writer.checkpoint()

    async def _note(self, key: str, *statements: Statement, full: bool = False) -> None:
        """Apply *statements* on a question, unless it is done or was forgotten; see `Writer.write`."""
        if key in self._open:
            await self._writer.write(*statements, full=full)

    def _knows(self, key: str) -> bool:
        return super()._knows(key) or key in self._done

    def _let_go(self, keys: Sequence[str]) -> None:
        """Remove the entries of *keys* from memory if they are done: the file has them."""
        for key in keys:
            if key in self._entries and key not in self._open:
                self._done.add(key, self._entries.pop(key).asked.at)
