"""Replicas, on a real Redis: each has a connection of its own, as processes would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, aclosing, suppress
from itertools import count

import pytest

from bot.store.peers import Others, Taken, Unreached, Use
from bot.store.redis import peers as module
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers, ear, letters
from bot.store.redis.peers.pulse import LETTERS_KEPT
from bot.store.redis.wire import Wire, connector
from tests.proxy import Proxy

#: Seconds; a beat is an eighth.
LEASE = 2.0
BEAT = LEASE / 8
PREFIXES = count()


class Replica:
    """A `RedisPeers`, with what it hears and what parts of a work it has."""

    def __init__(self, url: str, prefix: str) -> None:
        self.wire = Wire(connector(url))
        self.names = Names(prefix)
        self.peers = RedisPeers(self.wire, self.names, lease=LEASE)
        self.heard: list[tuple[str, str]] = []
        self.parts: set[int] = set()
        self.notes: dict[int, str] = {}
        self.slow = asyncio.Event()
        self.slow.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._done = False

    @property
    def name(self) -> str:
        return self.peers.name

    async def open(self, live: int = 0) -> Replica:
        await self.wire.open()
        await self.peers.open(lambda: live)
        self.run(self.peers.listen(self.hear))
        return self

    def run(self, what) -> None:
        self._tasks.append(asyncio.create_task(what))

    async def hear(self, sender: str, text: str) -> str:
        self.heard.append((sender, text))
        await self.slow.wait()
        return f"{self.name}: {text}"

    async def work(self, name: str = "shards", total: int = 8) -> None:
        async with aclosing(self.peers.leases.parts(name, total)) as parts:
            async for part in parts:
                if part.held:
                    self.parts.add(part.number)
                    self.notes[part.number] = part.note
                    await self.peers.leases.note(name, part.number, f"{part.number} at {self.name}")
                else:
                    self.parts.discard(part.number)
                    self.run(self.peers.leases.leave(name, part.number))

    def texts(self) -> list[str]:
        return [text for _, text in self.heard]

    async def die(self) -> None:
        """Be gone, as a process that is killed."""
        self._done = True
        assert self.peers._beating
        assert self.peers._pulse._lapse
        tasks = [*self._tasks, self.peers._beating]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.peers._pulse._lapse.cancel()
        self.parts.clear()
        await self.wire.close()

    async def close(self) -> None:
        if not self._done:
            self._done = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.parts.clear()
            await self.peers.close()
            await self.wire.close()


@pytest.fixture
async def join(redis_shared):
    """Return what makes replicas of one bot."""
    prefix = f"peers{next(PREFIXES)}"
    async with AsyncExitStack() as stack:

        async def made(url: str = redis_shared.url, live: int = 0) -> Replica:
            replica = Replica(url, prefix)
            stack.push_async_callback(replica.close)
            return await replica.open(live)

        yield made


async def until(said, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not said():
            await asyncio.sleep(0.01)


async def known(*replicas: Replica) -> None:
    """Wait until all know of all."""
    names = {each.name for each in replicas}
    await until(lambda: all({one.name for one in each.peers.members} == names for each in replicas))


async def misses(one: Replica, other: Replica) -> None:
    """Wait until *one* takes *other* for dead; `orphans` alone may return for less on a busy machine."""
    async with asyncio.timeout(20):
        while other.name in {each.name for each in one.peers.members}:
            await one.peers.orphans()


async def orphaned(one: Replica) -> None:
    """Wait until *one* is told that somebody died or left, or may have unseen."""
    async with asyncio.timeout(20):
        await one.peers.orphans()


async def sees_leave(one: Replica, other: Replica) -> None:
    """Wait until *one* was told that *other* leaves; on a busy machine it may be told of less before."""
    async with asyncio.timeout(20):
        while not any(each.leaving for each in one.peers.members if each.name == other.name):
            await one.peers.orphans()


async def settled(*replicas: Replica) -> None:
    await until(lambda: all(each.peers.settled() for each in replicas))


async def test_all_agree_on_homes_also_when_they_ask_at_once(join):
    replicas = [await join() for _ in range(4)]
    channels = [f"c{number}" for number in range(40)]
    told = await asyncio.gather(*(each.peers.home(channel) for channel in channels for each in replicas))
    by_channel = [set(told[at : at + 4]) for at in range(0, len(told), 4)]
    assert all(len(names) == 1 for names in by_channel)
    assert set().union(*by_channel) <= {each.name for each in replicas}


async def test_a_home_that_leaves_or_dies_is_another(join):
    one, two, three = await join(live=5), await join(live=3), await join(live=1)
    await known(one, two, three)
    assert await one.peers.home("c") == one.name
    assert await two.peers.home("c") == one.name
    await one.peers.leave()
    assert await one.peers.home("c") == three.name, "it has the fewest answers"
    await known(one, two, three)
    await settled(two)
    await three.die()
    await until(lambda: len(two.peers.members) == 2)
    assert await two.peers.home("c") == two.name
    assert await one.peers.home("new") == two.name


async def test_what_is_told_is_heard_by_all_others_in_order_and_goes_out_together(join):
    one, two, three = [await join() for _ in range(3)]
    said = [str(number) for number in range(500)]
    before = one.wire.trips
    for text in said:
        one.peers.tell(text)
    await until(lambda: len(two.heard) == len(three.heard) == 500)
    assert one.wire.trips - before < 12
    assert two.texts() == three.texts() == said
    assert not one.heard
    assert {sender for sender, _ in two.heard} == {one.name}


async def test_what_is_told_costs_nobody_a_round_trip_where_another_request_goes_out(join, monkeypatch):
    one, two = await join(), await join()
    await listening(one, two)
    monkeypatch.setattr(letters, "LINGER", 60.0)
    await quiet(one, two)
    before = one.wire.trips, two.wire.trips
    for number in range(20):
        one.peers.tell(str(number))
        assert len(two.heard) == number
        await one.peers.home("c")
        await until(lambda number=number: len(two.heard) == number + 1)
    assert (one.wire.trips - before[0], two.wire.trips - before[1]) == (20, 0)


async def test_what_is_told_goes_out_alone_where_nothing_else_does(join):
    one, two = await join(), await join()
    await listening(one, two)
    await quiet(one, two)
    before = one.wire.trips
    for number in range(100):
        one.peers.tell(str(number))
    await until(lambda: len(two.heard) == 100)
    assert one.wire.trips - before == 1


async def test_letters_are_kept_for_minutes_however_many_follow(join):
    one, two = await join(), await join()
    for key in (news := one.names.of("news")), one.names.of("to", two.name):
        await one.wire.ask("XADD", key, "1-1", "m", letter(one, 0, "old"))
    one.peers.tell("told")
    assert await one.peers.ask(two.name, "asked")
    await until(lambda: {"told", "asked"} <= {*two.texts()})
    assert len(await one.wire.ask("XRANGE", news, "-", "+")) == 1
    assert len(await one.wire.ask("XRANGE", one.names.of("to", two.name), "-", "+")) == 1
    assert 0 < await one.wire.ask("TTL", news) <= LETTERS_KEPT


async def test_what_was_not_pushed_is_read_with_the_next_beat_and_in_order(join):
    one, two = await join(), await join()
    await listening(one, two)
    hearing = two.peers._ear
    pushed, hearing._pushed = hearing._pushed, lambda _key, _data: None
    one.peers.tell("a")
    one.peers.tell("b")
    await until(lambda: two.texts() == ["a", "b"])
    await one.wire.ask("XADD", one.names.of("news"), "*", "m", letter(one, 100, "c"))
    hearing._pushed = pushed
    one.peers._letters._written = 100
    one.peers.tell("d")
    await until(lambda: two.texts() == ["a", "b", "c", "d"])
    assert await one.peers.ask(two.name, "e") == f"{two.name}: e"


async def test_junk_in_place_of_what_is_told_keeps_nobody_from_sharing(join):
    one, two = await join(), await join()
    await one.wire.ask("SET", one.names.of("news"), "junk")
    one.peers.tell("lost")
    for each in (one, two):
        assert (await each.peers.share({"b": Use(5, 60.0)}))["b"].granted
    await one.wire.ask("DEL", one.names.of("news"))
    await until(lambda: two.texts() == ["lost"])


async def test_junk_that_is_pushed_costs_itself_alone(join):
    one, two = await join(), await join()
    await listening(one, two)
    for junk in (b"", b"x", b"1-1 ", b"0-0 1-1\nx\n[]", b"a b c\n", b"\xff\xff 1-1\n"):
        for key in (one.names.of("news"), one.names.of("to", two.name)):
            await one.wire.ask("PUBLISH", key, junk)
    one.peers.tell("told")
    await until(lambda: two.texts() == ["told"])
    assert await one.peers.ask(two.name, "hello") == f"{two.name}: hello"


async def test_where_redis_pushes_nothing_replicas_read_at_once_all_the_same(join, redis_own):
    one = await join(redis_own.url)
    await one.wire.ask("ACL", "SETUSER", "few", "on", ">word", "~*", "resetchannels", "+@all")
    two, three = [await join(redis_own.url.replace("//", "//few:word@")) for _ in range(2)]
    await asyncio.sleep(BEAT)
    await quiet(one, two, three)
    two.peers.tell("told")
    await until(lambda: three.texts() == ["told"])
    assert await two.peers.ask(three.name, "hello") == f"{three.name}: hello"


async def test_a_connection_that_brings_nothing_any_more_is_made_anew(join, redis_own, monkeypatch):
    monkeypatch.setattr(ear, "BLOCK", BEAT)
    monkeypatch.setattr(ear, "PATIENCE", BEAT)
    proxy = await Proxy(redis_own.port).start()
    one, two = await join(redis_own.url), await join(redis_own.url)
    connect, made = connector(f"redis://127.0.0.1:{proxy.port}/0"), []

    def connected():
        made.append(connect())
        return made[-1]

    two.wire._connect = connected
    two.peers._ear.again()
    await listening(one, two)
    proxy.cut()
    await until(lambda: len(made) > 1)
    assert not two.peers.away
    proxy.mend()
    await listening(one, two)
    await proxy.stop()


async def listening(*replicas: Replica) -> None:
    """Wait until all hear what is pushed."""
    [one, *_] = replicas

    async def reached() -> int:
        return int(await one.wire.ask("PUBLISH", one.names.of("news"), ""))

    async with asyncio.timeout(20):
        while await reached() < len(replicas):
            await asyncio.sleep(0.01)


async def quiet(*replicas: Replica) -> None:
    """Let none beat any more, for as long as its lease lasts."""
    for each in replicas:
        each.peers._pulse.beat = 60.0
        await each.peers._pulse.renew()


def letter(sender: Replica, number: int, text: str) -> str:
    return json.dumps([sender.name, number, "tell", "", text])


async def test_what_is_asked_is_replied_to_after_what_was_told_before(join):
    one, two = await join(), await join()
    one.peers.tell("first")
    assert await one.peers.ask(two.name, "second") == f"{two.name}: second"
    assert two.texts() == ["first", "second"]
    replies = await asyncio.gather(*(one.peers.ask(two.name, str(number)) for number in range(100)))
    assert replies == [f"{two.name}: {number}" for number in range(100)]


async def test_a_replica_that_is_gone_or_silent_is_unreached(join, monkeypatch):
    one, two, three = [await join() for _ in range(3)]
    await two.close()
    with pytest.raises(Unreached, match="gone"):
        await one.peers.ask(two.name, "there?")
    monkeypatch.setattr(letters, "REPLY", 0.2)
    three.slow.clear()
    with pytest.raises(Unreached, match="not replied"):
        await one.peers.ask(three.name, "there?")


async def test_what_fails_in_hearing_is_not_the_end_of_it(join, monkeypatch):
    monkeypatch.setattr(letters, "REPLY", 0.5)
    one, two = await join(), await join()

    async def fails(sender: str, text: str) -> str:
        if text == "bad":
            raise RuntimeError(text)
        return text

    two._tasks[0].cancel()
    two.run(two.peers.listen(fails))
    with pytest.raises(Unreached):
        await one.peers.ask(two.name, "bad")
    assert await one.peers.ask(two.name, "good") == "good"


async def test_junk_among_letters_costs_itself_alone(join):
    one, two = await join(), await join()
    stream = one.names.of("to", two.name)
    for junk in (
        "",
        "junk",
        "5",
        "[]",
        '["a", "b", "tell", "", "x"]',
        '["a", 1, "tell", "", {}]',
        "[" * 9999,
    ):
        await one.wire.ask("XADD", stream, "*", "m", junk)
    await one.wire.ask("XADD", stream, "*", "n", "x")
    assert await one.peers.ask(two.name, "hello") == f"{two.name}: hello"


@pytest.mark.parametrize("junk", ["junk", "5", "{}", '{"beat": 1}', '{"beat": "now", "live": 0, "since": 1}'])
async def test_junk_among_members_is_no_member(join, junk):
    one = await join()
    await one.wire.ask("HSET", one.names.of("members"), "junk", junk)
    two = await join()
    await known(one, two)
    assert await one.peers.ask(two.name, "hello") == f"{two.name}: hello"
    assert await two.peers.home("chat/c") == two.name
    await one.peers.share({"b": Use(9, 1.0, claim=f"{one.name}/1")})
    await one.wire.ask("HSET", one.names.of("uses", "b"), one.name, junk)
    await two.peers.share({"b": Use(9, 1.0, claim=f"{two.name}/1")})


async def test_a_death_is_found_within_the_lease_and_two_beats_and_told_once(join):
    one, two = await join(), await join()
    await known(one, two)
    await settled(one)
    await orphaned(one)  # of what was before its start
    await two.die()
    before = one.wire.trips
    await misses(one, two)
    assert one.wire.trips - before <= LEASE / BEAT + 2
    assert [each.name for each in one.peers.members] == [one.name]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.peers.orphans(), 4 * BEAT)


async def test_that_one_leaves_is_told_at_once_and_what_it_lets_go_of_is_free_then(join):
    one, two = await join(), await join()
    await known(one, two)
    await settled(one)
    await orphaned(one)
    released = []

    async def release():
        released.append(one.wire.trips)

    two.peers.left.append(release)
    await two.peers.leave()
    assert released
    before = one.wire.trips
    await sees_leave(one, two)
    assert one.wire.trips - before <= 2
    await two.close()
    before = one.wire.trips
    await misses(one, two)
    assert one.wire.trips - before <= 2


async def test_an_idle_replica_and_one_with_work_make_one_round_trip_a_beat(join):
    one, two = await join(), await join()
    for each in (one, two):
        each.run(each.work())
    await until(lambda: len(one.parts) == len(two.parts) == 4)

    async def shares():
        while True:
            await one.peers.share({f"bucket{number}": Use(5, 60.0, live=1) for number in range(4)})
            await asyncio.sleep(BEAT)

    one.run(shares())
    await asyncio.sleep(2 * BEAT)
    before, since = (one.wire.trips, two.wire.trips), asyncio.get_running_loop().time()
    await asyncio.sleep(8 * BEAT)
    beats = (asyncio.get_running_loop().time() - since) / BEAT
    assert one.wire.trips - before[0] <= beats + 1
    assert two.wire.trips - before[1] <= beats + 1


async def test_a_fault_of_ours_in_what_goes_along_with_a_beat_is_logged_and_costs_no_lease(join, capsys):
    one = await join()

    async def fails() -> None:
        raise ValueError("a fault of ours")

    one.peers._pulse.riders.append(fails)
    await one.peers._pulse.renew()
    assert one.peers.held
    assert "a fault of ours" in capsys.readouterr().out


async def test_shares_add_up(join):
    one, two, three = [await join() for _ in range(3)]
    await one.peers.share({"b": Use(5, 60.0, live=2, blocked=30.0)})
    await two.peers.share({"b": Use(5, 60.0, live=3, blocked=50.0), "other": Use(5, 60.0, live=1)})
    told = await three.peers.share({"b": Use(5, 60.0, live=7), "other": Use(5, 60.0)})
    assert told["b"].live == 5
    assert 30 < told["b"].blocked <= 50
    assert told["other"] == Others(live=1)
    await one.peers.share({"b": Use(5, 60.0)})
    assert (await three.peers.share({"b": Use(5, 60.0)}))["b"].live == 3
    assert (await one.peers.share({"b": Use(5, 60.0)}))["b"].live == 3


async def test_claims_are_granted_up_to_the_window_whoever_asks(join):
    replicas = [await join() for _ in range(3)]

    async def claim(each: Replica, number: int, kept: int = 0) -> str:
        use = Use(5, 60.0, claim=f"{each.name}/{number}", kept=kept)
        return use.claim if (await each.peers.share({"b": use}))["b"].granted else ""

    assert not await claim(replicas[0], 0, kept=5)
    granted = await asyncio.gather(*(claim(each, number) for number in range(1, 8) for each in replicas))
    claims = [each for each in granted if each]
    assert len(claims) == 5
    assert not await claim(replicas[1], 9)
    one = next(each for each in replicas if claims[0].startswith(each.name))
    two = next(each for each in replicas if each is not one)
    ours = sum(each.startswith(two.name) for each in claims)
    before = (await two.peers.share({"b": Use(5, 60.0)}))["b"].calls
    assert len(before) == 5 - ours
    assert all(age < 0 for age in before), "all are under way"
    await one.peers.share({"b": Use(5, 60.0, answered=((claims[0], 1.0),))})
    after = (await two.peers.share({"b": Use(5, 60.0)}))["b"].calls
    assert [age > 1.0 for age in sorted(after)] == [False] * (4 - ours) + [True]
    await one.peers.share({"b": Use(5, 60.0, answered=((claims[0], 61.0),))})
    assert await claim(two, 10), "the window has passed"


async def test_a_claim_of_two_buckets_is_counted_in_both_or_in_none(join):
    one, two = await join(), await join()
    uses = {"full": Use(0, 60.0, claim="x/1"), "free": Use(1, 60.0, claim="x/1")}
    told = await one.peers.share(uses)
    assert (told["full"].granted, told["free"].granted) == (False, True)
    assert (await two.peers.share({"free": Use(1, 60.0, claim="y/1")}))["free"].granted
    assert not (await one.peers.share({"free": Use(1, 60.0, claim="x/2")}))["free"].granted


async def test_a_claim_waits_for_no_beat_and_those_of_one_moment_go_together(join):
    one = await join()
    before = one.wire.trips
    uses = [{f"b{number}": Use(5, 60.0, claim=f"{one.name}/{number}")} for number in range(100)]
    await asyncio.gather(*(one.peers.share(use) for use in uses))
    assert one.wire.trips - before <= 3


async def test_one_that_died_uses_nothing(join):
    one, two = await join(), await join()
    await two.peers.share({"b": Use(5, 60.0, live=3)})
    await settled(one)
    assert (await one.peers.share({"b": Use(5, 60.0)}))["b"].live in {0, 3}
    await two.die()
    await until(lambda: len(one.peers.members) == 1)
    assert (await one.peers.share({"b": Use(5, 60.0)}))["b"].live == 0


async def test_turns_are_one_for_all_and_so_far_apart(join):
    replicas = [await join() for _ in range(3)]
    times = []

    async def take(each: Replica) -> None:
        for _ in range(4):
            await each.peers.leases.turn("identify", 0.2)
            times.append(asyncio.get_running_loop().time())

    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(take(each) for each in replicas))
    for number, at in enumerate(sorted(times)):
        assert at >= began + 0.2 * number


async def test_while_redis_is_away_each_takes_its_share_of_turns(join):
    one, two = await join(), await join()
    await known(one, two)
    began = asyncio.get_running_loop().time()
    one.wire.trouble = "a test says so"
    await one.peers.leases.turn("identify", 0.1)
    await one.peers.leases.turn("identify", 0.1)
    assert asyncio.get_running_loop().time() >= began + 0.4


class Audit:
    """Watches that no part is held twice; counts hand-overs."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.replicas = replicas
        self.twice: list[object] = []
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            held = Counter(number for each in self.replicas for number in each.parts)
            self.twice += [number for number, times in held.items() if times > 1]
            await asyncio.sleep(0.002)

    async def shared(self, *sizes: int) -> None:
        """Wait until the parts are held by so many each."""

        def fair() -> bool:
            return sorted(len(each.parts) for each in self.replicas if each.parts) == sorted(sizes)

        await until(fair)
        await asyncio.sleep(3 * BEAT)
        assert fair()
        assert not self.twice


