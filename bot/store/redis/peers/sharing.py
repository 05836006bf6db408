"""How the replicas use buckets; see `Peers.share`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.store.peers import Use
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.clock import passed
from bot.store.redis.peers.pulse import Pulse
from bot.store.redis.wire import Wire

#: Seconds that calls are remembered; no window of a platform is longer.
KEPT = 120.0


@dataclass(slots=True)
class _Bucket:
    """What is known of a bucket; times are our own clock's."""

    start: int  # calls that Redis has counted before
    live: int = 0
    blocked: float = 0.0
    calls: list[float] = field(default_factory=list)  # ours, that Redis may not have yet
    after: str = ""
    others: int = 0
    others_blocked: float = 0.0
    news: list[float] = field(default_factory=list)  # others' calls that were not given out yet
    at: float = 0.0


class Sharing:
    """Reports on their way to Redis, and others' on their way from there."""

    def __init__(self, wire: Wire, names: Names, name: str, pulse: Pulse) -> None:
        self._wire, self._names, self._name, self._pulse = wire, names, name, pulse
        self._buckets: dict[str, _Bucket] = {}
        self._due: dict[str, _Bucket] = {}
        self._counted = 0

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Use]:
        """See `Peers.share`.

        It goes along with the next beat, and with one at once where a bucket is new.  What it was told is
        kept where it fails, and goes with the next.
        """
        new = not (uses.keys() <= self._buckets.keys())
        for key, use in uses.items():
            self._note(key, use)
        self._pulse.nudge(0.0 if new else self._pulse.beat)
        await self._pulse.carried()
        return {key: self._told(self._buckets[key]) for key in uses}

    async def ride(self) -> None:
        """Tell Redis what is new, if anything is."""
        due, self._due = self._due, {}
        if not due:
            return
        self._pulse.linger(self._pulse.beat / 4)  # who shares each second is not always on time
        now = passed()
        keys = [self._names.of(kind, key) for key in due for kind in ("uses", "log")]
        sent = {key: len(bucket.calls) for key, bucket in due.items()}
        stale = self._pulse.believed or KEPT
        args = [self._name, stale, int(KEPT), *(self._words(bucket, now) for bucket in due.values())]
        said = await self._wire.call(scripts.SHARE, [self._pulse.members_key, *keys], args)
        for (key, bucket), text in zip(due.items(), said, strict=True):
            self._learn(bucket, sent[key], json.loads(text))
        self._forget()

    def _note(self, key: str, use: Use) -> None:
        now = passed()
        bucket = self._buckets.setdefault(key, _Bucket(self._counted))
        bucket.live, bucket.blocked, bucket.at = use.live, now + use.blocked, now
        bucket.calls += [now - age for age in use.calls]
        self._due[key] = bucket

    def _words(self, bucket: _Bucket, now: float) -> str:
        ages = [round(now - at, 3) for at in bucket.calls]
        blocked = max(0.0, bucket.blocked - now)
        words = {"live": bucket.live, "blocked": blocked, "ages": ages, "start": bucket.start}
        return json.dumps(words | {"after": bucket.after})

    def _learn(self, bucket: _Bucket, sent: int, said: dict[str, object]) -> None:
        now = passed()
        del bucket.calls[:sent]
        bucket.start += sent
        self._counted = max(self._counted, bucket.start)
        bucket.after = str(said["last"])
        live = int(float(str(said["live"])))
        bucket.others = live if self._pulse.complete else max(live, bucket.others)
        bucket.others_blocked = now + float(str(said["blocked"]))
        ages = said["ages"]
        if isinstance(ages, list):  # an empty one is {}
            bucket.news += [now - age for age in ages]

    def _told(self, bucket: _Bucket) -> Use:
        now = passed()
        calls = tuple(max(0.0, now - at) for at in bucket.news)
        bucket.news.clear()
        return Use(bucket.others, calls, max(0.0, bucket.others_blocked - now))

    def _forget(self) -> None:
        """Drop what is too old, also where nobody asks for it any more."""
        old = passed() - KEPT
        for key in [key for key, bucket in self._buckets.items() if bucket.at < old]:
            del self._buckets[key]
