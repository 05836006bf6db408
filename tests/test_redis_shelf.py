"""Posts in a real Redis: what replicas do at once, and what Redis loses, spoils and does not take."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.store import POSTS_KEPT
from tests.redis_parts import parts, prefix
from tests.test_redis_wire import until
from tests.test_shelf import FILE, FIRST, TALK


async def test_of_replicas_that_move_a_post_at_once_one_is_last_and_nothing_else_is_left(redis_shared):
    under = prefix()
    stores = [await parts(redis_shared, under, str(number)) for number in range(3)]
    moved = [replace(FIRST, talk=f"web/c{n}", owner=f"U{n}", body="x" * n) for n in range(1, 10)]
    await asyncio.gather(*(stores[n % 3].shelf.put(post) for n, post in enumerate(moved)))
    last = await stores[0].shelf.find(FIRST.key)
    assert last in moved
    for post in moved:
        listed, weight = await stores[1].shelf.posts(post.talk), await stores[1].shelf.weight(post.owner)
        assert (listed, weight) == (([last], len(last.body)) if post == last else ([], 0))
    await stores[2].shelf.drop(FIRST.key)
    [*left] = await stores[0].wire.ask("KEYS", stores[0].posts._names.of("*"))
    assert not left
    for store in stores:
        await store.close()


async def test_posts_that_redis_did_not_take_are_written_when_it_is_back_in_order(redis_own):
    store = await parts(redis_own)
    await store.shelf.put(FILE)
    redis_own.kill()
    await store.shelf.put(FIRST)
    await store.shelf.put(replace(FIRST, body="newer"))
    await store.shelf.drop(FILE.key)
    with pytest.raises(OSError, match=r"."):
        await store.shelf.posts("web/c1")
    redis_own.start()
    await until(lambda: not store.posts.owed)
    assert await store.shelf.posts("web/c1") == [replace(FIRST, body="newer")]
    await store.close()


async def test_a_full_redis_lets_posts_wait(redis_own):
    store = await parts(redis_own)
    await store.wire.ask("CONFIG", "SET", "maxmemory", "1")
    await store.shelf.put(FIRST)
    await store.posts.back()
    assert store.posts.owed
    await store.wire.ask("CONFIG", "SET", "maxmemory", "0")
    await store.posts.back()
    assert await store.shelf.find(FIRST.key) == FIRST
    await store.close()


@pytest.mark.parametrize(
    ("field", "text"), [("at", "now"), ("at", "-1"), ("body", b"\xff"), ("talk", ""), ("owner", b"\xff")]
)
async def test_a_bad_post_is_deleted_and_costs_nothing_else(redis_shared, field, text, capsys):
    store = await parts(redis_shared)
    await store.shelf.put(FIRST)
    await store.shelf.put(FILE)
    await store.wire.ask("HSET", store.posts._post(FIRST.key), field, text)
    assert await store.shelf.find(FIRST.key) is None
    assert FIRST.body not in capsys.readouterr().out
    assert await store.shelf.posts("web/c1") == [replace(FILE, data=b"")]
    await store.close()


async def test_a_post_that_redis_has_let_go_is_listed_no_more(redis_shared):
    store = await parts(redis_shared)
    for post in (TALK, FIRST, FILE):
        await store.shelf.put(post)
    key = store.posts._post(FIRST.key)
    assert await store.wire.ask("TTL", key) > POSTS_KEPT
    await store.wire.ask("DEL", key)
    assert await store.shelf.posts("web/c1") == [replace(FILE, data=b"")]
    assert await store.wire.ask("ZCARD", store.posts._talk("web/c1")) == 1
    await store.close()