async def test_parts_are_shared_out_through_joins_leaves_and_deaths_and_none_is_held_twice(join):
    replicas: list[Replica] = []
    audit = Audit(replicas)

    async def another() -> Replica:
        each: Replica = await join()
        replicas.append(each)
        each.run(each.work())
        return each

    one = await another()
    await audit.shared(8)
    two = await another()
    await audit.shared(4, 4)
    assert two.notes
    assert all(note.endswith(one.name) for note in two.notes.values())
    three = await another()
    await audit.shared(2, 3, 3)
    await two.peers.leave()
    await audit.shared(4, 4)
    assert not two.parts
    await settled(one)
    had = three.parts.copy()
    await three.die()
    await audit.shared(8)
    assert {one.notes[number] for number in had} == {f"{number} at {three.name}" for number in had}
    four = await another()
    await audit.shared(4, 4)
    await one.close()
    await audit.shared(8)
    assert four.parts == set(range(8))


async def test_more_replicas_than_parts_is_no_trouble(join):
    replicas = [await join() for _ in range(3)]
    for each in replicas:
        each.run(each.work(total=1))
    await Audit(replicas).shared(1)


async def test_a_redis_that_hung_for_longer_than_a_lease_costs_nobody_their_life(join, redis_own):
    one, two = await join(redis_own.url), await join(redis_own.url)
    for each in (one, two):
        each.run(each.work())
    audit = Audit([one, two])
    await audit.shared(4, 4)
    await settled(one, two)
    assert await two.peers.home("c") == two.name
    redis_own.pause()
    await until(lambda: not (one.parts or two.parts))
    for each in (one, two):
        with pytest.raises(Taken):
            each.peers.expect_held()
        await until(lambda each=each: each.peers.away)
        assert len(each.peers.members) == 2
        assert not each.peers.settled()
        assert await each.peers.home("c") == each.name
    one.peers.tell("while it was away")
    redis_own.resume()
    await until(lambda: not (one.peers.away or two.peers.away))
    assert await one.peers.home("c") == two.name
    assert len(one.peers.members) == 2
    await audit.shared(4, 4)
    one.peers.expect_held()
    await until(lambda: two.texts() == ["while it was away"])


