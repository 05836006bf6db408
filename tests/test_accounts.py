"""What was spent, in every store; over restarts, crashes and disks that can't be written."""

from __future__ import annotations

import asyncio
import heapq
import random
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.config.rules import Caps
from bot.events import Event, Finished, Text, Usage
from bot.guard.metered import Metered
from bot.guard.prices import prices
from bot.guard.spend import DAY, Spend, listed
from bot.guard.usage import told
from bot.model import Ask, Kind, ModelError, Payer, Request, nobody
from bot.model.estimate import FIRST
from bot.platform import Actor, Place
from bot.store import OK, Store, tables
from bot.store import file as files
from bot.store import writer as module
from bot.store.accounts import ALLOWANCE, NAMES, SPENT_KEPT, Cap, Hold, Spent, pseudonym
from bot.store.accounts_file import UNWRITTEN, today
from bot.store.examine import NAME
from bot.store.memory import Memory
from bot.store.sqlite import Sqlite
from bot.store.writer import CLOSED
from tests.redis_parts import Parts, parts, prefix
from tests.redis_server import RedisServer
from tests.test_spend import HERE, Clock
from tests.test_store import healthy, opened, pragma

TODAY = today()
MODEL = "claude-sonnet-5-5"
ROW = Spent(TODAY, "chat", "T1", "C1", "U1", MODEL, turns=1, input=10, output=20, cost=300, estimated=5)
PERSON, ALL = Cap("person", "day", 1_000_000), Cap("all", "month", 1_000_000)


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "redis":
        store: Store = await parts(request.getfixturevalue("redis_shared"))
    else:
        store = Memory() if request.param == "memory" else await opened(tmp_path)
    yield store
    assert store.health == OK
    await store.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    monkeypatch.setattr(files, "BUSY", 0.05)


async def spend(store: Store, row: Spent = ROW, key: str = "a") -> None:
    assert await store.accounts.reserve(Hold(key, row.cost, row), ()) is None
    store.accounts.settle(key, row)


async def kill(store: Sqlite) -> None:
    """Let nothing that *store* still does reach the disk, as kill -9 would."""
    await store._writer.write()
    store._writer.trouble = CLOSED
    await store._writer._thread.run(store._file.close)


async def test_what_is_settled_counts_and_adds_up(store):
    await spend(store)
    await spend(store)
    await spend(store, replace(ROW, model="other"))
    assert store.accounts.sum(ROW, PERSON).spent == 900
    assert [row.cost for row in await store.accounts.usage(TODAY, ["model"])] == [600, 300]
    [total] = await store.accounts.usage(0, ())
    assert total == replace(ROW + ROW + ROW, day=0, platform="", workspace="", channel="", actor="", model="")


async def test_a_hold_forbids_until_it_is_settled(store):
    assert await store.accounts.reserve(Hold("a", PERSON.most, ROW), [PERSON]) is None
    assert await store.accounts.reserve(Hold("b", 1, ROW), [PERSON]) == PERSON
    store.accounts.settle("b", ROW)  # which was never held
    store.accounts.settle("a", None)
    assert await store.accounts.reserve(Hold("b", 1, ROW), [PERSON]) is None
    store.accounts.settle("b", None)
    assert await store.accounts.usage(0, ()) == []


@pytest.mark.rule(30)
async def test_holds_that_come_at_once_do_not_share_the_same_money(store):
    found = await asyncio.gather(
        *(store.accounts.reserve(Hold(str(n), 400_000, ROW), [PERSON]) for n in range(50))
    )
    assert found.count(None) == 3  # the third begins below the cap


async def test_a_hold_that_is_settled_twice_counts_once(store):
    assert await store.accounts.reserve(Hold("a", 1, ROW), ()) is None
    store.accounts.settle("a", ROW)
    store.accounts.settle("a", ROW)
    assert store.accounts.sum(ROW, PERSON).spent == 300


