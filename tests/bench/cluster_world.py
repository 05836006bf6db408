"""Several replicas of the bot as processes, on one real Redis; each of them can be killed, paused or cut off.

Only Slack is played: its events may reach any replica, where all of a Discord shard reach one.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import psutil
from redis.asyncio import Redis

from adapters.emulators.process import World, spawned
from bot.store.peers import LEASE
from tests.bench.crashing import Crashing, scripted, slowed
from tests.bench.figures import percentile
from tests.bench.rig import Entry, Side, slack_side
from tests.ports import free_port
from tests.proxy import Proxy
from tests.redis_server import RedisServer

#: Seconds that a replica may take to be ready or to report: others may use the machine.
PATIENCE = 300.0
#: Seconds more than a lease until a replica believes that another's has ended.
SETTLED = 2.0
#: Seconds between two looks.
LOOK = 0.1
#: What each replica's environment has: no Discord, and more seconds for a drain than an answer takes.
ALIKE = {
    "DISCORD_BOT_TOKEN": "",
    "RIVULET_METRICS": "off",
    "RIVULET_BENCH_BUDGETS": "wide",
    "RIVULET_DRAIN": "120",
}


@dataclass
class Replica(Crashing):
    """One of the processes; see `Crashing`.

    Attributes:
        name: What it is called since its last start; see `Peers.name`.
        proxy: Its way to Redis.
        since: When (`time.monotonic`) it was ready; never while it is down.
        health: The port on which it says whether it is ready.
        lease: See `LEASE`.
    """

    name: str = ""
    proxy: Proxy | None = None
    since: float = math.inf
    health: int = 0
    lease: float = LEASE

    async def begin(self) -> None:
        """Start it, and wait until it is ready."""
        self.health = free_port()
        self.settings = {**self.settings, "RIVULET_PORT": str(self.health)}
        await self.launch(wide=True)
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while not await self._ready(session):
                self.expect_alive()
                await asyncio.sleep(LOOK)
        self.name, self.since = (await self.report())["name"], time.monotonic()

    async def kill(self) -> None:
        """See `Crashing.kill`."""
        self.since = math.inf
        await super().kill()

    @property
    def settled(self) -> bool:
        """Whether it has been there for so long that it believes others to be dead."""
        return time.monotonic() - self.since > self.lease + SETTLED

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{self.health}/readyz") as told:
                return told.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False

    async def report(self) -> Entry:
        """Return what its watch saw since the last report; see `tests.bench.bot`."""
        before = len(self._reports())
        self.send(signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE):
            while len(found := self._reports()) == before:
                self.expect_alive()
                await asyncio.sleep(LOOK)
        seen: Entry = json.loads(found[-1])
        return seen

    def _reports(self) -> list[str]:
        lines = self.log.splitlines(keepends=True)
        return [line for line in lines if line.startswith('{"lag_ms"') and line.endswith("\n")]

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.process
        os.kill(self.process.pid, number)

    async def go(self) -> int:
        """Let it end its answers, and go; return its exit code."""
        assert self.process
        self.send(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    @property
    def seen(self) -> psutil.Process:
        """Its process, as the kernel counts."""
        assert self.process
        return psutil.Process(self.process.pid)


@dataclass
class Cluster:
    """All that runs.

    Attributes:
        world: The emulators.
        redis: The server.
        replicas: Those that were started, also those that are down.
        died: For each question, by its key, when (`time.monotonic`) the last replica died that had it.
        exits: The exit codes of those that were told to go.
        lease: See `LEASE`.
    """

    world: World
    redis: RedisServer
    replicas: list[Replica]
    died: dict[str, float] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    lease: float = LEASE

    @property
    def side(self) -> Side:
        """Where people ask."""
        return slack_side(self.world)

    async def kill(self, replica: Replica) -> None:
        """Let *replica* end as loss of power does."""
        at = time.monotonic()
        await replica.kill()
        self.note(await self.questions(replica.name), at)

    def note(self, questions: Sequence[str], at: float) -> None:
        """Keep that whoever had these *questions* is gone since *at*."""
        self.died |= dict.fromkeys(questions, at)

    async def questions(self, name: str) -> list[str]:
        """Return the keys of the questions that the replica *name* works on, as Redis has it."""
        async with self.client() as client:
            keys: list[str] = await client.zrange("{rivulet}:open", 0, -1)  # type: ignore[assignment]  # decoded
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.hget(f"{{rivulet}}:turn:{key}", "by")
            return [key for key, by in zip(keys, await pipe.execute(), strict=True) if by == name]

    def client(self) -> Redis:
        """Return a client of the bench's own."""
        return Redis(port=self.redis.port, decode_responses=True)

    async def lateness(self) -> list[float]:
        """Return for each answer whose replica died the seconds from there to its last write."""
        last: dict[str, float] = {}
        for write in await self.side.remote.events(kinds=["post", "edit"]):
            last[write["ts"]] = write["t"]
        threads: dict[str, list[str]] = {}
        for channel in {key.split("/")[2] for key in self.died}:
            for page in await self.side.pages(channel):
                threads.setdefault(page["thread_ts"], []).append(page["ts"])
        found = [
            (at, [last[ts] for ts in threads.get(key.split("/")[3], ()) if ts in last])
            for key, at in self.died.items()
        ]
        return [round(max(writes) - at, 2) for at, writes in found if writes]

    @property
    def cpu(self) -> float:
        """The seconds of CPU that the replicas have taken."""
        times = [replica.seen.cpu_times() for replica in self.replicas]
        return float(sum(each.user + each.system for each in times))

    @property
    def rss(self) -> int:
        """The bytes of memory of the largest replica."""
        return max(int(replica.seen.memory_info().rss) for replica in self.replicas)

    async def report(self) -> Entry:
        """Return the reports of all replicas in one: sums, and the worst lag."""
        told = await asyncio.gather(*(replica.report() for replica in self.replicas))
        lags = [each["lag_ms"] for each in told]
        return {
            "lag_ms": {key: max(lag[key] for lag in lags) for key in lags[0]},
            "each_p99": [lag["p99"] for lag in lags],
            "trips": sum(each["trips"] for each in told),
            "kinds": sum((Counter(each["kinds"]) for each in told), Counter()),
            "seconds": percentile([each["seconds"] for each in told], 50),
        }

    @property
    def troubles(self) -> dict[str, int]:
        """How often the logs have what is a bug, over all processes."""
        logs = "".join(replica.log for replica in self.replicas)
        words = {"tracebacks": "Traceback (most recent", "never_retrieved": "never retrieved"}
        return {name: logs.count(word) for name, word in words.items()}


