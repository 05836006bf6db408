"""What Redis refuses replicas time and again is said once, as what it is, with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from bot.core import replicas
from bot.core.replicas import _again
from bot.store.peers import Use
from bot.store.redis import wire as wires
from bot.store.redis.peers import ear, letters, pulse, sharing
from bot.store.redis.wire import REFUSES, UNTOLD, Away, Wire
from tests.redis_server import RedisServer
from tests.test_redis_peers import Replica, join, known, until
from tests.test_redis_wire import wire

__all__ = ["join", "wire"]  # fixtures

Join = Callable[..., Awaitable[Replica]]


class Said:
    """What was logged so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    @property
    def text(self) -> str:
        self._text += self._capsys.readouterr().out
        return self._text

    def count(self, what: str) -> int:
        return self.text.count(what)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


async def beats(one: Replica, number: int = 4) -> None:
    """Let *one* beat so often."""
    for _ in range(number):
        await one.peers._pulse.renew()


async def test_news_of_a_wrong_kind_are_said_once_and_again_when_they_are_back(join: Join, said: Said):
    one, two = await join(), await join()
    await known(one, two)
    for times in (1, 2):
        await one.wire.ask("SET", one.names.of("news"), "junk")
        one.peers.tell(str(times))
        await until(lambda times=times: said.count(letters.REFUSED) >= times)
        for each in (one, two):
            await beats(each)
        assert (said.count(ear.UNREAD), said.count(letters.REFUSED)) == (2 * times, times)
        await one.wire.ask("DEL", one.names.of("news"))
        await until(lambda times=times: len(two.heard) == times)
        for each in (one, two):
            await beats(each, 1)
    assert f"'{one.names.of('news')}'" in said.text
    assert "redis-cli del" in said.text
    assert "away" not in said.text


async def test_what_is_told_no_more_because_redis_refuses_it_is_not_put_down_to_its_absence(
    join: Join, said: Said, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(letters, "MOST", 5)
    one = await join()
    await one.wire.ask("SET", one.names.of("news"), "junk")
    one.peers.tell("first")
    await until(lambda: said.count(letters.REFUSED))
    for number in range(10):
        one.peers.tell(str(number))
    assert said.count("other replicas are not told everything") == 1
    assert "Redis refuses: WRONGTYPE" in said.text
    assert "away" not in said.text


async def test_a_user_that_may_neither_listen_nor_wait_is_said_once_and_asks_less_and_less(
    join: Join, redis_own: RedisServer, said: Said, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ear, "LOOK", 0.01)
    one = await join(redis_own.url)
    await one.wire.ask("ACL", "SETUSER", "few", "on", ">word", "~*", "&*", "+@all")
    two = await join(redis_own.url.replace("//", "//few:word@"))
    await known(one, two)
    tried: list[float] = []
    client = two.wire.client

    def connected(patience: float) -> Any:
        tried.append(asyncio.get_running_loop().time())
        return client(patience)

    monkeypatch.setattr(two.wire, "client", connected)
    await one.wire.ask("ACL", "SETUSER", "few", "resetchannels", "-xread")
    await until(lambda: len(tried) >= 7)
    gaps = [later - before for before, later in pairwise(tried)]
    assert all(gap >= 0.01 * 2**number for number, gap in enumerate(gaps, 1))
    assert (said.count(ear.UNPUSHED), said.count(ear.UNHEARD)) == (1, 1)
    assert said.count("redis-cli acl setuser NAME resetkeys") == 2
    one.peers.tell("told")
    await until(lambda: two.texts() == ["told"])


async def test_beats_that_redis_refuses_are_said_once(join: Join, said: Said):
    one = await join()
    await one.wire.ask("SET", one.names.of("members"), "junk")
    await until(lambda: said.count("Redis has not heard this replica for so long"))
    assert said.count(pulse.BARRED) == 1
    await one.wire.ask("DEL", one.names.of("members"))
    await until(lambda: one.peers.held)


async def test_what_goes_along_with_beats_and_is_refused_is_said_once(join: Join, said: Said):
    one = await join()
    await one.wire.ask("SET", one.names.of("parts", "shards"), "junk")
    one.run(one.work())
    await until(lambda: said.count(pulse.REFUSED))
    await beats(one)
    assert said.count(pulse.REFUSED) == 1
    await one.wire.ask("DEL", one.names.of("parts", "shards"))
    await until(lambda: len(one.parts) == 8)


async def test_rate_limits_that_can_not_be_shared_are_said_once(join: Join, said: Said):
    one = await join()
    await one.wire.ask("SET", one.names.of("uses", "b"), "junk")
    for _ in range(3):
        with pytest.raises(OSError, match="WRONGTYPE"):
            await one.peers.share({"b": Use(5, 60.0)})
    assert said.count(sharing.REFUSED) == 1


async def test_a_redis_that_comes_back_and_lets_nobody_in_is_said_once_not_to_be_away(
    wire: Wire, redis_own: RedisServer, said: Said, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wires, "LOOK", 0.01)
    redis_own.kill()
    with pytest.raises(Away):
        await wire.ask("PING")
    redis_own._options = ("--requirepass", "word")
    redis_own.start()
    await until(lambda: said.count(REFUSES))
    await _looked(wire, monkeypatch)
    assert said.count(REFUSES) == 1
    assert "HELLO must be called" in said.text
    assert wire.state.startswith("Redis refuses to work (HELLO must be called")


async def test_a_fault_of_ours_in_what_redis_is_told_is_said_once(
    wire: Wire, redis_own: RedisServer, said: Said, monkeypatch: pytest.MonkeyPatch
):
    async def back() -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(wires, "LOOK", 0.01)
    wire.back.append(back)
    redis_own.kill()
    with pytest.raises(Away):
        await wire.ask("PING")
    redis_own.start()
    await until(lambda: said.count(UNTOLD))
    await _looked(wire, monkeypatch)
    assert said.count(UNTOLD) == 1


async def _looked(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until *wire* has looked for Redis some times more."""
    looks: list[None] = []
    connect = wire._connect

    def connected() -> Any:
        looks.append(None)
        return connect()

    monkeypatch.setattr(wire, "_connect", connected)
    await until(lambda: len(looks) > 3)


@pytest.mark.jump
async def test_what_replicas_do_and_fails_again_and_again_is_said_when_it_is_new(said: Said):
    faults = iter(["one", "one", "one", "other", "other"])

    async def work() -> None:
        for fault in faults:
            raise ValueError(fault)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await _again(work)
    assert said.count(replicas.FAILED) == 2


@pytest.mark.jump
async def test_a_fault_that_comes_again_after_a_time_without_one_is_said_again(said: Said):
    calm = iter([0.0, replicas.CALM / 2, replicas.CALM + 1])

    async def work() -> None:
        for seconds in calm:
            await asyncio.sleep(seconds)
            raise ValueError("one")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await _again(work)
    assert said.count(replicas.FAILED) == 2
