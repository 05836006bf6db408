"""The ledger in Redis: several replicas, and all that can become of the server; test_store has the rest."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import subprocess
import time
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from bot.config import Settings, explain
from bot.platform import Unavailable
from bot.run.backup import backup, put_back
from bot.run.orders import IN_REDIS, order
from bot.run.start import ledger
from bot.store import OK, ROWS_KEPT, TEXT_KEPT, Entry, Note, Part, Rated
from bot.store.peers import LEASE, Taken
from bot.store.redis import checks, questions
from bot.store.redis import store as module
from bot.store.redis import wire as wires
from bot.store.redis.address import secrets_of
from bot.store.redis.checks import lets_nobody_in
from bot.store.redis.keys import Names
from bot.store.redis.opening import findings_at, store_at
from bot.store.redis.wire import Refusal, Wire
from tests.fakes import ANN, BOB
from tests.redis_server import RedisServer
from tests.stores import redis_store
from tests.test_store import FIRST, NOW, asked


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Let no test wait long for a server that is away."""
    monkeypatch.setattr(module, "RETRY", 0.05)
    monkeypatch.setattr(wires, "LOOK", 0.05)
    monkeypatch.setattr(wires, "PATIENCE", 0.5)
    monkeypatch.setattr("bot.store.redis.questions.LOOK", 0.05)
    monkeypatch.setattr("bot.store.redis.questions.CLAIMING", 0.3)


@pytest.fixture
async def pair(redis_shared):
    """Yield two replicas, of which neither believes that the other lives."""
    prefix = secrets.token_hex(4)
    stores = [await redis_store(redis_shared, prefix) for _ in range(2)]
    yield stores
    for store in stores:
        await store.close()


async def until(said) -> None:
    async with asyncio.timeout(30):
        while not said():
            await asyncio.sleep(0.01)


async def beat(store, *names: str) -> None:
    """Let replicas be seen alive."""
    told = await store._wire.ask("TIME")
    for name in names:
        member = json.dumps({"since": 0, "live": 0, "leaving": False, "beat": told[0] + told[1] / 1e6})
        await store._wire.ask("HSET", store._names.of("members"), name, member)


async def answered(store, key: str, controls: tuple[str, ...] = ()) -> None:
    await store.accept(asked(key))
    await store.intend(key, Part(f"{key}n", 0, "here"), "Be")
    await store.posted(key, f"{key}n", f"{key}/m")
    await store.end(key, "Because", "Cut.", controls)
    await store.done(key, NOW)


# Replicas.


async def test_of_two_replicas_one_accepts_each_question(pair):
    one, two = pair
    keys = [f"chat/{number}" for number in range(50)]
    claims = await asyncio.gather(*(store.accept(asked(key)) for key in keys for store in (one, two, one)))
    assert sum(claims) == 50
    assert sorted([*one._open, *two._open]) == sorted(keys)


async def test_a_replica_writes_nothing_to_a_question_that_another_took_over(pair):
    one, two = pair
    await one.accept(asked())
    await one.intend("chat/1", FIRST, "Be")
    [entry] = await two.unfinished("chat")
    assert entry.text == "Be"
    for write in (
        lambda: one.save("chat/1", "Because"),
        lambda: one.intend("chat/1", replace(FIRST, nonce="n1"), "Because"),
        lambda: one.posted("chat/1", "n0", "m"),
        lambda: one.call("chat/1", "x"),
        lambda: one.end("chat/1", "Because", ""),
        lambda: one.again("chat/1"),
        lambda: one.done("chat/1", NOW),
    ):
        with pytest.raises(Taken):
            await write()
    await one.reword("chat/1", "why not?")
    assert not one._entries
    assert await two.find("chat/1") == entry
    await two.done("chat/1", NOW)
    with pytest.raises(Taken):
        await one.save("chat/1", "Because")


async def test_a_question_that_was_taken_over_and_done_is_still_not_its_first_replicas(pair):
    one, two = pair
    await one.accept(asked())
    await two.unfinished("chat")
    await two.done("chat/1", NOW)
    with pytest.raises(Taken):
        await one.end("chat/1", "Because", "")


async def test_a_replica_hears_that_a_question_is_anothers_though_it_writes_nothing(pair):
    one, two = pair
    lost: list[str] = []
    one.lost = lost.append
    await one.accept(asked())
    await two.unfinished("chat")
    one._wire.losses += 1  # as where the connection broke
    await until(lambda: lost == ["chat/1"])