async def test_usage_begins_with_a_day_and_is_told_by_day(store):
    for age in (2, 1, 0):
        await spend(store, replace(ROW, day=TODAY - age, cost=100 + age))
    assert [row.day for row in await store.accounts.usage(TODAY - 1, ["day", "actor"])] == [TODAY - 1, TODAY]


async def test_what_is_old_is_deleted(store):
    await spend(store, replace(ROW, day=TODAY - SPENT_KEPT - 1))
    await spend(store, replace(ROW, day=TODAY - SPENT_KEPT))
    await store.prune(TODAY * DAY)
    assert [row.day for row in await store.accounts.usage(0, ["day"])] == [TODAY - SPENT_KEPT]


async def test_days_that_are_long_over_stay_as_they_were_and_may_get_more(store):
    days = [
        replace(ROW, day=TODAY - age, actor=f"U{age % 3}", channel=who) for age in (40, 70) for who in "ab"
    ]
    for row in [*days, ROW]:
        await spend(store, row)
    before = await store.accounts.usage(0, NAMES)
    for _ in range(2):
        await store.prune(TODAY * DAY)
        assert await store.accounts.usage(0, NAMES) == before
    await spend(store, days[0])
    for _ in range(2):
        found = {row.key: row for row in await store.accounts.usage(0, NAMES)}
        assert found == {row.key: row for row in before} | {days[0].key: days[0] + days[0]}
        await store.prune(TODAY * DAY)
    await store.purge()
    assert await store.accounts.usage(0, NAMES) == []


async def test_names_are_taken_off_days_that_are_long_over(store):
    old = replace(ROW, day=TODAY - 40)
    for row in (old, replace(old, actor=""), replace(old, actor="U10"), replace(old, actor=pseudonym("U1"))):
        await spend(store, row)
    await store.prune(TODAY * DAY)
    await store.forget("U1")
    await store.prune(TODAY * DAY)
    rows = await store.accounts.usage(0, ["actor"])
    assert {row.actor: row.cost for row in rows} == {"": 900, "U10": 300}


@pytest.mark.rule(32)
async def test_of_those_who_are_forgotten_the_sums_stay_and_the_name_does_not(store):
    month_ago = replace(ROW, day=TODAY - 40)
    for row in (ROW, month_ago, replace(month_ago, actor=""), replace(ROW, actor="U2")):
        await spend(store, row)
    await store.forget("U1")
    rows = await store.accounts.usage(0, ["day", "actor"])
    assert sorted((row.day, row.actor, row.cost) for row in rows) == [
        (TODAY - 40, "", 600),
        (TODAY, "U2", 300),
        (TODAY, pseudonym("U1"), 300),
    ]
    assert store.accounts.sum(ROW, PERSON).spent == 300
    await spend(store)
    assert store.accounts.sum(ROW, PERSON).spent == 600
    await store.prune((TODAY + 32) * DAY)
    names = {row.actor for row in await store.accounts.usage(0, ["actor"])}
    assert names == {"", "U1", "U2"}  # of what was asked after that


async def test_a_request_that_runs_does_not_bring_a_forgotten_name_back(store):
    assert await store.accounts.reserve(Hold("a", 1, ROW), ()) is None
    await store.forget("U1")
    store.accounts.note("a", ROW)
    store.accounts.settle("a", ROW)
    assert [row.actor for row in await store.accounts.usage(0, ["actor"])] == [pseudonym("U1")]


async def test_all_that_was_spent_can_be_deleted(store):
    await spend(store)
    await store.purge()
    assert await store.accounts.usage(0, ()) == []
    assert store.accounts.sum(ROW, ALL).spent == 0


