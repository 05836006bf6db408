"""A ledger that was harmed: each bad row costs only itself, and a file that is of no use lies aside."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.events import CONTINUE
from bot.platform import Asked
from bot.store import OK, Part, rows
from bot.store import writer as module
from bot.store.examine import NAME, aside, findings
from bot.store.sqlite import Sqlite
from tests.fakes import ANN, HERE

NOW = float(int(time.time()))
#: Questions: every third is done, every third is done with a button, every third is open.
ROWS = 12
#: How often bytes of the file are changed, and rows.
BYTES, VALUES = 300, 900


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    store = Sqlite(folder)
    await store.open()
    for number in range(ROWS):
        key = f"chat/C{number}/1"
        await store.accept(Asked(key, f"chat/talk{number}", ANN, HERE, f"why {number}?", NOW + number))
        await store.intend(key, Part(f"n{number}", 0, "here"), "Because")
        await store.posted(key, f"n{number}", f"chat/m{number}")
        if number % 3:
            controls = (CONTINUE.name,) if number % 3 == 2 else ()
            await store.end(key, "Because.", "Cut.", controls)
            await store.done(key, NOW + number)
    await store.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let thousands of small writes not wait for each other: here it counts what can be read."""
    monkeypatch.setattr(module, "APART", 0.0)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copy(whole / NAME, tmp_path / NAME)
    return tmp_path


def poke(folder: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(folder / NAME)) as db, db:
        db.execute(statement, values)


async def served(folder: Path) -> tuple[Sqlite, set[str]]:
    """Open the ledger and use all of it; return the keys of what is open, and fail if anything is refused."""
    store = Sqlite(folder)
    await store.open()
    assert store.health.startswith(OK), store.health
    unfinished = {entry.asked.key for entry in await store.unfinished("chat")}
    for number in range(ROWS):
        with suppress(OSError):  # the first look at a page that can't be read; a new file is opened then
            await store.find(f"chat/C{number}/1")
            await store.find_shown(f"chat/m{number}")
    await store.recent("chat", 0.0)
    assert await store.accept(Asked("chat/new/1", "chat/new", ANN, HERE, "and now?", NOW + 99))
    await store.intend("chat/new/1", Part("new", 0, "here"), "So")
    await store.posted("chat/new/1", "new", "chat/mnew")
    await store.done("chat/new/1", NOW + 100)
    await store.prune(NOW + 200)
    for _ in range(100):
        if store.health.startswith(OK):
            break
        await asyncio.sleep(0.05)  # a page that could not be read has made it open a new file
    assert store.health.startswith(OK), store.health
    return store, unfinished


async def is_well_after(folder: Path) -> None:
    """Open the ledger once more: nothing is bad in it any more, and what was new is there."""
    store, _ = await _again(folder)
    assert not await store.accept(Asked("chat/new/1", "chat/new", ANN, HERE, "and now?", NOW + 99))
    await store.close()


async def _again(folder: Path) -> tuple[Sqlite, str]:
    store = Sqlite(folder)
    await store.open()
    assert store.health.startswith(OK)
    return store, store.health


OPEN = {f"chat/C{number}/1" for number in range(0, ROWS, 3)}
HIT = "chat/C3/1"
BAD: dict[str, Any] = {
    "one bit in the JSON": "who = replace(who, '{\"actor\"', '[\"actor\"')",
    "a field more": 'who = replace(who, \'"guest"\', \'"tier": 1, "guest"\')',
    "a field less": "who = replace(who, '\"guest\": false, ', '')",
    "a field of another type": "who = replace(who, '\"guest\": false', '\"guest\": 0')",
    "a list for a person": 'who = \'{"actor": [], "place": {}}\'',
    "half of it": "who = '{\"actor\": {}}'",
    "JSON that is deep": f"who = '{'[' * 100_000}'",
    "a lone surrogate": "who = replace(who, '\"ann\"', '\"\\ud800\"')",
    "another person": "actor = 'U9'",
    "nobody": "who = ''",
    "invalid UTF-8 in the question": "question = CAST(x'ff4f50' AS TEXT)",
    "invalid UTF-8 in the answer": "text = CAST(x'80' AS TEXT)",
    "a blob": "question = x'00ff'",
    "a number that is none": "at = 'soon'",
    "a time without end": "at = 9e999",
    "a time before all": "at = -1",
    "runs that are none": "runs = 'x'",
    "many runs": "runs = 1000000000000",
    "a note of bytes": "note = x'01'",
    "buttons of bytes": "controls = x'01'",
}
BAD_PARTS = {
    "a page that is none": "page = 'x'",
    "a page below all": "page = -1",
    "an address of bytes": "address = x'ff'",
    "a message that is not UTF-8": "message = CAST(x'ff' AS TEXT)",
    "an order that is none": "number = 1.5",
}