async def test_questions_of_replicas_that_live_are_left_to_them(redis_shared):
    prefix = secrets.token_hex(4)
    one, two = [await redis_store(redis_shared, prefix) for _ in range(2)]
    await one.accept(asked())
    await beat(one, one.peers.name)
    assert await two.unfinished("chat") == []
    member = json.dumps({"beat": time.time() - LEASE - 1})
    await one._wire.ask("HSET", one._names.of("members"), one.peers.name, member)
    assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/1"]
    await one.close()
    await two.close()


async def test_no_death_is_believed_before_that_is_settled_and_what_was_left_is_taken_at_once(redis_shared):
    prefix = secrets.token_hex(4)
    one = await redis_store(redis_shared, prefix)
    two = await redis_store(redis_shared, prefix, joins=True)
    await one.accept(asked())
    assert await two.unfinished("chat") == []
    await one.close()
    assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/1"]
    await two.close()


async def test_the_questions_of_a_replica_that_dies_are_found_and_written_by_another_alone(
    redis_shared,
):
    prefix = secrets.token_hex(4)
    one, two = [await redis_store(redis_shared, prefix, joins=True, lease=0.8) for _ in range(2)]
    await one.accept(asked())
    await one.intend("chat/1", FIRST, "Be")
    peers: Any = one.peers
    beating = peers._beating
    beating.cancel()
    await asyncio.wait({beating})
    async with asyncio.timeout(30):
        while not (found := await two.unfinished("chat")):
            await two.peers.orphans()
    assert [entry.parts for entry in found] == [(FIRST,)]
    with pytest.raises(Taken):
        await one.save("chat/1", "Because")
    await one.close()
    await two.close()


async def test_a_replica_that_leaves_lets_go_of_what_waits_and_keeps_what_is_being_answered(redis_shared):
    prefix = secrets.token_hex(4)
    one, two = [await redis_store(redis_shared, prefix, joins=True) for _ in range(2)]
    for key in ("chat/1", "chat/2"):
        await one.accept(asked(key))
    await one.intend("chat/1", FIRST, "Be")
    await one.peers.leave()
    assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/2"]
    await one.save("chat/1", "Because")
    with pytest.raises(Taken):
        await one.intend("chat/2", FIRST, "Be")
    await one.close()
    assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/2", "chat/1"]
    await two.close()


async def test_many_questions_are_taken_over_by_one_replica_each(pair):
    one, two = pair
    three = await redis_store_of(two)
    await asyncio.gather(*(one.accept(asked(f"chat/{number}")) for number in range(450)))
    await beat(two, two.peers.name, three.peers.name)
    found = await asyncio.gather(two.unfinished("chat"), three.unfinished("chat"))
    keys = [entry.asked.key for each in found for entry in each]
    assert (len(keys), len({*keys})) == (450, 450)
    await three.close()


async def redis_store_of(store):
    """Return another replica of *store*'s bot."""
    made = module.RedisStore(Wire(store._wire._connect), store._names)
    await made.open()
    return made


async def test_what_one_replica_forgets_the_other_one_keeps_no_more(pair):
    one, two = pair
    await one.accept(asked())
    await one.accept(asked("chat/2", actor=BOB))
    await one.intend("chat/1", FIRST, "Be")
    assert await two.forget(ANN.id) == 1
    await one.save("chat/1", "Because")
    await one.done("chat/1", NOW)
    found = await two.find("chat/1")
    assert "Because" not in repr(found)
    assert ANN.id not in repr(found)
    assert [entry.asked.key for entry in await one.unfinished("chat")] == ["chat/2"]


async def test_notes_and_choices_of_one_replica_are_known_to_the_other(pair):
    one, two = pair
    note = Note("chat", "C1", "wifi", "river", ANN.id, "ann", NOW)
    await one.note(note)
    await one.choose("chat/U1", "small")
    assert await two.notes("chat", "C1") == [note]
    await until(lambda: two.chosen("chat/U1") == "small")
    await two.erase("chat", "C1", "wifi")
    assert await one.notes() == []


# Redis is away.


async def test_answers_go_on_while_redis_is_killed_and_all_is_written_when_it_is_back(redis_own):
    store = await redis_store(redis_own, "team")
    going = True

    async def answering(key: str) -> None:
        await store.accept(asked(key))
        await store.intend(key, Part(f"{key}n", 0, "here"), "")
        words = 0
        while going:
            words += 1
            await store.save(key, f"word {words}")
            await asyncio.sleep(0.005)
        await store.end(key, "Because", "")
        if key != "chat/0":
            await store.done(key, NOW)

    answers = [asyncio.ensure_future(answering(f"chat/{number}")) for number in range(10)]
    for _ in range(2):
        await asyncio.sleep(0.1)
        redis_own.kill()
        await until(lambda: store.health != OK)
        assert await store.accept(asked(f"chat/{secrets.token_hex(2)}x"))
        redis_own.start()
        await until(lambda: store.health == OK)
    going = False
    await asyncio.gather(*answers)
    again = await redis_store(redis_own, "team")
    assert [await again.accept(asked(f"chat/{number}")) for number in range(10)] == [False] * 10
    assert [entry.text for entry in [await again.find("chat/0")] if entry] == ["Because"]
    assert len(await again.unfinished("chat")) == 3
    for each in (store, again):
        await each.close()


