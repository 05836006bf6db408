"""Notes, ratings and choices of all replicas, as `Store` wants them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bot.store import Full, Note, Rated
from bot.store.memory import FULL, FULL_HERE, Memory
from bot.store.redis import scripts
from bot.store.redis.beside import Beside


class Kept(Memory):
    """A `Memory` whose notes, ratings and choices are in Redis, and here as they were last seen.

    Args:
        beside: What Redis keeps.
    """

    def __init__(self, beside: Beside) -> None:
        super().__init__()
        self._beside = beside

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
        """See `Store.choose`; other replicas hear of it with their next `refresh`."""
        await super().choose(who, model)
        await self._beside.choose(who, model)

    async def refresh(self) -> None:
        """Learn what other replicas have changed of what is asked for at no cost here."""
        with suppress(OSError):
            self._choices = await self._beside.choices()
