"""A bot that is killed again and again, people who never cease to ask, and a judge.

The bot is a process that does what `rivulet run` does and nothing else; what became of every question is read
from the emulators once all is quiet.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.emulators.process import World
from bot.core.repair import YOUNG
from tests.bench.rig import Entry, Side, bots_environment, discord_side, slack_side

#: Looks, each of a second at most, that the bot may take to connect: on a busy machine they take longer too.
LOOKS = 180
#: Seconds that the bot may take to end, and after which nothing more is expected of it if nothing changes:
#: more than the minute after which it deletes again what it has replaced.
ENDING = 60.0
QUIET = 90.0
#: Seconds of kills after which the bot may end its answers: it looks for questions of the last five minutes
#: that it missed, on Discord some seconds after its start, and on a slow machine no process lives so long.
REST = YOUNG / 3
#: Channels that people ask in; fewer than the bot looks through for what it missed.
CHANNELS = 16
#: Calls that a bench slows down, so that kills fall into them: half of the time before they take effect.
SLOW: Mapping[str, Mapping[str, float]] = {
    "slack": {"chat.postMessage": 0.2, "chat.update": 0.06},
    "discord": {"POST messages": 0.2, "PATCH messages": 0.06},
}
#: What lets the bot go on without intent rows: it then knows only of messages whose post it has heard of.
#: Nor do nonces come from questions, by which the first message would be found all the same.
NO_INTENTS = """
import secrets
import bot.core.kept
import bot.core.repair
bot.core.kept.first_nonce = bot.core.repair.first_nonce = lambda _key: secrets.token_hex(9) + "0"
from bot.store.memory import Memory
from bot.store.sqlite import Sqlite
intend, posted = Sqlite.intend, Sqlite.posted
meant = {}
async def forget(self, key, part, text):
    meant[part.nonce] = part, text
async def late(self, key, nonce, message):
    await intend(self, key, *meant.pop(nonce))
    await posted(self, key, nonce, message)
