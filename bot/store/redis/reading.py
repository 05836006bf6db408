"""What Redis knows of questions, those that are done and those of other replicas, as `Store` wants it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog

from bot.platform import Asked
from bot.store import MOST_RECENT, Entry
from bot.store.redis import entries, scripts
from bot.store.redis.kept import Kept
from bot.store.redis.keys import Names
from bot.store.redis.purge import purge
from bot.store.redis.wire import Wire
from bot.store.rows import BadRow, shown, text_of

log = structlog.get_logger(__name__)


class Reading(Kept):
    """A `Memory` that looks into Redis for what it does not have.

    Args:
        wire: The connection.
        names: What keys are called.
        name: What this replica is called.
    """

    def __init__(self, wire: Wire, names: Names, name: str) -> None:
        super().__init__(wire, names, name)
        self._wire = wire
        self._names = names

    async def find(self, key: str) -> Entry | None:
        """See `Store.find`."""
        if entry := await super().find(key):
            return entry
        turn, said = await self._wire.call(scripts.FIND, [begins + key for begins in self._begins])
        return self._read(key.encode(), turn, said) if turn else None

    async def find_shown(self, message: str, *, first: bool = False) -> Entry | None:
        """See `Store.find_shown`."""
        going = await super().find_shown(message)
        if not message or (going and not first):
            return going
        told = await self._wire.call(
            scripts.SHOWN, [self._names.of("shown", message)], [*self._begins, int(first)]
        )
        found = self._read(*told) if told else None
        return found if found and found.said else going

    async def recent(self, platform: str, since: float) -> Sequence[Asked]:
        """See `Store.recent`; among the questions that `talks` returns, while Redis is there."""
        known = [*await super().recent(platform, since)]
        with suppress(OSError):
            keys, args = [self._names.of("talks", platform)], [*self._begins, since, MOST_RECENT]
            told = await self._wire.call(scripts.RECENT, keys, args)
            known += entries.good(told, lambda row: entries.question_of(*row), _told)
        found: dict[str, Asked] = {}
        for asked in sorted(known, key=lambda asked: asked.at, reverse=True):
            found.setdefault(asked.conversation, asked)
        return [*found.values()][:MOST_RECENT]

    async def talks(self, platform: str) -> Sequence[tuple[str, str]]:
        """See `Store.talks`; while Redis is away those alone that are not done."""
        going, known = await super().talks(platform), []
        with suppress(OSError):
            told = await self._wire.ask("ZRANGE", self._names.of("talks", platform), 0, -1)
            for each in told:
                key, _, talk = text_of(each).partition("\n")
                known.append((talk, key))
        return list(dict.fromkeys([*known, *going]))

    @property
    def _begins(self) -> list[str]:
        """What the keys of a question's two hashes begin with."""
        return [self._names.of("turn", ""), self._names.of("said", "")]

    async def _purge_all(self) -> int:
        count = await purge(self._wire, self._names)
        await self._purge_kept()
        return count

    def _read(self, key: bytes, turn: Sequence[bytes], said: Sequence[bytes]) -> Entry | None:
        """Return the question that was read; None, and say so, if it is none of ours."""
        try:
            return entries.found_of(key, turn, said)
        except BadRow as why:
            log.warning("a question in Redis is none of ours: left out", question=shown(key), reason=str(why))
            return None


def _told(row: Sequence[bytes], why: Exception) -> None:
    log.warning("a question in Redis is none of ours: left out", question=shown(row[0]), reason=str(why))
