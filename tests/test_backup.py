"""A copy of the ledger: made while the bot writes, whole, for its owner alone; put back, the bot goes on."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bot.platform import Actor, Asked, Place, Unavailable
from bot.run.backup import backup, put_back
from bot.run.orders import order
from bot.run.stage import slack_stage, until
from bot.run.start import ledger
from bot.store import ROWS_KEPT, tables
from bot.store.examine import BROKEN, NAME, copies
from bot.store.snapshot import COPY, LEFT, restore, snapshot, sweep
from bot.store.sqlite import Sqlite
from tests.test_cli import ROOT, _text, ended, good, ran, started
from tests.warm import spawned


def asked(key: str) -> Asked:
    return Asked(key, key, Actor("U1", "ann"), Place("C1"), f"what is {key}?", time.time())


def keys(path: Path) -> set[str]:
    db = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    try:
        return {key for (key,) in db.execute("SELECT key FROM turns")}
    finally:
        db.close()


async def test_a_copy_that_is_made_while_questions_come_has_all_that_were_taken_before(tmp_path):
    data, to = tmp_path / "data", tmp_path / "copy.db"
    async with ledger(data) as (_, store):
        for number in range(200):
            assert await store.accept(asked(f"slack/{number}"))
        later = asyncio.gather(*(store.accept(asked(f"slack/later{number}")) for number in range(200)))
        await backup(data, str(to))
        assert all(await later)
    assert {f"slack/{number}" for number in range(200)} <= keys(to)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]
    assert not [*data.glob(f"{COPY}*")]


async def test_a_copy_replaces_the_one_of_yesterday_and_needs_no_running_bot(tmp_path):
    data, to = tmp_path / "data", tmp_path / "copy.db"
    to.write_text("yesterday's")
    async with ledger(data) as (_, store):
        await store.accept(asked("slack/1"))
    assert "bytes" in await backup(data, str(to))
    assert keys(to) == {"slack/1"}


async def test_a_question_is_taken_while_a_large_ledger_is_copied(tmp_path):
    async with ledger(tmp_path) as (_, store):
        await store.accept(asked("slack/0"))
        with sqlite3.connect(tmp_path / NAME, timeout=10) as db:
            row = tables.asked_row(asked("slack/many"))
            db.executemany(tables.ACCEPT, [(f"{row[0]}{number}", *row[1:]) for number in range(100_000)])
        db.close()
        copying = asyncio.create_task(order(tmp_path, {"backup": True}))
        for number in range(10_000):
            if copying.done():
                break
            assert await store.accept(asked(f"slack/meanwhile{number}"))
        assert number > 10  # one that waits for the copy would be the last
        copy = tmp_path / (await copying)["backup"]
        assert len(keys(copy)) >= 100_001


async def test_where_what_is_known_is_not_all_in_the_file_no_copy_is_made(tmp_path, monkeypatch):
    async with ledger(tmp_path) as (_, store):
        assert isinstance(store, Sqlite)
        store._writer.degrade(OSError(28, "No space left on device"))
        with pytest.raises(Unavailable, match=r"not copied yet .*No space left.*say this again later"):
            await backup(tmp_path, str(tmp_path / "copy.db"))
    assert not (tmp_path / "copy.db").exists()


async def test_a_copy_that_can_not_be_written_leaves_nothing_behind(tmp_path):
    data = tmp_path / "data"
    async with ledger(data):
        with pytest.raises(Unavailable, match="can't be written"):
            await backup(data, str(tmp_path / "nowhere" / "copy.db"))
        assert not [*data.glob(f"{COPY}*")]


async def test_a_copy_that_nobody_took_goes_with_the_next_order(tmp_path):
    async with ledger(tmp_path) as (_, store):
        await store.accept(asked("slack/1"))
        old, new = snapshot(tmp_path), snapshot(tmp_path)
        os.utime(old, (0, time.time() - LEFT - 1))
        await order(tmp_path, {"forget": "U1"})
        assert not old.exists()
        assert new.exists()
    sweep(tmp_path)


async def test_a_restored_copy_goes_on_where_it_was_and_what_was_there_lies_aside(tmp_path):
    data, to = tmp_path / "data", tmp_path / "copy.db"
    async with ledger(data) as (_, store):
        await store.accept(asked("slack/1"))
        await backup(data, str(to))
        await store.accept(asked("slack/2"))
    said = put_back(data, str(to))
    assert "lies beside it" in said
    async with ledger(data) as (_, store):
        assert not await store.accept(asked("slack/1"))
        assert await store.accept(asked("slack/2"))
    [before] = data.glob(f"{NAME}.before-*")
    assert keys(before) == {"slack/1", "slack/2"}


async def test_the_log_of_the_ledger_before_is_not_applied_to_a_restored_one(tmp_path):
    data, other = tmp_path / "data", tmp_path / "other"
    async with ledger(other) as (_, store):
        await store.accept(asked("slack/copied"))
        copy = snapshot(other)
    data.mkdir()
    before = sqlite3.connect(data / NAME)
    before.execute("PRAGMA journal_mode = WAL")
    before.executescript(tables.SCHEMA)
    before.execute(tables.ACCEPT, tables.asked_row(asked("slack/before")))
    before.commit()
    assert (data / f"{NAME}-wal").stat().st_size  # as a killed bot leaves it
    put_back(data, str(copy))
    before.close()
    async with ledger(data) as (_, store):
        assert await store.find("slack/copied")
        assert not await store.find("slack/before")


async def test_a_ledger_in_use_is_not_replaced(tmp_path):
    async with ledger(tmp_path) as (_, store):
        await store.accept(asked("slack/1"))
        copy = snapshot(tmp_path)
        with pytest.raises(Unavailable, match="another Rivulet"):
            put_back(tmp_path, str(copy))


@pytest.mark.parametrize("content", [b"", b"no ledger", b"SQLite format 3\0" + bytes(5000)])
async def test_what_is_no_ledger_is_refused_and_the_ledger_stays(content, tmp_path):
    data = tmp_path / "data"
    async with ledger(data) as (_, store):
        await store.accept(asked("slack/1"))
    with pytest.raises(OSError, match="no copy of a ledger"):
        restore(data, io.BytesIO(content))
    assert keys(data / NAME) == {"slack/1"}
    assert not [*data.glob(f"{COPY}*")]


@pytest.mark.parametrize("lost", [1, 100, 4095, 4096, 3 * 4096, 5000])
async def test_a_copy_whose_end_is_missing_is_refused_and_the_ledger_stays(lost, tmp_path):
    data = tmp_path / "data"
    async with ledger(data) as (_, store):
        await store.accept(asked("slack/1"))
        copy = snapshot(data).read_bytes()
    with pytest.raises(OSError, match=r"no copy of a ledger \([^*]+\)"):
        restore(data, io.BytesIO(copy[:-lost]))
    assert keys(data / NAME) == {"slack/1"}


async def test_others_tables_and_a_newer_ledger_are_refused(tmp_path):
    for name, script in (("other", "CREATE TABLE turns (key)"), ("newer", "PRAGMA user_version = 9999")):
        path = tmp_path / name
        db = sqlite3.connect(path)
        db.executescript(tables.SCHEMA if name == "newer" else "")
        db.executescript(script)
        db.close()
        (tmp_path / "data").mkdir(exist_ok=True)
        with pytest.raises(OSError, match="no copy of a ledger"):
            restore(tmp_path / "data", io.BytesIO(path.read_bytes()))


def watched(folder, env):
    """Look at the bot in a terminal until SIGTERM; return the exit code, and if the screen is as before."""
    terminal, inside = pty.openpty()
    # As a script's background has it, where Ctrl-C is ignored.
    program = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "bot", "top"]
    env = {**env, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(program, cwd=folder, env=env, stdin=inside, stdout=inside, stderr=inside) as top:
        os.close(inside)
        screen = b""
        while b"slack" not in screen:
            screen += os.read(terminal, 65536)
        top.terminate()
        with suppress(OSError):  # nobody has the other end any more
            while more := os.read(terminal, 65536):
                screen += more
    os.close(terminal)
    return top.returncode, b"\x1b[?1049h" in screen and screen.rindex(b"\x1b[?1049l") > screen.rindex(
        b"slack"
    )


async def test_a_bot_is_watched_and_copied_while_it_runs_and_a_fresh_folder_goes_on_with_the_copy(tmp_path):
    async with spawned() as world:
        env = {**good(world), "DISCORD_BOT_TOKEN": "", "RIVULET_METRICS": "off"}
        stage = slack_stage(world)
        await world.claude.script(steps=["Well, ", {"stall": True, "pings": True}])
        code, _, err = await ran("top", "--once", cwd=tmp_path, env=env)
        assert (code, err.count("\n")) == (78, 1)
        async with started("run", cwd=tmp_path, env=env) as bot:
            await until(lambda: world.slack.events(kinds=["connect"]), 60)
            question = await stage.say("what is new?")
            await until(lambda: _text(stage, question, "Well,"), 40)
            code, out, err = await ran("top", "--once", cwd=tmp_path, env=env)
            assert (code, err) == (0, "")
            for word in ("slack up", "1 run, 0 wait", "open", "chat.update"):
                assert word in out, out
            assert "Well" not in out
            assert await asyncio.to_thread(watched, tmp_path, env) == (130, True)
            code, out, err = await ran("backup", "copy.db", cwd=tmp_path, env=env)
            assert (code, err, out[:9]) == (0, "", "copy.db: ")
            bot.kill()
            await bot.wait()
        fresh = {**env, "RIVULET_DATA": "fresh"}
        assert (await ran("restore", "copy.db", cwd=tmp_path, env=fresh))[0] == 0
        assert stat.S_IMODE((tmp_path / "fresh" / NAME).stat().st_mode) == 0o600
        async with started("run", cwd=tmp_path, env=fresh) as bot:
            await until(lambda: ended(stage, question), 60)
            bot.terminate()
            await bot.communicate()
        [answer] = await stage.answers(question)
        assert answer["text"].startswith("Well,")


async def test_a_copy_goes_through_standard_output_and_input(tmp_path):
    async with ledger(tmp_path / "data") as (_, store):
        await store.accept(asked("slack/1"))
    async with started("backup", "-", cwd=tmp_path, env={}) as process:
        copy, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
    async with started("restore", "-", cwd=tmp_path, env={"RIVULET_DATA": "fresh"}) as process:
        _, err = await process.communicate(copy)
        assert (process.returncode, err) == (0, b"")
    assert keys(tmp_path / "fresh" / NAME) == {"slack/1"}


@pytest.mark.parametrize("what", [{"backup": True}, {"usage": 0}, {"forget": "U1"}, {"purge": True}])
async def test_an_order_moves_no_ledger_aside_that_it_can_not_use(what, tmp_path):
    async with ledger(tmp_path):
        pass
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(Unavailable, match=r"ledger\.db is moved aside at the next start \(made by another"):
        await order(tmp_path, what)
    assert (tmp_path / NAME).read_bytes() == before


async def test_no_copy_is_made_of_a_ledger_that_is_not_there(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "copy.db").write_text("yesterday's")
    with pytest.raises(Unavailable, match=r"not copied: .*ledger\.db is not there"):
        await backup(tmp_path / "data", str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").read_text() == "yesterday's"


@pytest.mark.parametrize("to", ["", ".", "/", "..", "ledger.db", "./ledger.db", "ledger.db-wal"])
async def test_a_copy_takes_no_place_but_that_of_a_file_elsewhere(to, tmp_path, monkeypatch):
    async with ledger(tmp_path) as (_, store):
        await store.accept(asked("slack/1"))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(Unavailable, match=r"can't be written|is the ledger itself"):
            await backup(tmp_path, to)
        await store.accept(asked("slack/2"))
    assert keys(tmp_path / NAME) == {"slack/1", "slack/2"}


async def aside(folder: Path) -> tuple[list[Path], Path]:
    """Fill a ledger; return what lies aside: one that was restored over, with its log; and a broken one."""
    async with ledger(folder) as (_, store):
        await store.accept(asked("slack/q1"))
    await backup(folder, str(folder.parent / "copy.db"))
    put_back(folder, str(folder.parent / "copy.db"))
    before = folder / copies(folder)[0]
    log = before.with_name(f"{before.name}-wal")
    log.write_bytes(b"its log")
    (broken := folder / f"{BROKEN}1").mkdir()
    (broken / "file").write_bytes(b"a folder in its place")
    return [before, log], broken


async def test_a_purge_deletes_ledgers_that_lie_aside_too(tmp_path):
    replaced, broken = await aside(tmp_path / "data")
    code, out, err = await ran("purge", cwd=tmp_path, env={})
    assert (code, out, err) == (0, "1 question and 2 ledgers that lay aside deleted.\n", "")
    assert not any(path.exists() for path in (*replaced, broken))
    assert (tmp_path / "copy.db").exists()  # where somebody has put it, it is theirs
    assert (await ran("purge", cwd=tmp_path, env={}))[1] == "0 questions deleted.\n"


async def test_what_a_replaced_ledger_has_of_somebody_who_is_forgotten_is_said_and_stays_a_while(tmp_path):
    [before, log], broken = await aside(tmp_path / "data")
    code, out, err = await ran("forget", "U1", cwd=tmp_path, env={})
    said = f"data/{before.name} lies aside and still has what it had; delete it if you need it no more."
    assert (code, out, err) == (0, f"1 question deleted.\n{said}\n", "")
    assert not broken.exists()  # nobody knows whose words are in there
    async with ledger(tmp_path / "data") as (_, store):
        await store.prune(time.time() + ROWS_KEPT - 60)
        assert before.exists()
        await store.prune(time.time() + ROWS_KEPT + 60)
    assert not before.exists()
    assert not log.exists()
