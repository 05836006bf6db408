"""What replicas cost beside one process: of a stop, of pacing, of Redis; and how much they carry."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from tests.bench import stop
from tests.bench import trips as kinds
from tests.bench.cluster_world import Cluster, clustered
from tests.bench.load import Load
from tests.bench.sharing import shared
from tests.bench.texts import paced, prose

#: Replicas, and in a quick run.
SIZE, FEW = 4, 2
#: Stops, and in a quick run.
STOPS, QUICK_STOPS = 200, 20
#: Answers that are live at once on the virtual clock, and seeds of each: of 4 the ratio is off by 2 %.
LIVE, SEEDS = (4, 8, 16), 18
#: Answers whose round trips are counted, one after the other; seconds in which those of time are.
ANSWERS, QUICK_ANSWERS, IDLE = 40, 8, 10.0
#: Seconds that such an answer takes, and between two.
TALKS, REST = 4.0, 3.0
#: The bot's own budgets, and limits for each person that are looked at, as by default, and never reached.
AS_THEY_ARE = {
    "RIVULET_BENCH_BUDGETS": "",
    "RIVULET_USER_PER_MINUTE": "1000",
    "RIVULET_USER_PER_HOUR": "1000",
}
#: Answers that are live at once on one real bucket, and seconds for which their edits are counted.
BUSY, WINDOW, QUICK_WINDOW = 12, 120.0, 20.0
#: Streams, deltas a second and characters of each, as in `load`; seconds of questions and of measuring.
STREAMS, DELTAS, SIZE_OF_DELTA = 1000, 5.0, 4
RAMP, MEASURED = 10.0, 60.0
#: In a quick run so many times fewer streams, and seconds.
FEWER, QUICK_SECONDS = 8, 3.0
#: Answers from which unit costs are taken, how many at once, and their seconds and characters.
UNITS, QUICK_UNITS, AT_ONCE = 400, 40, 20
SECONDS, CHARACTERS = 6.0, 1200
#: Messages that are heard and not answered.
HEARD = 400
#: Seconds that an answer may take to come to its end.
PATIENCE = 240.0


async def stops(quick: bool, seed: int, runs: int) -> dict[str, Any]:
    """Stop answers of one replica, and of several, where most stops reach another one."""
    count = runs or (QUICK_STOPS if quick else STOPS)
    timed = {}
    for name, size in (("one", 1), ("several", FEW if quick else SIZE)):
        async with clustered(size) as cluster:
            rng = random.Random(seed)
            await _says(cluster, rng, 1.0, 100)
            await _answered(cluster, STOPS, 2 * size)  # so that all have imported Claude's SDK
            await stop.scripted(cluster.world, rng)
            timed[name] = await stop.stopped(cluster.world, cluster.side, count, rng)
    more = timed["several"]["closed_ms"]["p99"] - timed["one"]["closed_ms"]["p99"]
    return {"stops": count, **timed, "more_ms": round(more, 1)}


async def paced_alike(_quick: bool, seed: int, _runs: int) -> dict[str, Any]:
    """Compare replicas on one budget with one process, on a virtual clock."""
    seeds = range(seed - 1, seed - 1 + SEEDS)
    measured = {}
    for answers in LIVE:
        one, several = shared(1, answers, seeds), shared(SIZE, answers, seeds)
        measured[str(answers)] = {
            "one": one["mean"],
            "several": several["mean"],
            "ratio": round(several["mean"] / one["mean"], 3),
            "final_one": one["final"],
            "final": several["final"],
            "n429": several["n429"],
            "unshown": several["unshown"],
            "denied": several["denied"],
        }
    return measured


async def trips(quick: bool, seed: int, runs: int) -> dict[str, Any]:
    """Count round trips of answers one after the other, and of edits that fill a bucket.

    What replicas ask regularly is not counted; one for each second of an answer is its own.
    """
    answers, size = runs or (QUICK_ANSWERS if quick else ANSWERS), FEW if quick else SIZE
    async with clustered(size, limits=True, settings=AS_THEY_ARE) as cluster:
        await _says(cluster, random.Random(seed), TALKS, 600)
        await _answered(cluster, 0, 2)
        await asyncio.sleep(IDLE)
        idle = await _rate(cluster, IDLE)
        began = await _seen(cluster)
        for number in range(answers):  # half of them where another replica may be at home
            await _answered(cluster, number % -(-answers // 2), 1)
            await asyncio.sleep(REST)
        ended = await _seen(cluster)
    each = kinds.each(began["kinds"], ended["kinds"], answers)
    regular = kinds.regular(ended["kinds"]) - kinds.regular(began["kinds"])
    edits = (ended["writes"] - began["writes"]) / answers
    return {
        "answers": answers,
        "idle_per_s": round(idle / size, 2),
        "regular_per_s": round(regular / (ended["at"] - began["at"]) / size, 2),
        "each": round(sum(each.values()), 2),
        "per_answer": round(sum(each.values()) - TALKS, 2),
        "writes_per_answer": round(edits, 1),
        "kinds": kinds.shown(each),
        **await _saturated(QUICK_WINDOW if quick else WINDOW, size, seed),
    }


async def _saturated(window: float, size: int, seed: int) -> dict[str, Any]:
    """Count what edits of one bucket cost beside the ledger's round trip, where all of it is used."""
    async with clustered(size, limits=True, settings=AS_THEY_ARE) as cluster:
        await _says(cluster, random.Random(seed), window * 3 + 60.0, 12_000)
        for number in range(BUSY):
            await cluster.side.ask(cluster.side.channel(number), "units")
        await asyncio.sleep(window)  # a minute's calls may be made at once in the beginning
        began = await _seen(cluster)
        await asyncio.sleep(window)
        ended = await _seen(cluster)
        refused = len(await cluster.side.remote.events(kinds=["429"]))
    edits = ended["edits"] - began["edits"]
    each = kinds.each(began["kinds"], ended["kinds"], edits)
    return {
        "busy_edits": edits,
        "busy_trips": ended["trips"] - began["trips"],
        "busy_n429": refused,
        "per_edit": round(sum(each.values()) - 1.0, 3),
    }


