"""Telling people that they may not do something: once an hour each, and the log in sum."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import structlog

from bot.core.rates import Refused
from bot.guard.access import Action
from bot.platform import Actor, Mention, Place, Platform, Stop

log = structlog.get_logger(__name__)

#: Seconds within which one person is told only once.
HOUR = 3600.0
#: People who are told in a minute, and of whom it is remembered.
EACH_MINUTE, REMEMBERED = 20, 10_000
MINUTE = 60.0

#: Does something beside the answers.
Errand = Callable[[Coroutine[None, None, None]], object]


class Refusals:
    """Tells who was refused.

    Args:
        platforms: Those that are served, by name.
        errand: Does something beside the answers.
        say: Answers a mention with a text, where nobody can be told it alone.
    """

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        errand: Errand,
        say: Callable[[Mention, str], Awaitable[None]],
    ) -> None:
        self._platforms = platforms
        self._errand = errand
        self._say = say
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._times: deque[float] = deque(maxlen=EACH_MINUTE)
        self._counts = Refused()
        self._logging: asyncio.TimerHandle | None = None

    def count(self, actor: Actor, place: Place, action: Action) -> None:
        """Let the log say, in sum, that *actor* may not do *action*."""
        self._counts.add(action.value, actor.id, place.workspace)
        if self._logging is None:
            loop = asyncio.get_running_loop()
            self._logging = loop.call_later(self._counts.wait(loop.time()), self._log)

    def tell(self, event: Mention | Stop, text: str) -> None:
        """Tell who did *event* why nothing comes of it, unless they were told so of late."""
        if self.first(event, "" if isinstance(event, Mention) else "stop"):
            message = _message(event)
            platform = self._platforms.get(message.partition("/")[0])
            self._errand(self._tell(event, message, platform, text))

    def first(self, event: Mention | Stop, about: str = "") -> bool:
        """Tell whether who did *event* is to be told *about* something; if so, they count as told."""
        name = _message(event).partition("/")[0]
        return self._may_tell((name, event.actor.id, about), asyncio.get_running_loop().time())

    def _may_tell(self, who: tuple[str, str, str], now: float) -> bool:
        while self._told and now - next(iter(self._told.values())) >= HOUR:
            self._told.popitem(last=False)
        busy = len(self._times) == EACH_MINUTE and now - self._times[0] < MINUTE
        if who in self._told or busy or len(self._told) >= REMEMBERED:
            return False
        self._told[who] = now
        self._times.append(now)
        return True

    async def _tell(self, event: Mention | Stop, message: str, platform: Platform | None, text: str) -> None:
        told = await platform.whisper(message, event.actor, event.place, text) if platform else False
        if not told and isinstance(event, Mention):
            await self._say(event, text)

    def _log(self) -> None:
        self._logging = None
        log.info("refused", **self._counts.line(asyncio.get_running_loop().time()))


def _message(event: Mention | Stop) -> str:
    return event.key if isinstance(event, Mention) else event.message