def wipe(server) -> None:
    """Lose all that *server* had written."""
    for file in [*server._folder.rglob("*.aof"), *server._folder.rglob("*.manifest")]:
        file.unlink()


async def calls_that_others_know(one: Replica, two: Replica) -> int:
    """Return how many calls of *one* are known to *two*, once all have told what Redis may have lost."""
    use = {"b": Use(5, 60.0)}
    async with asyncio.timeout(20):
        while True:
            with suppress(OSError):
                await one.peers.share(use)
                return len((await two.peers.share(use))["b"].calls)


@pytest.mark.parametrize("kept", [True, False])
async def test_a_restart_of_redis_with_and_without_its_data(join, redis_own, kept):
    one, two = await join(redis_own.url), await join(redis_own.url)
    for each in (one, two):
        each.run(each.work())
    audit = Audit([one, two])
    await audit.shared(4, 4)
    claim = f"{one.name}/1"
    assert (await one.peers.share({"b": Use(5, 60.0, claim=claim)}))["b"].granted
    await one.peers.share({"b": Use(5, 60.0, answered=((claim, 0.0),))})
    one.peers.tell("before")
    await until(lambda: two.texts() == ["before"])
    parts = one.parts.copy()
    await asyncio.sleep(1.1)  # appendfsync everysec
    redis_own.kill()
    await until(lambda: one.peers.away and two.peers.away)
    with pytest.raises(OSError, match=r"."):
        await one.peers.share({"b": Use(5, 60.0)})
    for number in range(20):
        one.peers.tell(str(number))
    if not kept:
        wipe(redis_own)
    redis_own.start()
    await until(lambda: not (one.peers.away or two.peers.away))
    assert await asked(two, one) == f"{one.name}: ?"
    await until(lambda: len(two.heard) == 21)
    assert two.texts() == ["before", *map(str, range(20))]
    assert await calls_that_others_know(one, two) == 1
    await settled(one, two)
    await audit.shared(4, 4)
    assert one.parts == parts, "it was back before its lease was over"