@asynccontextmanager
async def clustered(
    size: int,
    *,
    limits: bool = False,
    proxied: bool = False,
    settings: Mapping[str, str] | None = None,
    own: Mapping[int, Mapping[str, str]] | None = None,
    lease: float = LEASE,
) -> AsyncIterator[Cluster]:
    """Yield so many replicas, ready, and what they need.

    Args:
        size: How many.
        limits: Whether the emulators have the platforms' limits.
        proxied: Whether each has a way to Redis that can be cut.
        settings: More of every environment.
        own: More of some of them, by number.
        lease: Seconds; see `LEASE`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.environ.get("RIVULET_BENCH_KEEP") or name)
        server = RedisServer(folder / "redis").start()
        try:
            async with spawned() as world:
                await world.slack.spread(on=True)
                if not limits:
                    await world.slack.limits(on=False)
                replicas = []
                for number in range(size):
                    proxy = await Proxy(server.port).start() if proxied else None
                    url = f"redis://127.0.0.1:{proxy.port}/0" if proxy else server.url
                    both = {"RIVULET_STORE": url, "RIVULET_BENCH_LEASE": str(lease)}
                    more = {**ALIKE, **both, **(settings or {}), **(own or {}).get(number, {})}
                    (home := folder / str(number)).mkdir(parents=True)
                    replicas.append(Replica(world, home, more, proxy=proxy, lease=lease))
                cluster = Cluster(world, server, replicas, lease=lease)
                try:
                    await asyncio.gather(*(replica.begin() for replica in replicas))
                    yield cluster
                finally:
                    await _end(cluster)
        finally:
            server.stop()


async def _end(cluster: Cluster) -> None:
    for replica in cluster.replicas:
        await replica.kill()
        if replica.proxy:
            await replica.proxy.stop()


async def prepared(cluster: Cluster, pause: float) -> None:
    """Let Claude say what the judge knows, *pause* seconds between two deltas, and writes be slow."""
    await scripted(cluster.world, pause)
    await slowed(cluster.world)
