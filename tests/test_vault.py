"""What platforms keep for good, in every store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import OK, Store
from bot.store import file as files
from bot.store.examine import NAME
from bot.store.memory import Memory
from bot.store.salvage import salvage
from bot.store.snapshot import restore, snapshot
from tests.redis_parts import parts, prefix
from tests.test_store import NOW, asked, opened

TOKEN = "xoxb-1\nwith 'quotes', \0 and é 😀"


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "redis":
        store: Store = await parts(request.getfixturevalue("redis_shared"))
    else:
        store = Memory() if request.param == "memory" else await opened(tmp_path)
    yield store
    assert store.health == OK
    await store.close()


async def test_what_is_kept_is_there_until_it_is_dropped(store):
    assert await store.vault.kept("slack/T1") is None
    await store.vault.keep("slack/T1", "old")
    await store.vault.keep("slack/T1", TOKEN)
    await store.vault.keep("slack/T2", "")
    assert [await store.vault.kept(name) for name in ("slack/T1", "slack/T2")] == [TOKEN, ""]
    await store.vault.drop("slack/T1")
    await store.vault.drop("slack/T9")
    assert await store.vault.kept("slack/T1") is None
    assert await store.vault.names("") == ["slack/T2"]


async def test_names_are_told_by_how_they_begin_sorted(store):
    for name in ("slack/T2", "slack/T10", "slack_b/T1", "discord/1", "slack/é"):
        await store.vault.keep(name, "x")
    assert await store.vault.names("slack/") == ["slack/T10", "slack/T2", "slack/é"]
    assert await store.vault.names("web/") == []


async def test_no_age_and_no_forgetting_ends_it_and_a_purge_does(store):
    await store.vault.keep("slack/U1", TOKEN)
    await store.prune(NOW + 4_000 * 86_400)
    await store.forget("U1")
    await store.forget("slack/U1")
    assert await store.vault.kept("slack/U1") == TOKEN
    await store.purge()
    assert await store.vault.names("") == []


async def test_it_survives_a_restart_of_a_file_and_of_redis(tmp_path, redis_own):
    under = prefix()
    for make in (lambda: opened(tmp_path), lambda: parts(redis_own, under)):
        store = await make()
        await store.vault.keep("slack/T1", TOKEN)
        await store.close()
        redis_own.stop()
        redis_own.start()
        store = await make()
        assert await store.vault.kept("slack/T1") == TOKEN
        await store.close()


async def test_a_redis_that_is_away_is_said(redis_own):
    store = await parts(redis_own)
    redis_own.kill()
    for doing in (store.vault.keep("a", "b"), store.vault.drop("a"), store.vault.kept("a")):
        with pytest.raises(OSError, match=r"."):
            await doing
    with pytest.raises(OSError, match=r"."):
        await store.vault.names("")
    await store.close()


# The file.


async def test_a_file_that_takes_nothing_is_said_and_nothing_is_kept_later(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BUSY", 0.05)
    store = await opened(tmp_path)
    store._file.connected.execute("PRAGMA query_only = 1")
    for _ in range(2):  # as it finds out, and when it knows
        with pytest.raises(OSError, match="can't be written"):
            await store.vault.keep("slack/T1", TOKEN)
    store._file.connected.execute("PRAGMA query_only = 0")
    assert await store.vault.kept("slack/T1") is None
    await store.close()


@pytest.mark.parametrize("harm", ["text = x'ff'", "text = x'00'", "text = CAST(x'ff' AS TEXT)"])
async def test_a_bad_secret_is_deleted_and_costs_nothing_else(tmp_path, harm, capsys):
    store = await opened(tmp_path)
    await store.vault.keep("slack/T1", TOKEN)
    await store.vault.keep("slack/T2", TOKEN)
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute(f"UPDATE vault SET {harm} WHERE name = 'slack/T2'")
    assert await store.vault.kept("slack/T2") is None
    assert "xoxb" not in capsys.readouterr().out
    assert await store.vault.names("") == ["slack/T1"]
    assert await store.vault.kept("slack/T1") == TOKEN
    await store.close()


async def test_secrets_are_saved_from_a_file_of_no_use(tmp_path):
    store = await opened(tmp_path)
    await store.vault.keep("slack/T1", TOKEN)
    await store.vault.keep("slack/T2", TOKEN)
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("UPDATE vault SET text = x'ff' WHERE name = 'slack/T2'")
    assert [values for statement, values in salvage(tmp_path / NAME) if "vault" in statement] == [
        ("slack/T1", TOKEN)
    ]
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("PRAGMA user_version = 99")
    store = await opened(tmp_path)
    assert "lies aside" in store.health
    assert await store.vault.kept("slack/T1") == TOKEN
    await store.close()


async def test_a_file_of_version_7_gets_the_table_and_keeps_what_it_has(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("DROP TABLE vault")
        db.execute("PRAGMA user_version = 7")
    store = await opened(tmp_path)
    assert store.health == OK
    await store.vault.keep("slack/T1", TOKEN)
    assert await store.vault.kept("slack/T1") == TOKEN
    assert await store.find("chat/1")
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (8,)


async def test_a_table_with_other_columns_is_none_of_ours(tmp_path):
    store = await opened(tmp_path)
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db, db:
        db.execute("ALTER TABLE vault ADD COLUMN mood")
    store = await opened(tmp_path)
    assert "lies aside" in store.health
    await store.close()


async def test_secrets_are_in_a_backup_and_come_back_with_it(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    store = await opened(tmp_path / "one")
    await store.vault.keep("slack/T1", TOKEN)
    copy = snapshot(tmp_path / "one")
    await store.close()
    with copy.open("rb") as source:
        restore(tmp_path / "two", source)
    store = await opened(tmp_path / "two")
    assert await store.vault.kept("slack/T1") == TOKEN
    await store.close()


async def test_a_secret_that_is_dropped_is_in_no_file(tmp_path):
    store = await opened(tmp_path)
    await store.vault.keep("slack/T1", "xoxb-something-special")
    await store.vault.drop("slack/T1")
    await store.close()
    assert not any(b"xoxb-something-special" in path.read_bytes() for path in tmp_path.iterdir())
