"""Between a payload and `Events`: one Bolt app for both ways in.

Every payload is taken in a global middleware, which Bolt awaits before there is an answer; there are no
listeners, which Bolt would answer for before they have run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.incoming.events import Events
from adapters.slack.incoming.link import read
from adapters.slack.text import Json
from adapters.slack.wire.seldom import Seldom
from bot.platform import Gone, SlowDown, Unavailable

log = structlog.get_logger(__name__)

#: Bolt reads SLACK_BOT_TOKEN unasked, and then warns that it does not need it.
bolt_log = logging.getLogger("slack_bolt")
bolt_log.setLevel(logging.ERROR)

#: Gives one payload to the core; returns what to acknowledge it with, or None if it must not be acknowledged.
Take = Callable[[Json], Awaitable[Json | None]]
#: Returns what takes the events of the workspace that a payload is of; None if it is of none that is known.
Find = Callable[[Json], Awaitable[Events | None]]


def taker(web: AsyncWebClient, events: Events) -> Take:
    """Return what gives payloads to *events*; see `finder`."""

    async def known(_body: Json) -> Events | None:
        return events

    async def authorized() -> AuthorizeResult:
        # Left to itself, Bolt asks Slack, and acknowledges the event when Slack is not well.
        return AuthorizeResult(enterprise_id=None, team_id=events.team, bot_user_id=events.me)

    return finder(web, known, authorized)


def finder(web: AsyncWebClient, find: Find, authorized: Callable[..., Awaitable[AuthorizeResult]]) -> Take:
    """Return what gives payloads to the events that *find* returns.

    One that is not understood is logged, and costs itself only.
    """
    seldom = Seldom()
    app = _app(web, authorized)

    @app.middleware
    async def take(body: Json) -> BoltResponse:
        try:
            events = await find(body)
            answer = await events.take(body) if events else {}
        except (SlowDown, Gone, OSError, Unavailable) as error:
            if seldom.due(f"left {type(error).__name__}", asyncio.get_running_loop().time()):
                log.warning("an event was not taken, and is left for Slack to send again", reason=str(error))
            return BoltResponse(status=503, body="")
        return BoltResponse(status=200, body=answer)

    async def taken(payload: Json) -> Json | None:
        try:
            answer = await app.async_dispatch(AsyncBoltRequest(body=payload, mode="socket_mode"))
        except Exception as error:  # sent again, it would be understood no better
            if seldom.due(type(error).__name__, asyncio.get_running_loop().time()):
                log.exception("an event was not understood, and is left out")
            return {}
        return read(answer.body) if answer.status == 200 else None

    return taken


def _app(web: AsyncWebClient, authorized: Callable[..., Awaitable[AuthorizeResult]]) -> AsyncApp:
    return AsyncApp(
        name="rivulet",  # without it Bolt reads the files of the whole call stack
        client=AsyncWebClient(base_url=web.base_url, session=web.session),
        authorize=authorized,
        logger=bolt_log,
        request_verification_enabled=False,
        # Bolt takes it for an event of our own when somebody deletes an answer of ours.
        ignoring_self_events_enabled=False,
    )