async def test_a_redis_that_forgot_everything_is_told_what_goes_on_and_what_was_just_done(
    redis_own, tmp_path
):
    store = await redis_store(redis_own, "team")
    await answered(store, "chat/1", ("continue",))
    await answered(store, "chat/2")
    await store.accept(asked("chat/3"))
    await store.intend("chat/3", FIRST, "Be")
    before = [await store.find(f"chat/{number}") for number in (1, 2, 3)]
    redis_own.kill()
    shutil.rmtree(tmp_path / "redis")
    redis_own.start()
    await store.save("chat/3", "Be")
    await until(lambda: store.health == OK)
    again = await redis_store(redis_own, "team")
    assert [await again.find(f"chat/{number}") for number in (1, 2, 3)] == before
    assert await again.find_shown("chat/1/m") == before[0]
    await again.close()
    await store.close()


async def test_a_question_is_taken_from_memory_while_redis_hangs_and_written_afterwards(redis_own):
    store = await redis_store(redis_own, "team")
    redis_own.pause()
    assert await store.accept(asked())
    assert not await store.accept(asked())
    await store.intend("chat/1", FIRST, "Be")
    redis_own.resume()
    await until(lambda: store.health == OK)
    again = await redis_store(redis_own, "team", joins=True)
    assert [entry.text for entry in [await again.find("chat/1")] if entry] == ["Be"]
    await again.close()
    await store.close()


async def test_a_question_that_two_replicas_took_while_redis_was_away_stays_with_one(redis_own):
    one, two = [await redis_store(redis_own, "team") for _ in range(2)]
    redis_own.kill()
    assert [await store.accept(asked()) for store in (one, two)] == [True, True]
    redis_own.start()
    await until(lambda: one.health == two.health == OK)
    told = await asyncio.gather(*(store.save("chat/1", "Be") for store in (one, two)), return_exceptions=True)
    assert [type(each) for each in told if each] == [Taken]
    await one.close()
    await two.close()


@pytest.mark.parametrize("stolen", [False, True])
async def test_an_answer_waits_for_redis_while_others_may_have_it_and_goes_on_where_they_have_not(
    redis_own, monkeypatch, stolen
):
    lost = False

    def expect_held() -> None:
        if lost:
            raise Taken

    store = await redis_store(redis_own, "team", joins=True)
    monkeypatch.setattr(store.peers, "expect_held", expect_held)
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Be")
    redis_own.kill()
    await store.save("chat/1", "Because")
    lost = True
    saving = asyncio.create_task(store.save("chat/1", "Because of"))
    await asyncio.wait({saving}, timeout=0.2)
    assert not saving.done()
    redis_own.start()
    if stolen:
        await until(lambda: not store._wire.trouble)
        await store._wire.ask("HSET", store._names.of("turn", "chat/1"), "by", "another")
    lost = False
    [told] = await asyncio.gather(saving, return_exceptions=True)
    assert type(told) is (Taken if stolen else type(None))
    await store.close()


async def test_a_replica_whose_lease_may_be_over_gives_up_in_the_end_what_redis_has_and_not_what_it_never_had(
    redis_own, monkeypatch
):
    monkeypatch.setattr(questions, "PAUSE", 0.0)
    lost = False

    def expect_held() -> None:
        if lost:
            raise Taken

    store = await redis_store(redis_own, "team", joins=True)
    monkeypatch.setattr(store.peers, "expect_held", expect_held)
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Be")
    redis_own.kill()
    await store.save("chat/1", "Because")
    await store.accept(asked("chat/2"))
    lost = True
    with pytest.raises(Taken):
        await store.save("chat/1", "Because of")
    with pytest.raises(Taken):
        await store.done("chat/1", NOW)
    await store.save("chat/2", "Because")
    redis_own.start()
    await until(lambda: store.health == OK)
    lost = False
    again = await redis_store(redis_own, "team", joins=True)
    assert [entry.text for entry in await again.unfinished("chat")] == ["Because of"]
    await again.close()
    await store.close()


