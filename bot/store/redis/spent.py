"""The rows of what was spent, in Redis: how they are added up, renamed and deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog

from bot.store import rows
from bot.store.accounts import (
    FORGOTTEN,
    LAST,
    SPENT_KEPT,
    Spent,
    first_of_month,
    grouped,
    month,
    pseudonym,
)
from bot.store.accounts_file import RECENT, today
from bot.store.redis.money import Keys, packed, row_of, shard, start
from bot.store.redis.money_scripts import MONEY, RENAME, RENAME_SUMS, UNNAME
from bot.store.redis.packed import Packed
from bot.store.redis.wire import Wire
from bot.store.rows import BadRow

log = structlog.get_logger(__name__)

#: Rows after which they are added up, before the next day's are read.
TOGETHER = 50_000
#: What rows of all that were forgotten begin with, and those of nobody.
MARKED, NOBODY = start(FORGOTTEN)[:-1], start("")


class SpentRows:
    """What was spent, by day.  All methods raise `OSError` where Redis is away, or refuses."""

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys
        self._packed = Packed(wire, keys)

    async def usage(self, since: int, by: Sequence[str], until: int = LAST) -> Sequence[Spent]:
        """See `Accounts.usage`; a month of days costs as many round trips, so that none takes long."""
        months = self._keys.months(since)
        name = by[0] if by else ""
        if until == LAST and len(by) <= 1 and name in months and since == first_of_month(today()):
            return await self._month(months[name], name)
        found: list[Spent] = []
        for day in await self._days(since, until - 1):
            found += await self._rows(day)
            if len(found) > TOGETHER:
                found = grouped(found, by)
        return grouped(found, by)

    async def holds(self) -> dict[str, tuple[str, Spent]]:
        """Return what is held: for each request its replica, and what it counts as."""
        found = {}
        for key, text in (await self._wire.ask("HGETALL", self._keys.holds)).items():
            try:
                by, row = _hold(text)
            except (ValueError, KeyError, TypeError) as why:
                log.warning("what was held for a request was bad and is deleted", reason=type(why).__name__)
                await self._wire.ask("HDEL", self._keys.holds, key)
            else:
                found[key.decode()] = by, row
        return found

    async def inherit(self, names: Collection[str]) -> int:
        """Count as noted what the replicas *names* hold; see `RedisAccounts.settle_dead`."""
        found = {key: hold for key, hold in (await self.holds()).items() if hold[0] in names}
        said = await asyncio.gather(
            *(self._count("inherit", key, by, row) for key, (by, row) in found.items())
        )
        counted = [int(one[1]) for one in said if one[0]]
        if counted:
            log.warning(
                "requests of a replica that died are counted by estimate",
                requests=len(counted),
                dollars=sum(counted) / 1e6,
            )
        return len(counted)

    async def take(self, found: Sequence[Spent]) -> None:
        """Count what was *found*; see `RedisAccounts.take`."""
        await asyncio.gather(*(self._count("count", "", "", row) for row in found))

    async def _count(self, verb: str, key: str, by: str, row: Spent) -> Any:
        return await self._wire.call(MONEY, self._keys.money(key, row), (verb, key, by, packed(row), 0, 0))

    async def forget(self, actor: str, day: int) -> None:
        """Take the name of *actor* off; see `MemoryAccounts.forget`."""
        mark = pseudonym(actor)
        await self._wire.call(
            UNNAME, [self._keys.holds, self._keys.gone], [json.dumps(actor), json.dumps(mark)]
        )
        first = first_of_month(day)
        for each in {first_of_month(day - RECENT), first}:
            await self._wire.call(
                RENAME_SUMS, [self._keys.months(each)["actor"]], [json.dumps(actor), json.dumps(mark)]
            )
        for each in await self._days(0, LAST):
            where = self._keys.rows(each)[shard(actor)]
            if each < first:
                await self._wire.call(RENAME, [where], [NOBODY, start(actor), start(mark)])
            else:
                await self._wire.call(RENAME, [where], [start(mark), start(actor)])
                await self._wire.ask("ZADD", self._keys.marked, each, each)
            starts = [start(name).encode() for name in (actor, mark)]
            await self._packed.rename(each, shard(actor), starts, NOBODY.encode())

    async def prune(self, day: int) -> None:
        """Delete what is too old on *day*, and marks; see `MemoryAccounts.prune`."""
        first, oldest = first_of_month(day), day - SPENT_KEPT
        old, marked = await asyncio.gather(
            self._days(0, oldest - 1),
            self._wire.ask("ZRANGEBYSCORE", self._keys.marked, "-inf", first - 1),
        )
        for each in old:
            await self._wire.ask("DEL", *self._keys.all_rows(each))
            await self._wire.ask("ZREM", self._keys.days, each)
        for each in _numbers(marked):
            for where in self._keys.rows(each):
                await self._wire.call(RENAME, [where], [NOBODY, MARKED])
            await self._wire.ask("ZREM", self._keys.marked, each)
        await self._packed.pack(await self._days(oldest, first - 1), day)

    async def purge(self) -> None:
        """Delete all rows, and all sums."""
        for day in [*await self._days(0, LAST), today()]:
            await self._wire.ask(
                *("DEL", *self._keys.all_rows(day), *self._keys.months(day).values()),
                *(self._keys.sums("day", day), self._keys.sums("month", month(day))),
            )
        await self._wire.ask("DEL", self._keys.days, self._keys.marked)

    async def _days(self, since: int, until: int) -> list[int]:
        """Return the days from *since* to *until* that something was spent on, in order."""
        return _numbers(await self._wire.ask("ZRANGEBYSCORE", self._keys.days, since, until))

    async def _rows(self, day: int) -> list[Spent]:
        """Return the good rows of *day*; of the others that is said, and those of a hash are deleted."""
        found = []
        for where, (loose, old) in zip(self._keys.rows(day), await self._packed.rows(day), strict=True):
            for field, numbers in (*loose.items(), *old.items()):
                try:
                    found.append(rows.spent_of(row_of(day, field, numbers)))
                except (ValueError, TypeError) as why:
                    reason = str(why) if isinstance(why, BadRow) else type(why).__name__
                    if field not in loose:
                        log.warning("a packed row of what was spent is bad and is left out", reason=reason)
                        continue
                    log.warning("a row of what was spent was bad and is deleted", reason=reason)
                    await self._wire.ask("HDEL", where, field)
        return found

    async def _month(self, where: str, name: str) -> list[Spent]:
        """Return the sums that are kept for people to be told."""
        found = []
        for field, numbers in (await self._wire.ask("HGETALL", where)).items():
            try:
                bare = rows.spent_of((0, *[""] * 5, *map(int, numbers.split(b","))))
                named: dict[str, Any] = {name: str(json.loads(field))} if name else {}
                found.append(replace(bare, **named))
            except (ValueError, TypeError):
                log.warning("a sum of what was spent was bad and is left out", by=name)
        return sorted(found, key=lambda row: -row.cost)


def _numbers(days: Sequence[bytes]) -> list[int]:
    """Return *days* as numbers, but for what is none."""
    return [int(day) for day in days if day.isdigit()]


def _hold(text: bytes) -> tuple[str, Spent]:
    """Return of a hold its replica, and what it counts as."""
    told: Any = json.loads(text)
    row = told["row"]
    field, numbers = f"[{row['actor']}{row['rest']}", row["numbers"]
    return str(told["by"]), rows.spent_of(row_of(int(row["day"]), field.encode(), numbers.encode()))
