"""Work that a write does not wait for: tasks that end with the connection, or soon after."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine

import structlog

log = structlog.get_logger(__name__)

#: A minute of Slack's budgets; two seconds longer, because calls take their time.
MINUTE = 62.0
#: Slack Tier 3, chat.delete: 50+ a minute; two are kept back.
DELETES = 48
#: Slack Tier 4, the two methods of an upload: 100+ a minute each; counted together.
UPLOADS = 90
#: Seconds that a write waits for an errand that is usually done at once, before that goes on alone.
WITH = 2.0
#: Seconds that errands have left when the bot goes down.
GRACE = 4.0


class Tally:
    """At most *calls* in any minute."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._made: deque[float] = deque()
        self._blocked = 0.0

    def take(self) -> float:
        """Count a call; or return the seconds to wait if it may not be made now."""
        now = asyncio.get_running_loop().time()
        while self._made and self._made[0] <= now - MINUTE:
            self._made.popleft()
        full = self._made[-self._calls] + MINUTE - now if len(self._made) >= self._calls else 0.0
        if (wait := max(full, self._blocked - now)) > 0:
            return wait
        self._made.append(now)
        return 0.0

    async def turn(self) -> None:
        """Count a call when it may be made."""
        wait = self.take()
        while wait:
            await asyncio.sleep(wait)
            wait = self.take()

    def block(self, seconds: float) -> None:
        """Let no call be made for *seconds*."""
        self._blocked = max(self._blocked, asyncio.get_running_loop().time() + seconds)


class Errands:
    """Tasks in the background; each of them bounds itself.

    Attributes:
        deletes: What chat.delete allows.
        uploads: What the methods that upload files allow.
    """

    def __init__(self) -> None:
        self.deletes = Tally(DELETES)
        self.uploads = Tally(UPLOADS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: set[asyncio.Task[None]] = set()

    def watch(self, work: Coroutine[None, None, None]) -> None:
        """Do *work*, which waits for what may come, in the background; it ends with the connection."""
        task = self.start(work)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do *work* in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do *work*; let it go on in the background if it takes long."""
        task = self.start(work)
        await asyncio.wait({task}, timeout=WITH)
        return task

    async def close(self) -> None:
        """Wait a little for what is under way, then end it."""
        for task in self._watches:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an errand failed", exc_info=error)