Sqlite.intend, Sqlite.posted = forget, late
"""

RUN = """
import sys
sys.argv = ["rivulet", "run"]
from bot.run.cli import main
main()
"""


@dataclass
class Crashing:
    """The bot's process, again and again, with one data folder.

    Attributes:
        world: The emulators.
        folder: Where it runs; no .env of the operator's is there.
        settings: More of its environment.
        broken: Python that is run in its process first.
    """

    world: World
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""

    process: Process | None = None
    _seen: dict[str, int] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both platforms."""
        return slack_side(self.world), discord_side(self.world)

    async def start(self, *, wide: bool = False) -> None:
        """Start it, and wait until both platforms are connected."""
        for side, kind in self._connections():
            await self._connected(side, kind, wait=0.0)  # those of processes before
        await self.launch(wide=wide)
        for side, kind in self._connections():
            looks = 0
            while not await self._connected(side, kind, wait=1.0):
                self.expect_alive()
                looks += 1
                if looks > LOOKS:
                    raise RuntimeError(f"the bot did not connect: {self.log[-2000:]}")

    async def launch(self, *, wide: bool = False) -> None:
        """Start it, and wait for nothing."""
        program = ["-m", "tests.bench.bot"] if wide else ["-m", "bot", "run"]
        if self.broken:
            program = ["-c", f"{self.broken}{RUN}"]
        wider = {"RIVULET_BENCH_BUDGETS": "wide"} if wide else {}
        own = {"RIVULET_DATA": str(self.folder / "data"), **wider, **self.settings}
        environment = {**bots_environment(self.world), **own}
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *program, cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def expect_alive(self) -> None:
        """Raise `RuntimeError`, with its last words, if it has ended."""
        if self.process is None or self.process.returncode is not None:
            raise RuntimeError(f"the bot ended: {self.log[-2000:]}")

    async def _connected(self, side: Side, kind: str, wait: float) -> bool:
        """Tell whether there are connections in the log that were not seen before."""
        found = await side.remote.events(since=self._seen.get(side.name, 0), wait=wait, kinds=[kind])
        if found:
            self._seen[side.name] = found[-1]["n"] + 1
        return bool(found)

    def _connections(self) -> list[tuple[Side, str]]:
        return [*zip(self.sides, ("connect", "identify"), strict=True)]

    async def kill(self) -> None:
        """Let it end as loss of power does."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def end(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit code and the seconds that it took."""
        assert self.process
        began = time.monotonic()
        self.process.terminate()
        async with asyncio.timeout(ENDING):
            code = await self.process.wait()
        return code, time.monotonic() - began

    @property
    def log(self) -> str:
        """What all its processes have logged."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def warnings(self) -> Counter[str]:
        """How often it warned of what."""
        return Counter(re.findall(r'"event": "([^"]*)", "level": "(?:warning|error)"', self.log))


@asynccontextmanager
async def crashing(bot: Crashing) -> AsyncIterator[Crashing]:
    """Leave no process behind."""
    try:
        yield bot
    finally:
        await bot.kill()


@dataclass
class People:
    """They ask all the time, whether anybody listens or not."""

    side: Side
    rng: random.Random
    rate: float
    asked: dict[str, str] = field(default_factory=dict)
    channels: int = CHANNELS

    async def visit(self, channels: int = CHANNELS) -> None:
        """Ask once in each of so many *channels*, until the bot has heard; afterwards people ask in these."""
        self.channels = channels
        for number in range(channels):
            await self._ask(self.side.channel(number))
        await heard(self.side, channels)

    async def _ask(self, channel: str) -> None:
        question = await self.side.ask(channel, f"{self.rng.choice(LENGTHS)} words, please")
        self.asked[question] = channel

    async def ask(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._ask(self.side.channel(self.rng.randrange(self.channels)))
            await asyncio.sleep(self.rng.expovariate(self.rate))

    async def judge(self) -> Entry:
        """Return what became of all questions."""
        verdict = await self.side.remote.verdict()
        pages = {channel: await self.side.pages(channel) for channel in {*self.asked.values()}}
        answers = [answering(self.side, question, pages[channel]) for question, channel in self.asked.items()]
        return {
            "questions": len(self.asked),
            "stuck": len(verdict["never_final"]),
            "duplicates": sum(map(_duplicates, answers)),
            "unended": sum(not found or any(page["live"] for page in found) for found in answers),
            "torn": sum(map(_torn, answers)),
            "whole": sum(bool(found) and not found[-1]["note"] for found in answers),
            "noted": sum(bool(found) and bool(found[-1]["note"]) for found in answers),
        }

    async def amiss(self) -> list[Entry]:
        """Return the messages of each answer that `judge` counts as twice, torn or without an end."""
        pages = {channel: await self.side.pages(channel) for channel in {*self.asked.values()}}
        found = []
        for question, channel in self.asked.items():
            answer = answering(self.side, question, pages[channel])
            if _duplicates(answer) or _torn(answer) or not answer or any(page["live"] for page in answer):
                shown = [
                    {key: page.get(key) for key in ("ts", "id", "live", "note", "text")} for page in answer
                ]
                found.append({"question": question, "channel": channel, "messages": shown})
        return found

    async def tell(self) -> None:
        """Print what `amiss` finds, for whoever looks for the cause."""
        for each in await self.amiss():
            print(f"amiss on {self.side.name}:", json.dumps(each), flush=True)

    async def notes(self) -> list[str]:
        """Return the notes below the answers that have one."""
        pages = {channel: await self.side.pages(channel) for channel in {*self.asked.values()}}
        answers = [answering(self.side, question, pages[channel]) for question, channel in self.asked.items()]
        return [answer[-1]["note"] for answer in answers if answer and answer[-1]["note"]]

    async def quiet(self, patience: float) -> None:
        """Wait until every question has an answer that has ended, or until *patience* seconds change nothing.

        On a busy machine many answers end at once, and some are replaced: 48 a minute are deleted on Slack.
        """
        before, until = Entry(), time.monotonic() + patience
        while time.monotonic() < until:
            seen = await self.judge()
            if not (seen["stuck"] or seen["unended"] or seen["torn"]):  # between two pages nothing is live
                return
            if seen != before:
                before, until = seen, time.monotonic() + patience
            await asyncio.sleep(1.0)


async def rest(people: Sequence[People], asking: Sequence[asyncio.Task[None]], patience: float) -> None:
    """Let nobody ask any more, and wait until all answers have ended or *patience* seconds change nothing."""
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await asyncio.gather(*(each.quiet(patience) for each in people))


async def heard(side: Side, channels: int) -> None:
    """Wait until the bot has written in each of so many *channels*.

    In others it does not look for what it missed: it learns of a channel by a question that it hears there.
    """
    for number in range(channels):
        looks = 0
        while not await side.pages(side.channel(number)):
            looks += 1
            if looks > LOOKS:
                raise RuntimeError(f"the bot wrote nothing in {side.name}'s channel {side.channel(number)}")
            await asyncio.sleep(0.5)


#: Words of an answer; the last is more than a page of Discord's.
LENGTHS = (1, 8, 20, 40, 600)


async def slowed(world: World) -> None:
    """Make the calls of `SLOW` as slow as it says."""
    for method, seconds in SLOW["slack"].items():
        await world.slack.latency(method=method, seconds=seconds)
    for route, seconds in SLOW["discord"].items():
        await world.discord.latency(route=route, seconds=seconds)


async def scripted(world: World, pause: float = 0.05) -> None:
    """Let Claude say numbered words, so that a word that is there twice is seen, *pause* seconds apart."""
    for length in LENGTHS:
        words = [f"w{number} " for number in range(length)]
        size = max(1, length // 20)
        steps = [step for at in range(0, length, size) for step in ("".join(words[at : at + size]), pause)]
        await world.claude.script(steps=[0.1, *steps, f"end{length}"], when=f"{length} words, please")


def answering(side: Side, question: str, pages: list[Entry]) -> list[Entry]:
    """Return the messages that answer *question*, as readers see them."""
    there = [page for page in pages if not page["deleted"]]
    if side.name == "slack":
        return [page for page in there if page["thread_ts"] == question]
    wanted, found = {question}, []
    for page in there:
        if page["reply_to"] in wanted:
            wanted.add(page["id"])
            found.append(page)
    return found


def _duplicates(pages: list[Entry]) -> int:
    """Return how many messages say what another one says, or nothing at all beside others."""
    seen: set[str] = set()
    count = 0
    for page in pages:
        words = set(re.findall(r"\bw\d+\b", page["text"]))
        count += bool(words & seen) or (len(pages) > 1 and not words and "end" not in page["text"])
        seen |= words
    return count


def _torn(pages: list[Entry]) -> bool:
    """Tell whether an answer is not whole and does not say so."""
    text = " ".join(page["text"] for page in pages)
    numbers = [*map(int, re.findall(r"\bw(\d+)\b", text))]
    if numbers != [*range(len(numbers))]:
        return True
    return bool(pages) and not pages[-1]["note"] and f"end{len(numbers)}" not in text
