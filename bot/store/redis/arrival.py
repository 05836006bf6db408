"""Takes over into Redis what another store has: whole, and for no longer than that one would have kept it.

It may be ended at any moment and begun anew: what is there is left as it is, and what lacks is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.platform import Post, Unavailable
from bot.store import ROWS_KEPT, TEXT_KEPT, Entry, Note, Rated
from bot.store.accounts import NAMES, NUMBERS, Spent
from bot.store.peers import LEASE
from bot.store.redis import entries, scripts
from bot.store.redis.accounts import RedisAccounts
from bot.store.redis.beside import Beside
from bot.store.redis.checks import SETTING, expect_ours, expect_safe
from bot.store.redis.keys import Names
from bot.store.redis.purge import KINDS
from bot.store.redis.questions import Questions
from bot.store.redis.scripts import FINE
from bot.store.redis.shelf import RedisShelf
from bot.store.redis.vault import RedisVault
from bot.store.redis.wire import Wire

#: What holds the questions that are open until the move is over.  No replica is ever called like this.
MOVER = "move"
#: What else begins keys of a ledger, beside `purge.KINDS`.
MORE = frozenset({"days", "posts", "vault"})
#: Keys that are looked at in one step.
LOOK = 10_000


class Lacking(Exception):
    """Something is not in Redis that was written there; the message says what."""


class Arrival:
    """What arrives under the prefix of *names*.

    All methods raise `OSError` where Redis is away, or refuses.
    """

    def __init__(self, wire: Wire, names: Names) -> None:
        self._wire = wire
        self._names = names
        self._marker = names.of("moved")
        self._beside = Beside(wire, names)
        self._shelf = RedisShelf(wire, names)
        self._vault = RedisVault(wire, names)
        self._accounts = RedisAccounts(wire, names, MOVER)
        nobody: list[Callable[..., None]] = [lambda *_: None] * 5  # has them in memory, or is told of them
        self._questions = Questions(wire, names, MOVER, *nobody)

    async def open(self, ledger: str) -> bool:
        """Connect; tell whether *ledger*, which only one has, is to be moved, or was to its end.

        Raises:
            Unavailable: There is another ledger, a bot runs there, or the Redis is not fit.
        """
        await expect_safe(self._wire, self._names)
        await expect_ours(self._wire, self._names)
        known = await self._wire.ask("HGETALL", self._marker)
        if known.get(b"ledger") == ledger.encode() and b"done" in known:
            return False
        if living := await self._wire.call(scripts.LIVING, [self._names.of("members")], [LEASE]):
            raise Unavailable(
                f"{SETTING}: {living} replica{'s' * (living != 1)} of a bot run there; stop them first."
            )
        if known.get(b"ledger") != ledger.encode() and (known or await self._has_ledger()):
            raise Unavailable(
                f"{SETTING}: under the prefix {self._names.prefix} is another ledger already: "
                "set a prefix of this bot's own, as in ?prefix=team."
            )
        await self._wire.ask("HSET", self._marker, "ledger", ledger)
        return True

    async def questions(self, moved: Sequence[Entry]) -> int:
        """Write *moved*; return how many of them lacked."""
        told = await asyncio.gather(*(self._questions.put(entry) for entry in moved))
        await asyncio.gather(*(self._ends(entry) for entry in moved if entry.done is not None))
        found = await asyncio.gather(*map(self._find, moved))
        for entry, there, new in zip(moved, found, told, strict=True):
            if there is None or (new == FINE and there != entry):
                raise Lacking(f"question {entry.asked.key}")
        return sum(each == FINE for each in told)

    async def notes(self, moved: Sequence[Note]) -> None:
        """Write *moved*."""
        for note in moved:
            await self._beside.note(note)
        self._expect_told()
        _expect({*moved} <= {*await self._beside.notes("", "")}, "a note")

    async def ratings(self, moved: Sequence[Rated]) -> None:
        """Write *moved*."""
        for rated in moved:
            await self._beside.rate(rated)
        self._expect_told()
        _expect({*moved} <= {*await self._beside.ratings()}, "a rating")

    async def choices(self, moved: Mapping[str, str]) -> None:
        """Write *moved*: who has chosen which model."""
        for who, model in moved.items():
            await self._beside.choose(who, model)
        self._expect_told()
        _expect(moved.items() <= (await self._beside.choices()).items(), "a choice")

    async def posts(self, moved: Sequence[Post]) -> None:
        """Write *moved*."""
        for post in moved:
            await self._shelf.put(post)
        if self._shelf.owed:
            raise OSError("it refuses what it is given")
        for post in moved:
            _expect(await self._shelf.find(post.key) == post, f"message {post.key}")

    async def spent(self, moved: Sequence[Spent]) -> None:
        """Write of *moved* what is not counted yet."""
        await self._accounts.take([*filter(None, await self._uncounted(moved))])
        _expect(not any(await self._uncounted(moved)), "a row of what was spent")

    async def secrets(self, moved: Mapping[str, str]) -> None:
        """Write *moved*: what platforms keep for good, by name."""
        for name, text in moved.items():
            await self._vault.keep(name, text)
            _expect(await self._vault.kept(name) == text, f"what is kept as {name}")

    async def end(self) -> None:
        """Let replicas have the questions that are open: from now on nothing is moved any more."""
        keys = [key.decode() for key in await self._wire.ask("ZRANGE", self._names.of("open"), 0, -1)]
        await self._questions.release(keys)
        await self._wire.ask("HSET", self._marker, "done", "1")

    async def _has_ledger(self) -> bool:
        begins, at = f"{self._names.of()}:".encode(), 0
        while True:
            at, found = await self._wire.ask("SCAN", at, "MATCH", begins + b"*", "COUNT", LOOK)
            kinds = {key.removeprefix(begins).partition(b":")[0].decode(errors="replace") for key in found}
            if kinds & (KINDS | MORE):
                return True
            if not at:
                return False

    async def _ends(self, entry: Entry) -> None:
        """Let Redis delete what it has of *entry* when the other store would have."""
        turn, said = self._questions.keys(entry.asked.key)
        assert entry.done is not None  # noqa: S101  those alone are given
        await asyncio.gather(
            self._wire.ask("EXPIREAT", turn, int(entry.asked.at + ROWS_KEPT)),
            self._wire.ask("EXPIREAT", said, int(entry.done + TEXT_KEPT)),
        )

    async def _find(self, entry: Entry) -> Entry | None:
        key = entry.asked.key
        turn, said = await self._wire.call(scripts.FIND, self._questions.keys(key))
        return entries.found_of(key.encode(), turn, said) if turn else None

    def _expect_told(self) -> None:
        """Raise unless Redis was told all; what it refuses is owed, and never told."""
        if self._beside.owes:
            raise OSError(self._beside.refused or self._wire.trouble)

    async def _uncounted(self, moved: Sequence[Spent]) -> list[Spent | None]:
        """Return of each of *moved* what is not counted yet; None for nothing."""
        counted = {row.key: row for row in await self._accounts.usage(0, NAMES)}
        return [_more(row, counted.get(row.key)) for row in moved]


def _more(row: Spent, counted: Spent | None) -> Spent | None:
    """Return what *row* has more than is *counted*; None for nothing."""
    if counted is None:
        return row
    more = {name: max(0, getattr(row, name) - getattr(counted, name)) for name in NUMBERS}
    return replace(row, **more) if any(more.values()) else None


def _expect(found: bool, what: str) -> None:
    if not found:
        raise Lacking(what)