async def _rate(cluster: Cluster, seconds: float) -> float:
    """Return how many round trips all replicas make in a second in which nothing happens."""
    began = await _seen(cluster)
    await asyncio.sleep(seconds)
    ended = await _seen(cluster)
    return float((ended["trips"] - began["trips"]) / (ended["at"] - began["at"]))


async def _seen(cluster: Cluster) -> dict[str, Any]:
    """Return how many round trips and writes there were so far; who hears nothing asks whether it would."""
    report = await cluster.report()
    async with cluster.client() as client:
        pings = (await client.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"]
    writes = await cluster.side.remote.events(kinds=["post", "edit"])
    return {
        "at": time.monotonic(),
        "trips": report["trips"] + pings,
        "kinds": report["kinds"],
        "writes": len(writes),
        "edits": sum(write["kind"] == "edit" for write in writes),
    }


async def _says(cluster: Cluster, rng: random.Random, seconds: float, characters: int) -> None:
    """Let Claude answer *units* with so many characters in so many seconds."""
    text = prose(rng, characters)[:characters]
    await cluster.world.claude.script(steps=paced(text, len(text) / 5 / seconds, 0.5), when="units")


async def _answered(cluster: Cluster, first: int, count: int) -> None:
    """Ask so often at once, each in a channel of its own, and wait for the ends."""
    side = cluster.side
    asked = [(side.channel(number), await side.ask(side.channel(number), "units"))
             for number in range(first, first + count)]  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        for channel, question in asked:
            while not await _whole(cluster, channel, question):
                await asyncio.sleep(0.2)


async def _whole(cluster: Cluster, channel: str, question: str) -> bool:
    pages = [page for page in await cluster.side.pages(channel) if page["thread_ts"] == question]
    return bool(pages) and not any(page["live"] or not page["text"] for page in pages)


async def load(quick: bool, seed: int, _runs: int) -> dict[str, Any]:
    """Carry many answers at once; see `Load`."""
    streams = STREAMS // FEWER if quick else STREAMS
    ramp, window = (QUICK_SECONDS, QUICK_SECONDS) if quick else (RAMP, MEASURED)
    characters = int((ramp + window + 2.0) * DELTAS) * SIZE_OF_DELTA
    text = prose(random.Random(seed), characters)[:characters].strip()
    async with clustered(FEW if quick else SIZE, settings={"RIVULET_BENCH_BUDGETS": "many"}) as cluster:
        before = cluster.rss
        play = Load(cluster.world, cluster, [cluster.side], "replicas", streams, DELTAS, SIZE_OF_DELTA, text)
        carried = await play.carried(ramp, window)
        shared_out = [len(await cluster.questions(replica.name)) for replica in cluster.replicas]
        return {**carried, "idle_mb": round(before / 2**20, 1), "left": sum(shared_out), **cluster.troubles}


async def units(quick: bool, seed: int, runs: int) -> dict[str, Any]:
    """Take what one answer costs from many; see `tests.bench.paper`."""
    count = runs or (QUICK_UNITS if quick else UNITS)
    async with clustered(FEW) as cluster:
        await _says(cluster, random.Random(seed), SECONDS, CHARACTERS)
        await _answered(cluster, 0, AT_ONCE)
        heard = await _heard(cluster)
        base = cluster.rss
        idle = await _drawn(cluster, IDLE)
        before = await _spent(cluster)
        for first in range(0, count, AT_ONCE):
            await _answered(cluster, first, AT_ONCE)
        after = await _spent(cluster)
        bytes_ = await _bytes(cluster)
    seconds = after["at"] - before["at"]
    each = {key: (after[key] - before[key] - idle[key] * seconds) / count for key in after if key != "at"}
    return {
        "answers": count,
        "base_mb": round(base / 2**20, 1),
        "heard_ms": round(heard * 1000, 3),
        "idle_per_s": {key: round(value / FEW, 5) for key, value in idle.items()},
        "each": {key: round(value, 4) for key, value in each.items()},
        **bytes_,
    }


async def _heard(cluster: Cluster) -> float:
    """Return the seconds of CPU that a message takes which is not for the bot."""
    idle = await _drawn(cluster, IDLE)
    before = await _spent(cluster)
    channel = cluster.side.channel(0)
    calls = [
        {"channel": channel, "user": "U1", "text": f"to somebody else {number}"} for number in range(HEARD)
    ]
    await cluster.side.remote.many(method="say", calls=calls, seconds=IDLE)
    after = await _spent(cluster)
    return float((after["cpu_s"] - before["cpu_s"] - idle["cpu_s"] * (after["at"] - before["at"])) / HEARD)


async def _drawn(cluster: Cluster, seconds: float) -> dict[str, float]:
    """Return what all replicas take in a second in which nothing happens."""
    before = await _spent(cluster)
    await asyncio.sleep(seconds)
    after = await _spent(cluster)
    passed = after["at"] - before["at"]
    return {key: (after[key] - before[key]) / passed for key in after if key != "at"}


async def _spent(cluster: Cluster) -> dict[str, float]:
    """Return what was taken of everything so far."""
    report = await cluster.report()
    async with cluster.client() as client:
        stats, cpu = await client.info("stats"), await client.info("cpu")
    return {
        "at": time.monotonic(),
        "cpu_s": cluster.cpu,
        "redis_cpu_s": cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        "trips": report["trips"],
        "commands": stats["total_commands_processed"],
        "bytes_to_redis": stats["total_net_input_bytes"],
        "bytes_from_redis": stats["total_net_output_bytes"],
        "writes": len(await cluster.side.remote.events(kinds=["post", "edit"])),
    }


async def _bytes(cluster: Cluster) -> dict[str, float]:
    """Return the bytes that Redis has for a question that is live, that is done, and without its text."""
    async with cluster.client() as client:
        done = [key async for key in client.scan_iter("{rivulet}:turn:*", count=1000)]
        rows = [await client.memory_usage(key) for key in done]
        used = (await client.info("memory"))["used_memory"]
        for number in range(AT_ONCE):
            await cluster.side.ask(cluster.side.channel(number), "units")
        await asyncio.sleep(SECONDS / 2)
        live = [key.partition("turn:")[2] for key in await _live(client)]
        held = [await _held(client, key) for key in live]
    return {
        "row_bytes": round(sum(filter(None, rows)) / len(rows)),
        "live_bytes": round(sum(held) / len(held)),
        "used_mb": round(used / 2**20, 2),
        "questions": len(done),
    }


async def _live(client: Any) -> Sequence[str]:
    return [f"turn:{key}" for key in await client.zrange("{rivulet}:open", 0, -1)]


async def _held(client: Any, key: str) -> int:
    sizes = [await client.memory_usage(f"{{rivulet}}:{kind}:{key}") for kind in ("turn", "said")]
    return sum(size or 0 for size in sizes)
