"""What Redis keeps beside questions: notes, ratings and choices.

What it can't be told now it is told when it is there again, in order, but for what passes `OWED`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog

from bot.store import NOTES_ALL, NOTES_HERE, RATINGS_KEPT, RATINGS_MOST, Note, Rated, tables
from bot.store.redis import entries, scripts
from bot.store.redis.keys import Names
from bot.store.redis.wire import Away, Refusal, Script, Wire

log = structlog.get_logger(__name__)

#: Requests that wait for a Redis that is away, and ratings that are deleted in one step.
OWED = 1000

Step = tuple[Script, Sequence[str], Sequence[Any]]


class Beside:
    """Notes, ratings and choices in Redis.

    Args:
        wire: The connection.
        names: What keys are called.

    Attributes:
        refused: What Redis said when it last refused to write; "" if it wrote since.
    """

    def __init__(self, wire: Wire, names: Names) -> None:
        self.refused = ""
        self._wire = wire
        self._names = names
        self._owed: list[Step] = []

    async def choices(self) -> dict[str, str]:
        """Return who has chosen which model; raises `Away` or `Refusal`, as all that reads here."""
        words: dict[bytes, bytes] = await self._wire.ask("HGETALL", self._names.of("choices"))
        return {who.decode(errors="replace"): model.decode(errors="replace") for who, model in words.items()}

    async def choose(self, who: str, model: str) -> None:
        """Keep a choice, or delete it."""
        script = scripts.CHOOSE if model else scripts.UNCHOOSE
        await self._later((script, [self._names.of("choices")], [who, model]))

    async def note(self, note: Note) -> int:
        """Keep *note*; return which of `scripts.NOTE`'s bounds is in the way, 0 for none."""
        row = json.dumps(tables.note_row(note))
        bounds = [NOTES_HERE, NOTES_ALL]
        step = (scripts.NOTE, self._keys(*note.key), [_name(*note.key), note.name, note.at, row, *bounds])
        return int(await self._later(step) or 0)

    async def erase(self, platform: str, channel: str, name: str) -> bool | None:
        """Delete a note; tell whether there was one, None if that is not known yet."""
        step = (scripts.ERASE, self._keys(platform, channel, name), [_name(platform, channel, name), name])
        told = await self._later(step)
        return None if told is None else bool(told)

    async def notes(self, platform: str, channel: str) -> list[Note]:
        """Return the notes of a channel, or all, oldest first."""
        if platform and channel:
            rows = await self._wire.ask("HVALS", self._names.of("notes", platform, channel))
        else:
            keys, begins = [self._names.of("notes")], [self._names.of("notes", "")]
            rows = await self._wire.call(scripts.NOTES, keys, begins)
        found: list[Note] = entries.good(filter(None, rows), entries.note_in, _told)
        found.sort(key=lambda note: note.at)
        return [note for note in found if platform in {"", note.platform} and channel in {"", note.channel}]

    async def rate(self, rated: Rated) -> None:
        """Keep a rating."""
        row = json.dumps(tables.rated_row(rated))
        args = [f"{rated.key}\n{rated.rater}", rated.at, row, RATINGS_MOST]
        await self._later((scripts.RATE, self._ratings, args))

    async def unrate(self, key: str, rater: str, *, good: bool) -> None:
        """Delete a rating if it is still the same."""
        await self._later((scripts.UNRATE, self._ratings, [f"{key}\n{rater}", int(good)]))

    async def ratings(self) -> list[Rated]:
        """Return all ratings, oldest first."""
        rows = await self._wire.ask("HVALS", self._names.of("ratings"))
        found: list[Rated] = entries.good(rows, entries.rated_in, _told)
        return sorted(found, key=lambda rated: rated.at)

    async def prune(self, now: float) -> None:
        """Delete ratings that are older than `RATINGS_KEPT` at *now*."""
        args = [f"({now - RATINGS_KEPT}", OWED]
        while await self._wire.call(scripts.OLD_RATINGS, self._ratings, args) == OWED:
            pass

    async def forget(self, actor: str) -> None:
        """Delete what *actor* wrote, rated and chose, and ratings of their answers."""
        for note in await self.notes("", ""):
            if note.actor == actor:
                keys, args = self._keys(*note.key), [_name(*note.key), note.name]
                await self._wire.call(scripts.ERASE, keys, args)
        rated = [each for each in await self.ratings() if actor in {each.rater, each.asker}]
        for each in rated:
            which = f"{each.key}\n{each.rater}", int(each.good)
            await self._wire.call(scripts.UNRATE, self._ratings, which)
        for who in [who for who in await self.choices() if who.partition("/")[2] == actor]:
            await self._wire.ask("HDEL", self._names.of("choices"), who)

    async def settle(self) -> None:
        """Tell Redis what it could not be told; raises `Away`, and `Refusal` with the rest still owed."""
        while self._owed:
            script, keys, args = step = self._owed[0]
            await self._wire.call(script, keys, args)
            if self._owed and self._owed[0] is step:  # else all was deleted meanwhile
                self._owed = self._owed[1:]

    def clear(self) -> None:
        """Owe nothing any more."""
        self._owed.clear()

    @property
    def owes(self) -> bool:
        """Whether something waits to be told."""
        return bool(self._owed)

    @property
    def _ratings(self) -> list[str]:
        return [self._names.of("ratings"), self._names.of("ratings", "at")]

    def _keys(self, platform: str, channel: str, _name: str) -> list[str]:
        return [self._names.of("notes"), self._names.of("notes", platform, channel)]

    async def _later(self, step: Step) -> Any:
        """Do *step* now and return what comes of it; or owe it, and return None."""
        try:
            if not self._owed:
                return await self._wire.call(*step)
        except Away:
            pass
        except Refusal as error:
            self.refused = str(error)
        if len(self._owed) < OWED:
            self._owed.append(step)
        return None


def _name(platform: str, channel: str, name: str) -> str:
    """Return what a note is called among all."""
    return f"{platform}\n{channel}\n{name}"


def _told(_row: Any, why: Exception) -> None:
    log.warning("a row in Redis is none of ours: left out", reason=str(why))