@pytest.mark.parametrize("harm", BAD)
async def test_one_bad_row_is_set_aside_and_said_and_the_rest_is_served(harm, folder, capsys):
    poke(folder, f"UPDATE turns SET {BAD[harm]} WHERE key = ?", HIT)
    store, unfinished = await served(folder)
    assert unfinished == OPEN - {HIT}
    assert not await store.accept(Asked(HIT, "", ANN, HERE, "why?", NOW + 3))
    await store.close()
    said = capsys.readouterr().out
    assert said.count("a row of the ledger was set aside") == 1
    assert HIT in said
    assert "why 3?" not in said
    assert not aside(folder)
    await is_well_after(folder)
    assert "set aside" not in capsys.readouterr().out


async def test_a_question_that_is_open_and_nobodys_is_set_aside(folder):
    poke(folder, "UPDATE turns SET who = '', actor = '', conversation = '' WHERE key = ?", HIT)
    store, unfinished = await served(folder)
    await store.close()
    assert unfinished == OPEN - {HIT}


@pytest.mark.parametrize("harm", BAD_PARTS)
async def test_a_bad_message_costs_its_answer_only(harm, folder, capsys):
    poke(folder, f"UPDATE parts SET {BAD_PARTS[harm]} WHERE key = ?", HIT)
    store, unfinished = await served(folder)
    await store.close()
    assert unfinished == OPEN - {HIT}
    assert capsys.readouterr().out.count("a row of the ledger was set aside") == 1
    await is_well_after(folder)


@pytest.mark.parametrize("harm", BAD)
async def test_a_bad_row_of_what_is_done_is_met_where_it_is_looked_for(harm, folder):
    key = "chat/C2/1"
    poke(folder, f"UPDATE turns SET {BAD[harm]} WHERE key = ?", key)
    store, unfinished = await served(folder)
    assert unfinished == OPEN
    shown = await store.find_shown("chat/m2")
    assert shown is None
    assert not await store.accept(Asked(key, "", ANN, HERE, "why?", NOW))
    other = await store.find_shown("chat/m5")
    assert other
    assert other.text == "Because."
    await store.close()


@pytest.mark.parametrize("key", ["x'ff'", "CAST(x'63686174ff' AS TEXT)", "''", "12", "x''"])
async def test_a_key_that_is_none_costs_its_question_only(key, folder):
    poke(folder, "DELETE FROM parts WHERE key = ?", HIT)
    poke(folder, f"UPDATE turns SET key = {key} WHERE key = ?", HIT)
    store, unfinished = await served(folder)
    await store.close()
    assert unfinished == OPEN - {HIT}
    await is_well_after(folder)


def _values() -> Iterator[Any]:
    chance = random.Random(11)
    while True:
        yield from (None, 0, -1, 1.5, 1e300, 2**62, "", "x", "\0", "[]", "{}", b"", b"\xff\xfe", "é" * 99)
        yield chance.randbytes(chance.randrange(20))
        yield chance.randbytes(8).decode("latin1")
        yield "[" * chance.randrange(5000)