async def test_people_are_told_what_they_have_used_and_admins_what_all_have(store):
    money = Spend(store.accounts, prices(), lambda _place: Caps(month=50))
    await spend(store, replace(ROW, cost=1_200_000, input=500, cache_read=500))
    await spend(store, replace(ROW, actor="U2", cost=2_000_000, estimated=500_000))
    said = await told(money, Actor("U1"), HERE, admin=False)
    assert said.splitlines() == [
        "You have used $1.20 today and $1.20 this month (UTC).",
        "- All together, this month: $46.80 of $50.00 left",
        "- You, today: $0.80 of $2.00 left",
        "- All together, today: $16.80 of $20.00 left",
    ]
    await spend(store, replace(ROW, platform="elsewhere", actor="U2", cost=400_000))
    said = await told(money, Actor("U1"), HERE, admin=True)
    assert "$3.60, $0.50 of it by estimate, 3 answers" in said
    assert f"- {ROW.platform} `U2`: $2.00, 1 answer\n" in said
    assert "- elsewhere `U2`: $0.40, 1 answer\n" in said  # the same id, and another person
    assert "- `claude-sonnet-5-5`: $3.60, 3 answers" in said


# The file.


async def test_what_was_spent_survives_a_restart(tmp_path):
    store = await opened(tmp_path)
    await spend(store)
    await spend(store, replace(ROW, day=TODAY - 100))
    await store.close()
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == 300
    assert store.accounts.sum(ROW, ALL).spent == 300
    [total] = await store.accounts.usage(0, ())
    assert total.cost == 600
    await store.close()


async def test_a_request_of_a_process_that_died_counts_as_it_was_noted_and_holds_nothing(tmp_path):
    store = await opened(tmp_path)
    assert await store.accounts.reserve(Hold("a", 500_000, ROW), [PERSON]) is None
    assert await store.accounts.reserve(Hold("b", 500_000, replace(ROW, cost=10)), [PERSON]) is None
    store.accounts.note("a", replace(ROW, output=4000, cost=40_000))
    await kill(store)
    store.accounts.settle("a", ROW)
    for _ in range(2):  # a second start finds nothing more
        store = await opened(tmp_path)
        assert (await store.accounts.usage(0, ()))[0].cost == 40_010
        [row] = await store.accounts.usage(0, ["actor"])
        assert (row.actor, row.estimated, row.output) == ("U1", 40_010, 4020)
        assert store.accounts.sum(ROW, PERSON).held == 0
        assert store._file.connected.execute("SELECT count(*) FROM holds").fetchone() == (0,)
        await store.close()


