"""Taking up questions that an earlier run left, that this one gave up, or that no process heard.

Each is rebuilt as an answer that goes on, so it is written the way all answers are: there is no second way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from bot.core.follow import MISFIT, mention_of, outdone, remembered
from bot.core.kept import first_nonce
from bot.core.live import Live, Means
from bot.core.running import Running
from bot.core.sayings import AWAY, RESTART, interrupted, plain_answer
from bot.core.standing import look
from bot.core.thumbs import Thumbs
from bot.core.waits import Pause
from bot.guard.access import Action
from bot.platform import (
    Gone,
    Mention,
    Outcome,
    Platform,
    Rating,
    Remains,
    SlowDown,
    Stop,
    Unavailable,
)
from bot.show.writes import Ending
from bot.store import Entry
from bot.store.peers import Taken

log = structlog.get_logger(__name__)

#: Questions younger than this many seconds are answered after a restart; older ones are told that they were
#: interrupted.
YOUNG = 300.0
#: How often one question is begun: it may be what ends the process.
RUNS = 3
#: Seconds after which an unanswered question is dropped without a word.
STALE = 86_400.0
#: Seconds that a platform may look for mentions that were missed.
SEARCH = 60.0
#: Seconds after the start before a repair writes: an edit of the process that died may still land.
LATE = 2.0
#: Seconds after which an answer that could not be written for minutes is taken up again, for a day.
AGAIN = 60.0
#: It has been tried in vain so often that a write elsewhere that gets through is not believed at once.
VAIN = 3
#: Seconds that an answer which another process ends is waited for, to be written once more.
ENDING = 30
#: Of so many searches for missed mentions the tasks are kept, to end them on shutdown.
SEARCHES = 16


class Repairs:
    """Takes up questions, platform by platform.

    Args:
        means: What all answers share.
        running: Where the answers go on; tells what was given up.
        hear: Takes a mention that was missed.
        stop: Takes a stop that was.
        rated: Takes a rating that was.

    Attributes:
        platforms: Those that asked for a repair, by name.
    """

    def __init__(
        self,
        means: Means,
        running: Running,
        hear: Callable[[Mention], Awaitable[None]],
        stop: Callable[[Stop], Awaitable[Outcome]],
        rated: Callable[[Rating], Awaitable[None]],
    ) -> None:
        self.platforms: dict[str, Platform] = {}
        self._means = means
        self._running = running
        self._hear = hear
        self._stop = stop
        self._thumbs = Thumbs(means.store, means.clock, rated)
        self._searches: deque[asyncio.Task[None]] = deque(maxlen=SEARCHES)
        self._given_up: set[str] = set()  # platforms on which something was, since they were last looked at
        self._later: dict[str, asyncio.Task[None]] = {}  # by platform
        self._looks: dict[str, asyncio.Task[None]] = {}  # by platform
        self._writes_from: float | None = None
        self._closed = False
        running.given_up = self._take_up_later

    async def repair(self, platform: Platform) -> None:
        """See `Inbox.repair`.

        Returns once the answers stand in their conversations, before any newer question; they are written
        later.  A task then looks for mentions that no process heard.
        """
        restarted = platform.name not in self.platforms
        self.platforms[platform.name] = platform
        if self._closed:
            return
        if self._writes_from is None:
            self._writes_from = _now() + LATE
        await self._take_up(platform, restarted=restarted)
        self._searches.append(self._running.errand(self._catch_up(platform)))

    async def take_over(self) -> None:
        """Take up the questions of processes that died or left, on every platform."""
        if self._closed:
            return
        self._writes_from = _now() + LATE
        for platform in [*self.platforms.values()]:  # one may come meanwhile
            taken = await self._take_up(platform, restarted=True)
            self._means.tally.handed.add("question", by=taken)

    async def redraw(self, key: str) -> None:
        """Write the answer to *key* once more when it is done: another process may have written over it.

        Before that it is being written, and some of its messages may be known to nobody.
        """
        for _ in range(ENDING):
            entry = await self._means.store.find(key)
            if entry is None or entry.done is not None:
                break
            await asyncio.sleep(1.0)
        else:
            return
        platform = self.platforms.get(key.partition("/")[0])
        if entry and platform and entry.text and entry.note is not None and key not in self._running.taken:
            self._running.taken.add(key)
            if not await self._resume(platform, entry, RESTART):
                self._running.taken.discard(key)

    def back(self, platform: Platform) -> None:
        """See `Inbox.back`."""
        self._means.waits.wake(platform.name)
        if self._closed:
            return
        if before := self._looks.get(platform.name):
            before.cancel()  # this one looks at all that it would have
        self._looks[platform.name] = self._running.errand(self._look(platform))

    def released(self, platform: Platform) -> None:
        """See `Inbox.released`."""
        self.platforms.pop(platform.name, None)
        for waits in (self._later, self._looks):
            if task := waits.pop(platform.name, None):
                task.cancel()

    def close(self) -> None:
        """Take up nothing any more, and end what looks for more."""
        self._closed = True
        for task in (*self._searches, *self._later.values(), *self._looks.values()):
            task.cancel()

    async def _look(self, platform: Platform) -> None:
        """Take what people did by reactions while nobody listened."""
        await look(platform, self._means.stops, self._stop)
        await self._thumbs.look(platform)

    async def _take_up(self, platform: Platform, *, restarted: bool) -> int:
        """Go on with the questions that an earlier run left or this one gave up; return how many."""
        if self.platforms.get(platform.name) is not platform:
            return 0  # another process serves it
        taken, now, reason = self._running.taken, self._means.clock(), RESTART if restarted else AWAY
        left = [
            entry
            for entry in await self._means.store.unfinished(platform.name)
            if entry.asked.key not in taken and (restarted or now - entry.asked.at < STALE)
        ]
        waiting = {entry.asked.key for entry in left}
        taken |= waiting  # all at once: while one is resumed, others end and would be found again
        try:
            for entry in left:
                if not self._closed and await self._resume(platform, entry, reason):
                    waiting.discard(entry.asked.key)
        finally:
            taken -= waiting
        if left:
            log.info("taking up what is not done", platform=platform.name, answers=len(left))
        return len(left) - len(waiting)

    async def _resume(self, platform: Platform, entry: Entry, reason: str) -> bool:
        after = max(0.0, (self._writes_from or 0.0) - _now())
        try:
            found = await resumed(self._means, platform, entry, reason, after)
        except Taken:
            return False
        except OSError as error:
            log.warning("not taken up yet", question=entry.asked.key, error=str(error))
            self._take_up_later(entry.asked.key)
            return False
        except MISFIT as error:
            log.warning("a row of the ledger was set aside", question=entry.asked.key, error=repr(error))
            await self._means.store.done(entry.asked.key, self._means.clock())
            return False
        if found is None:
            return False
        live, asks = found
        self._running.owe(live, idle=not asks)
        return True

    def _take_up_later(self, key: str) -> None:
        """Take up the question *key*, and all that was given up on its platform, after a while."""
        platform = self.platforms.get(key.partition("/")[0])
        if platform is None or self._closed:
            return
        self._given_up.add(platform.name)
        waits = self._later.get(platform.name)
        if waits is None or waits.done():
            self._later[platform.name] = self._running.errand(self._again(platform))

    async def _again(self, platform: Platform) -> None:
        while platform.name in self._given_up:  # more may be given up while these are taken up
            await self._means.waits.wait(platform.name, Pause(), AGAIN, VAIN)
            self._given_up.discard(platform.name)
            try:
                await self._take_up(platform, restarted=False)
            except OSError as error:
                log.warning("not taken up yet", platform=platform.name, error=str(error))
                self._given_up.add(platform.name)

    async def _catch_up(self, platform: Platform) -> None:
        """Take the mentions that no process heard; the ledger refuses those that one did."""
        with suppress(Unavailable):
            for mention in await missed(self._means, platform, self._means.clock()):
                await self._hear(mention)


async def resumed(
    means: Means, platform: Platform, entry: Entry, reason: str, after: float
) -> tuple[Live, bool] | None:
    """Return what goes on with *entry*, and whether it asks the model; None if nothing can.

    Args:
        means: What all answers share.
        platform: Where it was asked.
        entry: What the ledger has of it.
        reason: What an answer that has text says it was interrupted by.
        after: Seconds before anything is written.
    """
    asked, age = entry.asked, means.clock() - entry.asked.at
    past, remains = await remembered(means.store, platform, asked, _remains(means, entry))
    surface = platform.reopen(asked, remains)
    if surface is None or (age > STALE and not entry.parts):
        log.warning("a question was lost", question=asked.key)
        await means.store.done(asked.key, means.clock())
        return None
    anew = entry.note is None and not entry.text and not entry.calling
    anew = anew and age < YOUNG and entry.runs < RUNS
    anew = anew and await means.access.authorize(asked.actor, asked.place, Action.ASK)
    saying = plain_answer(asked.text) if anew else ""
    old = await outdone(means.store, asked.key) if anew else None
    left = replace(entry, controls=old.controls) if old else entry
    instead = old.text if old else None
    live = Live(means, mention_of(asked, surface), saying, left, after, past, instead)
    if entry.note is not None:
        live.cut(Ending.FINISHED, entry.note, entry.offered)
    elif anew:
        await means.store.again(asked.key)
    else:
        live.cut(
            Ending.INTERRUPTED, *interrupted(begun=bool(entry.text), reason=reason, calling=entry.calling)
        )
    return live, anew and not saying


def _remains(means: Means, entry: Entry) -> Remains:
    """Return what may be left of the answer in *entry*.

    A ledger that processes share may have forgotten the first post; that of one process forgets nothing.
    """
    if entry.parts or not means.store.peers.members:
        return entry.remains
    return Remains(nonces=(first_nonce(entry.asked.key),))


async def missed(means: Means, platform: Platform, now: float) -> Sequence[Mention]:
    """Return the mentions that were made while no process listened, and some that the ledger has.

    What is older than all that the ledger has was perhaps answered, and deleted from it since.
    """
    try:
        if not (recent := await means.store.recent(platform.name, now - STALE)):
            return ()
        since = max(now - YOUNG, min(asked.at for asked in recent))
        async with asyncio.timeout(SEARCH):
            return await platform.missed(recent, since)
    except (SlowDown, Gone, OSError) as error:
        log.warning("not all that was missed was looked for", platform=platform.name, error=repr(error))
        return ()


def _now() -> float:
    return asyncio.get_running_loop().time()
