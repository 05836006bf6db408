"""`rivulet demo` with its page: emulators and theatre in one process, in another the bot, to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.control import Remote
from adapters.emulators.process import World, spawned
from bot.config import Settings
from bot.run import logs
from bot.run.demo import emulated, redirected, script
from bot.run.scenes import BOAT_QUESTION, DEPTH_QUESTION, LONG_QUESTION, QUESTION, TABLE_QUESTION
from bot.unavailable import Unavailable

#: Where the page is if it can be: an address that a browser remembers.
PORT = 8765
#: What the page offers to ask.
QUESTIONS = (QUESTION, TABLE_QUESTION, LONG_QUESTION, BOAT_QUESTION, DEPTH_QUESTION)
#: What else the bot is set to: a crowd, and one who asks much, are answered at once; no server of the
#: operator's is touched.
SETTINGS = {
    "RIVULET_USER_TURNS": 0,
    "RIVULET_USER_PER_MINUTE": 0,
    "RIVULET_USER_PER_HOUR": 0,
    "RIVULET_TURNS": 256,
    "RIVULET_INTAKE": 512,
    "RIVULET_HOST": "127.0.0.1",
    "RIVULET_PORT": 0,
    "RIVULET_MCP": None,
    "RIVULET_LOG": "error",
}
#: Variables of the operator's that the emulated platforms have nothing to do with.
THEIRS = ("SLACK_", "DISCORD_")
#: Seconds that the bot may take to connect, and to go.
PATIENCE = 30.0
#: Seconds that it stays away after a kill, so that people see it.
AWAY = 1.5


@dataclass
class Actor:
    """The bot's process, again and again with one data folder; see `bot.run.actor`.

    Attributes:
        data: The folder.
        key: Claude's, "" for its emulator.
        process: The present process, None while there is none.
    """

    data: str
    key: str
    process: Process | None = None
    _seen: dict[str, int] = field(default_factory=dict)

    async def wake(self) -> None:
        """Start a process that waits for its settings; importing takes it a second or two.

        It is in a process group of its own: Ctrl-C on the terminal is for the demo, which ends it.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith(THEIRS)}
        command = (sys.executable, "-m", "bot.run.actor")
        self.process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=PIPE, process_group=0
        )

    async def enter(self, world: World) -> None:
        """Give the process its settings, and wait until it is connected to both platforms."""
        if self.process is None or self.process.stdin is None:
            raise Unavailable("The demo's bot has no process.")
        settings = {**SETTINGS, "RIVULET_DATA": self.data, **({} if self.key else emulated(world))}
        platforms = {**redirected(world), "RIVULET_DISCORD_BRAKE": "false"}  # it may be killed often
        line = json.dumps({"bot": settings, "platforms": platforms})
        self.process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(PATIENCE):
            for remote, kind in ((world.slack, "connect"), (world.discord, "identify")):
                await self._connected(remote, kind)

    async def kill(self) -> None:
        """Let it end as loss of power does."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def leave(self) -> None:
        """Let it end its answers and go."""
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), PATIENCE)
            except TimeoutError:
                await self.kill()

    async def obey(self, world: World, page: Remote) -> None:
        """Kill the bot and start it anew whenever the page says so, or when it has ended; until cancelled."""
        since = 0
        while True:
            found = await page.events(since=since, wait=1.0, kinds=["kill"])
            if found:
                since = found[-1]["n"] + 1
            elif self.process and self.process.returncode is None:
                continue
            await self.kill()
            await page.tell(bot="down")
            await self.wake()  # it imports meanwhile, and is connected to nothing before it enters
            await asyncio.sleep(AWAY)
            await page.tell(bot="starting")
            try:
                await self.enter(world)
            except (TimeoutError, Unavailable):
                await self.kill()  # and try once more
            else:
                await page.tell(bot="up")

    async def _connected(self, remote: Remote, kind: str) -> None:
        """Wait for a connection that is not in the log yet."""
        since = self._seen.get(remote.url, 0)
        while not (found := await remote.events(since=since, wait=0.5, kinds=[kind])):
            if self.process and self.process.returncode is not None:
                raise Unavailable("The demo's bot has ended; its output above says why.")
        self._seen[remote.url] = found[-1]["n"] + 1


@asynccontextmanager
async def performing(*, real: bool, host: str = "127.0.0.1") -> AsyncIterator[tuple[World, Remote]]:
    """Run emulators, theatre and bot while the block runs; yield the world, and the theatre.

    Args:
        real: Whether Claude itself may answer, if there is a key.
        host: Where the theatre's page listens.
    """
    key = Settings().anthropic_api_key.get_secret_value() if real else ""
    logs.configure("error", [key])
    with tempfile.TemporaryDirectory(prefix="rivulet-demo-") as data:
        actor = Actor(data, key)
        await actor.wake()
        try:
            async with spawned(PORT, host) as world:
                page = world.theatre
                if page is None:
                    raise Unavailable("The emulators have started without a theatre.")
                await script(world)
                await page.tell(real=bool(key), questions=_questions(key))
                await actor.enter(world)
                await page.tell(bot="up")
                obeying = asyncio.create_task(actor.obey(world, page))
                try:
                    yield world, page
                finally:
                    obeying.cancel()
                    await asyncio.wait([obeying])
                    await actor.leave()
        finally:
            await actor.kill()


def _questions(key: str) -> Sequence[Any]:
    """Return what the page offers to ask; only the emulator calls the demo's tools whoever asks."""
    return QUESTIONS[:3] if key else QUESTIONS
