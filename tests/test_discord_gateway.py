"""The supervisor of Discord's gateway, with the real discord.py: whatever happens to it, it comes back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

import adapters.discord.incoming.gateway as supervisor
from adapters.discord.incoming.client import Client
from adapters.discord.incoming.connecting import BACKOFF
from adapters.discord.incoming.starts import Book
from bot.platform import Platform, Unavailable
from tests.contract import HOLD, at, until
from tests.worlds import DiscordWorld

BRAKE = {"RIVULET_DISCORD_BRAKE": "true"}


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordWorld]:
    monkeypatch.setattr(supervisor, "LOOK", 0.05)
    world = await DiscordWorld.open()
    assert isinstance(world, DiscordWorld)
    yield world
    await world.close()
    gc.collect()  # a connection that nobody has closed warns, and a warning fails the test


async def count(world: DiscordWorld, kind: str, **fields: Any) -> int:
    return sum(fields.items() <= each.items() for each in await world.emulator.events(kinds=[kind]))


async def answers(world: DiscordWorld) -> None:
    """The bot hears and answers; while it does not hear, people ask again."""

    async def answered() -> bool:
        question = await world.say("still there?")
        for _ in range(20):
            await asyncio.sleep(0.05)
            if await world.answers(question):
                await world.final(question)
                return True
        return False

    await until(answered)


Harm = Callable[[DiscordWorld], Awaitable[Any]]


async def closed_with(code: int, world: DiscordWorld) -> None:
    await world.emulator.close(code)


HARMS: dict[str, Harm] = {
    "cut": lambda world: world.emulator.drop(),
    "op 7": lambda world: world.emulator.reconnect(),
    "op 9, resumable": lambda world: world.emulator.invalidate(resumable=True),
    **{
        f"closed with {code}": partial(closed_with, code)
        for code in (1000, 1001, 4000, 4001, 4002, 4003, 4005, 4008)
    },
    "replayed": lambda world: world.emulator.replay(5),
}


@pytest.mark.parametrize("harm", HARMS)
async def test_a_connection_that_is_lost_comes_back_and_answers(world, harm):
    await HARMS[harm](world)
    await answers(world)


async def test_what_was_asked_between_two_sessions_is_answered(world):
    await answers(world)
    await world.emulator.invalidate()
    await world.final(await world.say("and now?"))


@pytest.mark.parametrize("code", [4007, 4009])
async def test_a_session_that_is_lost_is_counted_as_a_log_in(world, monkeypatch, code):
    book = world.platform._book
    assert len(book.starts.logins) == 1
    await world.emulator.close(code)
    await answers(world)
    assert len(book.starts.logins) == await count(world, "identify") == 2


async def test_an_invalid_session_is_counted_as_a_log_in(world):
    await world.emulator.invalidate()
    await answers(world)
    assert len(world.platform._book.starts.logins) == await count(world, "identify") == 2


@pytest.mark.parametrize("status", [0, 500, 503])
async def test_a_first_connection_that_fails_is_tried_again(world, monkeypatch, status):
    await world.vanish()
    monkeypatch.setattr("discord.shard.asyncio.sleep", quick(asyncio.sleep))
    await world.emulator.refuse(2, status)
    await world.connect()
    await answers(world)
    assert await count(world, "refuse") == 2


@pytest.mark.parametrize("name", ["500", "503", "520", "429 global", "429 bare", "reset", "404 10003"])
@pytest.mark.parametrize("route", ["GET gateway", "GET users", "GET oauth2"])
async def test_a_log_in_that_fails_is_tried_again(world, monkeypatch, name, route):
    await world.vanish()
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    monkeypatch.setattr("adapters.discord.wire.rest.RETRY_AFTER", 0.1)
    monkeypatch.setattr("discord.http.asyncio.sleep", quick(asyncio.sleep))
    await world.emulator.strike(name, route)
    await world.connect()
    await answers(world)


async def test_a_zombie_is_found_and_its_session_resumed(world):
    """It goes on sending, and acknowledges no heartbeat: discord.py alone would never notice."""
    await world.vanish()
    await world.emulator.heartbeats(200)
    await world.connect()
    await world.emulator.acknowledge(on=False)
    talking = asyncio.create_task(chatter(world))
    await until(lambda: resumed(world))
    talking.cancel()
    await world.emulator.acknowledge(on=True)
    assert await count(world, "resume", accepted=True) >= 1
    assert await count(world, "identify") == 2  # of the world's opening, and of this test's
    await answers(world)


async def chatter(world: DiscordWorld) -> None:
    while True:
        await world.chat("frames come in")
        await asyncio.sleep(0.05)


async def resumed(world: DiscordWorld) -> int:
    return await count(world, "resume")


async def test_a_connection_that_beats_is_no_zombie(world):
    await world.vanish()
    await world.emulator.heartbeats(100)
    await world.connect()
    await asyncio.sleep(1)
    assert await count(world, "resume") == 0


async def test_a_gateway_that_stays_silent_gets_a_new_client(world, monkeypatch):
    monkeypatch.setattr(supervisor, "READY", 0.3)
    monkeypatch.setattr(supervisor, "CLOSING", 0.3)
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    await world.vanish()
    await world.emulator.silence(on=True)
    world.running = asyncio.create_task(world.platform.run(world.core))

    async def tried_often() -> bool:
        return await count(world, "connect") >= 3

    await until(tried_often)
    assert world.platform.health == "down"
    await world.emulator.silence(on=False)
    await until(world.connected)
    await answers(world)


@pytest.mark.parametrize(
    ("code", "words"), [(4004, "DISCORD_BOT_TOKEN"), (4013, "intent"), (4014, "Message Content Intent")]
)
async def test_what_only_the_operator_can_mend_ends_the_run_with_the_step(world, code, words):
    await world.vanish()
    await world.emulator.turn_away(code)
    with pytest.raises(Unavailable, match=words):
        await asyncio.wait_for(world.platform.run(world.core), 10)


async def test_other_codes_at_log_in_are_tried_again(world, monkeypatch):
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    await world.vanish()
    for code in (4000, 4010, 4011, 4012, 4099):
        await world.emulator.turn_away(code)
    await world.connect()
    await answers(world)


async def test_a_missing_content_intent_is_found_before_it_costs_a_log_in(world, monkeypatch):
    await world.vanish()
    before = await count(world, "identify")
    repaired: list[Platform] = []
    monkeypatch.setattr(world.core, "repair", repaired.append)
    await world.emulator.allow_content(on=False)
    with pytest.raises(Unavailable, match="Message Content Intent"):
        await asyncio.wait_for(world.load().run(world.core), 5)
    assert await count(world, "identify") == before
    assert repaired == []


async def test_every_new_client_repairs_once_before_its_gateway_listens(world, monkeypatch):
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    await world.vanish()
    before = await count(world, "connect")
    connections, repair = [], world.core.repair

    async def repaired(platform: Platform) -> None:
        connections.append(await count(world, "connect") - before)
        await repair(platform)

    monkeypatch.setattr(world.core, "repair", repaired)
    await world.emulator.turn_away(4010)
    await world.connect()
    assert connections == [0, 1]
    await world.emulator.drop()
    await answers(world)
    assert len(connections) == 2


async def test_what_is_repaired_is_written_by_the_client_that_lives(world, monkeypatch):
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    question = await world.ask("why?", "Because.")
    await world.final(question)
    first = world.platform._running
    await world.vanish()
    missed = await world.say("and how?")
    await world.emulator.turn_away(4010)
    await world.connect()
    [seen] = await world.final(missed)
    assert seen.text == "Because."
    assert world.platform._running is not first
    assert not world.platform._running.is_closed()


async def test_a_token_that_is_revoked_ends_the_run_and_all_calls(world):
    await world.emulator.tokens([])
    question = await world.say("why?")
    assert world.running
    await asyncio.wait({world.running}, timeout=10)
    assert isinstance(world.running.exception(), Unavailable)
    refused = await world.emulator.events(kinds=["error"])
    assert [each["status"] for each in refused] == [401]
    world.running = None
    await world.emulator.tokens(None)
    await world.restart(remember=True)
    assert [each.text for each in await world.final(question)] == ["Yes."]


async def test_discord_py_waits_seconds_and_not_minutes_between_two_tries(world, monkeypatch):
    made: list[Client] = []
    new = world.platform._new

    def kept() -> Client:
        made.append(new())
        return made[-1]

    monkeypatch.setattr(world.platform, "_new", kept)
    await world.vanish()
    await world.connect()
    [shard] = made[-1].shards.values()
    assert max(shard._parent._backoff.delay() for _ in range(200)) <= 2**BACKOFF


async def test_every_shard_is_counted_and_all_must_listen(world):
    await world.vanish()
    before = len(world.platform._book.starts.logins)
    await world.emulator.shards(2)
    await world.connect()
    assert len(world.platform._book.starts.logins) == before + 2
    await answers(world)


# What makes it wait.


async def test_with_the_brake_a_second_log_in_waits_a_minute(world, monkeypatch):
    slept = watched(monkeypatch)
    await world.vanish()
    world.platform = world.load(**BRAKE)
    world.core = world.fresh_core()
    await world.connect()
    assert slept == []
    await world.emulator.invalidate()

    async def waits() -> bool:
        return any(50 < seconds <= 60 for seconds in slept)

    await until(waits)


async def test_a_crash_loop_waits_before_any_call(world, tmp_path, monkeypatch):
    await world.vanish()
    slept = watched(monkeypatch)
    for wait in (0, 4, 8):
        platform = world.load(**BRAKE)
        platform.data = tmp_path
        before = await count(world, "call")
        running = asyncio.create_task(platform.run(world.core))
        if wait:
            await until(partial(among, slept, wait))
        await asyncio.sleep(0.3)
        assert not wait or await count(world, "call") == before
        running.cancel()
        await asyncio.wait({running})


async def among(slept: list[float], wait: float) -> bool:
    return wait in slept


async def test_too_few_log_ins_left_are_waited_for_and_told_once(world, monkeypatch):
    await world.vanish()
    told: list[str] = []
    monkeypatch.setattr(supervisor.log, "error", lambda text, **_: told.append(text))
    slept = watched(monkeypatch, real=1.0)
    await world.emulator.starts(remaining=49, reset_after=1500)
    world.platform = world.load(**BRAKE)
    world.core = world.fresh_core()
    world.running = asyncio.create_task(world.platform.run(world.core))

    async def waited_twice() -> bool:
        return slept.count(1.5) >= 2

    before = await count(world, "identify")
    await until(waited_twice)
    assert await count(world, "identify") == before
    assert len(told) == 1
    await world.emulator.starts(remaining=50)
    await until(world.connected)


async def test_without_the_brake_the_book_is_kept_all_the_same(world):
    assert isinstance(world.platform._book, Book)
    assert len(world.platform._book.starts.logins) == 1


def quick(sleep: Callable[[float], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
    """discord.py's waits, a hundred times shorter."""

    async def slept(seconds: float, *_: Any) -> None:
        await sleep(seconds / 100)

    return slept