def test_many_values_in_every_column_cost_no_more_than_their_row(folder, capsys):
    """As the thread that has the file reads it: 900 rows of which each has one odd value."""
    chance, values = random.Random(7), _values()
    columns = [("turns", name) for name in rows.TURN[1:]] + [("parts", name) for name in rows.PART[2:]]
    for _ in range(VALUES // ROWS):
        shutil.copy(folder / NAME, folder / "kept")
        with closing(sqlite3.connect(folder / NAME)) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for number in range(ROWS):
                table, column = chance.choice(columns)
                odd = f"UPDATE OR IGNORE {table} SET {column} = ? WHERE key = ?"
                try:
                    db.execute(odd, (next(values), f"chat/C{number}/1"))
                except sqlite3.IntegrityError:
                    continue  # not even a hand that edits the file can do that
            db.commit()
        asyncio.run(_served_and_closed(folder))
        assert not aside(folder)
        for suffix in ("", "-wal", "-shm"):
            (folder / f"{NAME}{suffix}").unlink(missing_ok=True)
        shutil.move(folder / "kept", folder / NAME)
    assert "Traceback" not in capsys.readouterr().out


async def _served_and_closed(folder: Path) -> None:
    store, _ = await served(folder)
    await store.close()


def test_many_changed_bytes_cost_no_start_and_most_rows_are_saved(folder, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.02)  # what is found while it is used is mended at the next try
    chance, whole = random.Random(5), (folder / NAME).read_bytes()
    lost = 0
    for _ in range(BYTES):
        harmed = bytearray(whole)
        for _ in range(chance.choice([1, 1, 1, 8])):
            harmed[chance.randrange(len(harmed))] ^= 1 << chance.randrange(8)
        (folder / NAME).write_bytes(harmed)
        unfinished = asyncio.run(_opened_once(folder))
        lost += len(OPEN - unfinished)
        for path in folder.iterdir():
            path.unlink()
    assert lost < len(OPEN) * BYTES * 0.2


async def _opened_once(folder: Path) -> set[str]:
    store, unfinished = await served(folder)
    await store.close()
    return unfinished


def folded(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


#: Statements, or what else is done to the file.
USELESS: dict[str, tuple[str, ...] | Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(random.Random(1).randbytes(40_960)),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a header only": lambda path: os.truncate(path, 100),
    "a folder": folded,
    "a version to come": ("PRAGMA user_version = 99",),
    "a version that never was": ("PRAGMA user_version = -3",),
    "other columns": ("DROP TABLE turns", "CREATE TABLE turns (key TEXT)"),
    "a column more": ("ALTER TABLE turns ADD COLUMN mood TEXT",),
    "another name": ("ALTER TABLE parts RENAME COLUMN page TO sheet",),
    "a view for a table": ("DROP TABLE parts", "CREATE VIEW parts AS SELECT * FROM turns"),
    "a trigger": ("CREATE TRIGGER no BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'no'); END",),
    "a trigger that swallows": ("CREATE TRIGGER no BEFORE INSERT ON parts BEGIN SELECT RAISE(IGNORE); END",),
    "a rule": (
        "DROP TABLE turns",
        f"CREATE TABLE turns ({', '.join(rows.TURN)}, CHECK (key < 'a'))",
    ),
    "a log that is a folder": lambda path: path.with_name(f"{NAME}-wal").mkdir(),
}


def make_useless(folder: Path, harm: str) -> None:
    how = USELESS[harm]
    if callable(how):
        how(folder / NAME)
    else:
        for statement in how:
            poke(folder, statement)


@pytest.mark.parametrize("harm", USELESS)
async def test_a_file_of_no_use_lies_aside_and_log_state_and_doctor_say_so(harm, folder, capsys):
    make_useless(folder, harm)
    store, _ = await served(folder)
    [name] = aside(folder) or [""]
    assert name in store.health
    assert str(folder) not in store.health
    assert "the ledger is broken" in capsys.readouterr().out
    assert [line for line in findings(folder) if name in line]
    await store.close()


@pytest.mark.parametrize("harm", ["a version to come", "a column more", "a trigger"])
async def test_good_rows_of_a_file_of_no_use_are_taken_over(harm, folder):
    make_useless(folder, harm)
    store = Sqlite(folder)
    await store.open()
    unfinished = {entry.asked.key for entry in await store.unfinished("chat")}
    assert unfinished == (set() if harm == "a column more" else OPEN)
    await store.close()


async def test_a_file_that_is_harmed_while_it_is_used_is_replaced_and_nothing_is_lost(folder, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    store = Sqlite(folder)
    await store.open()
    harmed = bytearray((folder / NAME).read_bytes())
    harmed[4096:] = b"\xff" * (len(harmed) - 4096)
    (folder / NAME).write_bytes(harmed)
    os.truncate(folder / f"{NAME}-wal", 0)
    for number in range(200):
        await store.accept(Asked(f"chat/later{number}/1", "", ANN, HERE, "?" * 500, NOW + number))
    async with asyncio.timeout(20):
        while not aside(folder) or not store.health.startswith(OK):
            await asyncio.sleep(0.05)
    await store.close()
    again = Sqlite(folder)
    await again.open()
    assert len(await again.unfinished("chat")) == 200 + len(OPEN)
    await again.close()


async def test_what_lies_aside_is_deleted_with_all_that_is_forgotten(folder):
    (folder / NAME).write_bytes(b"no database, " * 999)
    store = Sqlite(folder)
    await store.open()
    assert aside(folder)
    await store.forget("U9")
    assert not aside(folder)
    assert store.health == OK
    await store.close()


def test_the_doctor_looks_at_the_file_and_leaves_it(folder):
    assert findings(folder) == []
    assert findings(folder / "none") == []
    poke(folder, "PRAGMA user_version = 99")
    [line] = findings(folder)
    assert "is moved aside at the next start" in line
    assert json.dumps(sorted(path.name for path in folder.iterdir())) == json.dumps([NAME])