async def asked(one: Replica, other: Replica) -> str:
    """Return what *other* replies to *one*, once Redis knows it again."""
    async with asyncio.timeout(20):
        while True:
            with suppress(Unreached):
                return await one.peers.ask(other.name, "?")
            await asyncio.sleep(0.05)


async def test_a_replica_that_is_cut_off_gives_up_before_another_goes_on(join, redis_own):
    proxy = await Proxy(redis_own.port).start()
    one, two = await join(f"redis://127.0.0.1:{proxy.port}/0"), await join(redis_own.url)
    for each in (one, two):
        each.run(each.work())
    audit = Audit([one, two])
    await audit.shared(4, 4)
    await settled(two)
    await orphaned(two)
    proxy.cut()
    await misses(two, one)
    with pytest.raises(Taken):
        one.peers.expect_held()
    await audit.shared(8)
    two.peers.tell("while it was cut off")
    one.peers.tell("from there")
    await until(lambda: one.peers.away)
    proxy.mend()
    await until(lambda: one.texts() and two.texts() and one.peers._pulse.held)
    assert (one.texts(), two.texts()) == (["while it was cut off"], ["from there"])
    await audit.shared(4, 4)
    await proxy.stop()


async def test_who_comes_back_late_to_a_redis_that_lost_everything_was_told_what_others_said(join, redis_own):
    proxy = await Proxy(redis_own.port).start()
    one, two = await join(redis_own.url), await join(f"redis://127.0.0.1:{proxy.port}/0")
    await known(one, two)
    redis_own.kill()
    await until(lambda: one.peers.away and two.peers.away)
    one.peers.tell("while it was away")
    wipe(redis_own)
    proxy.cut()
    redis_own.start()
    await until(lambda: not (one.peers.away or one.peers._letters._out or one.peers._letters._sending))
    assert two.peers.away
    proxy.mend()
    await until(lambda: two.texts() == ["while it was away"])
    await proxy.stop()


