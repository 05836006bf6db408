"""What discord.py does with an event that it cannot parse: it must cost that event only, not the session.

discord.py ends the session, and with it a log-in, when one of its parsers raises; and it refuses whole
messages for a part of them, such as a poll without an expiry.  So it does not parse messages, reactions and
presses: they are handed on as the JSON that came.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import discord
import structlog
from discord.gateway import DiscordWebSocket, ReconnectWebSocket, WebSocketClosure

from adapters.discord.incoming.heard import hearing
from adapters.discord.wire.seldom import Seldom

log = structlog.get_logger(__name__)

#: Events that are handed on as they came.
TOLD = (
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "INTERACTION_CREATE",
)
#: What ends a session because it has to: the connection, and a stream that can't be unpacked.
ENDS = (ReconnectWebSocket, WebSocketClosure, discord.ConnectionClosed, ConnectionError, zlib.error)

_seldom = Seldom()
_receive = DiscordWebSocket.received_message


class Unready(ConnectionError):
    """The event that begins a session could not be parsed, so that there is none."""


async def _received(self: DiscordWebSocket, message: Any, /) -> None:
    """Take a frame; one that makes no sense is logged, once a minute for each kind, and left out."""
    before = self.sequence
    taking = hearing.set(self)
    try:
        await _receive(self, message)
    except ENDS:
        raise
    except Exception as error:  # noqa: BLE001  parsers raise whatever the event makes them
        unusable(_seldom, "an event of Discord's can't be read", error)
    finally:
        hearing.reset(taking)
    if type(self.sequence) is not int and self.sequence is not None:
        self.sequence = before  # a session can be resumed only with a number that Discord has given


# Global to discord.py, which has no setting for it.
DiscordWebSocket.received_message = _received  # type: ignore[method-assign]


def unusable(seldom: Seldom, what: str, error: BaseException, **more: object) -> None:
    """Log what could not be used: a line a minute for each kind of error."""
    inmost = error.__traceback__
    while inmost and inmost.tb_next:
        inmost = inmost.tb_next
    where = inmost.tb_frame.f_code.co_qualname if inmost else ""
    if seldom.due(f"{what} {type(error).__name__} {where}", asyncio.get_running_loop().time()):
        log.warning(what, error=repr(error)[:300], where=where, **more)


def hand_on(parsers: dict[str, Callable[[Any], None]], dispatch: Callable[..., None]) -> None:
    """Change discord.py's *parsers*: those of `TOLD` hand on what came, as "told_message_create" for one."""
    for event in TOLD:
        parsers[event] = partial(dispatch, f"told_{event.lower()}")
    parsers["READY"] = partial(_ready, parsers["READY"])


def _ready(parse: Callable[[Any], None], data: Any) -> None:
    try:
        parse(data)
    except Exception as error:
        raise Unready(f"the session's first event can't be read: {error!r}") from error
