"""Questions that this replica works on, written to Redis, and written again after it was away.

A question is this replica's while Redis says so; who lost one is told by `Taken`.  Redis may forget the last
second when its power goes (`appendfsync everysec`), and more in a failover.  What is open, and what was done
a moment ago, is in memory here, and is written again with the next connection; so what Redis forgot is lost
only where this process ends in the same moment.  Nothing waits for its disk (WAITAOF): that takes up to a
second, in which nothing else goes over the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import structlog

from bot.platform import Unavailable
from bot.store import MOST_TALKS, ROWS_KEPT, TEXT_KEPT, Entry
from bot.store.peers import Taken
from bot.store.redis import entries, scripts
from bot.store.redis.keys import Names
from bot.store.redis.scripts import AT_ONCE, FINE, GONE, OTHERS
from bot.store.redis.wire import LOOK, Away, Refusal, Script, Wire

log = structlog.get_logger(__name__)

#: Seconds that a claim waits for a Redis that is away: alone with it, less than the 3 in which Slack wants an
#: event acknowledged; and where there are other replicas, which Slack then gives it to as well.
CLAIMING, HOLDING = 1.5, 30.0
#: Claims that may wait.
CLAIMS = 1000
#: Seconds after which Redis has what it was told on its disk, with headroom; and answers that ended in them.
LATELY, LATELY_MOST = 10.0, 5000
#: Seconds for which an answer waits for a Redis that is away, once others may have it, before it is given up.
PAUSE = 600.0
#: Questions that are known to be another replica's.
TAKEN_MOST = 10_000
#: Seconds that an asker's list outlives their newest question.
ASKED_KEPT = int(ROWS_KEPT) + 86_400


class Questions:
    """What Redis has of this replica's questions.

    Args:
        wire: The connection.
        names: What keys are called.
        by: What this replica is called.
        find: Returns a question as memory has it.
        drop: Lets memory forget a question.
        expect_held: Raises `Taken` if this replica may be dead to others by now.
        orphaned: Hears that questions were given up, and are nobody's.
        lost: Hears of a question that is another replica's.

    Attributes:
        refused: What Redis said when it last refused to write; "" if it wrote since.
    """

    def __init__(
        self,
        wire: Wire,
        names: Names,
        by: str,
        find: Callable[[str], Entry | None],
        drop: Callable[[str], None],
        expect_held: Callable[[], None],
        orphaned: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self.refused = ""
        self._wire = wire
        self._names = names
        self._by = by
        self._find = find
        self._drop = drop
        self._expect_held = expect_held
        self._orphaned = orphaned
        self._lost = lost
        self._owed: dict[str, None] = {}  # of which Redis lacks something
        self._new: set[str] = set()  # which Redis never got: nobody else can have them from here
        self._taken: dict[str, None] = {}
        self._left: dict[str, Entry] = {}  # which were given up in doubt, and are to be released
        self._lately: deque[tuple[float, Entry]] = deque(maxlen=LATELY_MOST)
        self._claiming = 0
        self._losses = wire.losses  # of which the last one is mended

    @property
    def owes(self) -> bool:
        """Whether Redis lacks something."""
        return bool(self._owed or self._left or self._losses != self._wire.losses)

    async def claim(self, entry: Entry, *, alone: bool) -> bool | None:
        """Claim a question for this replica; tell whether it was the first to, None if that is not known.

        It waits for a Redis that is away: `CLAIMING` seconds where this replica is *alone*, and then the
        question is written when that is possible.  Others may have heard of the question as well, and may
        have answered it: where there are some, nothing begins without Redis, until it is away for so long
        that the platform has given up what was not acknowledged.

        Raises:
            Unavailable: It went away, and was for `HOLDING` seconds; or `CLAIMS` wait for it.
        """
        key, tries, sent = entry.asked.key, 0, False
        if self._wire.trouble and asyncio.get_running_loop().time() - self._wire.since > HOLDING:
            self._keep(key, got=False)
            return None
        if self._claiming >= CLAIMS:
            raise Unavailable(self._wire.state or f"{self._claiming:,} questions wait for Redis")
        self._claiming += 1
        try:
            async with asyncio.timeout(CLAIMING if alone else HOLDING):
                while True:
                    tries, sent = tries + 1, sent or not self._wire.trouble
                    try:
                        told = await self._wire.call(scripts.ACCEPT, *self._whole(entry))
                    except Away:
                        await asyncio.sleep(LOOK)
                    else:
                        return told == FINE or (told == scripts.AGAIN and tries > 1)
        except TimeoutError:
            if not alone:
                if sent:  # it may have got through, and then nobody else can claim it
                    self._left[key] = entry
                raise Unavailable(self._wire.state or "Redis is away") from None
            self._keep(key, got=sent)
        except Refusal as error:
            self.refused = str(error)
            self._keep(key, got=False)
        finally:
            self._claiming -= 1
        return None

    def _keep(self, key: str, *, got: bool) -> None:
        """Write a question when that is possible; *got*: Redis may have it already."""
        self._owed[key] = None
        if not got:
            self._new.add(key)

    def owe(self, key: str) -> None:
        """Write a question anew, when that is possible."""
        self._owed[key] = None

    def is_new(self, key: str) -> bool:
        """Tell whether Redis never got a question."""
        return key in self._new

    def expect_ours(self, key: str) -> None:
        """Raise `Taken` if *key* is known to be another replica's."""
        if key in self._taken:
            raise Taken(key)

    def take(self, key: str) -> None:
        """Hear that *key* is this replica's now."""
        self._taken.pop(key, None)

    async def write(self, key: str, script: Script, keys: Sequence[str], *args: Any) -> None:
        """Let Redis do to a question by *script* what was done to it in memory.

        Past its lease, where others may have the question, it waits for Redis to say whose that is.

        Raises:
            Taken: It is another replica's; or Redis was away for `PAUSE` seconds.
        """
        while True:
            try:
                if key in self._owed or self._losses != self._wire.losses:
                    told = await self._restore(key)
                else:
                    told = await self._wire.call(script, [*self.keys(key), *keys], [self._by, *args])
            except Refusal as error:  # as when it is full: then nobody else can take the question either
                self.refused = str(error)
                self._owed[key] = None
                return
            except Away:
                self._owed[key] = None
                if not await self._paused(key):
                    return
            else:
                self._heed(key, told)
                self.expect_ours(key)
                return

    async def write_first(self, key: str, script: Script, keys: Sequence[str], *args: Any) -> None:
        """Do as `write`, and wait for a Redis that is away: whoever takes the question over must know of it.

        A question that Redis never got nobody can take over, so that one waits for nothing.

        Raises:
            Taken: As `write`.
        """
        await self.write(key, script, keys, *args)
        while key in self._owed and key not in self._new and not self.refused and self._find(key):
            await asyncio.sleep(LOOK)
            await self.write(key, script, keys, *args)

    async def rewrite(self, going: Iterable[Entry]) -> None:
        """Write all that Redis lacks; after a loss of the connection all that is *going*, or was lately.

        Raises:
            Away: It was lost again.
            Refusal: Something was refused; the rest is written.
        """
        ended: list[Entry] = []
        if self._losses != self._wire.losses:
            self._losses = self._wire.losses
            self._owed |= {entry.asked.key: None for entry in going}
            ended = self._ended()
        left = [self._let(entry) for entry in [*self._left.values()]]
        done = [self.put(entry) for entry in ended]
        told = await asyncio.gather(*map(self._again, self._owed), *done, *left, return_exceptions=True)
        if left:
            self._orphaned()
        failures = [each for each in told if isinstance(each, BaseException)]
        for failure in sorted(failures, key=lambda each: isinstance(each, Refusal)):
            raise failure

    async def done(self, before: Entry, entry: Entry) -> None:
        """Write that *before* is *entry*, done, as memory has it now; raises as `write`."""
        keys, args = self._done(entry, before)
        await self.write(entry.asked.key, scripts.DONE, keys, *args)
        if entry.asked.key not in self._owed:
            self._lately.append((asyncio.get_running_loop().time(), entry))
            self._drop(entry.asked.key)

    async def release(self, keys: Sequence[str]) -> None:
        """Let others have questions from now on."""
        for at in range(0, len(keys), AT_ONCE):
            turns = [self._names.of("turn", key) for key in keys[at : at + AT_ONCE]]
            await self._wire.call(scripts.RELEASE, turns, [self._by])

    def clear(self) -> None:
        """Owe nothing, and know of nothing."""
        for kept in (self._owed, self._new, self._taken, self._left, self._lately):
            kept.clear()

    def keys(self, key: str) -> list[str]:
        """Return the keys of a question's two hashes."""
        return [self._names.of("turn", key), self._names.of("said", key)]

    async def put(self, entry: Entry) -> int:
        """Write *entry* as it is, unless it is there and done, or another's; tell what became of that."""
        steps = [self._wire.call(scripts.RESTORE, *self._whole(entry))]
        if entry.done is not None:
            keys, args = self._done(entry, entry)
            steps.append(
                self._wire.call(scripts.DONE, [*self.keys(entry.asked.key), *keys], [self._by, *args])
            )
        told = await asyncio.gather(*steps, return_exceptions=True)
        if failure := next((each for each in told if isinstance(each, BaseException)), None):
            raise failure
        return int(cast("int", told[0]))

    def _heed(self, key: str, told: int) -> None:
        if told == OTHERS:
            self._lose(key)
        elif told == GONE:
            self._drop(key)  # somebody had it forgotten

    async def _paused(self, key: str) -> bool:
        """Wait while others may have the question; tell whether that was needed: then Redis says whose it is.

        Raises:
            Taken: Redis was away for `PAUSE` seconds; others get the question when it is back.
        """
        if key in self._new:
            return False
        loop = asyncio.get_running_loop()
        began, paused = loop.time(), False
        while True:
            try:
                self._expect_held()
            except Taken:
                if loop.time() - began < PAUSE and self._find(key):
                    paused = True
                    await asyncio.sleep(LOOK)
                    continue
                if entry := self._find(key):
                    self._left[key] = entry
                self._lose(key)
                raise
            return paused

    def _lose(self, key: str) -> None:
        log.warning("a question is another replica's", question=key)
        self._owed.pop(key, None)
        self._new.discard(key)
        self._taken[key] = None
        if len(self._taken) > TAKEN_MOST:
            del self._taken[next(iter(self._taken))]
        self._drop(key)
        self._lost(key)

    async def _again(self, key: str) -> None:
        self._heed(key, await self._restore(key))

    async def _restore(self, key: str) -> int:
        """Write a question as memory has it; what is told meanwhile comes after that."""
        self._owed.pop(key, None)
        if (entry := self._find(key)) is None:
            return FINE
        try:
            told = await self.put(entry)
        except BaseException:
            self._owed[key] = None
            raise
        self._new.discard(key)
        if entry.done is not None and told != OTHERS:
            self._drop(key)
        return told

    async def _let(self, entry: Entry) -> None:
        """Let somebody have a question that was given up, with all that was known of it."""
        await self.put(entry)
        await self.release([entry.asked.key])
        self._left.pop(entry.asked.key, None)

    def _ended(self) -> list[Entry]:
        """Return what was done so lately that Redis may have forgotten it."""
        now = asyncio.get_running_loop().time()
        return [entry for at, entry in self._lately if now - at < LATELY]

    def _done(self, entry: Entry, before: Entry) -> tuple[list[str], list[Any]]:
        keys = [self._names.of("open"), *self._shown(before)]
        said = int(bool(entry.controls))
        return keys, [entry.asked.key, entry.done, said, int(TEXT_KEPT), int(ROWS_KEPT)]

    def _shown(self, entry: Entry) -> list[str]:
        return [self._names.of("shown", part.message) for part in entry.parts if part.message]

    def _whole(self, entry: Entry) -> tuple[list[str], list[Any]]:
        """Return keys and arguments of what writes *entry* as it is."""
        asked = entry.asked
        platform = asked.key.partition("/")[0]
        beside = [
            self._names.of("open"),
            self._names.of("talks", platform),
            self._names.of("asker", asked.actor.id),
        ]
        talk = f"{asked.key}\n{asked.conversation}" if asked.conversation else ""
        turn, said = entries.turn_of(entry, self._by), entries.said_of(entry)
        args = [self._by, asked.key, asked.at, talk, MOST_TALKS, asked.at - ASKED_KEPT, ASKED_KEPT, len(turn)]
        return [*self.keys(asked.key), *beside, *self._shown(entry)], [*args, *turn, *said]
