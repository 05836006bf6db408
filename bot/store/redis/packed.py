"""Days of what was spent that are long over: their rows packed together, which takes a quarter of the room.

A day is packed once nothing is counted for it any more; what comes for it all the same, as when a ledger is
moved, is in its hashes again until it is packed anew.  So a day may have both, and what it has is the sum.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha1

import structlog

from bot.store.accounts import first_of_month
from bot.store.redis.money import LATER, SHARDS, Keys, rows_end
from bot.store.redis.wire import Script, Wire

log = structlog.get_logger(__name__)

#: Times that a day is read anew which somebody else was changing meanwhile.
TRIES = 8
#: Puts what is packed (ARGV[3]; nothing for none) in the place of a hash and of what was packed before, which
#: have not changed since they were read (ARGV[1] and ARGV[2]); it is kept until ARGV[4].  What frees room is
#: first: a full Redis refuses a script whose first write takes some.
PACK = Script("""
if redis.sha1hex(table.concat(redis.call('HGETALL', KEYS[1]), '\\n')) ~= ARGV[1] then return 0 end
if redis.sha1hex(redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'EXAT', ARGV[4]) end
return 1
""")

#: Rows by what they are called, as a hash has them.
Rows = Mapping[bytes, bytes]


class Packed:
    """The packed days.  All methods raise `OSError` where Redis is away, or refuses."""

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys

    async def rows(self, day: int) -> list[tuple[bytes, bytes]]:
        """Return the packed rows of *day*."""
        shards = await asyncio.gather(*map(self._read, self._keys.packed(day)))
        return [row for _, text in shards for row in _rows(text).items()]

    async def pack(self, days: Collection[int], day: int) -> None:
        """Pack those of *days* that are over for good on *day*."""
        over = [each for each in days if each < first_of_month(day - LATER)]
        found = await asyncio.gather(
            *(self._wire.ask("EXISTS", where) for each in over for where in self._keys.rows(each))
        )
        for at, loose in enumerate(found):
            if loose:
                await self._pack(over[at // SHARDS], at % SHARDS)

    async def rename(self, day: int, number: int, starts: Sequence[bytes], other: bytes) -> None:
        """Give packed rows of *day* that begin with one of *starts* another name, *other* in its place."""
        for _ in range(TRIES):
            _, text = await self._read(self._keys.packed(day)[number])
            if not any(each in text for each in starts):
                return  # in a hash names are changed by `RENAME`
            if await self._pack(day, number, starts, other):
                return
        raise OSError("what was spent is being changed by others")

    async def _pack(self, day: int, number: int, starts: Sequence[bytes] = (), other: bytes = b"") -> bool:
        """Pack a hash of *day* with what is packed of it; tell whether neither was changed meanwhile."""
        where, packed = self._keys.rows(day)[number], self._keys.packed(day)[number]
        loose, (before, text) = await asyncio.gather(self._wire.ask("HGETALL", where), self._read(packed))
        new = await asyncio.to_thread(_packed, [_rows(text), loose], starts, other)
        seen = b"\n".join(part for row in loose.items() for part in row)
        read = (sha1(each, usedforsecurity=False).hexdigest() for each in (seen, before))
        return bool(await self._wire.call(PACK, [where, packed], [*read, new, rows_end(day)]))

    async def _read(self, packed: str) -> tuple[bytes, bytes]:
        """Return what is packed, and its text; what can't be read is deleted, and that is said."""
        found: bytes = await self._wire.ask("GET", packed) or b""
        try:
            return found, zlib.decompress(found) if found else b""
        except zlib.error:
            log.warning("packed rows of what was spent were bad and are deleted")
            await self._wire.ask("DEL", packed)
            return b"", b""


def _rows(text: bytes) -> Rows:
    """Return the rows of a packed text: a line for each, its numbers behind a tab."""
    pairs = (line.partition(b"\t") for line in text.split(b"\n") if line)
    return {name: numbers for name, _, numbers in pairs}


def _packed(parts: Sequence[Rows], starts: Sequence[bytes], other: bytes) -> bytes:
    """Return the rows of all *parts* packed; see `Packed.rename` for *starts* and *other*."""
    found: dict[bytes, bytes] = {}
    for row, numbers in (each for rows in parts for each in rows.items()):
        start = next((each for each in starts if row.startswith(each)), None)
        name = row if start is None else other + row.removeprefix(start)
        found[name] = _sum(found[name], numbers) if name in found else numbers
    lines = [b"\t".join(each) for each in sorted(found.items())]  # what is alike stands together
    good = [line for line in lines if line.count(b"\t") == 1 and b"\n" not in line]  # JSON has neither
    return zlib.compress(b"\n".join(good)) if good else b""


def _sum(one: bytes, other: bytes) -> bytes:
    try:
        numbers = zip(map(int, one.split(b",")), map(int, other.split(b",")), strict=True)
        return b",".join(b"%d" % sum(each) for each in numbers)
    except ValueError:  # one of them is no row of ours
        return one
