"""What one of a thing costs, of which a fleet has many: a guild, a row of what was spent, an answer's calls.

`tests.bench.paper` does the sums; parts of the bench `cluster`.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from adapters.discord.wire.traffic import RATE
from adapters.emulators.process import World, spawned
from bot.store.accounts import Spent, month
from bot.store.accounts_file import today
from bot.store.redis.keys import Names
from bot.store.redis.money import Keys
from bot.store.redis.spent import SpentRows
from bot.store.redis.wire import Wire, connector
from tests.bench.pacing import staged
from tests.bench.rig import Bot, Rig, bots_environment, rigged
from tests.bench.scenario import Spoken, summary
from tests.bench.servers import Gate
from tests.bench.texts import paced, prose
from tests.bench.virtual import Play
from tests.redis_server import RedisServer

#: Guilds that a bot is in, each on a process of its own; in a quick run.
GUILDS, FEW_GUILDS = (1, 500, 2000), (1, 100, 300)
#: What each has: channels, roles, and threads that are open; and guilds of a shard, as Discord recommends.
INSIDE = {"channels": 40, "roles": 25, "threads": 30}
A_SHARD = 1000
#: Seconds until all guilds are known, and for memory to settle then.
GREETED, SETTLE = 300.0, 8.0

#: No look at the loop, no metrics, and no word of a start that took long.
QUIET = {"RIVULET_BENCH_LAG": "off", "RIVULET_METRICS": "off", "RIVULET_LOG": "error"}

#: Rows of a day, and in a quick run; those that go out together; people of a channel, channels of a server.
ROWS, FEW_ROWS, TOGETHER = 50_000, 5_000, 2_000
SERVER, CHANNELS = 20, 5
OLD = 40  # days ago: of a month that is over
MODELS = ("claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5")
#: The signs of Slack's ids.
SIGNS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"

#: Answers at once with the platform's limits, each in a channel of its own, on the emulator; and on a virtual
#: clock, where no other program's work shows (208 are live on paper).
AT_ONCE, FEW_AT_ONCE = (1, 16), (1, 4)
LIVE, FEW_LIVE = (1, 16, 64, 208, 400), (1, 16)
#: Seconds and characters of one, which fills a page of Discord's; in a quick run.
SECONDS, CHARACTERS = 30.0, 1800
QUICK_SECONDS = 6.0
#: Seconds in which answers begin on the virtual clock: those of the first 45 and the last 30 are not counted.
SPAN, BEFORE, AFTER = 150.0, 45.0, 30.0
#: Seconds that all may take to come to their end, and of rest before the next.
ENDED, REST = 240.0, 6.0


async def guilds(quick: bool, _seed: int, _runs: int) -> dict[str, Any]:
    """Measure the memory of a bot in several numbers of guilds, with threads in them and without."""
    counts = FEW_GUILDS if quick else GUILDS
    measured: dict[str, Any] = {}
    for name, threads in (("with_threads", INSIDE["threads"]), ("without", 0)):
        used = {count: await _greeted(count, {**INSIDE, "threads": threads}) for count in counts}
        (few, (least, began)), (many, (most, ended)) = [*used.items()][-2:]  # what a start leaves is in both
        measured[name] = {
            "rss_mb": {str(count): round(mb, 1) for count, (mb, _) in used.items()},
            "kb_each": round((most - least) / (many - few) * 1024, 1),
            "cpu_ms_each": round((ended - began) / (many - few) * 1000, 2),
        }
    return {**INSIDE, **measured}


async def _greeted(count: int, inside: dict[str, int]) -> tuple[float, float]:
    """Return the megabytes of a bot that knows so many guilds, and its seconds of CPU; one is its own."""
    async with spawned() as world, _alone(world) as launch:
        await world.discord.shards(count=-(-count // A_SHARD))
        await world.discord.guilds(count=count - 1, **inside)
        bot: Bot = await launch()
        known = since = 0
        async with asyncio.timeout(GREETED):
            while known < count:
                for told in await world.discord.events(since=since, wait=1.0, kinds=["dispatch"]):
                    since, known = told["n"] + 1, known + (told["event"] == "GUILD_CREATE")
                if bot.process.returncode is not None:
                    raise RuntimeError("the bot has ended; see its output above")
        await asyncio.sleep(SETTLE)
        return bot.rss / 2**20, bot.cpu


@asynccontextmanager
async def _alone(world: World) -> AsyncIterator[Any]:
    """Yield what starts a bot, which is ended after the block."""
    started: list[Bot] = []

    async def launch() -> Bot:
        environment = bots_environment(world) | QUIET
        words = (sys.executable, "-m", "tests.bench.bot")
        process = await asyncio.create_subprocess_exec(*words, cwd=folder, env=environment, stdout=PIPE)
        started.append(Bot(process))
        return started[0]

    with tempfile.TemporaryDirectory() as folder:
        try:
            yield launch
        finally:
            for bot in started:
                await bot.end()


async def rows(quick: bool, seed: int, _runs: int) -> dict[str, Any]:
    """Measure the bytes in Redis of a row of what was spent, of one that is packed, and of a month's sums."""
    many = FEW_ROWS if quick else ROWS
    with tempfile.TemporaryDirectory() as name:
        server = RedisServer(Path(name)).start()
        try:
            wire, keys, day = Wire(connector(server.url)), Keys(Names("rivulet")), today()
            await wire.open()
            ledger = SpentRows(wire, keys)
            for each in (day, day - OLD):
                told = spent(random.Random(seed), each, many)
                for start in range(0, many, TOGETHER):
                    await ledger.take(told[start : start + TOGETHER])
            await ledger.prune(day)
            async with Redis(port=server.port, decode_responses=True) as client:

                async def used(names: Iterable[str]) -> float:
                    return sum([await client.memory_usage(each, samples=0) or 0 for each in names]) / many

                seen = {
                    "rows": many,
                    "form": sorted({str(await client.object("encoding", each)) for each in keys.rows(day)}),
                    "spent_bytes": round(await used(keys.rows(day))),
                    "packed_bytes": round(await used(keys.packed(day - OLD))),
                    "month_bytes": round(
                        await used([*keys.months(day).values(), keys.sums("month", month(day))])
                    ),
                }
            await wire.close()
        finally:
            server.stop()
    return seen


