"""Slack: Socket Mode in, Web API out.

Every event is given to the core in a global middleware, which Bolt awaits before it acknowledges: what the
core did not take, Slack sends again.  Must never use Bolt's `lazy=` (breaks with a shared session) nor the
SDK's retries on a create (they post twice).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import aiohttp
import structlog
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errands import Errands
from adapters.slack.errors import translated
from adapters.slack.missed import missed
from adapters.slack.native import NOBODY, NativeSurface, Reader
from adapters.slack.people import People
from adapters.slack.streams import Streams
from adapters.slack.surface import SlackSurface
from adapters.slack.text import Json, words
from adapters.slack.uploads import ATTACH, SCOPE
from bot.config import SOURCES, Names, split
from bot.platform import (
    Actor,
    Asked,
    Deleted,
    Edited,
    Finding,
    Gone,
    Mention,
    Outcome,
    Place,
    Platform,
    Press,
    Remains,
    SlowDown,
    Stop,
    Surface,
    Unavailable,
)

if TYPE_CHECKING:
    from bot.core import Core

log = structlog.get_logger(__name__)

#: Bolt reads SLACK_BOT_TOKEN unasked, and then warns that it does not need it.
bolt_log = logging.getLogger("slack_bolt")
bolt_log.setLevel(logging.ERROR)

#: Seconds that one call may take in total.
TIMEOUT = 10.0

#: Seconds without a socket after which everything is built anew: the SDK retries a failed handshake for ever
#: with the same, used ticket.
LOST = 30.0

#: Bot scopes that the features here need, and what for; `rivulet doctor` compares.
SCOPES = {
    "app_mentions:read": "to hear mentions",
    "channels:history": "to read the thread it is asked in",
    "groups:history": "to read threads in private channels",
    "im:history": "to be asked in direct messages",
    "chat:write": "to answer",
    "reactions:read": "to be stopped with an emoji",
    "reactions:write": "to mark a question that waits",
    "users:read": "to tell members from guests and strangers",
    SCOPE: "to attach what is too long for a message",
}


class Settings(BaseSettings):
    """Slack's settings; see the README's table."""

    model_config = SOURCES

    bot_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="SLACK_BOT_TOKEN", description="Slack bot token, `xoxb-…`."
    )
    app_token: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="SLACK_APP_TOKEN",
        description="Slack app-level token, `xapp-…`.",
    )
    signing_secret: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="SLACK_SIGNING_SECRET",
        description="For Slack's HTTP mode, which is not built yet; Socket Mode needs none.",
    )
    api_url: str = Field(
        default="https://slack.com/api/",
        validation_alias="SLACK_API_URL",
        description="Where Slack's Web API is; for proxies and tests.",
    )
    stop_emoji: Names = Field(
        default=("octagonal_sign", "black_square_for_stop", "x", "hand", "raised_hand"),
        validation_alias="RIVULET_SLACK_STOP_EMOJI",
        description="Names of the reactions that stop an answer, with commas between; any skin tone.",
    )

    streaming: Literal["auto", "edit", "native"] = Field(
        default="auto",
        validation_alias="RIVULET_SLACK_STREAMING",
        description=(
            "How answers stream: `edit` (all readers see it live), `native` (one reader does), "
            "`auto` (native in direct messages)."
        ),
    )

    _split = field_validator("stop_emoji", mode="before")(split)


def load(settings: Settings) -> Slack | None:
    """See `adapters.load`."""
    bot, app = settings.bot_token.get_secret_value(), settings.app_token.get_secret_value()
    if not bot and not app:
        return None
    if not app.startswith("xapp-"):
        raise Unavailable(
            "SLACK_APP_TOKEN must be an app-level token (xapp-…): Basic Information > App-Level Tokens."
        )
    if not bot.startswith("xoxb-"):
        raise Unavailable(
            "SLACK_BOT_TOKEN must be a bot token (xoxb-…): OAuth & Permissions > Bot User OAuth Token."
        )
    return Slack(settings)


class Slack(Platform):
    """One workspace, through one app."""

    name = "slack"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.secrets = [settings.bot_token.get_secret_value(), settings.app_token.get_secret_value()]
        self._core: Core | None = None
        self._web = AsyncWebClient()
        self._team = ""
        self._user = ""
        self._attach = 0
        self._people = People(self._web)
        self._errands = Errands()
        self._streams = Streams(self._web, self._errands)

    async def run(self, core: Core) -> None:
        """See `Platform.run`."""
        self._core = core
        async with self._client() as self._web:
            self._people = People(self._web)
            self._streams = Streams(self._web, self._errands)
            await self._identify()
            await core.repair(self)
            handler = AsyncSocketModeHandler(
                self._app(core),
                self._settings.app_token.get_secret_value(),
                web_client=self._web,
                ping_interval=2,  # after a lost connection, Bolt notices at the next ping
            )
            try:
                await self._connect(handler)
                await self._watch(handler)
            finally:
                self.health = "down"
                await self._streams.close()
                await handler.close_async()

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        async with self._client() as self._web:
            try:
                scopes = await self._identify()
                await self._open()
            except Unavailable as error:
                return [Finding(ok=False, text=str(error), fatal=True)]
            except (SlowDown, OSError, SlackApiError) as error:
                return [Finding(ok=False, text=f"Slack could not be asked ({error}); is the network up?")]
        good = Finding(ok=True, text=f"Slack: bot {self._user} in workspace {self._team}")
        lacking = [Finding(ok=False, text=_scope(scope)) for scope in SCOPES if scope not in scopes]
        return [good, *lacking]

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        match [*asked.key.split("/"), asked.conversation.split("/")[-1]]:
            case ["slack", self._team, channel, ts, thread]:
                surface = self._surface(channel, thread, ts)
                surface.resume(remains)
                return surface
        return None

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: Slack sends again what it can, but not for ever."""
        return [
            await self._mention(message, self._team)
            for message in await missed(self._web, recent, since)
            if self._asks(message)
            and (message["channel"].startswith("D") or f"<@{self._user}" in message.get("text", ""))
        ]

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

    async def _connect(self, handler: AsyncSocketModeHandler) -> None:
        # The SDK would try for ever to get an address with a wrong token, and to use it once it is spent.
        handler.client.wss_uri = await self._open()
        async with asyncio.timeout(LOST):
            await handler.connect_async()

    async def _watch(self, handler: AsyncSocketModeHandler) -> None:
        """Report how the socket is, until it is lost for good."""
        now = asyncio.get_running_loop().time
        heard = now()
        while now() - heard < LOST:
            if await handler.client.is_connected():
                self.health, heard = "up", now()
            else:
                self.health = "down"
            await asyncio.sleep(1)
        raise ConnectionError(f"Slack's socket did not come back within {LOST:g} s")

    async def _open(self) -> str:
        """Return the address of a new socket."""
        try:
            with translated():
                answer = await self._web.apps_connections_open(
                    app_token=self._settings.app_token.get_secret_value()
                )
        except Gone as gone:
            raise Unavailable(_app_token(gone)) from None
        except SlackApiError as error:
            raise Unavailable(_app_token(str(error.response["error"]))) from None
        return str(answer["url"])

    def _app(self, core: Core) -> AsyncApp:
        # Bolt takes it for an event of our own when somebody deletes an answer of ours.
        app = AsyncApp(
            client=self._web,
            logger=bolt_log,
            request_verification_enabled=False,
            ignoring_self_events_enabled=False,
        )

        @app.middleware
        async def take(
            body: Json, context: Json, next_: Callable[[], Awaitable[None]]
        ) -> BoltResponse | None:
            try:
                context["outcome"] = await self._take(core, body)
            except Unavailable as why:
                log.info("an event is left to Slack, which sends it again", why=str(why))
                return BoltResponse(status=503)
            await next_()
            return None

        async def done() -> None:
            """Let Bolt acknowledge: the middleware has done the work."""

        async def pressed(ack: Callable[[], Awaitable[None]], body: Json, context: Json) -> None:
            await ack()
            await self._pressed(body, context["outcome"])

        app.event(re.compile(".*"))(done)
        app.action(re.compile(".*"))(pressed)
        return app

    async def _take(self, core: Core, body: Json) -> Outcome | None:
        """Give one event to the core."""
        if body.get("type") == "block_actions":
            return await self._press(core, body)
        event = body.get("event", {})
        match event:
            case {"type": "app_mention"} | {"type": "message", "channel_type": "im"} if self._asks(event):
                await core.mention(await self._mention(event, body["team_id"]))
            case {"subtype": "message_changed", "message": {"subtype": "tombstone", "ts": ts}}:
                # What remains of a deleted question in whose thread somebody has written.
                await core.deleted(Deleted(self._key(event["channel"], ts)))
            case {"type": "message", "subtype": "message_changed", "message": {"user": user} as message}:
                before = event.get("previous_message", {})
                if user != self._user and message.get("text") != before.get("text"):
                    actor, place = await self._who(user, event["channel"], body["team_id"])
                    await core.edited(
                        Edited(self._key(event["channel"], message["ts"]), self._words(message), actor, place)
                    )
            case {"type": "message", "subtype": "message_deleted", "deleted_ts": ts}:
                await core.deleted(Deleted(self._key(event["channel"], ts)))
            case {"type": "reaction_added", "item": {"type": "message", "channel": channel, "ts": ts}}:
                if event["reaction"].split("::")[0] in self._settings.stop_emoji:
                    await self._stop(core, event["user"], channel, [ts], body["team_id"])
            case {"type": "agent_session_stopped"}:
                messages = [*event.get("streaming_message_ts", ()), event["thread_ts"]]
                await self._stop(core, event["user"], event["channel"], messages, body["team_id"])
        return None

    async def _mention(self, event: Json, team: str) -> Mention:
        channel, ts = event["channel"], event["ts"]
        thread = event.get("thread_ts") or ts
        actor, place = await self._who(event["user"], channel, team)

        async def stopped(message: str) -> None:
            if self._core and channel.startswith(
                "D"
            ):  # else it may have been anybody: Slack's event says who
                await self._core.stop(Stop(message, actor, place))

        return Mention(
            key=self._key(channel, ts),
            conversation=f"slack/{team}/{channel}/{thread}",
            actor=actor,
            place=place,
            text=self._words(event),
            surface=self._surface(channel, thread, ts, Reader(actor.id, actor.workspace or team, stopped)),
        )

    async def _stop(self, core: Core, user: str, channel: str, messages: list[str], team: str) -> None:
        actor, place = await self._who(user, channel, team)
        for ts in messages:
            await core.stop(Stop(self._key(channel, ts), actor, place))

    async def _press(self, core: Core, body: Json) -> Outcome:
        message, channel = body["container"]["message_ts"], body["container"]["channel_id"]
        actor, place = await self._who(body["user"]["id"], channel, body["team"]["id"])
        return await core.press(
            Press(self._key(channel, message), body["actions"][0]["action_id"], actor, place)
        )

    async def _pressed(self, body: Json, outcome: Outcome) -> None:
        """Take the buttons off a message that no running answer owns: a crash left them."""
        if outcome is not Outcome.UNKNOWN or not body.get("message", {}).get("blocks"):
            return
        kept = [block for block in body["message"]["blocks"] if block["type"] != "actions"]
        message, channel = body["container"]["message_ts"], body["container"]["channel_id"]
        with suppress(SlowDown, Gone, OSError, SlackApiError), translated():
            preview = body["message"].get("text") or "…"
            await self._web.chat_update(channel=channel, ts=message, blocks=kept, text=preview)

    async def _who(self, user: str, channel: str, team: str) -> tuple[Actor, Place]:
        return await self._people.find(user), Place(channel, workspace=team, home=self._team)

    def _surface(self, channel: str, thread: str, question: str, reader: Reader = NOBODY) -> SlackSurface:
        where = (self._web, self._team, channel, thread, question, self._people.name, self._user)
        kind = self._settings.streaming
        surface = SlackSurface(*where, self._errands)
        if kind == "native" or (kind == "auto" and channel.startswith("D")):
            surface = NativeSurface(*where, self._errands, streams=self._streams, reader=reader)
        surface.limits = replace(surface.limits, attach=self._attach)
        return surface

    def _key(self, channel: str, ts: str) -> str:
        return f"slack/{self._team}/{channel}/{ts}"

    def _asks(self, event: Json) -> bool:
        """Whether a person wrote *event*: no bot, no edit, no joining of a channel, and no file of ours."""
        plain_kinds = {None, "file_share", "thread_broadcast"}
        person = "bot_id" not in event and event.get("user") not in {None, "", self._user}
        return person and event.get("subtype") in plain_kinds

    def _words(self, message: Json) -> str:
        """Return what was asked, without our own mention."""
        return words(message.get("text", ""), self._user)


def _app_token(why: object) -> str:
    return f"Slack refuses SLACK_APP_TOKEN ({why}): make one with connections:write, and enable Socket Mode."


def _scope(scope: str) -> str:
    return (
        f"Slack: add the bot scope {scope} ({SCOPES[scope]}) at OAuth & Permissions, then reinstall the app."
    )


__all__ = ["SCOPES", "Settings", "Slack", "load"]
