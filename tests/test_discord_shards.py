"""Discord's shards in several processes, with the real discord.py: each event reaches one of them."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

import adapters.discord.incoming.gateway as supervisor
from adapters.discord.incoming import leased
from adapters.emulators.discord import Discord
from bot.platform import Handed
from bot.store.alone import Undivided
from tests.contract import until
from tests.divider import Work
from tests.herd import Ears, Herd, Process, herded

SHARDS = 4
#: Seconds between two IDENTIFYs here, for Discord's five.
PACE = 0.1
AGREEMENT = "discord/999/shards"


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Discord]:
    monkeypatch.setattr(supervisor, "LOOK", 0.05)
    monkeypatch.setattr(leased, "IDENTIFY", PACE)
    monkeypatch.setattr(leased, "NOTE", 0.05)
    monkeypatch.setattr(leased, "STANDBY", 0.3)
    emulator = Discord()
    await emulator.start()
    await emulator.limits(on=False)
    await emulator.pace(1, PACE / 2)  # the loop is busier than a network
    yield emulator
    await emulator.stop()
    gc.collect()  # a connection that nobody has closed warns, and a warning fails the test


@pytest.fixture
async def herd(emulator: Discord) -> AsyncIterator[Herd]:
    herd = await herded(emulator, SHARDS)
    yield herd
    await herd.end()


async def test_each_guild_is_answered_once_by_the_process_of_its_shard(herd):
    processes = [herd.start_core(), herd.start_core()]
    await herd.settled()
    direct = await herd.emulator.dm("1")
    asked = [await herd.say(shard) for shard in range(SHARDS)]
    await herd.emulator.say(direct, "1", "and here?")

    async def answers() -> list[int]:
        channels = [*herd.channels, direct]
        told = [await herd.emulator.messages(channel) for channel in channels]
        return [sum(each["user"] == "999" and not each["live"] for each in there) for there in told]

    async def answered() -> bool:
        return all(await answers())

    await until(answered)
    await asyncio.sleep(0.3)
    assert await answers() == [1] * (len(asked) + 1)
    assert [len(each.shards) for each in processes] == [2, 2]


async def test_shards_that_are_handed_over_amid_traffic_lose_no_question_and_double_none(herd):
    first = herd.start()
    await herd.settled()
    talking = asyncio.create_task(herd.chatter())
    await asyncio.sleep(0.2)
    second = herd.start()
    await herd.settled()
    await asyncio.sleep(0.2)
    await first.leave()
    await herd.settled()
    await asyncio.sleep(0.2)
    talking.cancel()
    await herd.all_heard()
    assert Counter(herd.heard) == Counter(herd.said)
    assert second.shards == list(range(SHARDS))
    # One whose connection is cut before its session was noted logs in anew; on a busy machine that happens.
    anew = await herd.count("identify") - SHARDS
    assert anew <= 1
    assert await herd.count("resume", accepted=True) >= SHARDS - anew
    assert await herd.count("resume", accepted=False) == 0


async def test_a_process_that_dies_leaves_its_shards_and_its_questions_to_the_other(herd):
    first, second = herd.start(), herd.start()
    await herd.settled()
    talking = asyncio.create_task(herd.chatter())
    await asyncio.sleep(0.3)
    first.seat.die()
    await first.end()
    await herd.settled()
    await asyncio.sleep(0.2)
    talking.cancel()
    await herd.all_heard()
    assert second.shards == list(range(SHARDS))
    assert SHARDS <= await herd.count("identify") <= SHARDS + 1  # on a busy machine one may log in anew
    # What was heard after the last note is told again, and the ledger has it.
    assert max(Counter(first.inbox.heard).values()) == max(Counter(second.inbox.heard).values()) == 1


async def test_a_process_that_can_not_prove_its_lease_hears_no_more_until_it_has_another(herd):
    process = herd.start()
    await herd.settled()
    process.seat.lapse()
    await herd.say(2)
    await until(lambda: left(process, SHARDS))
    await herd.settled()
    await herd.all_heard()
    assert Counter(herd.heard) == Counter(herd.said)
    assert await herd.count("resume", accepted=True) == SHARDS


@pytest.mark.parametrize("turns", [1, 2, 3, 10])
async def test_a_process_that_is_ended_again_while_it_hands_over_leaves_no_task_behind(
    herd, monkeypatch, turns
):
    process = herd.start()
    await herd.settled()
    asked: list[int] = []
    end = leased.Leased.end

    async def leave(_name: str, number: int) -> None:
        asked.append(number)
        await asyncio.Event().wait()

    async def again(left: int = turns) -> None:
        for _ in range(left):
            await asyncio.sleep(0)
        process.task.cancel()

    async def ended(self: leased.Leased) -> None:
        more = asyncio.create_task(again())
        try:
            await end(self)
        finally:
            await more

    monkeypatch.setattr(leased.Leased, "end", ended)
    process.inbox.leases.leave = leave
    [name] = process.seat.queues
    process.seat.tell(name, Handed(2, held=False))
    await until(lambda: is_in(2, asked))
    process.task.cancel()
    await asyncio.wait({process.task}, timeout=10)
    assert process.task.cancelled()
    assert not [each for each in asyncio.all_tasks() if "Leased." in repr(each.get_coro())]


async def test_a_shard_that_can_not_be_let_go_keeps_no_other_from_it(herd):
    process = herd.start()
    await herd.settled()
    left = process.inbox.leases.leave

    async def leave(name: str, number: int) -> None:
        if number == 1:
            raise OSError("not now")
        await asyncio.sleep(0.05)
        await left(name, number)

    process.inbox.leases.leave = leave
    await process.end()
    assert sorted(process.seat.left) == [0, 2, 3]


async def is_in(number: int, asked: list[int]) -> bool:
    return number in asked


async def left(process: Process, parts: int) -> bool:
    return len(process.seat.left) == parts


async def test_a_shard_that_goes_on_before_its_session_was_resumed_keeps_it(herd):
    first = herd.start()
    await herd.settled()
    await herd.emulator.silence(on=True)
    second = herd.start()
    await until(lambda: has_parts(second, 2))
    second.seat.depart()
    await until(lambda: left(second, 2))
    await herd.emulator.silence(on=False)
    await herd.settled()
    assert first.shards == list(range(SHARDS))
    assert SHARDS <= await herd.count("identify") <= SHARDS + 1  # on a busy machine one may log in anew


async def has_parts(process: Process, parts: int) -> bool:
    return len(process.seat.parts()) == parts


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_identifies_of_all_processes_keep_the_distance_that_discord_wants(
    emulator, concurrency, monkeypatch
):
    monkeypatch.setattr(leased, "IDENTIFY", 1.0)
    await emulator.pace(concurrency, 0.25)  # all processes are in this one, which may be late
    herd = await herded(emulator, SHARDS)
    try:
        for _ in range(3):
            herd.start()
        await herd.settled()
        made = await emulator.events(kinds=["identify"])
        assert not any(each["early"] for each in made)
        assert sorted(each["shard"][0] for each in made) == list(range(SHARDS))
    finally:
        await herd.end()


async def test_a_process_that_is_ending_stores_nothing_and_leaves_the_question_to_the_next(herd):
    first = herd.start()
    await herd.settled()
    await herd.say(1)
    await herd.all_heard()
    first.inbox.closing = True
    await herd.say(1)
    await asyncio.sleep(0.1)
    herd.start()
    await first.leave()
    await herd.all_heard()
    assert Counter(herd.heard) == Counter(herd.said)


def session(**changed: Any) -> str:
    known = {
        "id": "a" * 32,
        "url": "ws://there/",
        "heard": 3,
        "shards": SHARDS,
        "intents": 1,
        "at": time.time(),
    }
    return json.dumps(known | changed)


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[1]",
        "null",
        '{"id": 7}',
        pytest.param("[" * 100_000, id="deep"),
        session(),
        session(url="wss://gateway.discord.gg.evil.example/"),
        session(url="wss://[", at=0.0),
        session(at="now"),
        session(heard=True),
    ],
)
async def test_a_note_that_makes_no_sense_costs_an_identify_and_nothing_else(herd, note):
    herd.shards = 1
    herd.settings = {"DISCORD_SHARDS": "1"}
    work = herd.divider.works.setdefault("discord/999/1", Work(1))
    work.notes[0] = note
    herd.start()
    await herd.settled()
    await herd.say(0)
    await herd.all_heard()
    assert await herd.count("identify", accepted=True) == 1
    assert await herd.count("resume") == 0


@pytest.mark.parametrize("ended", ["forgotten", "too late"])
async def test_a_session_that_is_over_costs_an_identify_and_what_was_missed_is_looked_for(herd, ended):
    first = herd.start_core()
    await herd.settled()
    await herd.say(2)
    await until(lambda: answered(herd, 2, 1))
    await asyncio.sleep(0.1)
    first.seat.die()
    await first.end()
    await herd.say(2)
    await (herd.emulator.forget() if ended == "forgotten" else herd.emulator.linger(0))
    herd.start_core(first.inbox._store._entries)
    await until(lambda: answered(herd, 2, 2))
    assert await herd.count("identify", accepted=True) == 2 * SHARDS


async def answered(herd: Herd, shard: int, times: int) -> bool:
    told = await herd.emulator.messages(herd.channels[shard])
    return [each["live"] for each in told if each["user"] == "999"] == [False] * times


async def test_who_has_resumed_a_session_learns_a_guild_when_something_is_asked_there(herd):
    first = herd.start()
    await herd.settled()
    second = herd.start()
    await first.leave()
    await herd.settled()
    guild = herd.emulator._world.guilds[str((1 << 22) + 500)]
    role = next(each["id"] for each in guild["roles"] if each["name"] == "rivulet")
    await herd.emulator.say(herd.channels[1], "300", "nothing for the bot")
    await herd.say(1, f"<@&{role}> who are you?")
    await herd.say(1, f"<@&{role}> and why?")
    await herd.all_heard()
    assert sorted(second.inbox.heard) == sorted(herd.said)
    asked = [each["path"] for each in await herd.emulator.events(kinds=["call"]) if "guilds/" in each["path"]]
    assert len(asked) == len(set(asked)) == 4


async def test_the_commands_are_registered_by_the_process_of_the_first_shard_alone(herd):
    herd.start()
    await herd.settled()
    herd.start()
    await herd.settled()
    calls = [each["path"] for each in await herd.emulator.events(kinds=["call"])]
    assert sum(each.endswith("/commands") for each in calls) == 2  # read once, written once


async def test_a_process_alone_asks_and_logs_in_as_before_and_looks_gone_when_it_ends(herd):
    process = herd.start(Ears(Undivided(), herd.vault))
    await herd.settled()
    calls = Counter(each["path"] for each in await herd.emulator.events(kinds=["call"]))
    assert calls["gateway/bot"] == calls["users/@me"] == 1
    assert await herd.count("connect") == await herd.count("identify", accepted=True) == SHARDS
    assert process.inbox.repaired == 1
    await process.end()
    assert herd.emulator._gateway._sessions == {}
    assert await herd.vault.names("") == []


async def test_a_process_without_a_shard_is_well_and_takes_the_one_that_there_is(emulator):
    herd = await herded(emulator, 1)
    first, second = herd.start(), herd.start()

    async def both_up() -> bool:
        return {first.platform.health, second.platform.health} == {"up"}

    await until(both_up)
    busy, idle = (first, second) if first.shards else (second, first)
    assert idle.shards == []
    await busy.leave()
    await herd.say(0)
    await herd.all_heard()
    assert idle.shards == [0]
    await idle.end()


async def test_all_processes_have_as_many_shards_as_the_first_until_the_last_has_ended(herd):
    first = herd.start()
    await herd.settled()
    await herd.emulator.shards(SHARDS + 1)
    second = herd.start()
    await herd.settled()
    await first.leave()
    await second.end()
    herd.shards += 1
    herd.start()
    await herd.settled()


async def test_too_few_shards_for_the_guilds_are_agreed_on_anew(herd, monkeypatch):
    monkeypatch.setattr(supervisor, "backoff", lambda *_: 0.01)
    await herd.vault.keep(AGREEMENT, "2")
    await herd.emulator.turn_away(4011, 2)
    process = herd.start(Ears(Undivided(), herd.vault))
    await herd.settled()
    assert process.shards == list(range(SHARDS))
    assert await herd.vault.kept(AGREEMENT) == str(SHARDS)


async def test_another_number_of_shards_is_run_beside_the_old_one_until_all_have_it(herd):
    """Who changes the number in one process after the other loses nothing; the ledger takes nothing twice."""
    old = herd.start()
    await herd.settled()
    herd.settings = {"DISCORD_SHARDS": "3"}
    new = herd.start()
    await until(lambda: has(new, 3))
    asked = await herd.say(3)
    await herd.all_heard()
    assert (old.inbox.heard, new.inbox.heard) == ([asked], [asked])
    await old.end()
    herd.shards = 3
    await herd.settled()


async def has(process: Process, shards: int) -> bool:
    return process.shards == list(range(shards))


async def test_a_number_of_shards_in_the_settings_is_taken(herd):
    herd.settings = {"DISCORD_SHARDS": "3"}
    herd.shards = 3
    herd.start()
    await herd.settled()
    assert {each["shard"][1] for each in await herd.emulator.events(kinds=["identify"])} == {3}


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "99999"])
async def test_a_number_of_shards_that_is_none_is_refused(wrong, herd):
    herd.settings = {"DISCORD_SHARDS": wrong}
    with pytest.raises(ValueError, match="DISCORD_SHARDS"):
        herd.load()


async def test_four_processes_with_sixteen_shards_restart_one_by_one_without_an_identify(emulator):
    herd = await herded(emulator, 16)
    await emulator.pace(16, PACE / 2)
    for _ in range(4):
        herd.start()
    await herd.settled()
    before = await herd.count("resume", accepted=True)
    talking = asyncio.create_task(herd.chatter())
    for old in list(herd.processes):
        await old.leave()
        herd.start()
        await herd.settled()
        await asyncio.sleep(0.1)
    talking.cancel()
    await herd.all_heard()
    assert Counter(herd.heard) == Counter(herd.said)
    assert await herd.count("identify") == 16
    assert (
        await herd.count("resume", accepted=True) - before == 2 * 16
    )  # each goes to another, and on to the new one
    await herd.end()