async def test_what_can_not_be_told_for_long_is_dropped_oldest_first(join, redis_own, monkeypatch):
    monkeypatch.setattr(letters, "MOST", 100)
    one, two = await join(redis_own.url), await join(redis_own.url)
    redis_own.pause()
    await until(lambda: one.peers.away)
    for number in range(150):
        one.peers.tell(str(number))
    with pytest.raises(Unreached):
        await one.peers.ask(two.name, "?")
    redis_own.resume()
    await until(lambda: len(two.heard) >= 100)
    assert two.texts() == [str(number) for number in range(50, 150)]


async def test_a_full_redis_still_renews_leases_and_carries_letters(join, redis_own):
    one, two = await join(redis_own.url), await join(redis_own.url)
    await one.wire.ask("CONFIG", "SET", "maxmemory", "1")
    before = one.wire.trips
    await until(lambda: one.wire.trips > before + 2)
    one.peers.tell("x")
    await until(lambda: two.texts() == ["x"])
    assert await two.peers.home("c") == two.name
    assert not one.peers.away


OUTCOMES = (b"knows", b"believes", b"goes on")
STOPPED = """
import asyncio, sys, time
from bot.store.peers import Taken
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers
from bot.store.redis.peers.clock import passed
from bot.store.redis.wire import Wire, connector

async def main():
    url, prefix, lease = sys.argv[1], sys.argv[2], float(sys.argv[3])
    wire = Wire(connector(url))
    await wire.open()
    peers = RedisPeers(wire, Names(prefix), lease)
    await peers.open()
    print(peers.name, flush=True)
    before = now = passed()
    while now - before < lease:
        before = now
        time.sleep(0.002)
        await asyncio.sleep(0)  # one turn of the loop: no beat is sent and answered in that
        now = passed()
    try:
        peers.expect_held()
        print("believes", flush=True)
    except Taken:
        print("knows", flush=True)
    while True:
        await asyncio.sleep(0.01)
        try:
            peers.expect_held()
        except Taken:
            continue
        print("goes on", flush=True)
        await peers.close()
        await wire.close()
        return

asyncio.run(main())
"""