def watched(monkeypatch: pytest.MonkeyPatch, real: float = 0.0) -> list[float]:
    """Return what the supervisor sleeps; waits longer than *real* last for ever, or a moment."""
    slept: list[float] = []
    sleep = asyncio.sleep

    class Asyncio:
        """The module, but for one function."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            await sleep(0.05 if real or seconds < 2 else 3600)

    monkeypatch.setattr(supervisor, "asyncio", Asyncio())
    return slept


# Stops that nobody heard.


@pytest.mark.parametrize("where", ["question", "answer"])
async def test_a_stop_that_was_set_between_two_sessions_counts_after_the_reconnect(world, where):
    world.model.steps = ("Because ", HOLD)
    question = await world.say("why?")
    answer = await world.first(question, "Beca")
    await world.emulator.silence(on=True)
    await world.emulator.forget()
    await world.react(question if where == "question" else answer.id, "🛑", world.bob)
    await world.emulator.silence(on=False)
    [seen] = await world.final(question)
    assert not seen.live


async def test_an_emoji_that_is_no_stop_or_is_the_bots_own_stops_nothing_after_a_reconnect(world):
    world.model.steps = ("Because ", HOLD, "so.")
    question = await world.say("why?")
    answer = await world.first(question, "Beca")
    await world.emulator.forget()
    post = world.emulator._messages.find(*at(answer.id))
    post.reactions.update({"👍": ["301"], "🛑": ["999"], "❌": ["777"]})
    await world.emulator.drop()

    async def looked() -> bool:
        calls = await world.emulator.events(kinds=["call"])
        return any(each["route"] == "GET reactions" for each in calls)

    await until(looked)
    world.model.go.set()
    [seen] = await world.final(question)
    assert seen.text == "Because so."