async def test_a_question_whose_claim_may_have_got_through_is_given_up_in_the_end(redis_own, monkeypatch):
    monkeypatch.setattr(questions, "PAUSE", 0.0)

    def expect_held() -> None:
        raise Taken

    store = await redis_store(redis_own, "team", joins=True)
    redis_own.pause()
    assert await store.accept(asked())
    await until(lambda: store._wire.trouble)
    assert await store.accept(asked("chat/2"))
    monkeypatch.setattr(store.peers, "expect_held", expect_held)
    with pytest.raises(Taken):
        await store.save("chat/1", "Because")
    await store.save("chat/2", "Because")
    redis_own.resume()
    await until(lambda: store.health == OK)
    again = await redis_store(redis_own, "team", joins=True)
    assert [entry.asked.key for entry in await again.unfinished("chat")] == ["chat/1"]
    await again.close()
    await store.close()


async def test_with_other_replicas_a_question_waits_for_redis_and_is_begun_by_one(redis_own, monkeypatch):
    one, two = [await redis_store(redis_own, "team", joins=True) for _ in range(2)]
    await until(lambda: len(one.peers.members) == len(two.peers.members) == 2)
    redis_own.kill()
    await until(lambda: one._wire.trouble and two._wire.trouble)
    claims = [asyncio.create_task(store.accept(asked())) for store in (one, two)]
    _, pending = await asyncio.wait(claims, timeout=0.6)
    assert len(pending) == 2
    redis_own.start()
    assert sorted(await asyncio.gather(*claims)) == [False, True]
    redis_own.kill()
    await until(lambda: one._wire.trouble)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(questions, "HOLDING", 0.2)
    one._wire.since = loop.time()
    with pytest.raises(Unavailable, match="Redis is away"):
        await one.accept(asked("chat/2"))
    monkeypatch.setattr(questions, "CLAIMS", 0)
    one._wire.since = loop.time()
    with pytest.raises(Unavailable, match="Redis is away"):
        await one.accept(asked("chat/3"))
    one._wire.since = loop.time() - 1.0  # the platform has given up by now what was not acknowledged
    assert await one.accept(asked("chat/4"))
    redis_own.start()
    await until(lambda: not one._wire.trouble)
    with pytest.raises(Unavailable, match="questions wait for Redis"):
        await one.accept(asked("chat/5"))
    await one.close()
    await two.close()


async def test_a_question_whose_claim_got_through_after_it_was_refused_is_answered_all_the_same(
    redis_own, monkeypatch
):
    monkeypatch.setattr(questions, "HOLDING", 0.2)
    monkeypatch.setattr(module, "RETRY", 0.1)
    one, two = [await redis_store(redis_own, "team", joins=True) for _ in range(2)]
    await until(lambda: len(one.peers.members) == 2)
    redis_own.pause()
    with pytest.raises(Unavailable, match="Redis is away"):
        await one.accept(asked())
    redis_own.resume()
    found: list[Entry] = []

    async def looked() -> bool:
        found.extend(await one.unfinished("chat"))
        return bool(found)

    async with asyncio.timeout(60):
        while not await looked():
            await asyncio.sleep(0.05)
    assert [entry.asked.key for entry in found] == ["chat/1"]
    await one.close()
    await two.close()


async def test_nothing_is_posted_or_called_before_redis_knows_of_it_but_for_a_question_it_never_got(
    redis_own,
):
    store = await redis_store(redis_own, "team", joins=True)
    await store.accept(asked())
    redis_own.kill()
    await store.save("chat/1", "Be")
    assert await store.accept(asked("chat/2"))
    await store.intend("chat/2", FIRST, "Be")
    waiting = [
        asyncio.create_task(told)
        for told in (store.intend("chat/1", FIRST, "Be"), store.call("chat/1", "dig"))
    ]
    _, pending = await asyncio.wait(waiting, timeout=0.3)
    assert len(pending) == 2
    redis_own.start()
    await asyncio.gather(*waiting)
    again = await redis_store(redis_own, "team", joins=True)
    assert [(entry.parts, entry.calling) for entry in [await again.find("chat/1")] if entry] == [
        ((FIRST,), "dig")
    ]
    await again.close()
    await store.close()


async def test_what_can_not_be_deleted_now_is_deleted_when_redis_is_back(redis_own):
    store = await redis_store(redis_own, "team")
    await answered(store, "chat/1", ("continue",))
    await store.accept(asked("chat/2"))
    redis_own.kill()
    with pytest.raises(OSError, match=r"\w"):
        await store.forget(ANN.id)
    await store.rate(Rated("chat/1", BOB.id, good=True, at=NOW, asker=BOB.id, channel="C1"))
    redis_own.start()
    await until(lambda: store.health == OK)
    assert await store.find_shown("chat/1/m") is None
    assert await store.unfinished("chat") == []
    assert len(await store.ratings()) == 1
    await store.close()


