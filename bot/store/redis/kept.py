"""All that Redis keeps beside questions, as `Store` wants it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from bot.platform import Shelf, Vault
from bot.store import Full, Note, Rated
from bot.store.accounts import Accounts
from bot.store.accounts_file import today
from bot.store.keys import DAY
from bot.store.limits import RateLimits
from bot.store.memory import FULL, FULL_HERE, Memory
from bot.store.redis import scripts
from bot.store.redis.accounts import RedisAccounts
from bot.store.redis.beside import Beside
from bot.store.redis.keys import Names
from bot.store.redis.limits import RedisRateLimits
from bot.store.redis.shelf import RedisShelf
from bot.store.redis.vault import RedisVault
from bot.store.redis.wire import Wire


class Kept(Memory):
    """A `Memory` that has in Redis all but questions; notes and choices also here, as they were last seen.

    Args:
        wire: The connection.
        names: What keys are called.
        name: What this replica is called.
    """

    def __init__(self, wire: Wire, names: Names, name: str) -> None:
        super().__init__()
        self._beside = Beside(wire, names)
        self._money = RedisAccounts(wire, names, name)
        self._posts = RedisShelf(wire, names)
        self._secrets = RedisVault(wire, names)
        self._rates = RedisRateLimits(wire, names)

    @property
    def shelf(self) -> Shelf:
        """See `Store.shelf`."""
        return self._posts

    @property
    def vault(self) -> Vault:
        """See `Store.vault`."""
        return self._secrets

    @property
    def accounts(self) -> Accounts:
        """See `Store.accounts`."""
        return self._money

    @property
    def limits(self) -> RateLimits:
        """See `Store.limits`."""
        return self._rates

    async def note(self, note: Note) -> None:
        """See `Store.note`."""
        told = await self._beside.note(note)
        if told:
            raise Full(FULL_HERE if told == scripts.FULL_HERE else FULL)
        await super().note(note)

    async def notes(self, platform: str = "", channel: str = "") -> Sequence[Note]:
        """See `Store.notes`; while Redis is away as they were last seen here."""
        with suppress(OSError):
            found = await self._beside.notes(platform, channel)
            for note in await super().notes(platform, channel):
                del self._notes[note.key]
            self._notes |= {note.key: note for note in found}
        return await super().notes(platform, channel)

    async def erase(self, platform: str, channel: str, name: str) -> bool:
        """See `Store.erase`."""
        told = await self._beside.erase(platform, channel, name)
        await super().erase(platform, channel, name)
        if told is None:
            raise OSError(f"not deleted yet: {self.health}")
        return told

    async def rate(self, rated: Rated) -> None:
        """See `Store.rate`."""
        await self._beside.rate(rated)

    async def unrate(self, key: str, rater: str, *, good: bool) -> None:
        """See `Store.unrate`."""
        await self._beside.unrate(key, rater, good=good)

    async def ratings(self) -> Sequence[Rated]:
        """See `Store.ratings`."""
        return await self._beside.ratings()

    async def choose(self, who: str, model: str) -> None:
        """See `Store.choose`; other replicas hear of it in some seconds."""
        await super().choose(who, model)
        await self._beside.choose(who, model)
        await super().choose(who, model)  # `_refresh` may just have read what was before

    async def _refresh(self) -> None:
        """Learn what other replicas have changed of what is asked for at no cost here."""
        with suppress(OSError):
            choices = await self._beside.choices()
            if not self._beside.owes:
                self._choices = choices

    async def _prune_kept(self, now: float) -> None:
        await self._beside.prune(now)
        await self._posts.prune(now)
        await self._money.prune(int(now // DAY))

    async def _forget_kept(self, actor: str) -> None:
        await self._beside.forget(actor)
        await self._posts.forget(actor)
        await self._money.forget(actor, today())

    async def _settle_dead(self, alive: Collection[str]) -> None:
        """Count what those have spent who died with requests that ran: all but those *alive*."""
        if dead := await self._money.holders() - {*alive}:
            await self._money.settle_dead(dead)

    async def _purge_kept(self) -> None:
        for each in (self._money, self._posts, self._secrets):
            await each.purge()
