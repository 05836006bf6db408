"""The rig: emulators in one process, the bot in another, and a bench that drives both from a third.

What is measured shares its event loop with nobody.  Times are those of the emulators' logs
(`time.monotonic()`, one clock for all processes on Linux).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from adapters.emulators.control import Remote
from adapters.emulators.process import World, spawned

ROOT = Path(__file__).parents[2]
#: Seconds within which the bot must be up, report and end; it gives its answers 8 to end.
PATIENCE = 30.0
#: No bounds of the intake and no brake on log-ins: what most benches want, and say.
UNBOUND = {
    "RIVULET_TURNS": "2000",
    "RIVULET_INTAKE": "2000",
    "RIVULET_USER_TURNS": "0",
    "RIVULET_USER_PER_MINUTE": "0",
    "RIVULET_USER_PER_HOUR": "0",
    "RIVULET_DISCORD_BRAKE": "false",
}
UNBOUND_TEXT = "the bot's intake unbounded and its brake on log-ins off: " + ", ".join(
    f"{name}={value}" for name, value in UNBOUND.items()
)
#: Variables that could change what the bot does.
OURS = ("ANTHROPIC_", "SLACK_", "DISCORD_", "RIVULET_")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One platform's emulator, as a person sits before it."""

    name: str
    remote: Remote
    person: str
    mention: str
    #: Channel number n is called this; a channel per answer says which write belongs to which answer.
    first_channel: int
    prefix: str = ""

    def channel(self, number: int) -> str:
        """Return a channel's id."""
        return f"{self.prefix}{self.first_channel + number}"

    async def ask(self, channel: str, text: str) -> str:
        """Mention the bot; return the question's id."""
        asked = {"channel": channel, "user": self.person, "text": f"{self.mention} {text}"}
        return str(await self.remote.say(**asked))

    async def react(self, entry: Entry) -> None:
        """React with a stop emoji to the message that *entry* of the log is about."""
        if self.name == "slack":
            where = {"ts": entry["ts"], "reaction": "octagonal_sign"}
        else:
            where = {"message": entry["message"], "emoji": "🛑"}
        await self.remote.react(channel=entry["channel"], user=self.person, **where)

    async def pages(self, channel: str) -> list[Entry]:
        """Return the bot's messages in a channel as a reader sees them: text, live, ..."""
        if self.name == "slack":
            messages = await self.remote.channel_messages(channel=channel)
            return [message for message in messages if message["user"] == "UBOT"]
        return [message for message in await self.remote.messages(channel=channel) if message["bot"]]


class Log:
    """Follows one emulator's log, sorted by what its entries are about: a channel, or a request."""

    def __init__(self, remote: Remote, kinds: Sequence[str]) -> None:
        self._remote = remote
        self._kinds = kinds
        self._grown = asyncio.Condition()
        self.about: defaultdict[str, list[Entry]] = defaultdict(list)

    async def follow(self) -> None:
        """Read until cancelled."""
        since = 0
        while True:
            entries = await self._remote.events(since=since, wait=30.0, kinds=self._kinds)
            async with self._grown:
                for entry in entries:
                    since = entry["n"] + 1
                    self.about[entry.get("channel") or entry["id"]].append(entry)
                self._grown.notify_all()

    async def until(self, what: str, wanted: Callable[[Entry], bool]) -> Entry:
        """Return the first entry about *what* that is *wanted*, as soon as there is one."""
        async with self._grown:
            while (found := next(filter(wanted, self.about[what]), None)) is None:
                await self._grown.wait()
        return found


@asynccontextmanager
async def following(remote: Remote, *kinds: str) -> AsyncIterator[Log]:
    """Follow the entries of these *kinds* while the block runs."""
    log = Log(remote, kinds)
    task = asyncio.create_task(log.follow())
    try:
        yield log
    finally:
        task.cancel()
        await asyncio.wait({task})


class Watched(Protocol):
    """What tells how much it takes: the bot's process, or several."""

    @property
    def cpu(self) -> float:
        """The seconds of CPU that it has taken."""

    @property
    def rss(self) -> int:
        """The bytes of memory that it has."""

    async def report(self) -> Entry:
        """Return what was seen since the last report; see `tests.bench.bot`."""


