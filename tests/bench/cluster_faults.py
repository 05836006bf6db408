"""Replicas, Redis and the way between fail again and again while people ask: nothing stuck, twice or lost."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bench.cluster_world import LOOK, SETTLED, Cluster, Replica, clustered, prepared
from tests.bench.crashing import People
from tests.bench.figures import spread

#: Questions a second, and channels that they are asked in.
RATE, CHANNELS = 3.0, 16
#: Seconds between two deltas of an answer.
PAUSE = 0.05
#: Seconds for which all may come to rest at the end, where others use the machine; less if they do.
QUIET = 240.0
#: Seconds between two kills, between a kill and the next start, and for which Redis is down.
BETWEEN, DOWN, GONE = (3.0, 8.0), (0.0, 3.0), (0.2, 4.0)
#: How often a replica may need to be started.
STARTS = 3
#: Kinds of notes that are shown.
NOTES = 5
#: Which of so many times Redis is down for longer than a lease.
LONG = 4
#: Seconds more than a lease that a replica is stopped or cut off.
LONGER = (1.0, 4.0)
#: Seconds between the end of one fault and the next one: others must have had time to settle.
CALM = (1.0, 4.0)

Fault = Callable[[Cluster, random.Random, int], Awaitable[None]]


async def played(
    fault: Fault,
    times: int,
    seed: int,
    size: int,
    *,
    rate: float = RATE,
    pause: float = PAUSE,
    **options: Any,
) -> dict[str, Any]:
    """Let people ask while *fault* comes so often to so many replicas; return what became of all questions.

    Args:
        fault: What happens.
        times: How often.
        seed: Of the moments.
        size: How many replicas there are.
        rate: Questions a second.
        pause: Seconds between two deltas of an answer, of which most have 20.
        options: As `clustered` takes them.
    """
    rng = random.Random(seed)
    async with clustered(size, **options) as cluster:
        await prepared(cluster, pause)
        people = People(cluster.side, random.Random(rng.random()), rate)
        await people.visit(min(CHANNELS, 4 * times))
        asking = asyncio.create_task(people.ask())
        await asyncio.sleep(cluster.lease + SETTLED)  # before that nobody may be taken for dead
        began = time.monotonic()
        await fault(cluster, rng, times)
        took = time.monotonic() - began
        asking.cancel()
        await asyncio.wait({asking})
        return {"times": times, "replicas": size, "fault_s": round(took, 1), **await judged(cluster, people)}


async def judged(cluster: Cluster, people: People) -> dict[str, Any]:
    """Wait until all is quiet; return what became of all questions, and how long repairs took."""
    await people.quiet(QUIET)
    seen = await people.judge()
    await people.tell()
    late = await cluster.lateness()
    lost = {"lost": seen["unended"] + seen["torn"], "hit": len(cluster.died)}
    repair = {"repair_s": {**spread(late)}} if late else {}
    notes = Counter(await people.notes())
    more = {
        "notes": dict(notes.most_common(NOTES)),
        "left": await _left(cluster),
        "not_0": sum(map(bool, cluster.exits)),
    }
    return {**seen, **lost, **repair, **cluster.troubles, **more}


async def _left(cluster: Cluster) -> int:
    """Return how many questions Redis still has as open."""
    async with cluster.client() as client:
        return int(await client.zcard("{rivulet}:open"))


async def kills(cluster: Cluster, rng: random.Random, times: int) -> None:
    """kill -9 one replica after the other; each is started again after a while.

    One other at least has been there for so long that it believes that the one is dead: else who asked waits
    for that as well.
    """
    starting: dict[int, asyncio.Task[None]] = {}
    for number in range(times):
        await asyncio.sleep(rng.uniform(*BETWEEN))
        at = number % len(cluster.replicas)
        if begun := starting.pop(at, None):
            await begun
        while not any(other.settled for other in cluster.replicas if other is not cluster.replicas[at]):
            await asyncio.sleep(LOOK)
        await cluster.kill(cluster.replicas[at])
        starting[at] = asyncio.create_task(_again(cluster.replicas[at], rng.uniform(*DOWN)))
    await asyncio.gather(*starting.values())


async def _again(replica: Replica, after: float) -> None:
    await asyncio.sleep(after)
    for _ in range(STARTS):
        try:
            return await replica.begin()
        except RuntimeError as failed:  # as when Redis does not answer in time: who runs it starts it again
            print(failed, flush=True)
    raise RuntimeError(f"a replica did not start in {STARTS} tries")


async def stopped(cluster: Cluster, rng: random.Random, times: int) -> None:
    """SIGSTOP one replica after the other for longer than a lease."""
    for number in range(times):
        replica = cluster.replicas[number % len(cluster.replicas)]
        replica.send(signal.SIGSTOP)
        await _away(cluster, replica, rng)
        replica.send(signal.SIGCONT)
        await asyncio.sleep(rng.uniform(*CALM))


async def partitions(cluster: Cluster, rng: random.Random, times: int) -> None:
    """Cut one replica after the other off from Redis for longer than a lease."""
    for number in range(times):
        replica = cluster.replicas[number % len(cluster.replicas)]
        assert replica.proxy
        replica.proxy.cut()
        await _away(cluster, replica, rng)
        replica.proxy.mend()
        await asyncio.sleep(rng.uniform(*CALM))


async def _away(cluster: Cluster, replica: Replica, rng: random.Random) -> None:
    cluster.note(await cluster.questions(replica.name), time.monotonic())
    await asyncio.sleep(cluster.lease + rng.uniform(*LONGER))


async def redis(cluster: Cluster, rng: random.Random, times: int) -> None:
    """kill -9 Redis and start it again with what it had written."""
    for number in range(times):
        await asyncio.to_thread(cluster.redis.kill)
        longer = cluster.lease if number % LONG == LONG - 1 else 0.0
        await asyncio.sleep(longer + rng.uniform(*GONE))
        await asyncio.to_thread(cluster.redis.start)
        await asyncio.sleep(rng.uniform(*CALM))


async def rolling(cluster: Cluster, rng: random.Random, times: int) -> None:
    """SIGTERM each replica in turn, wait until it has gone, and start it again; so often."""
    for replica in cluster.replicas * times:
        cluster.exits.append(await replica.go())
        await replica.begin()
        await asyncio.sleep(rng.uniform(*CALM))
