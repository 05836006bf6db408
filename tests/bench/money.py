"""What it costs to keep count of money: a mention with it, and what people are told, in a long ledger."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bot.config.rules import Caps, Rulebook, Rules
from bot.events import Finished, Turn, Usage
from bot.guard.access import Access, Action
from bot.guard.metered import Meter, Metered, Weights
from bot.guard.prices import prices
from bot.guard.spend import Spend
from bot.guard.usage import told
from bot.model import Payer, Request
from bot.model.script import Script
from bot.platform import Actor, Place
from bot.store import tables
from bot.store.accounts import NAMES, Spent
from bot.store.accounts_file import today
from bot.store.sqlite import Sqlite

LIMITS = (
    "none: the store is a file on this machine's disk, the model answers at once, and what is measured is "
    "one mention after another"
)
MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5")
PEOPLE, CHANNELS, DAYS = 200, 20, 90
TURNS, QUICK_TURNS = 100_000, 20_000
MENTIONS, QUICK_MENTIONS = 2_000, 300
#: Rounds of mentions in either ledger, in turn, so that a busy moment of the machine is in both.
ROUNDS = 5
ANN = Actor("U1", "Ann", "T1")
HERE = Place("C1", "T1", "T1", "slack")
#: What `config.toml` says for a place, which is looked up anew for each question.
BOOK = Rulebook(Rules(MODELS[0], caps=Caps(1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6)))
PAYER = Payer(ANN, HERE, "slack/1")
REQUEST = Request((Turn("user", "why does a river bend? " * 40),), payer=PAYER)


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure mentions in an empty and a long ledger, in turn, and what is told of the long one."""
    turns, mentions = (QUICK_TURNS, QUICK_MENTIONS) if quick else (TURNS, MENTIONS)
    with TemporaryDirectory() as folder:
        empty, long = Sqlite(_made(folder, "empty")), Sqlite(_made(folder, "long"))
        await empty.open()
        await long.open()
        rows = await _fill(long, turns, random.Random(seed))
        await long.close()
        long = Sqlite(Path(folder) / "long")
        opening = time.perf_counter()
        await long.open()
        opening = time.perf_counter() - opening
        times: dict[str, list[float]] = {"empty": [], "long": []}
        metered: list[float] = []
        for _ in range(ROUNDS):
            for name, store in (("empty", empty), ("long", long)):
                times[name] += await _mentions(store, mentions // ROUNDS)
            metered += await _metered(long, mentions // ROUNDS)
        usage = [await _usage(long) for _ in range(5 if quick else 20)]
        listing = time.perf_counter()
        await long.accounts.usage(0, NAMES)
        listing = time.perf_counter() - listing
        await empty.close()
        await long.close()
    return {
        "limits": LIMITS,
        "turns": turns,
        "rows": rows,
        "open_ms": round(opening * 1e3, 1),
        "mention_ms": {name: _told(each) for name, each in times.items()},
        "metered_ms": _told(metered),
        "slower": round(statistics.median(times["long"]) / statistics.median(times["empty"]), 2),
        "usage_ms": _told(usage),
        "list_ms": round(listing * 1e3, 1),
    }


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    lines: list[Sequence[str]] = [("what", "p10 ms", "p50 ms", "p99 ms")]
    for name, each in (
        *(
            (f"authorize, reserve, settle; {name} ledger", each)
            for name, each in measured["mention_ms"].items()
        ),
        ("a whole metered request; long ledger", measured["metered_ms"]),
        ("/usage for an admin; long ledger", measured["usage_ms"]),
    ):
        lines.append((name, *(f"{each[part]:.3f}" for part in ("p10", "p50", "p99"))))
    opened = f"open a ledger of {measured['turns']:,} turns, {measured['rows']:,} rows"
    listed = f"`rivulet usage`, all {measured['rows']:,} rows"
    lines.append((opened, "", f"{measured['open_ms']:.1f}", ""))
    return [*lines, (listed, "", f"{measured['list_ms']:.1f}", "")]


def _made(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


def _spend(store: Sqlite) -> Spend:
    return Spend(store.accounts, prices(), lambda place: BOOK.at(place).caps, MODELS[0])


async def _fill(store: Sqlite, turns: int, rng: random.Random) -> int:
    """Write so many turns of the last months; return how many rows of the ledger that is."""
    statements = []
    for _ in range(turns):
        row = Spent(
            today() - rng.randrange(DAYS),
            "slack",
            "T1",
            f"C{rng.randrange(CHANNELS)}",
            f"U{rng.randrange(PEOPLE)}",
            rng.choice(MODELS),
            *(1, rng.randrange(9000), rng.randrange(2000), rng.randrange(9000), rng.randrange(900), 0, 1),
            *(rng.randrange(90_000), 0),
        )
        statements.append((tables.ADD, tables.spent_row(row)))
    for start in range(0, turns, 5_000):
        await store._writer.apply(statements[start : start + 5_000], full=False)
    return len(await store.accounts.usage(0, NAMES))


async def _mentions(store: Sqlite, many: int) -> list[float]:
    """Return how many seconds each mention takes with its money: may they, have they it, what was it."""
    access = Access(who=lambda place: BOOK.at(place).who)
    spend, weights, times = _spend(store), Weights(), []
    for number in range(many):
        # What the core and the model make anyway is made before.
        payer = replace(PAYER, question=f"slack/{number}")
        finished = Finished(usage=Usage(500, 100), model=MODELS[0])
        began = time.perf_counter()
        assert await access.authorize(ANN, HERE, Action.ASK)
        assert not spend.refusal(ANN, HERE)
        meter = Meter(spend, REQUEST, payer, weights.tokens(REQUEST))
        assert not await meter.reserve(REQUEST)
        meter.take(finished)
        meter.end(turns=1)
        times.append(time.perf_counter() - began)
        await store._writer.write()  # nobody waits for what is settled
    return times


async def _metered(store: Sqlite, many: int) -> list[float]:
    """Return how many seconds a whole request takes, with a model that answers at once."""
    model = Metered(Script("Because.", {"finish": "end_turn"}), _spend(store))
    times = []
    for _ in range(many):
        began = time.perf_counter()
        async for _event in model.stream(REQUEST):
            pass
        times.append(time.perf_counter() - began)
    return times


async def _usage(store: Sqlite) -> float:
    began = time.perf_counter()
    assert "All together" in await told(_spend(store), ANN, HERE, admin=True)
    return time.perf_counter() - began


def _told(seconds: Sequence[float]) -> dict[str, float]:
    found = sorted(seconds)
    return {
        "p10": round(found[len(found) // 10] * 1e3, 3),
        "p50": round(statistics.median(found) * 1e3, 3),
        "p99": round(found[min(len(found) - 1, int(len(found) * 0.99))] * 1e3, 3),
    }
