"""What several replicas spend together, on a real Redis that goes away, hangs and forgets."""

from __future__ import annotations

import asyncio
import shutil
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from bot.config.rules import Caps
from bot.guard.prices import prices
from bot.guard.spend import Spend, listed
from bot.platform import Place
from bot.store.accounts import ALLOWANCE, NAMES, Cap, Hold, Spent, first_of_month, pseudonym
from bot.store.accounts_file import UNWRITTEN, today
from bot.store.redis import packed
from bot.store.redis.keys import Names
from bot.store.redis.known import FRESH, Known
from bot.store.redis.money import Keys, ordered, shard
from tests.redis_parts import Parts, parts, prefix
from tests.redis_server import RedisServer

TODAY = today()
ROW = Spent(TODAY, "chat", "T1", "C1", "U1", "large", turns=1, input=10, output=20, cost=300, estimated=5)
PERSON, ALL = Cap("person", "day", 1_000_000), Cap("all", "month", 1_000_000)
HERE = Place("C1", "T1", platform="chat")


@pytest.fixture
async def pair(redis_shared: RedisServer) -> AsyncIterator[tuple[Parts, Parts]]:
    under = prefix()
    one, two = await parts(redis_shared, under, "one"), await parts(redis_shared, under, "two")
    yield one, two
    await one.close()
    await two.close()


async def total(store: Parts) -> int:
    return sum(row.cost for row in await store.accounts.usage(0, ()))


async def held(store: Parts) -> int:
    await store.accounts.look(ROW)
    return store.accounts.sum(ROW, ALL).held


