"""The connection: Socket Mode in."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Literal

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import translated
from adapters.slack.events import Events
from adapters.slack.text import Json
from bot.platform import Gone, Unavailable

#: Bolt reads SLACK_BOT_TOKEN unasked, and then warns that it does not need it.
bolt_log = logging.getLogger("slack_bolt")
bolt_log.setLevel(logging.ERROR)

#: Seconds without a socket after which everything is built anew: the SDK retries a failed handshake for ever
#: with the same, used ticket.
LOST = 30.0


def app_of(web: AsyncWebClient, events: Events) -> AsyncApp:
    """Return the Bolt app that gives what it hears to *events* before it acknowledges."""
    # Bolt takes it for an event of our own when somebody deletes an answer of ours.
    app = AsyncApp(
        client=web, logger=bolt_log, request_verification_enabled=False, ignoring_self_events_enabled=False
    )

    @app.middleware
    async def take(body: Json, context: Json, next_: Callable[[], Awaitable[None]]) -> None:
        context["outcome"] = await events.take(body)
        await next_()

    async def done() -> None:
        """Let Bolt acknowledge: the middleware has done the work."""

    async def pressed(ack: Callable[[], Awaitable[None]], body: Json, context: Json) -> None:
        await ack()
        await events.tidy(body, context["outcome"])

    app.event(re.compile(".*"))(done)
    app.action(re.compile(".*"))(pressed)
    return app


async def ticket(web: AsyncWebClient, app_token: str) -> str:
    """Return the address of a new socket, which is good once.

    Raises:
        Unavailable: When Slack refuses the token.
        SlowDown, OSError: When Slack could not be asked.
    """
    try:
        with translated():
            answer = await web.apps_connections_open(app_token=app_token)
    except Gone as gone:
        raise Unavailable(_app_token(gone)) from None
    except SlackApiError as error:
        raise Unavailable(_app_token(str(error.response["error"]))) from None
    return str(answer["url"])


async def socket(
    web: AsyncWebClient, app: AsyncApp, token: str, tell: Callable[[Literal["up", "down"]], None]
) -> None:
    """Listen until the socket is lost for good; *tell* how it is.

    Raises:
        ConnectionError: When it is.
    """
    # After a lost connection, Bolt notices at the next ping.
    handler = AsyncSocketModeHandler(app, token, web_client=web, ping_interval=2)
    now = asyncio.get_running_loop().time
    try:
        # The SDK would try for ever to get an address with a wrong token, and to use it once it is spent.
        handler.client.wss_uri = await ticket(web, token)
        async with asyncio.timeout(LOST):
            await handler.connect_async()
        heard = now()
        while now() - heard < LOST:
            if await handler.client.is_connected():
                tell("up")
                heard = now()
            else:
                tell("down")
            await asyncio.sleep(1)
        raise ConnectionError(f"Slack's socket did not come back within {LOST:g} s")
    finally:
        tell("down")
        await handler.close_async()


def _app_token(why: object) -> str:
    return f"Slack refuses SLACK_APP_TOKEN ({why}): make one with connections:write, and enable Socket Mode."
