"""Discord: discord.py's gateway in, a small REST client of our own out.

Must never send or edit an answer through discord.py (see rest.py), and never without `allowed_mentions`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from adapters.discord.client import Client
from adapters.discord.rest import Rest
from adapters.discord.threads import Reply, Threads
from bot.config import SOURCES, Names, split
from bot.platform import Asked, Finding, Health, Mention, Platform, Remains, Surface, Unavailable

if TYPE_CHECKING:
    from bot.core import Core

log = structlog.get_logger(__name__)

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody here speaks

API_URL = "https://discord.com/api/v10"
GATEWAY_URL = "wss://gateway.discord.gg/"

#: Seconds that one write may take in total.
TIMEOUT = 10.0
#: The gateway's close code for a wrong token.
AUTHENTICATION_FAILED = 4004

#: Rights that the features here need; the invite link asks for no more.
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    read_message_history=True,
    add_reactions=True,
    attach_files=True,
)
CONTENT_STEP = (
    "Discord: switch on Message Content Intent (Developer Portal > your application > Bot > Privileged "
    "Gateway Intents), or set RIVULET_DISCORD_CONTENT=false to hear direct mentions only."
)
REFUSED_STEP = (
    "Discord refuses DISCORD_BOT_TOKEN: make a new one "
    "(Developer Portal > your application > Bot > Reset Token)."
)
GUILDS_STEP = (
    "Discord: only the application's owner may use the bot. To let a server's members in, name its id in "
    "RIVULET_DISCORD_GUILDS (right-click the server > Copy Server ID)."
)


class Settings(BaseSettings):
    """Discord's settings; see the README's table."""

    model_config = SOURCES

    bot_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="DISCORD_BOT_TOKEN", description="Discord bot token."
    )
    api_url: str = Field(
        default=API_URL,
        validation_alias="DISCORD_API_URL",
        description="Where Discord's REST API is; for proxies and tests.",
    )
    gateway_url: str = Field(
        default=GATEWAY_URL,
        validation_alias="DISCORD_GATEWAY_URL",
        description="Where Discord's gateway is; for proxies and tests.",
    )
    guilds: Names = Field(
        default=(),
        validation_alias="RIVULET_DISCORD_GUILDS",
        description="Ids of the servers whose members may use the bot, with commas between; `*` means all.",
    )
    content: bool = Field(
        default=True,
        validation_alias="RIVULET_DISCORD_CONTENT",
        description="Ask for the message content intent; without it the bot hears direct mentions only.",
    )
    reply: Reply = Field(
        default="auto",
        validation_alias="RIVULET_DISCORD_REPLY",
        description="Where answers go: `channel`, a `thread` each, or `auto`: a thread while another answer "
        "is live in the channel.",
    )
    stop_emoji: Names = Field(
        default=("🛑", "⏹", "❌", "✋"),
        validation_alias="RIVULET_DISCORD_STOP_EMOJI",
        description="Reactions that stop an answer, with commas between; any skin tone.",
    )

    _split = field_validator("guilds", "stop_emoji", mode="before")(split)


def load(settings: Settings) -> Discord | None:
    """See `adapters.load`."""
    return Discord(settings) if settings.bot_token.get_secret_value() else None


async def _nothing() -> None:
    """Repair nothing: nobody answers."""


class Discord(Platform):
    """One application in many guilds."""

    name = "discord"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = settings.bot_token.get_secret_value()
        self._rest = Rest(settings.api_url, self._token)
        self._threads = Threads(self._rest, settings.reply)
        self._running: Client | None = None
        self.admits = settings.guilds
        self.secrets = [self._token]

    async def run(self, core: Core) -> None:
        """See `Platform.run`."""
        if not self.admits:
            log.warning(GUILDS_STEP)
        async with self._client(lambda: core.repair(self)) as client:
            client.core = core
            self._running = client
            try:
                await client.start(self._token)
            except discord.LoginFailure:
                raise Unavailable(REFUSED_STEP) from None
            except discord.PrivilegedIntentsRequired:
                raise Unavailable(CONTENT_STEP) from None
            except discord.ConnectionClosed as closed:
                if closed.code == AUTHENTICATION_FAILED:
                    raise Unavailable(REFUSED_STEP) from None
                raise

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        try:
            async with self._client() as client:
                await client.login(self._token)
                app = await client.application_info()
        except discord.LoginFailure:
            return [Finding(ok=False, text=REFUSED_STEP, fatal=True)]
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            return [Finding(ok=False, text=f"Discord could not be asked ({error}); is the network up?")]
        invite = discord.utils.oauth_url(app.id, permissions=PERMISSIONS)
        findings = [Finding(ok=True, text=f"Discord: application {app.name}; invite it with {invite}")]
        allowed = app.flags.gateway_message_content or app.flags.gateway_message_content_limited
        if self._settings.content and not allowed:
            findings.append(Finding(ok=False, text=CONTENT_STEP, fatal=True))
        if not self.admits:
            findings.append(Finding(ok=False, text=GUILDS_STEP))
        return findings

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        return self._running.reopen(asked, remains) if self._running else None

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`."""
        return await self._running.missed(recent, since) if self._running else ()

    @asynccontextmanager
    async def _client(self, repair: Callable[[], Awaitable[None]] = _nothing) -> AsyncIterator[Client]:
        # Both are global to discord.py: one API per process.
        Route.BASE = self._settings.api_url.rstrip("/")
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._settings.gateway_url)
        intents = discord.Intents.none()
        intents.guilds = intents.messages = intents.reactions = True
        intents.message_content = self._settings.content
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session:
            self._rest.session = session
            try:
                emoji = self._settings.stop_emoji
                async with Client(intents, self._rest, self._threads, emoji, self._report, repair) as client:
                    yield client
            finally:
                self._report("down")

    def _report(self, health: Health) -> None:
        self.health = health
