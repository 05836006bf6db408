"""Direct messages to people: what nobody but them should read.

Must never raise, ping, or be the reason for a second refused call: who takes none is not tried for an hour.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TypeVar

import structlog

from adapters.discord.outgoing.drawing import SUBTEXT, SUPPRESS_EMBEDS, told
from adapters.discord.wire.bars import Forbidden
from adapters.discord.wire.rest import Refused, Rest
from bot.platform import Actor, Gone, Place, SlowDown

log = structlog.get_logger(__name__)

#: JSON error codes: takes no direct messages from the bot, or shares no server with it; no such user.
CLOSED = frozenset({50007, 50278, 50033})
#: Seconds for which it is remembered that somebody takes none; people of whom anything is remembered.
HOUR, KEPT = 3600.0, 10_000

Kept = TypeVar("Kept", int, float)


class Direct:
    """Writes to people alone.

    Args:
        rest: What to write with.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._channels: OrderedDict[int, int] = OrderedDict()
        self._closed: OrderedDict[int, float] = OrderedDict()

    async def whisper(self, actor: Actor, place: Place, text: str) -> bool:
        """Write *text*, plain markdown, to *actor*, in *place* if that is direct; tell if it is there."""
        user, channel = _number(actor.id), _number(place.channel)
        if not user or actor.bot or not text.strip():
            return False
        if place.direct and channel:
            return await self._post(user, channel, told(text)["content"])
        where = f"{SUBTEXT}In <#{channel}>" if channel else ""
        return await self.tell(user, told(text, where)["content"])

    async def notify(self, person: str, text: str) -> bool:
        """Write *text*, plain markdown, to the person with the id *person*; tell if it is there."""
        user = _number(person)
        return bool(user) and bool(text.strip()) and await self.tell(user, told(text)["content"])

    async def tell(self, user: int, content: str) -> bool:
        """Send *content*, in Discord's markdown, to *user*; tell if it is there."""
        if self._closed.get(user, 0.0) > _now():
            return False
        channel = self._channels.get(user) or await self._open(user)
        return bool(channel) and await self._post(user, channel, content)

    async def _open(self, user: int) -> int:
        """Return the direct channel with *user*; 0 if there can't be one now."""
        try:
            opened, _ = await self._rest.call(
                "POST", "users/@me/channels", "discord/dms", {"recipient_id": str(user)}
            )
            channel = int(opened["id"])
        except (SlowDown, Gone, OSError, Refused, LookupError, TypeError, ValueError) as error:
            self._failed(user, error)
            return 0
        _keep(self._channels, user, channel)
        return channel

    async def _post(self, user: int, channel: int, content: str) -> bool:
        body = {"content": content, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}
        try:
            await self._rest.call("POST", f"channels/{channel}/messages", f"discord/POST/{channel}", body)
        except (SlowDown, Gone, OSError, Refused) as error:
            self._failed(user, error)
            return False
        return True

    def _failed(self, user: int, error: Exception) -> None:
        code = error.code if isinstance(error, Forbidden | Refused) else 0
        if code in CLOSED:
            _keep(self._closed, user, _now() + HOUR)
        if isinstance(error, Gone):
            self._channels.pop(user, None)
        log.info("somebody could not be told", error=repr(error))


def _number(id_: str) -> int:
    """Return an id of Discord's; 0 for what is none."""
    return int(id_) if id_.isascii() and id_.isdigit() else 0


def _keep(kept: OrderedDict[int, Kept], user: int, value: Kept) -> None:
    kept[user] = value
    kept.move_to_end(user)
    if len(kept) > KEPT:
        kept.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