async def test_a_process_that_was_stopped_past_its_lease_knows_before_it_does_anything(join, redis_shared):
    one = await join()
    words = [sys.executable, "-c", STOPPED, redis_shared.url, one.peers._names.prefix, str(LEASE)]
    other = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert other.stdout
    name = (await other.stdout.readline()).decode().strip()
    await until(lambda: name in {each.name for each in one.peers.members})
    os.kill(other.pid, signal.SIGSTOP)
    await asyncio.sleep(LEASE * 1.2)
    os.kill(other.pid, signal.SIGCONT)
    async with asyncio.timeout(30):
        said, _ = await other.communicate()
    assert [line for line in said.splitlines() if line in OUTCOMES] == [b"knows", b"goes on"]
    assert other.returncode == 0


async def test_a_home_is_kept_for_an_hour(join):
    one = await join()
    await one.peers.home("c")
    left = await one.wire.ask("TTL", one.peers._names.of("home", "c"))
    assert 0 < left <= module.HOME_KEPT


async def test_one_that_has_gone_leaves_nothing_behind_that_stays(join):
    one, two = await join(), await join()
    one.run(one.work())
    two.run(two.work())
    await until(lambda: one.parts and two.parts)
    await one.peers.home("c")
    await one.peers.share({"b": Use(5, 60.0, claim=f"{one.name}/1")})
    one.peers.tell("x")
    await until(lambda: two.heard)
    names = one.peers._names
    await one.close()
    await two.close()
    last = await join()

    async def keys():
        return {key.decode() for key in await last.wire.ask("KEYS", f"{{{names.prefix}}}:*")}

    for key in await keys() - {names.of("members")}:
        assert await last.wire.ask("TTL", key) > 0, key
    assert list(await last.wire.ask("HKEYS", names.of("members"))) == [last.name.encode()]


async def test_who_goes_while_it_still_connects_goes(join):
    for number in range(10):
        one = await join()
        await asyncio.sleep(number / 2000)
        async with asyncio.timeout(10):
            await one.close()