@dataclass(slots=True)
class Bot:
    """The bot's process."""

    process: Process
    seen: psutil.Process = field(init=False)

    def __post_init__(self) -> None:
        self.seen = psutil.Process(self.process.pid)

    @property
    def cpu(self) -> float:
        """The seconds of CPU that it has taken, as the kernel counts them."""
        times = self.seen.cpu_times()
        return float(times.user + times.system)

    @property
    def rss(self) -> int:
        """The bytes of memory that it has now."""
        return int(self.seen.memory_info().rss)

    async def report(self) -> Entry:
        """Return what its watch saw since the last report; see `tests.bench.bot`."""
        self.process.send_signal(signal.SIGUSR1)
        return await self._line()

    async def end(self) -> None:
        """Let it end its answers and go."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.process.communicate()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _line(self) -> Entry:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the bot has ended; see its output above")
        seen: Entry = json.loads(line)
        return seen


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything that runs."""

    world: World
    bot: Bot
    sides: tuple[Side, Side]


@asynccontextmanager
async def rigged(
    *, limits: bool, warm: bool = True, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """Run emulators and bot while the block runs.

    Args:
        limits: Whether the emulators have the platforms' limits and the bot its own pacing; without them the
            bot's budgets are wide, so that they do not show in a figure about something else.
        warm: Whether both platforms answer once before, which takes calls of their budgets.
        settings: More of the bot's environment; by default its intake is `UNBOUND`.
    """
    async with spawned() as world:
        if not limits:
            await world.slack.limits(on=False)
            await world.discord.limits(on=False)
        with tempfile.TemporaryDirectory() as empty:  # where no .env of the operator's is
            command = (sys.executable, "-m", "tests.bench.bot")
            wide = {} if limits else {"RIVULET_BENCH_BUDGETS": "wide"}
            environment = {**bots_environment(world), **wide, **(settings or {})}
            bot = Bot(await asyncio.create_subprocess_exec(*command, cwd=empty, env=environment, stdout=PIPE))
            try:
                rig = Rig(world, bot, (slack_side(world), discord_side(world)))
                await _up(rig, warm=warm)
                yield rig
            finally:
                await bot.end()


def slack_side(world: World) -> Side:
    """Return Slack's side."""
    return Side("slack", world.slack, "U1", "<@UBOT>", 1000, "C")


def discord_side(world: World) -> Side:
    """Return Discord's side."""
    return Side("discord", world.discord, "300", "<@999>", 20_000)


def allocator() -> dict[str, str]:
    """Return what the image sets for the C library's allocator."""
    return dict(re.findall(r"\b(MALLOC_\w+)=(\w+)", (ROOT / "Dockerfile").read_text()))


def bots_environment(world: World) -> dict[str, str]:
    """Return the bot's environment: this machine's and the image's, but led to the emulators."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    gateway = world.discord.url.replace("http", "ws", 1)
    return (
        kept
        | allocator()
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "ANTHROPIC_API_KEY": "bench",
            "ANTHROPIC_BASE_URL": world.claude.url,
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "SLACK_APP_TOKEN": "xapp-bench",
            "SLACK_API_URL": f"{world.slack.url}/api/",
            "DISCORD_BOT_TOKEN": "bench",
            "DISCORD_API_URL": f"{world.discord.url}/api/v10",
            "DISCORD_GATEWAY_URL": f"{gateway}/gw/",
            "RIVULET_DISCORD_GUILDS": "100",
            "RIVULET_CONFIG": str(ROOT / "tests" / "bench" / "free.toml"),
            "RIVULET_PORT": "0",
            "RIVULET_LOG": "warning",
            **UNBOUND,
        }
    )


async def _up(rig: Rig, *, warm: bool) -> None:
    """Wait until the bot is connected; if *warm*, let it answer once on each platform, so that caches are."""
    await rig.world.claude.script(steps=["Warm."], when="warm up")
    async with asyncio.timeout(PATIENCE):
        for side, kind in zip(rig.sides, ("connect", "identify"), strict=True):
            while not await side.remote.events(wait=1.0, kinds=[kind]):
                _alive(rig.bot)
            if not warm:
                continue
            channel = side.channel(-1)
            async with following(side.remote, "post", "edit") as log:
                await side.ask(channel, "warm up")
                await log.until(channel, lambda entry: not entry["live"])
        await rig.bot.report()  # what it took to start is in no figure


def _alive(bot: Bot) -> None:
    if bot.process.returncode is not None:
        raise RuntimeError(f"the bot ended with exit code {bot.process.returncode}; see its output above")