async def test_nothing_is_left_out_where_all_that_redis_lacks_is_told_twice_at_once(redis_own):
    store = await redis_store(redis_own, "team")
    await store.accept(asked("chat/1"))
    await store.accept(asked("chat/2", actor=BOB))
    redis_own.kill()
    for actor in (ANN, BOB):
        with pytest.raises(OSError, match=r"\w"):
            await store.forget(actor.id)
    for number in range(3):
        rated = Rated("chat/1", f"R{number}", good=True, at=NOW, asker="U9", channel="C1")
        await store.rate(rated)
    redis_own.start()
    await until(lambda: not store._wire.trouble)
    await asyncio.gather(store._back(), store._back())
    assert store.health == OK
    assert len(await store.ratings()) == 3
    again = await redis_store(redis_own, "team")
    assert await again.unfinished("chat") == []
    await again.close()
    await store.close()


async def test_a_full_redis_costs_no_answer(redis_own):
    store = await redis_store(redis_own, "team")
    await store.accept(asked())
    await store._wire.ask("CONFIG", "SET", "maxmemory", "1")
    await store.intend("chat/1", FIRST, "Be")
    assert store.health.startswith("degraded: Redis refuses to write (")
    assert await store.accept(asked("chat/2"))
    assert not await store.accept(asked("chat/2"))
    await store.end("chat/1", "Because", "Cut.", ("continue",))
    await store.done("chat/1", NOW)
    await store._wire.ask("CONFIG", "SET", "maxmemory", "0")
    await until(lambda: store.health == OK)
    assert [*store._entries] == ["chat/2"]
    again = await redis_store(redis_own, "team", joins=True)
    assert [entry.text for entry in [await again.find("chat/1")] if entry] == ["Because"]
    assert not await again.accept(asked("chat/2"))
    await again.close()
    await store.close()


# The start.


async def refused(server: RedisServer, url: str = "") -> str:
    """Return why a store does not open, which is one line."""
    store = store_at(url or f"{server.url}?prefix=team", joins=True)
    with pytest.raises(Unavailable) as error:
        await store.open()
    await store.close()
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("RIVULET_STORE: ")
    return str(error.value)


async def test_a_redis_that_is_not_there_or_lets_nobody_in_is_said_in_one_line(tmp_path, redis_shared):
    assert "can't be reached" in await refused(redis_shared, "redis://127.0.0.1:1/0")
    server = RedisServer(tmp_path, "--requirepass", "correct").start()
    try:
        said = await refused(server, server.url.replace("//", "//:secretive@"))
        assert "the user and the password" in said
        assert "secretive" not in said
        assert "wants a password, and there is none" in await refused(server)
        assert "no such database" in await refused(server, server.url.replace("//", "//:correct@") + "99")
        store = store_at(server.url.replace("//", "//:correct@"), joins=True)
        await store.open()
        await store.close()
    finally:
        server.stop()


def test_a_redis_that_is_called_a_sentinel_is_said_to_be_none():
    said, fix = lets_nobody_in(Refusal("unknown command 'SENTINEL', with args beginning with: 'MASTERS'"))
    assert said == "that is a Redis, and no Sentinel"
    assert "redis://" in fix


async def test_a_redis_that_evicts_is_refused_and_what_mends_it_is_said(redis_own):
    store = await redis_store(redis_own, "other")
    await store._wire.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await store._wire.ask("CONFIG", "SET", "maxmemory", "1gb")
    said = await refused(redis_own)
    assert "allkeys-lru" in said
    assert "config set maxmemory-policy noeviction" in said
    [finding] = [each for each in await findings_at(redis_own.url) if each.fatal]
    assert "allkeys-lru" in finding.text
    await store.close()


async def test_a_process_that_does_not_start_is_no_replica_for_the_others(redis_own, tmp_path):
    await allow(redis_own, "+@all", "-xread")
    with pytest.raises(Unavailable):
        async with ledger(tmp_path, url=redis_own.url.replace("//", "//few:word@")):
            pass
    store = await redis_store(redis_own)
    assert await store._wire.ask("HKEYS", Names().of("members")) == []
    await store.close()


async def test_a_start_that_is_ended_while_redis_hangs_leaves_nothing_running(redis_own, tmp_path):
    before = asyncio.all_tasks()

    async def start() -> None:
        async with ledger(tmp_path, url=redis_own.url):
            pass

    redis_own.pause()
    starting = asyncio.create_task(start())
    await asyncio.sleep(0.2)
    assert not starting.done()
    starting.cancel()
    await asyncio.wait({starting}, timeout=20)
    assert starting.cancelled()
    assert asyncio.all_tasks() == before
    redis_own.resume()


