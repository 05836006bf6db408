"""Opening a thread for an answer: a thread is a channel of its own, with its own rate limits.

Must never raise, ping, or keep an answer waiting: where no thread can be had, the answer goes to the channel.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from adapters.discord.settings import Reply
from adapters.discord.wire.rest import GLOBAL, Refused, Rest
from bot.platform import Gone, SlowDown
from bot.text.safe import line

log = structlog.get_logger(__name__)

#: Opens a thread for one question, told whether its channel is crowded; returns its id, or None to stay.
Fork = Callable[[bool], Awaitable[int | None]]

#: Threads that may be tried for in one guild in any so many seconds.  Discord's own limit is not documented;
#: its 429s ask for up to 280 s (discord-api-docs#7816: 219 s in scope "shared"; hermes-agent#96101), so its
#: window is likely 300 s.  50 in 300 s is the largest that anybody guesses at; after a 429 we stay in the
#: channel for as long as it says.  Ten a minute left 28 of 48 answers without a thread (bench `live`).
BUDGET = (45, 300.0)
#: Seconds that the first message may wait for its thread.
TIMEOUT = 3.0
#: Seconds without another try: where a right is missing, and after a call that failed or took too long.
FORBIDDEN = 600.0
FAILED = 30.0
#: Minutes without a message after which Discord hides a thread: a day, one of the four values it takes.
ARCHIVE = 1440
#: 100 characters are allowed (resources/channel.mdx); lists show fewer.
NAME = 80
#: JSON error code: the message has a thread, with its own id.
EXISTS = 160004
#: JSON error codes that the next question in the channel would meet too: cannot be done in this type of
#: channel; most active threads reached, and most active announcement threads (opcodes-and-status-codes.mdx).
LASTING = {50024, 160006, 160007}
#: Mentions of people, roles, channels and commands, custom emoji, and times.
TOKENS = re.compile(r"<(?:@|#|/|a?:|t:|id:)[^<>]*>")


async def nowhere(_crowded: bool) -> None:
    """Stay in the channel."""


def title(content: str) -> str:
    """Return the name of a thread for a question that says *content*."""
    return line(TOKENS.sub(" ", content))[:NAME].strip() or "Answer"


@dataclass(frozen=True, slots=True)
class Question:
    """The message that a thread is to be opened from; the thread will have its id."""

    guild: int
    channel: int
    id: int
    name: str


class Threads:
    """Opens threads, as often as Discord is likely to allow it.

    Args:
        rest: What to ask Discord with.
        reply: When to.
    """

    def __init__(self, rest: Rest, reply: Reply) -> None:
        self._rest = rest
        self._reply = reply
        self._tries: deque[tuple[float, int]] = deque()
        self._closed: dict[int | str, float] = {}

    async def open(self, question: Question, crowded: bool) -> int | None:
        """Return the id of a new thread at *question*, or None to stay in the channel."""
        wanted = self._reply == "thread" or (self._reply == "auto" and crowded)
        if not wanted or not self._may(question, asyncio.get_running_loop().time()):
            return None
        path = f"channels/{question.channel}/messages/{question.id}/threads"
        body = {"name": question.name, "auto_archive_duration": ARCHIVE}
        try:
            async with asyncio.timeout(TIMEOUT):
                answer, _ = await self._rest.call("POST", path, f"discord/threads/{question.guild}", body)
        except (SlowDown, Gone, OSError, Refused) as error:
            if isinstance(error, Refused) and error.code == EXISTS and await self._usable(question):
                return question.id
            log.info("answering in the channel: no thread", channel=question.channel, error=repr(error))
            self._learn(question, error)
            return None
        return int(answer.get("id", question.id))

    async def _usable(self, question: Question) -> bool:
        """Tell whether the thread that somebody has opened from *question* meanwhile can be written in."""
        try:
            async with asyncio.timeout(TIMEOUT):
                thread, _ = await self._rest.call("GET", f"channels/{question.id}", "discord/GET/channels")
        except (SlowDown, Gone, OSError, Refused):
            return False
        state = thread.get("thread_metadata")
        return isinstance(state, dict) and not state.get("locked")

    def _may(self, question: Question, now: float) -> bool:
        """Spend a try, if there is one."""
        self._closed = {place: until for place, until in self._closed.items() if until > now}
        if not self._closed.keys().isdisjoint({question.channel, question.guild, GLOBAL}):
            return False
        calls, seconds = BUDGET
        while self._tries and self._tries[0][0] <= now - seconds:
            self._tries.popleft()
        if sum(guild == question.guild for _, guild in self._tries) >= calls:
            return False
        self._tries.append((now, question.guild))
        return True

    def _learn(self, question: Question, error: Exception) -> None:
        """Remember where no thread can be had for a while."""
        place: int | str = question.channel
        match error:
            case SlowDown():
                place = GLOBAL if error.bucket == GLOBAL else question.guild
                seconds = error.retry_after
            case Gone():
                seconds = FORBIDDEN
            case Refused():
                seconds = FORBIDDEN if error.code in LASTING else 0.0
            case _:
                seconds = FAILED
        until = asyncio.get_running_loop().time() + seconds
        self._closed[place] = max(until, self._closed.get(place, 0.0))
