"""Work for which somebody waits in front of Slack's client, which gives up after three seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.wire.errands import Errands
from bot.platform import Gone, SlowDown, Unavailable

log = structlog.get_logger(__name__)

#: Seconds that the work may take before Slack is answered without it.
SOON = 1.8

NOT_NOW = "That can't be done now. Please try again in a minute."
FAILED = "Something went wrong, and nothing was done. Whoever runs this bot finds more in its log."

#: Brings somebody a text later.
Late = Callable[[str], Awaitable[object]]


async def in_time(errands: Errands, work: Awaitable[str], late: Late) -> str:
    """Return the text that comes of *work*, "" if there is none in time: then *late* is given it.

    The work goes on in any case.  If it fails, the text says so.
    """
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    errands.start(_do(work, answer, late))
    try:
        await asyncio.wait({answer}, timeout=SOON)
        return answer.result() if answer.done() else ""
    finally:
        answer.cancel()


async def _do(work: Awaitable[str], answer: asyncio.Future[str], late: Late) -> None:
    text = await _done(work)
    if not answer.done():
        answer.set_result(text)
    elif text:
        await late(text)


async def _done(work: Awaitable[str]) -> str:
    try:
        return await work
    except (SlowDown, Gone, OSError, Unavailable, SlackApiError) as error:
        log.warning("a command was not done", error=repr(error))
        return NOT_NOW
    except Exception:  # whoever waits is told, and the log has all of it
        log.exception("a command failed")
        return FAILED
