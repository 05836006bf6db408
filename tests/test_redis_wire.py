"""The connection to Redis, on a real server."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.store.redis import wire as module
from bot.store.redis.wire import Away, Refusal, Script, Wire, connector
from tests.ports import free_port

ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture
async def wire(redis_own):
    wire = Wire(connector(redis_own.url))
    await wire.open()
    yield wire
    await wire.close()


async def until(said) -> None:
    async with asyncio.timeout(60):
        while not said():
            await asyncio.sleep(0.01)


async def test_what_is_asked_for_at_once_goes_out_together(wire):
    took: list[float] = []
    wire.took = took.append
    before = wire.trips
    sums = await asyncio.gather(*(wire.call(ADD, ["n"], [1]) for _ in range(100)))
    assert sums == [*range(1, 101)]
    assert wire.trips - before <= 3, "the first finds that Redis does not know the script"
    assert len(took) == wire.trips - before
    assert min(took) > 0


async def test_a_script_that_redis_forgot_is_sent_anew_and_runs_once(wire):
    await wire.call(ADD, ["n"], [1])
    await wire.ask("SCRIPT", "FLUSH")
    assert await wire.call(ADD, ["n"], [1]) == 2


async def test_a_request_that_is_refused_fails_alone(wire):
    await wire.ask("SET", "word", "x")
    said = await asyncio.gather(
        wire.call(ADD, ["word"], [1]), wire.call(ADD, ["n"], [1]), return_exceptions=True
    )
    assert isinstance(said[0], Refusal)
    assert said[1] == 1


async def test_while_redis_is_away_requests_fail_at_once_and_its_return_is_told(wire, redis_own):
    told = []

    async def back():
        told.append(await wire.ask("PING"))

    wire.back.append(back)
    redis_own.kill()
    with pytest.raises(Away):
        await wire.ask("PING")
    assert wire.trouble
    with pytest.raises(Away):
        await wire.ask("PING")
    redis_own.start()
    await until(lambda: told)
    assert await wire.ask("PING")


async def test_a_redis_that_goes_again_while_its_return_is_told_is_looked_for_whoever_notices(
    wire, redis_own
):
    told = []

    async def back():
        told.append(wire.losses)
        if len(told) == 1:
            redis_own.kill()
            with suppress(Away):
                await wire.ask("PING")

    wire.back.append(back)
    redis_own.kill()
    with pytest.raises(Away):
        await wire.ask("PING")
    redis_own.start()
    await until(lambda: told)
    await until(lambda: wire.losses == 2)
    redis_own.start()
    await until(lambda: len(told) == 2)
    assert await wire.ask("PING")
    assert told == [1, 2]


async def test_a_server_that_hangs_counts_as_away(wire, redis_own, monkeypatch):
    redis_own.pause()
    with pytest.raises(Away):
        await wire.ask("PING")
    redis_own.resume()
    await until(lambda: not wire.trouble)


async def test_a_wrong_password_is_a_refusal(redis_own):
    right = Wire(connector(redis_own.url))
    await right.open()
    await right.ask("CONFIG", "SET", "requirepass", "right")
    wrong = Wire(connector(redis_own.url.replace("redis://", "redis://:wrong@")))
    with pytest.raises(Refusal, match="password"):
        await wrong.open()
    await wrong.close()
    await right.close()


async def test_nobody_there_is_away():
    wire = Wire(connector(f"redis://127.0.0.1:{free_port()}/0"))
    with pytest.raises(Away):
        await wire.open()
    await wire.close()


@pytest.mark.parametrize("url", ["http://x", "redis+sentinel://host/service", "redis+sentinel://host:1"])
def test_what_is_no_address_is_said(url):
    with pytest.raises(ValueError, match=r"."):
        connector(url)


async def test_after_closing_nothing_is_sent(wire):
    await wire.close()
    with pytest.raises(Away):
        await wire.ask("PING")


async def test_half_a_character_is_sent_as_it_is_and_what_can_not_be_sent_fails_alone(wire):
    await wire.ask("SET", "word", "\ud800")
    assert (await wire.ask("GET", "word")).decode("utf-8", "surrogatepass") == "\ud800"
    with pytest.raises(Exception, match="Invalid input"):
        await wire.ask("SET", "word", object())
    assert await wire.ask("GET", "word")


async def test_what_has_time_goes_along_with_the_next_request_in_order_or_by_itself(wire, monkeypatch):
    monkeypatch.setattr(module, "WAIT", 60.0)
    await wire.call(ADD, ["n"], [1])
    before = wire.trips
    later = [wire.post(ADD, ["n"], [1], soon=False) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert wire.trips == before
    assert await wire.call(ADD, ["n"], [1]) == 5
    assert wire.trips - before == 1
    assert [each.result() for each in later] == [2, 3, 4]
    monkeypatch.setattr(module, "WAIT", 0.01)
    assert await asyncio.wait_for(asyncio.shield(wire.post(ADD, ["n"], [1], soon=False)), 60) == 6


async def test_what_has_time_is_sent_before_the_end_and_fails_while_redis_is_away(wire, redis_own):
    left = wire.post(ADD, ["n"], [1], soon=False)
    redis_own.kill()
    with pytest.raises(Away):
        await wire.ask("PING")
    with pytest.raises(Away):
        await left
    redis_own.start()
    await until(lambda: not wire.trouble)
    last = wire.post(ADD, ["n"], [1], soon=False)
    await wire.close()
    assert await last == 1


async def test_what_has_time_does_not_follow_a_request_that_is_under_way(wire, redis_own, monkeypatch):
    monkeypatch.setattr(module, "WAIT", 60.0)
    sent, left = wire._sent, []

    async def during(client, words):
        left.append(wire.post(ADD, ["n"], [1], soon=False))
        return await sent(client, words)

    monkeypatch.setattr(wire, "_sent", during)
    before = wire.trips
    await wire.ask("PING")
    monkeypatch.setattr(wire, "_sent", sent)
    await asyncio.sleep(0.05)
    assert wire.trips - before == 1
    assert not left[0].done()
    await wire.ask("PING")
    assert await left[0] == 1
