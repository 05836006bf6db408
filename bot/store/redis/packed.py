"""Days of what was spent that are long over: their rows packed together, which takes a quarter of the room.

A day is packed once nothing is counted for it any more; what comes for it all the same, as when a ledger is
moved, is in its hashes again until it is packed anew.  A hash is put aside while it is packed, and stays so
if that replica dies.  So a day may have rows in all three places, and what it has is the sum.
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
#: Reads a hash, the one that was put aside of it, and what is packed, in one step: rows may move meanwhile.
ALL = Script(
    "return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('GET', KEYS[3])}"
)
#: Puts a hash aside, where nothing is counted any more, unless another one is there already.
ASIDE = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
""")
#: Puts what is packed (ARGV[3]; nothing for none) in the place of a hash that was put aside (KEYS[1]) and of
#: what was packed before (KEYS[2]), unless one of them has changed since it was read.  ARGV[1] says whether
#: the hash was there, ARGV[2] is the digest of what was packed.  It is kept until ARGV[4].  What frees room
#: is first: a full Redis refuses a script whose first write takes some.  It does not look at the hash, which
#: would hold up everybody else.
PACK = Script("""
if redis.call('EXISTS', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
if redis.sha1hex(redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2])
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

    async def rows(self, day: int) -> list[tuple[Rows, Rows]]:
        """Return for each shard of *day* the rows of its hash, and those that are packed or put aside.

        A row may be in several places, each with a part of its numbers.
        """
        keys = zip(self._keys.rows(day), self._keys.aside(day), self._keys.packed(day), strict=True)
        told = await asyncio.gather(*(self._wire.call(ALL, each) for each in keys))
        return [
            (_paired(loose), _merged(_opened(text or b""), _paired(aside))) for loose, aside, text in told
        ]

    async def pack(self, days: Collection[int], day: int) -> None:
        """Pack those of *days* that are over for good on *day*."""
        over = [each for each in days if each < first_of_month(day - LATER)]
        places = [
            place
            for each in over
            for place in zip(self._keys.rows(each), self._keys.aside(each), strict=True)
        ]
        found = await asyncio.gather(*(self._wire.ask("EXISTS", *place) for place in places))
        for at, loose in enumerate(found):
            if loose:
                await self._wire.call(ASIDE, places[at])
                await self._pack(over[at // SHARDS], at % SHARDS)

    async def rename(self, day: int, number: int, starts: Sequence[bytes], other: bytes) -> None:
        """Give packed rows of *day* that begin with one of *starts* another name, *other* in its place."""
        for _ in range(TRIES):
            # First this: what is packed in between is in the text then.
            aside = await self._wire.ask("EXISTS", self._keys.aside(day)[number])
            text = _opened(await self._wire.ask("GET", self._keys.packed(day)[number]) or b"")
            if not aside and not any(each in text for each in starts):
                return  # in a hash names are changed by `RENAME`
            if await self._pack(day, number, starts, other):
                return
        raise OSError("what was spent is being changed by others")

    async def _pack(self, day: int, number: int, starts: Sequence[bytes] = (), other: bytes = b"") -> bool:
        """Pack what was put aside with what is packed; tell whether neither was changed meanwhile."""
        where, packed = self._keys.aside(day)[number], self._keys.packed(day)[number]
        aside, before = await asyncio.gather(self._wire.ask("HGETALL", where), self._wire.ask("GET", packed))
        new = await asyncio.to_thread(_packed, _opened(before or b""), aside, starts, other)
        seen = sha1(before or b"", usedforsecurity=False).hexdigest()
        return bool(
            await self._wire.call(PACK, [where, packed], [int(bool(aside)), seen, new, rows_end(day)])
        )


def _opened(packed: bytes) -> bytes:
    """Return the text of *packed* rows; nothing, and that is said, where it can't be read."""
    try:
        return zlib.decompress(packed) if packed else b""
    except zlib.error:
        log.warning("packed rows of what was spent are bad and are left out")
        return b""


def _paired(flat: Sequence[bytes]) -> Rows:
    """Return what HGETALL gives in a script."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _rows(text: bytes) -> Rows:
    """Return the rows of a packed text: a line for each, its numbers behind a tab."""
    pairs = (line.partition(b"\t") for line in text.split(b"\n") if line)
    return {name: numbers for name, _, numbers in pairs}


def _packed(text: bytes, aside: Rows, starts: Sequence[bytes], other: bytes) -> bytes:
    """Return the rows of *text* and those put *aside* packed; see `Packed.rename` for the others."""
    found = _merged(text, aside, starts, other)
    lines = [b"\t".join(each) for each in sorted(found.items())]  # what is alike stands together
    good = [line for line in lines if line.count(b"\t") == 1 and b"\n" not in line]  # JSON has neither
    return zlib.compress(b"\n".join(good)) if good else b""


def _merged(text: bytes, aside: Rows, starts: Sequence[bytes] = (), other: bytes = b"") -> Rows:
    """Return the rows of a packed *text* and those put *aside*, each once."""
    found: dict[bytes, bytes] = {}
    for row, numbers in (*_rows(text).items(), *aside.items()):
        start = next((each for each in starts if row.startswith(each)), None)
        name = row if start is None else other + row.removeprefix(start)
        found[name] = _sum(found[name], numbers) if name in found else numbers
    return found


def _sum(one: bytes, other: bytes) -> bytes:
    try:
        numbers = zip(map(int, one.split(b",")), map(int, other.split(b",")), strict=True)
        return b",".join(b"%d" % sum(each) for each in numbers)
    except ValueError:  # one of them is no row of ours
        return one
