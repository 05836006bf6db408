"""Discord's shards in several processes, with the real discord.py: each event reaches one of them."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import adapters
import adapters.discord.incoming.gateway as supervisor
from adapters.discord.incoming import leased
from adapters.discord.incoming.heard import Heard, leave
from adapters.discord.incoming.sessions import FRESH, Session, read
from adapters.emulators.discord import Discord
from bot.config import Settings
from bot.platform import Mention, Platform, Unavailable
from bot.run.supervise import build
from bot.store.memory import Memory
from bot.store.peers import Undivided
from bot.store.vault import MemoryVault
from tests.contract import UNBOUND, Told, until
from tests.divider import Divider, Leases, Seat, Work

SHARDS = 4
#: Seconds between two IDENTIFYs here, for Discord's five.
PACE = 0.1
AGREEMENT = "discord/999/shards"


class Ears:
    """An inbox that remembers what it was asked.

    Attributes:
        heard: The keys of the questions, as they came.
        repaired: How often it was asked for a repair.
        closing: Whether it takes nothing any more.
    """

    named: Sequence[str] = ()
    shelf: Any = None

    def __init__(self, leases: Any, vault: MemoryVault) -> None:
        self.leases, self.vault = leases, vault
        self.heard: list[str] = []
        self.repaired = 0
        self.closing = False

    def knows(self, key: str) -> bool:
        return False

    def asked_in(self, conversation: str) -> str:
        return ""

    async def mention(self, mention: Mention) -> None:
        if self.closing:
            raise Unavailable("shutting down")
        self.heard.append(mention.key)

    async def repair(self, platform: Platform) -> None:
        self.repaired += 1

    def back(self, platform: Platform) -> None:
        pass


class Process:
    """One process of the bot, as far as Discord goes."""

    def __init__(self, seat: Seat, inbox: Any, platform: Any) -> None:
        self.seat, self.inbox, self.platform = seat, inbox, platform
        self.task = asyncio.create_task(platform.run(inbox))

    @property
    def shards(self) -> list[int]:
        client = self.platform._running
        return [each for each in client.taken if each not in client.since] if client else []

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        assert self.task.cancelled()

    async def leave(self) -> None:
        """Hand everything over, and end."""
        self.seat.depart()
        await until(self._idle)
        await self.end()

    async def _idle(self) -> bool:
        return not self.seat.parts()


class Herd:
    """Several processes, and the guilds that they serve: one for each shard."""

    def __init__(self, emulator: Discord, shards: int) -> None:
        self.emulator = emulator
        self.divider = Divider()
        self.vault = MemoryVault()
        self.shards = shards
        self.settings: dict[str, str] = {}
        self.channels: list[str] = []
        self.said: list[str] = []
        self.processes: list[Process] = []

    def load(self) -> Platform:
        usual = {
            "DISCORD_BOT_TOKEN": "token",
            "DISCORD_API_URL": f"{self.emulator.url}/api/v10",
            "DISCORD_GATEWAY_URL": self.emulator.url.replace("http", "ws") + "/gw/",
            "RIVULET_DISCORD_GUILDS": "*",
            "RIVULET_DISCORD_BRAKE": "false",
        }
        found = adapters.load("discord", **{**usual, **self.settings})
        assert found
        return found

    def start(self, inbox: Any = None) -> Process:
        seat = self.divider.seat()
        process = Process(seat, inbox or Ears(Leases(seat), self.vault), self.load())
        self.processes.append(process)
        return process

    def start_core(self, entries: dict[str, Any] | None = None) -> Process:
        """Start a process that answers, and knows the *entries* of another's ledger."""
        seat, store, platform = self.divider.seat(), Memory(), self.load()
        store._entries, store._vault = entries or {}, self.vault
        store._peers.leases = Leases(seat)
        settings: dict[str, Any] = {**UNBOUND}
        core = build(Settings(**settings), [platform], Told(), store)
        self.processes.append(Process(seat, core, platform))
        return self.processes[-1]

    async def end(self) -> None:
        """End all processes."""
        for each in self.processes:
            if not each.task.done():
                await each.end()

    async def settled(self) -> None:
        """Wait until all shards listen, evenly over the processes that live."""
        await until(self._settled)

    async def _settled(self) -> bool:
        live = [each for each in self.processes if not each.task.done() and each.seat.alive]
        for each in self.processes:
            if each.task.done() and not each.task.cancelled():
                each.task.result()
        counts = [len(each.shards) for each in live if not each.seat.leaving]
        spread = sorted(shard for each in live for shard in each.shards)
        return spread == list(range(self.shards)) and max(counts) - min(counts) <= 1

    async def say(self, shard: int, text: str = "<@999> why?") -> str:
        channel = self.channels[shard]
        key = f"discord/{channel}/{await self.emulator.say(channel, '300', text)}"
        self.said.append(key)
        return key

    async def chatter(self) -> None:
        """Ask in one guild after the other, every 20 ms."""
        while True:
            await self.say(len(self.said) % self.shards)
            await asyncio.sleep(0.02)

    @property
    def heard(self) -> list[str]:
        return [key for each in self.processes for key in each.inbox.heard]

    async def all_heard(self) -> None:
        async def heard() -> bool:
            return set(self.said) <= set(self.heard)

        await until(heard)

    async def count(self, kind: str, **fields: Any) -> int:
        return sum(fields.items() <= each.items() for each in await self.emulator.events(kinds=[kind]))


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


