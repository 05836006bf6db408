"""Work that is divided among the replicas; see `Leases`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bot.platform import Handed
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.pulse import Pulse
from bot.store.redis.wire import Wire

#: Seconds that notes are kept of a work that nobody does.
KEPT = 7 * 86_400


@dataclass(slots=True)
class _Work:
    total: int = 0
    wanted: bool = False
    held: set[int] = field(default_factory=set)
    ending: set[int] = field(default_factory=set)  # yielded with `held` false, not left yet
    left: set[int] = field(default_factory=set)  # Redis does not know it yet
    notes: dict[int, str] = field(default_factory=dict)  # the same
    out: asyncio.Queue[Handed] = field(default_factory=asyncio.Queue)  # at most two for each part

    @property
    def due(self) -> bool:
        """Whether Redis is to be asked."""
        return self.wanted or bool(self.held or self.ending or self.left or self.notes)

    def end(self, number: int, *, lapsed: bool = False) -> None:
        """Have a part given up."""
        self.held.discard(number)
        self.ending.add(number)
        self.out.put_nowait(Handed(number, held=False, lapsed=lapsed))


class RedisLeases:
    """`Leases` of one of several replicas: which parts are whose is in Redis, and is asked with each beat.

    A part that is to change hands is given up by one replica before another may have it.  Where Redis was
    away for so long that others may take this replica for dead, it gives up all by itself.
    """

    def __init__(self, wire: Wire, names: Names, name: str, pulse: Pulse) -> None:
        self._wire, self._names, self._name, self._pulse = wire, names, name, pulse
        self._works: dict[str, _Work] = {}
        self._next: dict[str, float] = {}

    @property
    def held(self) -> dict[str, int]:
        """How many parts of each work are this replica's."""
        return {name: len(work.held) for name, work in self._works.items()}

    async def parts(self, name: str, total: int) -> AsyncGenerator[Handed]:
        """See `Leases.parts`; parts that are held when it is closed are this replica's until left."""
        work = self._works.setdefault(name, _Work())
        work.total, work.wanted = total, True
        self._pulse.nudge()
        try:
            while True:
                yield await work.out.get()
        finally:
            work.wanted, work.out = False, asyncio.Queue()
            work.ending |= work.held
            work.held.clear()

    async def note(self, name: str, number: int, note: str) -> None:
        """See `Leases.note`: with the next beat."""
        self._works.setdefault(name, _Work()).notes[number] = note

    async def leave(self, name: str, number: int) -> None:
        """See `Leases.leave`: at once, where Redis is there."""
        work = self._works.setdefault(name, _Work())
        work.held.discard(number)
        work.ending.discard(number)
        work.left.add(number)
        self._pulse.nudge()
        with suppress(OSError):
            await self._pulse.carried()

    async def turn(self, name: str, seconds: float) -> None:
        """See `Leases.turn`; while Redis is away each replica takes its fair share of turns."""
        now = asyncio.get_running_loop().time
        first = max(0.0, self._next.get(name, 0.0) - now())
        unsure = 0.0 if self._pulse.complete else seconds
        try:
            args = [seconds, first, max(first, unsure)]
            wait = float(await self._wire.call(scripts.TURN, [self._names.of("next", name)], args))
            self._next[name] = now() + wait + seconds
        except OSError:
            seconds *= max(1, len(self._pulse.members))
            wait = first + seconds
            self._next[name] = now() + wait
        await asyncio.sleep(wait)

    async def ride(self) -> None:
        """Tell Redis what was left and noted, and learn what is this replica's."""
        works = {name: work for name, work in self._works.items() if work.due}
        if not works:
            return
        left = {name: set(work.left) for name, work in works.items()}
        notes = {name: dict(work.notes) for name, work in works.items()}
        free = "1" if self._pulse.complete else ""
        args = [self._name, self._pulse.believed, free, KEPT, *(self._words(work) for work in works.values())]
        keys = [self._pulse.members_key, *(self._names.of("parts", name) for name in works)]
        said = await self._wire.call(scripts.PARTS, keys, args)
        for (name, work), text in zip(works.items(), said, strict=True):
            work.left -= left[name]
            for number, note in notes[name].items():
                if work.notes.get(number) == note:
                    del work.notes[number]
            self._learn(work, json.loads(text))

    def lapsed(self) -> None:
        """Give all up: others may have it by now."""
        for work in self._works.values():
            for number in sorted(work.held):
                work.end(number, lapsed=True)

    def _words(self, work: _Work) -> str:
        words = {
            "wanted": work.wanted and not self._pulse.leaving,
            "total": work.total,
            "held": sorted(work.held | work.ending),
            "left": sorted(work.left),
            "notes": list(work.notes.items()),
        }
        return json.dumps(words)

    def _learn(self, work: _Work, said: dict[str, Any]) -> None:
        """Yield what has changed; `said` is of a moment when what waits in `work.left` was ours yet."""
        mine = {int(number): str(note) for number, note in said["parts"] or ()}
        for number in sorted(work.held - mine.keys()):  # somebody took it
            work.end(number, lapsed=True)
        if not self._pulse.held:  # said so late that it may be untrue by now
            return
        for number in sorted(mine.keys() - work.held - work.ending - work.left):
            if work.wanted:
                work.held.add(number)
                work.out.put_nowait(Handed(number, held=True, note=mine[number]))
        for number in sorted(work.held)[int(said["quota"]) :]:
            work.end(number)
