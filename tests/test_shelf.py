"""The messages of platforms that the bot itself serves, in every store."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.platform import Post
from bot.store import OK, POSTS_KEPT, Store
from bot.store import file as files
from bot.store import writer as module
from bot.store.examine import NAME
from bot.store.memory import Memory
from bot.store.salvage import salvage
from bot.store.sqlite import Sqlite
from tests.redis_parts import parts
from tests.test_store import NOW, asked, healthy, opened

TALK = Post("web/c1", "web", "ann", NOW, "a talk")
FIRST = Post("web/c1/1", "web/c1", "ann", NOW, "hello")
FILE = Post("web/c1/f", "web/c1", "ann", NOW + 1, "a file", b"\x00\xff" * 100)
OTHER = Post("web/c2", "web", "bob", NOW + 2, "his talk")


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "redis":
        store: Store = await parts(request.getfixturevalue("redis_shared"))
    else:
        store = Memory() if request.param == "memory" else await opened(tmp_path)
    for post in (FILE, TALK, FIRST, OTHER):
        await store.shelf.put(post)
    yield store
    assert store.health == OK
    await store.close()


async def test_posts_are_listed_oldest_first_without_their_content(store):
    assert await store.shelf.posts("web/c1") == [FIRST, replace(FILE, data=b"")]
    assert await store.shelf.posts("web") == [TALK, OTHER]
    assert await store.shelf.posts("web", "bob") == [OTHER]


async def test_a_post_is_found_whole(store):
    assert await store.shelf.find(FILE.key) == FILE
    assert await store.shelf.find("web/c9") is None


async def test_a_newer_post_takes_the_place_of_one_with_its_key(store):
    await store.shelf.put(replace(FIRST, body="hello you"))
    assert [post.body for post in await store.shelf.posts("web/c1")] == ["hello you", "a file"]


async def test_a_talk_is_dropped_with_all_that_is_in_it_and_no_other(store):
    await store.shelf.drop(TALK.key)
    assert await store.shelf.posts("web/c1") == []
    assert await store.shelf.posts("web") == [OTHER]


async def test_what_a_person_owns_is_forgotten_with_what_they_asked(store):
    await store.forget("ann")
    assert await store.shelf.posts("web") == [OTHER]
    assert await store.shelf.find(FILE.key) is None
    await store.purge()
    assert await store.shelf.posts("web") == []


async def test_posts_are_kept_for_ninety_days(store):
    await store.prune(NOW + POSTS_KEPT)
    assert len(await store.shelf.posts("web/c1")) == 2
    await store.prune(NOW + POSTS_KEPT + 1.5)
    assert await store.shelf.posts("web/c1") == []
    assert await store.shelf.posts("web") == [OTHER]


async def test_a_post_that_changes_its_talk_and_its_owner_is_listed_and_weighed_there_alone(store):
    await store.shelf.put(replace(FIRST, talk="web/c2", owner="bob"))
    assert [post.key for post in await store.shelf.posts("web/c1")] == [FILE.key]
    assert [post.key for post in await store.shelf.posts("web/c2")] == [FIRST.key]
    assert await store.shelf.weight("bob") == len(FIRST.body + OTHER.body)
    await store.forget("ann")
    assert await store.shelf.find(FIRST.key)


async def test_a_persons_posts_weigh_what_they_have(store):
    assert await store.shelf.weight("ann") == len(TALK.body + FIRST.body + FILE.body) + len(FILE.data)
    await store.shelf.drop(TALK.key)
    assert await store.shelf.weight("ann") == 0


async def test_posts_survive_a_restart(tmp_path):
    store = await opened(tmp_path)
    await store.shelf.put(FILE)
    await store.close()
    again = await opened(tmp_path)
    assert await again.shelf.find(FILE.key) == FILE
    await again.close()


async def test_posts_that_the_disk_did_not_take_are_written_later(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    store = await opened(tmp_path)
    blocked = sqlite3.connect(tmp_path / NAME)
    monkeypatch.setattr(files, "BUSY", 0.05)
    store._writer.file.reopen()
    blocked.execute("BEGIN IMMEDIATE")
    await store.shelf.put(FIRST)
    assert store.health.startswith("degraded")
    blocked.rollback()
    blocked.close()
    await healthy(store)
    assert await store.shelf.posts("web/c1") == [FIRST]
    await store.close()


@pytest.mark.parametrize("column", ["owner", "at", "body", "data", "talk"])
async def test_a_bad_post_is_deleted_and_costs_nothing_else(tmp_path, column, capsys):
    store = await opened(tmp_path)
    await store.shelf.put(FIRST)
    await store.shelf.put(FILE)
    await store.accept(asked())
    with closing(sqlite3.connect(tmp_path / NAME)) as db:
        bad = "'web/c1'" if column == "at" else "x'ff'" if column != "data" else "'text'"
        db.execute(f"UPDATE posts SET {column} = {bad} WHERE key = ?", (FIRST.key,))
        db.commit()
    found = await store.shelf.find(FIRST.key)
    assert found is None
    assert FIRST.body not in capsys.readouterr().out
    assert await store.shelf.posts("web/c1") == [replace(FILE, data=b"")]
    assert await store.find("chat/1")
    await store.close()


async def test_messages_are_saved_from_a_file_of_no_use(tmp_path):
    store = await opened(tmp_path)
    for post in (FIRST, FILE):
        await store.shelf.put(post)
    await store.close()
    values = [values for statement, values in salvage(tmp_path / NAME) if "posts" in statement]
    assert [(row[0], row[4], row[5]) for row in values] == [
        (FIRST.key, "hello", b""),
        (FILE.key, "a file", b""),
    ]


async def test_a_file_of_an_older_version_gets_the_table(tmp_path):
    store = await opened(tmp_path)
    await store.accept(asked())
    await store.close()
    with closing(sqlite3.connect(tmp_path / NAME)) as db:
        db.execute("DROP TABLE posts")
        db.execute("PRAGMA user_version = 4")
        db.commit()
    again: Sqlite = await opened(tmp_path)
    await again.shelf.put(FIRST)
    assert await again.shelf.find(FIRST.key) == FIRST
    assert await again.find("chat/1")
    await again.close()
