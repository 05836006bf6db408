"""What all calls to Discord's REST API share: 40 a second, bans, a dead token, the count of refused calls.

discord.py's own calls are counted too (see trace.py); interactions are not, since Discord's limit does not
count them.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from enum import IntEnum
from itertools import count

import structlog

log = structlog.get_logger(__name__)

#: Calls in any second.  Discord allows 50 (topics/rate-limits.mdx), counted where they arrive: a fifth is
#: left for calls that the network delays and delivers together, and for another process during a restart.
RATE = 40
#: Seconds of the first pause after a ban, and of the longest: every further ban doubles it.
PAUSE, LONGEST_PAUSE = 600.0, 3600.0
#: Refused calls (401, 403, 429) are counted over so many seconds; 10,000 get the address banned
#: (rate-limits.mdx, invalid request limit), and from so many on something is wrong here.
INVALID_WINDOW, INVALID = 600.0, 50


class Urgency(IntEnum):
    """How urgent a call is: it waits as if it had come so many tenths of a second later."""

    FINAL = 0
    POST = 1
    EDIT = 5
    OTHER = 10


class Flow:
    """Lets `RATE` calls a second through, the more urgent first; waiting makes each of them more urgent."""

    def __init__(self) -> None:
        self._gone: deque[float] = deque(maxlen=RATE)
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, urgency: Urgency) -> None:
        """Wait for a call's turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._queue, (loop.time() + urgency / 10, next(self._order), turn))
        self._go()
        await turn

    def _go(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            if self._queue[0][-1].done():  # its caller was cancelled
                heapq.heappop(self._queue)
                continue
            opens = self._gone[0] + 1.0 if len(self._gone) == RATE else 0.0
            if opens > loop.time():
                if self._timer is None:
                    self._timer = loop.call_at(opens, self._tick)
                return
            self._gone.append(loop.time())
            heapq.heappop(self._queue)[-1].set_result(None)

    def _tick(self) -> None:
        self._timer = None
        self._go()


class Traffic:
    """One per process and token.

    Attributes:
        flow: Who calls next.
        dead: Set once Discord has refused the token: nothing may be called any more, since every further 401
            counts against the address.
        until: When calls may be made again, after a ban or a global 429.
        banned: Whether the last that was heard is a ban; one call has to try before the others may.
    """

    def __init__(self) -> None:
        self.flow = Flow()
        self.dead = asyncio.Event()
        self.until = 0.0
        self.banned = False
        self._pause = PAUSE
        self._invalid: deque[float] = deque()

    def closed(self) -> float:
        """Return the seconds for which nothing may be called."""
        return max(0.0, self.until - _now())

    def hold(self, seconds: float) -> None:
        """Let nothing through for a global 429."""
        self.until = max(self.until, _now() + seconds)

    def ban(self, asked: float = 0.0) -> float:
        """Record that the address is banned or blocked; return the seconds to stay away.

        Args:
            asked: What the answer asks for, which may be more.
        """
        if self.closed() and self.banned:
            return self.closed()  # answers to what was under way: one ban
        seconds = min(max(self._pause, asked), LONGEST_PAUSE)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self.banned = True
        self.hold(seconds)
        log.error("Discord blocks this address; no calls for a while", seconds=seconds)
        return seconds

    def free(self) -> None:
        """Record that a call was let through after a ban."""
        self.banned = False
        self._pause = PAUSE

    def refused(self, status: int, *, shared: bool = False) -> None:
        """Count an answer of *status*, if it is one that counts; 429s in scope "shared" do not."""
        if status not in {401, 403, 429} or shared:
            return
        self._invalid.append(_now())
        if self.invalid == INVALID:
            log.error("Discord refuses many calls", calls=INVALID, seconds=INVALID_WINDOW)

    @property
    def invalid(self) -> int:
        """How many calls were refused within the last 10 minutes."""
        while self._invalid and self._invalid[0] <= _now() - INVALID_WINDOW:
            self._invalid.popleft()
        return len(self._invalid)


def _now() -> float:
    return asyncio.get_running_loop().time()