async def test_a_user_without_the_rights_of_an_administrator_will_do(redis_own):
    await allow(redis_own, "+@all", "-@admin", "-@dangerous")
    store = store_at(redis_own.url.replace("//", "//few:word@"), joins=True)
    await store.open()
    assert await store.accept(asked())
    assert store.health == OK
    await store.close()


async def allow(server: RedisServer, *rights: str) -> None:
    """Have a user "few" who may do what *rights* say."""
    store = await redis_store(server, "other")
    await store._wire.ask("ACL", "SETUSER", "few", "on", ">word", "~*", *rights)
    await store.close()


async def test_a_copy_is_refused_and_told_from_its_master(redis_own, tmp_path):
    copy = RedisServer(tmp_path / "copy", "--replicaof", "127.0.0.1", "1").start()
    try:
        assert "read only replica" in await refused(copy)
        [finding] = [each for each in await findings_at(copy.url) if each.fatal]
        assert "copy" in finding.text
    finally:
        copy.stop()


@pytest.mark.parametrize(
    ("version", "old"), [("6.2.14", True), ("7.0.0", False), ("10.1", False), ("", False)]
)
async def test_a_redis_that_does_not_know_our_scripts_is_refused(redis_shared, monkeypatch, version, old):
    async def info(_wire, _about) -> dict[str, str]:
        return {"redis_version": version}

    monkeypatch.setattr(checks, "info", info)
    told = [each.text for each in await findings_at(redis_shared.url) if each.fatal]
    assert told == [f"Redis {version} is too old: the bot needs Redis 7, or Valkey."] * old


async def test_what_is_under_the_prefix_must_be_ours_and_of_this_version(redis_own):
    store = await redis_store(redis_own, "other")
    for words, why in (
        (("SET", "{team}:session", "x"), "another program has keys under the prefix team"),
        (("HSET", "{team}:schema", "a", "b"), "another program has keys under the prefix team"),
        (("SET", "{team}:schema", "0"), "of an older schema"),
        (("SET", "{team}:schema", "2"), "a newer Rivulet"),
        (("SET", "{team}:schema", "x"), "?prefix="),
    ):
        await store._wire.ask("DEL", "{team}:session", "{team}:schema")
        await store._wire.ask(*words)
        assert why in await refused(redis_own)
        findings = await findings_at(f"{redis_own.url}?prefix=team")
        assert [why in each.text for each in findings if each.fatal] == [True]
    await store.close()


async def test_replicas_that_start_at_once_on_an_empty_redis_take_each_other_for_ours(
    redis_shared, monkeypatch
):
    prefix, taken = secrets.token_hex(4), checks._taken
    first: list[Any] = []

    async def late(wire, names) -> bool:
        if not first:
            first.append(None)
            first[0] = await redis_store(redis_shared, prefix)
            await first[0].accept(asked())
        return await taken(wire, names)

    monkeypatch.setattr(checks, "_taken", late)
    second = await redis_store(redis_shared, prefix)
    assert not await second.accept(asked())
    for store in (*first, second):
        await store.close()


async def test_a_prefix_is_of_one_bot(redis_shared):
    one = await redis_store(redis_shared)
    two = await redis_store_of(one)
    await one.expect_bot("discord/1")
    await two.expect_bot("discord/1")
    with pytest.raises(Unavailable, match=r"another bot \(discord/1; .* discord/2\).*\?prefix=team"):
        await two.expect_bot("discord/2")
    await one.close()
    await two.close()


async def test_a_bot_has_an_account_on_each_platform(redis_shared):
    one = await redis_store(redis_shared)
    two = await redis_store_of(one)
    for store in (one, two):
        for identity in ("slack/T1/U1", "discord/1"):
            await store.expect_bot(identity)
    with pytest.raises(Unavailable, match="slack/T1/U1"):
        await two.expect_bot("slack/T1/U2")
    await one.close()
    await two.close()


async def test_a_redis_that_has_forgotten_whose_it_is_is_told_anew(redis_own):
    one = await redis_store(redis_own)
    two = await redis_store_of(one)
    for identity in ("slack/T1/U1", "discord/1"):
        await one.expect_bot(identity)
    await one._wire.ask("FLUSHALL")
    await one._claim()
    for identity in ("slack/T1/U2", "discord/2"):
        with pytest.raises(Unavailable, match="another bot"):
            await two.expect_bot(identity)
    await one.close()
    await two.close()


