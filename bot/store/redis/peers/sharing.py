"""How the replicas use buckets; see `Peers.share`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.store.peers import FLIGHT, Others, Use
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.clock import passed
from bot.store.redis.peers.pulse import Pulse
from bot.store.redis.wire import Away, Refusal, Wire

#: Seconds for which a replica's last word counts while it may not have been able to give a newer one.
KEPT = 60.0
#: Buckets whose calls are known; past that, those of whose window nothing is used are forgotten.
MOST = 2000
#: What is said where Redis refuses to be told of buckets.
REFUSED = "Redis refuses how replicas share rate limits: each takes its fair part"


@dataclass(slots=True, eq=False)
class _Report:
    """What goes along with the next beat."""

    uses: Mapping[str, Use]
    at: float
    told: asyncio.Future[Mapping[str, Others]]


@dataclass(slots=True)
class _Past:
    """Answered calls of this replica, by claim, that a bucket's window holds still."""

    seconds: float = 0.0
    calls: dict[str, float] = field(default_factory=dict)
    connection: int = 0  # to Redis, over which they were told


class Sharing:
    """Claims go to Redis at once; what claims nothing goes along with the next beat.

    A Redis that was away may have lost the calls of the newest window: each replica tells its own again, and
    until the others have had time for that, `share` fails as if Redis was away still.
    """

    def __init__(self, wire: Wire, names: Names, name: str, pulse: Pulse) -> None:
        self._wire, self._names, self._name, self._pulse = wire, names, name, pulse
        self._reports: list[_Report] = []
        self._past: dict[str, _Past] = {}

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        """See `Peers.share`."""
        if any(use.claim for use in uses.values()):
            return await self._ask(uses, 0.0)
        told: asyncio.Future[Mapping[str, Others]] = asyncio.get_running_loop().create_future()
        self._reports.append(report := _Report(uses, passed(), told))
        self._pulse.nudge(self._pulse.beat)
        try:
            await self._pulse.carried()
        finally:
            if report in self._reports:
                self._reports.remove(report)
        return await told

    async def ride(self) -> None:
        """Tell Redis what waits, if anything does."""
        reports, self._reports = self._reports, []
        if not reports:
            return
        self._pulse.linger(self._pulse.beat / 4)  # who shares each second is not always on time
        now = passed()
        for report in reports:
            await self._carry(report, now)

    async def _carry(self, report: _Report, now: float) -> None:
        try:
            told = await self._ask(report.uses, now - report.at)
        except OSError as error:
            if isinstance(error, Refusal):
                self._pulse.refusals.say(REFUSED, str(error))
            if not report.told.done():
                report.told.set_exception(error)
                report.told.exception()  # nobody may wait any more
        else:
            self._pulse.refusals.over(REFUSED)
            if not report.told.done():
                report.told.set_result(told)

    async def _ask(self, uses: Mapping[str, Use], late: float) -> Mapping[str, Others]:
        """Tell *uses*, which are so many seconds old, and return how others use the buckets."""
        young = self._pulse.young
        stale = self._pulse.believed or KEPT
        keys = [self._names.of(kind, key) for key in uses for kind in ("uses", "calls")]
        words = [self._words(key, use, late, young=young) for key, use in uses.items()]
        args = [self._name, stale, FLIGHT, *words]
        said = await self._wire.call(scripts.SHARE, [self._pulse.members_key, *keys], args)
        for key in self._past.keys() & uses.keys():
            self._past[key].connection = self._pulse.connection
        if young:
            raise Away("Redis is back, but other replicas have not told it everything yet")
        return {key: _others(json.loads(text)) for key, text in zip(uses, said, strict=True)}

    def _words(self, key: str, use: Use, late: float, *, young: bool) -> str:
        now = passed()
        past = self._past.setdefault(key, _Past(connection=self._pulse.connection))
        new = {claim: now - age - late for claim, age in use.answered}
        past.calls = {claim: at for claim, at in (past.calls | new).items() if at > now - use.seconds}
        tell = new if past.connection == self._pulse.connection else past.calls
        answered = [[claim, round(now - at, 3)] for claim, at in tell.items()]
        if len(self._past) > MOST:
            self._past = {name: each for name, each in self._past.items() if each.calls or name == key}
        claim = "" if young else use.claim
        return json.dumps(asdict(use) | {"answered": answered, "claim": claim})


def _others(said: dict[str, Any]) -> Others:
    calls = said["calls"] if isinstance(said["calls"], list) else ()  # an empty one is {}
    return Others(bool(said["granted"]), int(said["live"]), tuple(calls), float(said["blocked"]))