async def herded(emulator: Discord, shards: int) -> Herd:
    await emulator.shards(shards)
    herd = Herd(emulator, shards)
    for shard in range(shards):
        herd.channels.append(await emulator.guild(str((shard << 22) + 500)))
    return herd


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
    assert await herd.count("identify") == SHARDS
    assert await herd.count("resume", accepted=True) == SHARDS
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
    assert await herd.count("identify") == SHARDS
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
    assert await herd.count("identify") == SHARDS


async def has_parts(process: Process, parts: int) -> bool:
    return len(process.seat.parts()) == parts


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_identifies_of_all_processes_keep_the_distance_that_discord_wants(emulator, concurrency):
    await emulator.pace(concurrency, PACE / 2)
    herd = await herded(emulator, 8)
    for _ in range(3):
        herd.start()
    await herd.settled()
    made = await emulator.events(kinds=["identify"])
    assert not any(each["early"] for each in made)
    assert sorted(each["shard"][0] for each in made) == list(range(8))
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
    monkeypatch.setattr(supervisor, "backoff", lambda _failures: 0.01)
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


# The parts alone.


async def test_what_is_not_stored_yet_is_not_counted_as_heard():
    heard, go = Heard(), asyncio.Event()

    async def slow() -> None:
        await go.wait()

    async def quick() -> None:
        pass

    async def dropped() -> None:
        leave()

    waits = heard.track(5, lambda: asyncio.create_task(slow()))
    await heard.track(6, lambda: asyncio.create_task(quick()))
    assert heard.upto(7) == 4
    go.set()
    await waits
    await asyncio.sleep(0)
    assert heard.upto(7) == 7
    await heard.track(8, lambda: asyncio.create_task(dropped()))
    await asyncio.sleep(0)
    assert heard.upto(9) == 7


def test_a_note_says_what_a_session_is_and_fits_where_it_may_be_resumed():
    known = Session("abc", "wss://gateway-us-east1-b.discord.gg", 7, 4, 1, 1000.0)
    ours = "wss://gateway.discord.gg/"
    assert read(known.note()) == known
    assert known.fits(4, 1, ours, 1000.0 + FRESH)
    assert not known.fits(4, 1, ours, 1001.0 + FRESH)
    assert not known.fits(5, 1, ours, 1000.0)
    assert not known.fits(4, 2, ours, 1000.0)


@pytest.mark.parametrize(
    "url", ["ws://gateway.discord.gg", "wss://discord.gg.example", "https://x.discord.gg", "wss://[", "", "x"]
)
def test_a_session_elsewhere_than_at_discord_is_not_resumed(url):
    assert not Session("abc", url, 7, 4, 1, 1000.0).fits(4, 1, "wss://gateway.discord.gg/", 1000.0)
