"""Slack: Socket Mode in, Web API out.

Every event is given to the core in a global middleware, which Bolt awaits before it acknowledges: what the
core did not take, Slack sends again.  Must never use Bolt's `lazy=` (breaks with a shared session) nor the
SDK's retries on a create (they post twice).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.connection import app_of, socket, ticket
from adapters.slack.errands import Errands
from adapters.slack.errors import translated
from adapters.slack.events import Events
from adapters.slack.native import NOBODY, NativeSurface, Reader
from adapters.slack.people import People
from adapters.slack.settings import SCOPES, Settings, check
from adapters.slack.streams import Streams
from adapters.slack.surface import SlackSurface
from adapters.slack.uploads import ATTACH, SCOPE
from bot.platform import Finding, Gone, Health, Platform, SlowDown, Surface, Unavailable

if TYPE_CHECKING:
    from bot.core import Core

log = structlog.get_logger(__name__)

#: Seconds that one call may take in total.
TIMEOUT = 10.0


def load(settings: Settings) -> Slack | None:
    """See `adapters.load`."""
    if not settings.bot_token.get_secret_value() and not settings.app_token.get_secret_value():
        return None
    check(settings)
    return Slack(settings)


class Slack(Platform):
    """One workspace, through one app."""

    name = "slack"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.secrets = [settings.bot_token.get_secret_value(), settings.app_token.get_secret_value()]
        self._web = AsyncWebClient()
        self._team = ""
        self._user = ""
        self._attach = 0
        self._people = People(self._web)
        self._errands = Errands()
        self._streams = Streams(self._web, self._errands)

    async def run(self, core: Core) -> None:
        """See `Platform.run`."""
        async with self._client() as self._web:
            self._people = People(self._web)
            self._streams = Streams(self._web, self._errands)
            await self._identify()
            try:
                app = app_of(self._web, self._events(core))
                await socket(self._web, app, self._settings.app_token.get_secret_value(), self._tell)
            finally:
                self.health = "down"
                await self._streams.close()

    def _tell(self, health: Health) -> None:
        self.health = health

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        async with self._client() as self._web:
            try:
                scopes = await self._identify()
                await ticket(self._web, self._settings.app_token.get_secret_value())
            except Unavailable as error:
                return [Finding(ok=False, text=str(error), fatal=True)]
            except (SlowDown, OSError, SlackApiError) as error:
                return [Finding(ok=False, text=f"Slack could not be asked ({error}); is the network up?")]
        good = Finding(ok=True, text=f"Slack: bot {self._user} in workspace {self._team}")
        lacking = [Finding(ok=False, text=_scope(scope)) for scope in SCOPES if scope not in scopes]
        return [good, *lacking]

    def reopen(self, message: str) -> Surface | None:
        """See `Platform.reopen`."""
        match message.split("/"):
            case ["slack", self._team, channel, ts]:
                return self._surface(channel, ts, ts)
        return None

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncWebClient]:
        # With a session of ours, the SDK's own timeout does not apply; no retries: the core is the one owner.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session:
            yield AsyncWebClient(
                token=self._settings.bot_token.get_secret_value(),
                base_url=self._settings.api_url.rstrip("/") + "/",
                session=session,
                retry_handlers=[],
            )

    async def _identify(self) -> set[str]:
        """Learn who we are; return the scopes that we have."""
        try:
            with translated():
                answer = await self._web.auth_test()
        except Gone as gone:
            raise Unavailable(
                f"Slack refuses SLACK_BOT_TOKEN ({gone}): copy it again from OAuth & Permissions."
            ) from None
        self._team, self._user = answer["team_id"], answer["user_id"]
        scopes = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
        self._attach = ATTACH if SCOPE in scopes else 0
        return scopes

    def _events(self, core: Core) -> Events:
        stop_emoji = self._settings.stop_emoji
        return Events(core, self._web, self._team, self._user, self._people, self._surface, stop_emoji)

    def _surface(self, channel: str, thread: str, question: str, reader: Reader = NOBODY) -> SlackSurface:
        where = (self._web, self._team, channel, thread, question, self._people.name, self._user)
        kind = self._settings.streaming
        surface = SlackSurface(*where, self._errands)
        if kind == "native" or (kind == "auto" and channel.startswith("D")):
            surface = NativeSurface(*where, self._errands, streams=self._streams, reader=reader)
        surface.limits = replace(surface.limits, attach=self._attach)
        return surface


def _scope(scope: str) -> str:
    return (
        f"Slack: add the bot scope {scope} ({SCOPES[scope]}) at OAuth & Permissions, then reinstall the app."
    )


__all__ = ["SCOPES", "Settings", "Slack", "load"]