async def until(said: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not said():
            await asyncio.sleep(0.01)


async def caught_up(store: Parts) -> None:
    """Wait until Redis, which was away, is there and has been told what it may lack."""
    await until(lambda: store.wire._looking and store.wire._looking.done())


async def test_a_thousand_reserves_of_two_replicas_at_once_exceed_a_cap_by_less_than_one(pair):
    async def ask(number: int) -> int:
        store, key = pair[number % 2], str(number)
        if await store.accounts.reserve(Hold(key, 3_000, replace(ROW, cost=0)), [ALL, PERSON]):
            return 0
        if number % 3:
            await asyncio.sleep(0)
            store.accounts.settle(key, replace(ROW, cost=3_000))
        return 3_000

    let = sum(await asyncio.gather(*map(ask, range(1000))))
    assert PERSON.most <= let < PERSON.most + 3_000
    await pair[0].accounts.look(ROW)
    found = pair[0].accounts.sum(ROW, PERSON)
    assert found.spent + found.held == let


async def test_what_one_spends_forbids_the_others_at_once_and_without_io_once_they_look(pair):
    one, two = pair
    assert await one.accounts.reserve(Hold("a", PERSON.most, ROW), [PERSON]) is None
    assert two.accounts.forbids(ROW, [PERSON]) is None, "it has not looked yet"
    assert await two.accounts.reserve(Hold("b", 1, ROW), [ALL, PERSON]) == ALL
    assert two.accounts.forbids(ROW, [PERSON]) == PERSON
    one.accounts.settle("a", replace(ROW, cost=10))
    await one.money.refresh()
    before = two.wire.trips
    await two.money.refresh()
    assert two.wire.trips - before == 1
    assert two.accounts.forbids(ROW, [PERSON]) is None
    assert two.accounts.sum(ROW, PERSON).spent == 10
    assert two.accounts.sum(Spent(TODAY), Cap("all", "day", 0)).spent == 10


async def test_each_reserve_and_settle_is_one_round_trip(pair):
    store = pair[0]
    await store.accounts.reserve(Hold("first", 1, ROW), [PERSON])  # Redis does not know the script yet
    before = store.wire.trips
    for number in range(10):
        await store.accounts.reserve(Hold(str(number), 1, ROW), [PERSON])
        store.accounts.note(str(number), ROW)
        store.accounts.settle(str(number), ROW)
    assert store.wire.trips - before <= 21


async def test_admins_are_told_once_by_whichever_replica_uses_up_most_of_a_cap(pair):
    told: list[str] = []
    caps = Caps(person_day=0, day=1)
    spends = [
        Spend(
            store.accounts,
            prices(),
            lambda _place: caps,
            "large",
            tell=lambda text, _place: told.append(text),
        )
        for store in pair
    ]
    for number in range(99):  # neither sees what the other has spent before it is answered
        hold = Hold(str(number), 10_000, replace(ROW, cost=10_000))
        for money in spends:
            await money.accounts.reserve(hold, ())
            money.settle(hold.key, hold.noted, HERE)
            hold = replace(hold, key=f"two {number}")
    await pair[0].money.refresh()
    await pair[1].money.refresh()
    assert len(told) == 1
    assert told[0].startswith("The bot has used $0.80 of its $1.00 for today, until")


async def test_what_a_dead_replica_held_is_counted_as_noted_by_one_of_those_who_take_over(pair):
    one, two = pair
    await one.accounts.reserve(Hold("a", 500_000, ROW), [PERSON])
    await one.accounts.reserve(Hold("b", 500_000, replace(ROW, cost=10)), [PERSON])
    one.accounts.note("a", replace(ROW, output=4000, cost=40_000))
    await one.money.refresh()
    assert await two.money.holders() == {"one"}
    assert await two.money.settle_dead({"somebody"}) == 0
    assert sorted(await asyncio.gather(*(two.money.settle_dead({"one"}) for _ in range(3)))) == [0, 0, 2]
    [row] = await two.accounts.usage(0, ["actor"])
    assert (row.actor, row.cost, row.estimated, row.output) == ("U1", 40_010, 40_010, 4020)
    assert await held(two) == 0
    assert not await two.money.holders()


@pytest.mark.parametrize("cost", [0, 300, 70_000])
async def test_a_replica_that_was_only_slow_changes_what_was_counted_by_the_difference(pair, cost):
    one, two = pair
    await one.accounts.reserve(Hold("a", 500_000, ROW), [PERSON])
    one.accounts.note("a", replace(ROW, cost=40_000))
    await one.money.refresh()
    await two.money.settle_dead({"one"})
    await one.money.back()  # tells what it holds
    assert await held(two) == 0
    one.accounts.settle("a", replace(ROW, cost=cost, model="another") if cost else None)
    await one.money.refresh()
    found = await two.accounts.usage(0, ["model"])
    assert [(row.model, row.cost) for row in found] == ([("another", cost)] if cost else [])
    await two.accounts.look(ROW)
    assert two.accounts.sum(ROW, PERSON).spent == cost


async def test_a_name_that_one_replica_forgets_no_other_brings_back(pair):
    one, two = pair
    await one.accounts.reserve(Hold("a", 1, ROW), ())
    await one.accounts.reserve(Hold("b", 1, ROW), ())
    await two.money.settle_dead({"one"})
    await one.accounts.reserve(Hold("c", 1, ROW), ())
    await two.forget("U1")
    for key in "abc":
        one.accounts.note(key, ROW)
        one.accounts.settle(key, ROW)
    await one.money.refresh()
    assert [(row.actor, row.cost) for row in await one.accounts.usage(0, ["actor"])] == [
        (pseudonym("U1"), 900)
    ]
    keys = await one.wire.ask("KEYS", f"{Names('x').of()[:-1]}*")
    assert not keys
    for key in await one.wire.ask("KEYS", one.money._keys.holds.replace(":holds", ":*")):
        assert b"U1" not in await one.wire.ask("DUMP", key), key


async def test_sums_of_a_month_are_told_without_its_rows_and_are_the_same(pair):
    store = pair[0]
    for number in range(5):
        row = replace(ROW, actor=f"U{number % 2}", channel=f"C{number}", cost=number, day=TODAY)
        await store.money.take([row])
    since = first_of_month(TODAY)
    quick = {by: await store.accounts.usage(since, [by]) for by in ("model", "actor", "channel")}
    for by, found in quick.items():
        slow = await store.accounts.usage(since, [by], TODAY + 1)
        assert sorted(found, key=repr) == sorted(slow, key=repr)


async def test_bad_rows_and_holds_cost_only_themselves(pair, capsys):
    store = pair[0]
    await store.money.take([ROW])
    await store.accounts.reserve(Hold("a", 1, ROW), ())
    keys: Keys = store.money._keys
    for where in keys.rows(TODAY)[:2]:
        for field, text in (
            ("rubbish", "1"),
            ('["U1"]', "1,2,3,4,5,6,7,8,9"),
            ('["U1", "c", "w", "c", "m"]', "1,x"),
            ('["U2", "c", "w", "c", "m"]', "-1,2,3,4,5,6,7,8,9"),
            ('[1, "c", "w", "c", "m"]', "1,2,3,4,5,6,7,8,9"),
        ):
            await store.wire.ask("HSET", where, field, text)
    await store.wire.ask("HSET", keys.holds, "bad", "{}")
    await store.wire.ask("HSET", keys.holds, "worse", "x")
    assert await total(store) == 300
    assert capsys.readouterr().out.count("was bad and is deleted") == 10
    assert await total(store) == 300
    assert await store.money.settle_dead({"one"}) == 1
    assert "bad" not in capsys.readouterr().out.replace("was bad and is deleted", "", 2)


# Redis goes away.


@pytest.fixture
async def store(redis_own: RedisServer) -> AsyncIterator[Parts]:
    store = await parts(redis_own)
    yield store
    await store.close()


async def spend(store: Parts, row: Spent, key: str) -> None:
    assert await store.accounts.reserve(Hold(key, row.cost, row), ()) is None
    store.accounts.settle(key, row)


@pytest.mark.rule(30)
async def test_while_redis_is_away_an_allowance_is_spent_and_nothing_more(store, redis_own):
    await spend(store, ROW, "first")
    assert await store.accounts.reserve(Hold("runs", 500, ROW), listed(Caps())) is None
    redis_own.kill()
    caps = listed(Caps(person_day=100, day=100))
    spent = 0
    for number in range(100):
        hold = Hold(str(number), 90_000, replace(ROW, cost=0))
        if cap := await store.accounts.reserve(hold, caps):
            break
        store.accounts.settle(hold.key, replace(ROW, cost=90_000))
        spent += 90_000
    assert cap == UNWRITTEN
    assert ALLOWANCE <= spent < ALLOWANCE + 90_000
    assert store.accounts.forbids(ROW, caps) == UNWRITTEN
    assert store.accounts.forbids(ROW, ()) is None, "without caps, nothing is to be kept"
    assert store.accounts.sum(ROW, PERSON).spent == spent + 300
    with pytest.raises(OSError, match=r"."):
        await store.accounts.usage(0, ())
    store.accounts.settle("runs", ROW)
    redis_own.start()
    await until(lambda: not store.accounts.forbids(ROW, caps) and not store.money._owed)
    assert await total(store) == spent + 600
    assert store.accounts.sum(ROW, PERSON).spent == spent + 600
    assert await held(store) == 0


async def test_what_runs_while_redis_is_away_is_held_there_when_it_is_back(store, redis_own):
    redis_own.kill()
    caps = listed(Caps())
    found = [await store.accounts.reserve(Hold(str(n), 400_000, ROW), caps) for n in range(5)]
    assert found == [None, None, None, UNWRITTEN, UNWRITTEN]
    store.accounts.settle("0", None)
    redis_own.start()
    await caught_up(store)
    await store.money.refresh()
    assert await held(store) == 800_000
    for key in ("1", "2"):
        store.accounts.settle(key, ROW)
    assert await total(store) == 600
    assert await held(store) == 0


async def test_a_settle_whose_reply_was_lost_counts_once_and_a_refused_reserve_is_not_held(store, redis_own):
    await store.accounts.reserve(Hold("a", 500, ROW), ())
    redis_own.pause()
    store.accounts.settle("a", ROW)
    reserving = asyncio.create_task(store.accounts.reserve(Hold("b", 2_000_000, ROW), [PERSON]))
    await until(lambda: store.money.trouble)
    assert await reserving is None, "let through by the allowance"
    redis_own.resume()
    await caught_up(store)
    await store.money.refresh()
    assert await total(store) == 300
    assert await held(store) == 2_000_000
    store.accounts.settle("b", None)
    assert await total(store) == 300
    assert await held(store) == 0


async def test_a_redis_that_has_lost_everything_is_told_what_runs_and_what_was_just_spent(
    store, redis_own, tmp_path
):
    await spend(store, ROW, "just")
    await store.accounts.reserve(Hold("a", 500, ROW), ())
    redis_own.kill()
    shutil.rmtree(tmp_path / "redis")
    redis_own.start()
    with suppress(OSError):
        await store.accounts.usage(0, ())  # which finds that the connection is lost
    await caught_up(store)
    assert await held(store) == 500
    store.accounts.settle("a", ROW)
    assert await total(store) == 600
    assert store.accounts.sum(ROW, PERSON).spent == 600


async def test_what_redis_has_not_lost_is_not_counted_again(store, redis_own):
    for number in range(20):
        await spend(store, ROW, str(number))
    for _ in range(2):
        redis_own.kill()
        redis_own.start()
        with suppress(OSError):
            await store.accounts.usage(0, ())
        await caught_up(store)
        await store.money.refresh()
    assert await total(store) == 6000
    assert store.accounts.sum(ROW, PERSON).spent == 6000


async def test_a_redis_that_is_full_is_told_when_it_is_not(store):
    await spend(store, ROW, "first")
    await store.wire.ask("CONFIG", "SET", "maxmemory", "1")
    caps = listed(Caps())
    await store.accounts.reserve(Hold("a", 600_000, ROW), caps)
    await store.accounts.reserve(Hold("b", 600_000, ROW), caps)
    assert await store.accounts.reserve(Hold("c", 1, ROW), caps) == UNWRITTEN
    store.accounts.settle("a", replace(ROW, cost=600_000))
    await store.money.refresh()
    assert store.money.trouble
    assert await store.accounts.reserve(Hold("c", 1, ROW), caps) == UNWRITTEN
    await store.wire.ask("CONFIG", "SET", "maxmemory", "0")
    await store.money.refresh()
    assert store.accounts.forbids(ROW, caps) is None
    assert await total(store) == 600_300
    assert await held(store) == 600_000


async def test_who_is_forgotten_while_redis_is_away_is_in_it_no_more_when_it_is_back(store, redis_own):
    await spend(store, ROW, "a")
    redis_own.kill()
    await spend(store, ROW, "b")
    with pytest.raises(OSError, match=r"."):
        await store.forget("U1")
    redis_own.start()
    await caught_up(store)
    assert not store.forgets
    assert [row.actor for row in await store.accounts.usage(0, ["actor"])] == [pseudonym("U1")]


async def test_a_reserve_that_is_cancelled_leaves_nothing_held(store):
    reserving = asyncio.create_task(store.accounts.reserve(Hold("a", 500_000, ROW), [PERSON]))
    await asyncio.sleep(0)
    reserving.cancel()
    await asyncio.wait({reserving})
    store.accounts.settle("a", None)
    assert await total(store) == 0
    assert await held(store) == 0


# What is known here.


def test_what_is_held_elsewhere_is_believed_for_seconds_and_what_is_spent_for_good():
    known = Known()
    known.hold(Hold("a", 5, replace(ROW, cost=0)))
    known.see([(field, 100, 40) for field in ordered(ROW)], 0.0)
    assert known.forbids(ROW, [replace(PERSON, most=140)], FRESH - 1)
    assert not known.forbids(ROW, [replace(PERSON, most=140)], FRESH + 1)
    assert known.forbids(ROW, [replace(PERSON, most=105)], FRESH + 1)
    known.owe(ROW, 10)
    assert known.sum(ROW, PERSON, FRESH + 1).spent == 110
    assert known.sum(replace(ROW, actor="U2"), PERSON, 0.0).spent == 0


async def test_a_day_that_is_long_over_takes_less_room_and_no_hash(pair):
    one, old = pair[0], TODAY - 40
    rows = [
        replace(ROW, day=old, actor=str(10**18 + 7 * n), channel=str(10**18 + n % 9)) for n in range(2000)
    ]
    await one.money.take(rows)
    keys = one.money._keys

    async def room() -> int:
        found = [*keys.rows(old), *keys.packed(old)]
        return sum([await one.wire.ask("MEMORY", "USAGE", each, "SAMPLES", 0) or 0 for each in found])

    before = await room()
    await asyncio.gather(*(each.prune(TODAY * 86_400) for each in pair))  # whoever is first
    assert await room() < before / 3
    assert not await one.wire.ask("EXISTS", *keys.rows(old))
    assert await one.wire.ask("EXPIRETIME", keys.packed(old)[0]) > (old + 400) * 86_400
    found = await pair[1].accounts.usage(0, NAMES)
    assert {row.key: row for row in found} == {row.key: row for row in rows}


async def test_what_is_counted_while_a_day_is_packed_is_not_lost(pair, monkeypatch):
    one, two = pair
    old = replace(ROW, day=TODAY - 40)
    await one.money.take([old])
    pack, late = packed._packed, iter([old])

    def slow(*args: Any) -> bytes:
        for row in late:
            asyncio.run_coroutine_threadsafe(two.money.take([row]), loop).result(10)
        return pack(*args)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(packed, "_packed", slow)
    await one.prune(TODAY * 86_400)
    assert await two.accounts.usage(0, NAMES) == [old + old]
    await two.prune(TODAY * 86_400)
    assert await one.accounts.usage(0, NAMES) == [old + old]
    assert not await one.wire.ask("EXISTS", *one.money._keys.rows(old.day))


@pytest.mark.parametrize("text", [b"nonsense", zlib.compress(b"[]\t1\n\n{\nno\tnumbers\t1")])
async def test_packed_rows_that_are_bad_are_left_out(pair, text):
    one, day = pair[0], TODAY - 40
    rows = [replace(ROW, day=day, actor=f"U{n}") for n in range(40)]
    await one.money.take(rows)
    await one.prune(TODAY * 86_400)
    number = shard("U1")
    await one.wire.ask("SET", one.money._keys.packed(day)[number], text)
    left = sum(row.cost for row in rows if shard(row.actor) != number)
    for again in range(3):
        assert await total(one) == left + again * ROW.cost
        await one.money.take([replace(ROW, day=day, actor="U1")])
        await one.forget("U1")
        await one.prune(TODAY * 86_400)


async def test_what_a_replica_that_died_has_put_aside_counts_is_packed_and_loses_names(pair):
    one, two = pair
    old, keys = replace(ROW, day=TODAY - 40), one.money._keys
    for _ in range(2):
        await one.money.take([old, replace(old, actor="U2")])
        for actor in ("U1", "U2"):
            number = shard(actor)
            await one.wire.call(packed.ASIDE, [keys.rows(old.day)[number], keys.aside(old.day)[number]])
        await one.money.take([old])
        assert sorted(row.cost for row in await two.accounts.usage(0, NAMES)) == [300, 600]
        await two.forget("U1")
        found = {row.actor: row.cost for row in await two.accounts.usage(0, NAMES)}
        assert found == {"": 600, "U2": 300}
        await two.prune(TODAY * 86_400)
        await two.prune(TODAY * 86_400)  # what came while a hash was aside
        assert not await one.wire.ask("EXISTS", *keys.rows(old.day), *keys.aside(old.day))
        assert {row.actor: row.cost for row in await two.accounts.usage(0, NAMES)} == found
        await one.purge()
        assert await two.accounts.usage(0, NAMES) == []