def spent(rng: random.Random, day: int, many: int) -> list[Spent]:
    """Return *many* rows of *day*, half of them of each platform, of as many people, with ids as they are."""
    servers = [rng.randrange(10**18, 14 * 10**17) for _ in range(max(1, many // SERVER))]
    found = []
    for number in range(many):
        server, channel = rng.choice(servers), rng.randrange(CHANNELS)
        where = ("discord", str(server), str(server + 1_000_003 * channel), str(_snowflake(rng)))
        if number % 2:
            team = "".join(random.Random(server).choices(SIGNS, k=8))
            where = ("slack", f"T07{team}", f"C07{team[2:]}{channel:02d}", f"U0{''.join(_signs(rng, 9))}")
        tokens = {"input": 60_000, "output": 9_000, "cache_read": 90_000, "cache_write": 9_000}
        few = {"searches": 2, "tools": 3, "cost": 400_000}
        numbers: dict[str, Any] = {name: rng.randrange(most) for name, most in (tokens | few).items()}
        numbers["turns"] = rng.randint(1, 6)
        found.append(Spent(day, *where, rng.choice(MODELS), **numbers))
    return found


def _snowflake(rng: random.Random) -> int:
    return rng.randrange(10**17, 14 * 10**17)


def _signs(rng: random.Random, many: int) -> list[str]:
    return rng.choices(SIGNS, k=many)


async def calls(quick: bool, seed: int, _runs: int) -> dict[str, Any]:
    """Count the calls of Discord's API for an answer, when alone and when others are live."""
    seconds = QUICK_SECONDS if quick else SECONDS
    text = prose(random.Random(seed), CHARACTERS)[:CHARACTERS]
    counted: dict[str, Any] = {}
    async with rigged(limits=True, settings={"RIVULET_METRICS": "off"}) as rig:
        await rig.world.claude.script(steps=paced(text, len(text) / 5 / seconds, 0.5), when="calls")
        for many in FEW_AT_ONCE if quick else AT_ONCE:
            await asyncio.sleep(REST)
            counted[str(many)] = await _called(rig, many)
    shared = {str(live): _shared(live, seed) for live in (FEW_LIVE if quick else LIVE)}
    return {"seconds": seconds, "each": counted, "virtual": shared}


async def _called(rig: Rig, many: int) -> dict[str, Any]:
    """Return what was called for each of so many answers at once."""
    side, since = rig.sides[1], len(await rig.world.discord.events())
    channels = [side.channel(1000 * many + number) for number in range(many)]
    asked = [{"channel": each, "user": side.person, "text": f"{side.mention} calls"} for each in channels]
    await side.remote.many(method="say", calls=asked)
    async with asyncio.timeout(ENDED):
        for channel in channels:
            while not (pages := await side.pages(channel)) or any(page["live"] for page in pages):
                await asyncio.sleep(0.5)
    events = await side.remote.events(since=since, kinds=["call", "429"])
    routes = Counter(each["route"] for each in events if each["kind"] == "call")
    return {
        "calls": round(routes.total() / many, 1),
        **{route: round(count / many, 1) for route, count in routes.items()},
        "n429": len(events) - routes.total(),
    }


def _shared(live: int, seed: int) -> dict[str, float]:
    """Return the calls for an answer and how late its text is, where so many are live all the time."""
    rng, now = random.Random(seed), 0.0
    load: list[Spoken] = []
    while now < SPAN:
        now += rng.expovariate(live / SECONDS)
        load.append(Spoken(len(load), now, SECONDS, CHARACTERS / SECONDS, f"C{len(load)}"))
    policy, limiter = staged("discord_auto")
    refused = Play(load, policy, limiter, rng, Gate(RATE).leaves).run()
    counted = [one for one in load if BEFORE < one.start < SPAN - AFTER] or load
    seen = summary(counted, refused, 1)
    calls = round(sum(len(one.seen) for one in counted) / len(counted), 1)
    return {"calls": calls, **{key: seen[key] for key in ("mean", "first", "final", "n429", "unshown")}}