async def test_what_is_held_survives_kill_9(tmp_path):
    program = f"""
import asyncio, os, signal
from pathlib import Path
from typing import Any
from tests.test_accounts import *
async def main():
    store = await opened(Path({str(tmp_path)!r}))
    assert await store.accounts.reserve(Hold("a", 500_000, ROW), [PERSON]) is None
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == ROW.cost
    await store.close()


async def test_a_reserve_that_is_cancelled_leaves_nothing_held(tmp_path):
    store = await opened(tmp_path)
    reserving = asyncio.create_task(store.accounts.reserve(Hold("a", 500_000, ROW), [PERSON]))
    await asyncio.sleep(0)
    reserving.cancel()
    await asyncio.wait({reserving})
    store.accounts.settle("a", None)
    await store.close()
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == store.accounts.sum(ROW, PERSON).held == 0
    await store.close()


@pytest.mark.rule(30)
async def test_while_nothing_can_be_written_an_allowance_is_spent_and_nothing_more(tmp_path, impatient):
    store = await opened(tmp_path)
    await spend(store)
    await pragma(store, "query_only = 1")
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
    assert store.accounts.forbids(ROW, ()) is None  # without caps, nothing is to be kept
    money = Spend(store.accounts, prices(), lambda _place: Caps(), contact=lambda _place: "@ann")
    assert "$1.00" in money.refusal(Actor("U1"), HERE)
    assert "@ann can mend that" in money.refusal(Actor("U1"), HERE)
    await pragma(store, "query_only = 0")
    await healthy(store)
    assert store.accounts.forbids(ROW, caps) is None
    assert (await store.accounts.usage(0, ()))[0].cost == spent + 300
    await store.close()


async def test_what_runs_while_nothing_can_be_written_shares_the_allowance(tmp_path, impatient):
    store = await opened(tmp_path)
    await pragma(store, "query_only = 1")
    caps = listed(Caps())
    found = [await store.accounts.reserve(Hold(str(n), 400_000, ROW), caps) for n in range(5)]
    assert found == [None, None, None, UNWRITTEN, UNWRITTEN]
    store.accounts.settle("0", None)
    assert await store.accounts.reserve(Hold("5", 400_000, ROW), caps) is None
    await pragma(store, "query_only = 0")
    await healthy(store)
    for key in ("1", "2", "5"):
        store.accounts.settle(key, ROW)
    await store.close()
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == 900
    await store.close()


async def test_trouble_that_comes_and_goes_counts_nothing_twice_and_loses_nothing(tmp_path, impatient):
    store = await opened(tmp_path)
    rng = random.Random(3)
    spent, number = 0, 0
    running: list[str] = []
    for _ in range(12):
        await pragma(store, f"query_only = {rng.choice((0, 1))}")
        for _ in range(rng.randint(1, 20)):
            number += 1
            assert await store.accounts.reserve(Hold(str(number), 10, replace(ROW, cost=3)), ()) is None
            running.append(str(number))
            if rng.random() < 0.8:
                cost = rng.randint(1, 1000)
                store.accounts.settle(running.pop(rng.randrange(len(running))), replace(ROW, cost=cost))
                spent += cost
        await asyncio.sleep(rng.random() * 0.1)
    await pragma(store, "query_only = 0")
    await healthy(store)
    for key in running:
        store.accounts.settle(key, None)
    assert (await store.accounts.usage(0, ()))[0].cost == spent
    await store.close()
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == spent
    assert store._file.connected.execute("SELECT count(*) FROM holds").fetchone() == (0,)
    await store.close()


async def test_a_name_that_is_forgotten_in_trouble_is_in_no_file_afterwards(tmp_path, impatient):
    store = await opened(tmp_path)
    row = replace(ROW, actor="somebody-special")
    await spend(store, row)
    await pragma(store, "query_only = 1")
    await spend(store, row, "b")
    with suppress(OSError):
        await store.forget("somebody-special")
    await pragma(store, "query_only = 0")
    await healthy(store)
    assert [each.cost for each in await store.accounts.usage(0, ["actor"])] == [600]
    await store.close()
    assert not any(b"somebody-special" in path.read_bytes() for path in tmp_path.iterdir())


BAD = ["cost = 'x'", "cost = -1", "cost = 1e300", "actor = x'ff'", "day = 'today'", "tools = x'00'"]


@pytest.mark.parametrize("harm", BAD)
async def test_a_bad_row_costs_only_itself(tmp_path, harm):
    store = await opened(tmp_path)
    await spend(store)
    await spend(store, replace(ROW, channel="C2"))
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute(f"UPDATE spent SET {harm} WHERE channel = 'C2'")
        db.execute("INSERT INTO holds VALUES ('bad', 1, '[1, 2]'), ('worse', -1, 'x')")
    store = await opened(tmp_path)
    assert store.health == OK
    assert store.accounts.sum(ROW, PERSON).spent == 300
    assert (await store.accounts.usage(0, ["channel"]))[0].channel == "C1"
    await store.close()


async def test_accounts_are_saved_from_a_file_that_is_broken(tmp_path):
    store = await opened(tmp_path)
    await spend(store)
    assert await store.accounts.reserve(Hold("a", 500_000, ROW), [PERSON]) is None
    await kill(store)
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("PRAGMA user_version = 99")
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == 600
    assert "lies aside" in store.health
    await store.close()


@pytest.mark.parametrize("version", range(tables.VERSION))
async def test_a_file_of_every_earlier_version_gets_accounts(tmp_path, version):
    since = {"vault": 8, "choices": 6, "spent": 7, "holds": 7, "posts": 5, "ratings": 4, "notes": 3}
    schema = tables.SCHEMA
    for column, first in (("calling", 3), ("controls", 2)):
        if version < first:
            schema = re.sub(rf",( *--[^\n]*\n) +{column}[^\n]*\n", r"\1", schema)
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.executescript(schema)
        for table, first in since.items():
            if version < first:
                db.execute(f"DROP TABLE {table}")
        db.execute(f"PRAGMA user_version = {version}")
    store = await opened(tmp_path)
    assert store.health == OK
    await spend(store)
    await store.close()
    store = await opened(tmp_path)
    assert store.accounts.sum(ROW, PERSON).spent == 300
    await store.close()


# Thousands at once.


class Reserving(Spend):
    """One that knows how many requests wait for their money."""

    waiting = 0

    async def reserve(self, hold: Hold, place: Place) -> str:
        self.waiting += 1
        try:
            return await super().reserve(hold, place)
        finally:
            self.waiting -= 1


class Virtual:
    """Time that passes when everybody waits for it; what threads do takes none."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds*."""
        future = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._waiting, (self.clock.now + seconds, self._number, future))
        await future

    async def pass_by(
        self, until: Callable[[], bool], idle: Callable[[], Awaitable[object]], money: Reserving | None
    ) -> None:
        """Let time pass until *until* says so, or nobody waits; *idle* waits for what is being written.

        While a request waits for *money*, no time passes, so a busy machine changes nothing.
        """
        while not until():
            await asyncio.sleep(0)
            while money and money.waiting:
                await asyncio.sleep(0.0005)
            if not self._waiting:
                await idle()
                await asyncio.sleep(0)
                if not self._waiting:
                    return
                continue
            when, _, future = heapq.heappop(self._waiting)
            self.clock.now = max(self.clock.now, when)
            if not future.done():
                future.set_result(None)


