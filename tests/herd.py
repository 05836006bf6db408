"""Several processes of a bot on Discord in one test, and the guilds that they serve."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import adapters
from adapters.emulators.discord import Discord
from bot.config import Settings
from bot.platform import Mention, Platform, Unavailable
from bot.run.supervise import build
from bot.store.alone import Alone
from bot.store.memory import Memory
from bot.store.vault import MemoryVault
from tests.contract import UNBOUND, Told, until
from tests.divider import Divider, Leases


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

    def __init__(self, seat: Any, inbox: Any, platform: Any) -> None:
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
        store._peers = peers = Alone()
        peers.leases = Leases(seat)
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


async def herded(emulator: Discord, shards: int) -> Herd:
    await emulator.shards(shards)
    herd = Herd(emulator, shards)
    for shard in range(shards):
        herd.channels.append(await emulator.guild(str((shard << 22) + 500)))
    return herd
