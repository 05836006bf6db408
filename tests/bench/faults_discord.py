"""Discord's hop for the bench of faults: the real discord.py and our adapter against the emulator.

A module of the bench's form: `FAULTS` and `MOMENTS` are names, `opened()` yields what plays a case (anything
with `fault`, `moment` and `seed`) and returns what was wrong with it, "property: detail", or "".
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import adapters
from adapters.discord.platform import Discord
from adapters.discord.surface import BLOCKED
from adapters.discord.wire.traffic import Traffic
from adapters.emulators.discord import Discord as Emulated
from adapters.emulators.discord.chaos import FAULTS as CALLS
from adapters.emulators.discord.chaos import HARMS
from bot.core.core import Core
from bot.events import Event, Finished, Text
from bot.guard.access import Access
from bot.model import Ask, Request, nobody
from bot.platform import Platform, Unavailable
from bot.show.writes import Showing
from bot.store.memory import Memory
from tests.bench import faults_files
from tests.bench.faults_files import AT_ONCE, WAYS

__all__ = ["FAULTS", "MOMENTS", "opened"]

#: An empty message is never sent, nor one that is too long (test_discord.py; what is done if Discord says so
#: all the same is in test_discord_faults.py), so a refusal of one is no case.
FAULTS = (*WAYS, *(name for name in sorted(CALLS) if name not in {"400 50006", "400 too long"}), *HARMS)
MOMENTS = ("post", "first edit", "middle", "last edit")
#: Faults that say that the answer or the right to write it is gone: it ends, and is not tried again.
GONE = frozenset(name for name in CALLS if name[:3] in {"403", "404"} and name != "403 cloudflare")
#: Virtual seconds that an answer may take: six bans in a row, and some.
PATIENCE = 30_000.0
#: Calls that Discord may refuse for one fault, which is injected into one to three calls: 10,000 in ten
#: minutes get the address banned.
REFUSALS = 10
HOLD = "\0"


class Injection(Protocol):
    """What is to be played."""

    fault: str
    moment: str
    seed: int


class Said:
    """A model that says what it is told to, and waits at `HOLD` until `go`."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.go = asyncio.Event()
        self.asked = 0
        self.ended = 0.0  # when, by the loop's clock

    async def stream(self, _request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.asked += 1
        for piece in self.pieces:
            if piece == HOLD:
                await self.go.wait()
            else:
                yield Text(piece)
                await asyncio.sleep(1.5)
        self.ended = asyncio.get_running_loop().time()
        yield Finished()


class Table:
    """One emulator, one adapter and one core, for many cases."""

    def __init__(self) -> None:
        self.emulator = Emulated()
        self.model = Said()
        self.platform: Platform
        self.core: Core
        self._store = Memory()
        self._running: asyncio.Task[None] | None = None
        self._channel = 10_000

    async def connect(self) -> None:
        """Start the adapter, and wait until it listens."""
        found = adapters.load(
            "discord",
            DISCORD_BOT_TOKEN="token",
            DISCORD_API_URL=f"{self.emulator.url}/api/v10",
            DISCORD_GATEWAY_URL=self.emulator.url.replace("http", "ws") + "/gw/",
            RIVULET_DISCORD_GUILDS="100",
            RIVULET_DISCORD_BRAKE="false",
        )
        assert found
        self.platform = found
        self.core = Core(self.model, self._store, Access({"100"}))
        self._running = asyncio.create_task(self.platform.run(self.core))
        await self._until(lambda: _is(self.platform.health == "up"))

    async def close(self) -> None:
        """End the adapter."""
        if self._running:
            self._running.cancel()
            await asyncio.wait({self._running})
            if not self._running.cancelled():
                self._running.exception()

    async def play(self, case: Injection) -> str:
        """Let somebody ask, something happen, and judge what is to be seen."""
        rng = random.Random(f"{case.fault}/{case.moment}/{case.seed}")
        await self.emulator.clear_faults()
        if self._running is None or self._running.done() or self.platform.health != "up":
            await self.close()
            self._store = Memory()
            await self.connect()
        before = self.traffic.invalid
        self._channel += 1
        channel, text = str(self._channel), self._tell(case, rng)
        times = rng.randint(1, 3)
        await self._inject(case, channel, rng, times)
        try:
            async with asyncio.timeout(PATIENCE):
                if case.fault == "401":
                    if wrong := await self._ended():
                        return wrong
                    before = 0
                await self._over()
        except TimeoutError:
            return f"stuck: for {PATIENCE:.0f} s"
        # Discord has heard nothing of what was done after the bot's last word; the bot has to listen again.
        await self._until(lambda: _is(self.platform.health == "up"))
        if self.traffic.invalid > before + REFUSALS:
            return f"other: {self.traffic.invalid - before} refused calls after one fault"
        took = asyncio.get_running_loop().time() - self.model.ended
        seen = await self.emulator.messages(channel)
        wrong = self._judged(case, seen, text, times)
        if case.fault in WAYS and not wrong:
            ours = [each for each in seen if each["user"] == "999"]
            wrong = faults_files.judged(ours, took) or await self._next(channel)
        return wrong

    async def _next(self, channel: str) -> str:
        """Ask once more; return a complaint if the model is not asked at once."""
        self.model.pieces, self.model.asked = ["Yes."], 0
        await self.emulator.say(channel, "300", "<@999> and then?")
        await asyncio.sleep(AT_ONCE)
        asked = self.model.asked
        await self._over()
        return "" if asked else "stuck: the next question was not answered at once"

    @property
    def traffic(self) -> Traffic:
        """What the adapter counts."""
        assert isinstance(self.platform, Discord)
        return self.platform._rest.traffic

    def _tell(self, case: Injection, rng: random.Random) -> str:
        """Let the model say a text of which no part is twice; return it."""
        held = case.moment == "last edit"
        means = self.core.means
        self.core.means = replace(means, terms=faults_files.terms(Showing()))
        self.model.go.clear()
        if case.fault in WAYS:
            self.core.means = replace(means, terms=faults_files.terms(faults_files.showing(1_850)))
            self.model.pieces = faults_files.words(rng)
            return "".join(self.model.pieces).strip()
        words = [f"w{number}é{rng.randrange(1000)} " for number in range(rng.choice([12, 60, 400]))]
        size = max(1, len(words) // rng.randint(8, 20))
        pieces = ["".join(words[at : at + size]) for at in range(0, len(words), size)]
        self.model.pieces = [*pieces, HOLD] if held else pieces
        return "".join(words).strip()

    async def _inject(self, case: Injection, channel: str, rng: random.Random, times: int) -> None:
        """Let the fault happen at its moment; no file comes before the last."""
        if way := WAYS.get(case.fault):
            body, late = {"message": "Something new", "code": 99999}, bool(way.late)
            route, files = "P* messages", "files"
            await self.emulator.fault(route, 1000, way.status, body, drop=late, delay=way.late, having=files)
            await self._ask(channel)
            return
        if case.fault in CALLS and case.moment != "last edit":
            route = "POST messages" if case.moment == "post" else "PATCH messages"
            after = rng.randint(2, 6) if case.moment == "middle" else 0
            await self.emulator.strike(case.fault, route, after, times)
            await self._ask(channel)
            return
        await self._ask(channel)
        edits = {"post": 0, "first edit": 1, "middle": rng.randint(3, 6), "last edit": 0}[case.moment]

        async def reached() -> bool:
            ours = [each for each in await self.emulator.messages(channel) if each["user"] == "999"]
            return (bool(ours) and sum(each["edits"] for each in ours) >= edits) or not self.core._lives

        await self._until(reached)
        if case.moment == "last edit":
            await asyncio.sleep(40)  # all that the model has said is shown
        if case.fault in CALLS:
            await self.emulator.strike(case.fault, "PATCH messages", 0, times)
        else:
            await self.emulator.harm(case.fault)
        self.model.go.set()

    async def _ask(self, channel: str) -> None:
        """Ask, and wait until the bot has begun to answer."""
        before = len(self.emulator.log)
        await self.emulator.say(channel, "300", "<@999> well?")

        async def begun() -> bool:
            path = f"channels/{channel}/messages"
            return any(each.get("path") == path for each in self.emulator.log[before:])

        await self._until(begun)

    async def _ended(self) -> str:
        """See that a refused token ends the platform; start anew with one that is taken, and the ledger."""
        assert self._running
        await asyncio.wait({self._running}, timeout=60)
        ended = self._running.done() and isinstance(self._running.exception(), Unavailable)
        if not ended:
            return "other: a refused token did not end the platform"
        await self.core.drain()
        for live in (lives := tuple(self.core._lives)):
            live.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        await self.emulator.clear_faults()
        await self.connect()
        return ""

    def _judged(self, case: Injection, seen: list[dict[str, Any]], text: str, times: int) -> str:
        ours = [each for each in seen if each["user"] == "999"]
        shown = " ".join("".join(each["text"] for each in ours).split())
        if case.fault in GONE:
            whole = text.replace(" ", "").startswith(shown.removesuffix("…").replace(" ", ""))
            return "" if whole else f"text: {shown[-80:]!r} is not a part of the text"
        if any(each["live"] and not each["deleted"] for each in ours):
            return f"stuck: {[each['live'] for each in ours]}"
        if case.fault == "400 automod":
            said = not ours or any(BLOCKED in each["content"] or each["deleted"] for each in ours)
            return "" if said else "text: nobody says why it ends"
        if case.fault == "401" and ours and ours[-1]["note"]:  # interrupted by the restart, as it says
            whole = text.replace(" ", "").startswith(shown.removesuffix("…").replace(" ", ""))
            return "" if whole else f"text: {shown[-80:]!r} is not a part of the text"
        if shown.replace(" ", "") != text.replace(" ", ""):
            return f"text: {len(shown)} of {len(text)} characters after {times} faults: {shown[-60:]!r}"
        return ""

    async def _over(self) -> None:
        """Wait until no answer is being written."""
        while lives := [*self.core._lives]:
            await asyncio.wait(lives)

    async def _until(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Look every quarter of a virtual second, every four after half a minute: bans last hours."""
        looks = 0
        async with asyncio.timeout(PATIENCE):
            while not await true():
                await asyncio.sleep(0.25 if looks < 120 else 4.0)
                looks += 1


async def _is(fact: bool) -> bool:
    return fact


@asynccontextmanager
async def opened() -> AsyncIterator[Callable[[Injection], Awaitable[str]]]:
    """Start the emulator and the adapter."""
    table = Table()
    await table.emulator.start()
    await table.emulator.limits(on=False)
    try:
        yield table.play
    finally:
        await table.close()
        await table.emulator.stop()