class Billed:
    """An API that knows what it has earned, by person and day, whatever becomes of the answers."""

    def __init__(self, rng: random.Random, time: Virtual) -> None:
        self._rng = rng
        self._time = time
        self.earned: Counter[tuple[str, int]] = Counter()
        self.dearest = 0

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        rng = self._rng
        assert request.payer
        assert request.counted
        whose = request.payer.actor.id, int(self._time.clock.now // DAY)
        await self._time.sleep(rng.random() * 5)
        if rng.random() < 0.1:
            raise ModelError("Busy.", Kind.ILL)
        read = rng.randint(10, 900)
        self.earned[whose] += read * 2
        request.counted(Usage(input=read, output=1))
        pieces = [rng.randint(1, 400) for _ in range(rng.randint(1, 12))]
        for piece in pieces:
            self.earned[whose] += piece * 10
            yield Text("x" * round(piece / FIRST))
            await self._time.sleep(rng.random() * 20)
            if rng.random() < 0.02:
                raise ModelError("Cut.", Kind.CUT)
        yield Finished(usage=Usage(input=read, output=sum(pieces)), model=MODEL)


CAPS = Caps(person_day=0.30, channel_day=2.0, day=8.0)
PEOPLE, CHANNELS = 60, 6


async def asked(
    money: Spend, model: Metered, time: Virtual, rng: random.Random, number: int, within: float
) -> str:
    """Ask some time *within* so many seconds; stop some answers; return what came of it."""
    await time.sleep(rng.random() * within)
    actor, place = (
        Actor(f"U{rng.randrange(PEOPLE)}"),
        Place(f"C{rng.randrange(CHANNELS)}", "T", platform="chat"),
    )
    if money.refusal(actor, place):
        return "refused"
    payer = Payer(actor, place, f"chat/{number}")
    answer = asyncio.create_task(_read(model, Request((), model=MODEL, max_tokens=5000, payer=payer)))
    try:
        if rng.random() < 0.2:
            await time.sleep(rng.random() * 60)
            answer.cancel()
        await asyncio.wait({answer})
    finally:
        answer.cancel()
    if answer.cancelled():
        return "stopped"
    return "failed" if answer.exception() else "answered"


async def _read(model: Metered, request: Request) -> None:
    async with aclosing(model.stream(request)) as events:
        async for _ in events:
            pass


#: Processes that come after each other, turns of each, and the seconds within which they are asked.
RUNS = {
    "memory": (1, 10_000, 3 * DAY),
    "memory at once": (1, 10_000, 1.0),
    "sqlite": (5, 2_000, DAY / 2),
    "sqlite at once": (1, 10_000, 1.0),
    "redis": (2, 1_800, DAY / 2),
    "redis at once": (1, 2_000, 1.0),
}


def running(store: Store) -> dict[str, Any]:
    """Return the requests that *store* holds something for."""
    accounts: Any = store.accounts
    held: dict[str, Any] = accounts._running if isinstance(store, Parts) else accounts._totals.holds
    return held


async def holds_anything(store: Store) -> bool:
    """Tell whether any money is held, by whomever."""
    accounts: Any = store.accounts
    if isinstance(store, Parts):
        return bool(await store.wire.ask("EXISTS", accounts._keys.holds, accounts._keys.held))
    return any(each.held for each in accounts._totals._sums.values())


async def written(store: Store) -> None:
    """Wait until *store* has written what it was told."""
    if isinstance(store, Parts):
        await store.money.refresh()
    elif isinstance(store, Sqlite):
        await store._writer.write()


async def life(kind: str, folder: Path, server: Callable[[], RedisServer], under: str, number: int) -> Store:
    """Return the store of the process *number*, which counts what the one before it has left."""
    if kind.startswith("redis"):
        found = await parts(server(), under, str(number))
        await found.money.settle_dead({str(number - 1)})
        return found
    return await opened(folder) if kind.startswith("sqlite") else Memory()


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.rule(30)
async def test_thousands_of_turns_and_crashes_keep_to_the_caps_and_leave_nothing_held(
    kind, tmp_path, request
):
    rng = random.Random(7)
    clock = Clock(TODAY * DAY)
    time = Virtual(clock)
    api = Billed(rng, time)
    lives, each, within = RUNS[kind]
    became: Counter[str] = Counter()
    under = prefix()
    for number in range(lives):
        store = await life(kind, tmp_path, lambda: request.getfixturevalue("redis_shared"), under, number)
        accounts = store.accounts
        money = Reserving(accounts, prices(), lambda _place: CAPS, MODEL, clock=clock)
        model = Metered(api, money)
        turns = [
            asyncio.create_task(asked(money, model, time, rng, number * each + turn, within))
            for turn in range(each)
        ]
        dies = number < lives - 1
        clock.now = (TODAY + number / 2) * DAY
        at = clock.now + (0.02 + 0.2 * rng.random()) * within

        def is_over(turns=turns, dies=dies, at=at, store=store) -> bool:
            over = dies and clock.now >= at and running(store)
            return bool(over) or all(turn.done() for turn in turns)

        await time.pass_by(is_over, partial(written, store), None if "once" in kind else money)
        if dies:
            assert running(store)  # it dies in the middle of answers
            await (kill(store) if isinstance(store, Sqlite) else store.close())
            became["died"] += len(running(store))
            time._waiting.clear()
        for turn in turns:
            turn.cancel()
        await asyncio.wait(turns)
        became.update(turn.result() for turn in turns if not turn.cancelled())
        if not dies:
            assert not running(store)
            assert not await holds_anything(store)
            rows = await accounts.usage(0, ["day", "actor"])
            await store.close()
    assert became["refused"] > lives * each / 20
    assert became["answered"] > (50 if "once" in kind else lives * each / 20)
    assert became["stopped"] > 10
    reserve = (500 * 2.5) + 5000 * 10
    for (person, day), earned in api.earned.items():
        assert earned <= CAPS.person_day * 1e6 + reserve, (person, day)
    days = Counter[int]()
    for (_, day), earned in api.earned.items():
        days[day] += earned
    assert max(days.values()) <= CAPS.day * 1e6 + reserve
    counted = Counter({(row.actor, row.day): row.cost for row in rows})
    assert all(counted[whose] >= earned - 50 for whose, earned in api.earned.items())
    assert became["died"] >= lives - 1
    if kind.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / NAME)) as db:
            assert db.execute("SELECT count(*) FROM holds").fetchone() == (0,)