async def test_bots_under_two_prefixes_know_nothing_of_each_other(redis_shared):
    one, two = [await redis_store(redis_shared) for _ in range(2)]
    assert [await store.accept(asked()) for store in (one, two)] == [True, True]
    await one.purge()
    assert await two.find("chat/1")
    await one.close()
    await two.close()


async def test_doctor_says_what_redis_would_lose(redis_own, tmp_path):
    dead = await redis_store(redis_own, "rivulet")
    await dead._wire.ask("HSET", dead._names.of("members"), "gone", '{"beat": 1, "live": 0, "since": 1}')
    await dead.close()
    told = [each.text for each in await findings_at(redis_own.url)]
    assert any("prefix rivulet, 0 replicas" in text for text in told), "dead ones are kept for an hour"
    assert any("a loss of power costs a second at most" in text for text in told)
    bare = RedisServer(tmp_path / "bare", "--appendonly", "no").start()
    try:
        found = await findings_at(bare.url)
        [lost] = [each for each in found if not each.ok]
        assert "it keeps nothing on disk" in lost.text
        assert "appendonly yes" in lost.fix
        assert not lost.fatal
    finally:
        bare.stop()
    [gone] = await findings_at(bare.url)
    assert gone.fatal


def test_the_password_of_an_address_is_hidden_as_it_is_written_and_as_it_is_meant():
    assert secrets_of("redis://me:p%40ssword@host/0?prefix=x") == ["p%40ssword", "p@ssword"]
    assert secrets_of("redis+sentinel://:word@a:1,b:2/service") == ["word", "word"]
    assert secrets_of("unix:///run/redis.sock?password=word") == ["word"]


# What is kept, and what it costs.


async def test_what_is_open_never_goes_by_itself_and_what_is_done_does(redis_shared):
    store = await redis_store(redis_shared)
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "Be")
    await answered(store, "chat/2")
    await answered(store, "chat/3", ("continue",))

    async def left(kind: str, key: str) -> int:
        return int(await store._wire.ask("TTL", store._names.of(kind, key)))

    assert [await left("turn", "chat/1"), await left("said", "chat/1")] == [-1, -1]
    assert [await left("turn", key) > ROWS_KEPT - 60 for key in ("chat/2", "chat/3")] == [True, True]
    assert await left("said", "chat/2") == -2, "it is deleted"
    assert TEXT_KEPT - 60 < await left("said", "chat/3") <= TEXT_KEPT
    assert TEXT_KEPT - 60 < await left("shown", "chat/3/m") <= TEXT_KEPT
    assert await left("shown", "chat/2/m") == -2
    await store.close()


async def test_a_row_that_is_none_of_ours_costs_itself_alone(pair):
    one, two = pair
    for number in range(3):
        await one.accept(asked(f"chat/{number}"))
    await one._wire.ask("HSET", one._names.of("turn", "chat/1"), "asked", '["talk", {}, "x"]')
    await one._wire.ask("SET", one._names.of("turn", "chat/9"), "x")
    await one._wire.ask("ZADD", one._names.of("open"), 1, "chat/9")
    assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/0", "chat/2"]
    assert await two.find("chat/1") is None
    await one._wire.ask("ZADD", one._names.of("days"), 1, "junk")
    assert await two.accounts.usage(0, ["day"]) == []
    await one._wire.ask("ZADD", one._names.of("talks", "chat"), 2e9, "junk")
    assert [each.key for each in await two.recent("chat", 0)] == ["chat/2"]
    await one.note(Note("chat", "c", "n", "text", ANN.id, "Ann", NOW))
    await one._wire.ask("ZADD", one._names.of("notes"), 1, "junk")
    assert [note.name for note in await two.notes()] == ["n"]
    assert await two.forget(ANN.id) == 3


async def test_an_answer_costs_a_round_trip_for_each_thing_that_is_kept(redis_shared, monkeypatch):
    monkeypatch.setattr("bot.store.redis.store.RETRY", 3600.0)  # else a slow machine counts what is read then
    store = await redis_store(redis_shared)
    wire, before = store._wire, store._wire.trips
    await store.accept(asked())
    await store.intend("chat/1", FIRST, "")
    await store.posted("chat/1", "n0", "chat/m1")
    for number in range(20):
        await store.save("chat/1", "word " * number)
    await store.end("chat/1", "Because", "")
    await store.done("chat/1", NOW)
    assert wire.trips - before == 5 + 20
    before = wire.trips
    keys = [f"chat/{number}" for number in range(100, 200)]
    await asyncio.gather(*(store.accept(asked(key)) for key in keys))
    for _ in range(5):
        await asyncio.gather(*(store.save(key, "words") for key in keys))
    assert wire.trips - before <= 2 * 6, "they share them"
    await store.close()


# The commands.


async def test_the_commands_work_on_redis_beside_the_bot_and_backups_are_its_own(redis_shared, tmp_path):
    store = await redis_store(redis_shared, prefix := secrets.token_hex(4))
    url = f"{redis_shared.url}?prefix={prefix}"
    await answered(store, "chat/1", ("continue",))
    await store.note(Note("chat", "C1", "wifi", "river", ANN.id, "ann", NOW))
    await store.rate(Rated("chat/1", BOB.id, good=True, at=NOW, asker=ANN.id, channel="C1"))
    assert len((await order(tmp_path, {"notes": ""}, url))["notes"]) == 1
    assert len((await order(tmp_path, {"feedback": True}, url))["ratings"]) == 1
    assert await order(tmp_path, {"forget": ANN.id}, url) == {"count": 1, "notes": 1, "left": []}
    assert await order(tmp_path, {"purge": True}, url) == {"count": 1, "notes": 0, "copies": 0, "left": []}
    assert await store.find("chat/1") is None
    with pytest.raises(Unavailable, match="redis-cli --rdb"):
        await backup(tmp_path, "copy", url)
    with pytest.raises(Unavailable, match="redis-cli --rdb"):
        put_back(tmp_path, "copy", url)
    await store.close()


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="There is no redis-cli.")
def test_a_copy_of_redis_is_put_back_as_the_refusal_says(tmp_path):
    def told(server: RedisServer, *words: str) -> str:
        said = subprocess.run(
            ["redis-cli", "-p", str(server.port), *words], check=True, capture_output=True, text=True
        )
        return said.stdout.strip()

    new = tmp_path / "new"
    new.mkdir()
    old = RedisServer(tmp_path / "old").start()
    told(old, "set", "river", "Lena")
    told(old, "--rdb", str(new / "dump.rdb"))
    old.kill()
    assert "`--appendonly no`" in IN_REDIS
    assert "`redis-cli config set appendonly yes`" in IN_REDIS
    restored = RedisServer(new, "--appendonly", "no").start()
    assert told(restored, "get", "river") == "Lena"
    told(restored, "config", "set", "appendonly", "yes")
    while "aof_rewrite_in_progress:0" not in told(restored, "info", "persistence"):
        time.sleep(0.05)
    restored.kill()
    again = RedisServer(new).start()
    assert told(again, "get", "river") == "Lena"
    again.kill()


@pytest.mark.parametrize(
    "url",
    [
        *("http://secretive@host", "redis://", "redis://:secretive@host/0?prefix=a/b", "secretive"),
        *("redis://:secretive/2@host/0", "rediss://:secretive#2@host/0", "redis://:secretive@host:99999/0"),
    ],
)
def test_an_address_that_is_none_is_said_and_not_shown(url):
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"RIVULET_STORE": url})
    said = explain(error.value, values=True)
    assert said.startswith("RIVULET_STORE: ")
    assert "secretive" not in said


@pytest.mark.parametrize(
    "url",
    [
        *("redis+sentinel://:secretive@host/0", "redis+sentinel://:secretive@host:1/master/secretive"),
        *("redis+sentinel://host:1/master?db=secretive", "redis://:secretive@host:99999/0"),
        *("redis://[::1/secretive", "redis://:secretive#1@host/0", "redis://:secretive/1@host/0"),
        *("redis://:12/secretive@host/0", "redis://:12?secretive@host/0", "redis://host/secretive"),
        *("redis://host?db=secretive", "redis://host?prefx=secretive", "redis://host?decode_responses=1"),
        "redis://:secretive@host/0?perfix=a",
        *("redis://host?protocol=9", "rediss://host?ssl_cert_reqs=x", "rediss://host?ssl_what=secretive"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_and_not_shown(url):
    with pytest.raises(Unavailable) as error:
        store_at(url, joins=True)
    assert str(error.value).startswith("RIVULET_STORE: that is no address of a Redis (")
    assert "secretive" not in str(error.value)


async def test_a_bot_starts_on_redis_and_the_next_one_has_what_it_left(redis_shared, tmp_path):
    url = f"{redis_shared.url}?prefix={secrets.token_hex(4)}"
    async with ledger(tmp_path / "one", url=url) as (_, one):
        await one.accept(asked())
        assert one.health == OK
    async with ledger(tmp_path / "two", url=url) as (_, two):
        assert [entry.asked.key for entry in await two.unfinished("chat")] == ["chat/1"]
