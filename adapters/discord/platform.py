"""One Discord application: who listens, and where answers are written.

Must never send or edit an answer through discord.py (see rest.py), and never without `allowed_mentions`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord import rights
from adapters.discord.examine import MANY, begun, within
from adapters.discord.incoming.client import Client
from adapters.discord.incoming.gateway import Gateway
from adapters.discord.incoming.leased import Leased
from adapters.discord.incoming.starts import Book
from adapters.discord.incoming.steps import CONTENT_STEP, REFUSED_STEP
from adapters.discord.known import strangers
from adapters.discord.outgoing.commands import Registering
from adapters.discord.outgoing.direct import Direct
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Threads
from adapters.discord.settings import Settings
from adapters.discord.wire.rest import Rest
from adapters.discord.wire.straight import straight
from adapters.discord.wire.trace import trace
from adapters.proxies import proxy_for
from bot.platform import (
    Actor,
    Asked,
    Finding,
    Health,
    Inbox,
    Mention,
    Place,
    Platform,
    Rating,
    Remains,
    Stop,
    Surface,
)

log = structlog.get_logger(__name__)

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # the bot does not use voice

#: Seconds that one write may take in total.
TIMEOUT = 10.0
#: People with a role who are told what its members are to be told.
NOTIFIED = 10

#: What the doctor adds where the intent is not asked for, which is the operator's choice.
MENTIONS_ONLY = (
    "; without RIVULET_DISCORD_CONTENT it hears mentions only, so each question needs one, also in threads"
)
GUILDS_STEP = (
    "Discord: only the application's owner may use the bot. To let a server's members in, name its id in "
    "RIVULET_DISCORD_GUILDS (right-click the server > Copy Server ID)."
)


class Discord(Platform):
    """One application in many guilds."""

    name = "discord"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = settings.bot_token.get_secret_value()
        self._rest = Rest(settings.api_url, self._token)
        self._threads = Threads(self._rest, settings.reply)
        self._direct = Direct(self._rest)
        self._notices = Notices(self._direct)
        self._roots: OrderedDict[int, int] = OrderedDict()
        self._registering = Registering(self._rest)
        self._errand: asyncio.Task[None] | None = None
        self._book: Book | None = None
        self._running: Client | None = None
        self.admits = settings.guilds
        self.secrets = [self._token]

    async def run(self, inbox: Inbox) -> None:
        """See `Platform.run`."""
        if not self.admits:
            log.warning(GUILDS_STEP)
        self._rest.traffic.dead.clear()  # called anew, this may have a good token

        def client() -> Client:
            made = self._new()
            made.inbox = inbox
            made.questions.asked_in = inbox.asked_in
            made.questions.roots = self._roots
            made.questions.notices = self._notices
            made.content_step = CONTENT_STEP if self._settings.content else ""
            made.register = self._register
            made.repair = partial(self._repair, inbox, made)
            made.back = partial(inbox.back, self)
            return made

        # Without a folder the book is in memory, and the one of the last run is used again.
        book = self._book = Book(self.data, time.time) if self.data or not self._book else self._book
        async with self._session():
            brake, hear, url = self._settings.brake, self._hear, self._settings.gateway_url
            shards = self._settings.shards
            leased = Leased(inbox, 0 if shards == "auto" else int(shards), url)
            rest, token = self._rest, self._token
            await Gateway(client, rest, token, book, leased, url=url, brake=brake, hear=hear).run()

    def _register(self, application: int) -> None:
        """Tell Discord of the commands, beside all else."""
        if self._errand is None or self._errand.done():
            self._errand = asyncio.get_running_loop().create_task(self._registering.run(application))

    async def _repair(self, inbox: Inbox, client: Client) -> None:
        self._running = client  # the one before it is closed
        self.identity = f"discord/{client.application_id}"
        await inbox.repair(self)

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        try:
            async with self._session(), self._new() as client:
                await client.login(self._token)
                app, guilds, (*_, starts) = await asyncio.gather(
                    client.application_info(),
                    client.http.get_guilds(MANY, with_counts=False),
                    client.http.get_bot_gateway(),
                )
        except discord.LoginFailure:
            return [Finding(ok=False, text=REFUSED_STEP, fatal=True)]
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            return [
                Finding(ok=False, text=f"could not be asked ({error})", fix="see whether the network is up")
            ]
        allowed = app.flags.gateway_message_content or app.flags.gateway_message_content_limited
        link, content = rights.invite(str(app.id)), self._settings.content
        good = f"application {app.name}; invite it with {link}{'' if content else MENTIONS_ONLY}"
        intent = [Finding(ok=False, text=CONTENT_STEP, fatal=True)] if content and not allowed else []
        there = within(guilds, self.admits, link) if self.admits else [Finding(ok=False, text=GUILDS_STEP)]
        return [Finding(ok=True, text=good), *intent, *there, *begun(starts)]

    async def strangers(self, ids: Collection[str]) -> Collection[str]:
        """See `Platform.strangers`."""
        async with self._session():
            return await strangers(self._rest, ids, self.admits)

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        return self._running.questions.reopen(asked, remains) if self._running else None

    async def standing(self, message: str, place: Place) -> Sequence[Stop]:
        """See `Platform.standing`."""
        return await self._running.standing(message, place) if self._running else ()

    async def thumbs(self, message: str, place: Place) -> Sequence[Rating]:
        """See `Platform.thumbs`."""
        return await self._running.thumbs(message, place) if self._running else ()

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        """See `Platform.whisper`: a direct message, unless they take none."""
        return await self._direct.whisper(actor, place, text)

    async def notify(self, person: str, text: str) -> bool:
        """See `Platform.notify`; of a role, a few are told who are known to have it."""
        people = self._running.holding(person) if self._running else None
        if people is None:
            return await self._direct.notify(person, text)
        if not people:
            log.warning("nobody is known who has a role; name an admin by their own id too", role=person)
        told = [await self._direct.notify(str(each), text) for each in people[:NOTIFIED]]
        return any(told)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`."""
        return await self._running.missed(recent, since) if self._running else ()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[None]:
        # Both are global to discord.py: one API per process.
        Route.BASE = self._settings.api_url.rstrip("/")
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._settings.gateway_url)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, trace_configs=[straight()]) as session:
            self._rest.session = session
            try:
                yield
            finally:
                if self._errand:
                    self._errand.cancel()
                self._report("down")

    def _new(self) -> Client:
        wanted = [each for each in rights.INTENTS if self._settings.content or not each.privileged]
        intents = discord.Intents(**{each.key: True for each in wanted})
        seen = straight(trace(self._rest.traffic, self._settings.api_url))
        stop, bots, api = self._settings.stop_emoji, self._settings.bots, self._settings.api_url
        proxy = proxy_for(api)
        return Client(intents, self._rest, self._threads, stop, self._report, seen, bots, proxy)

    def _hear(self, at: float) -> None:
        self.heard_at = at

    def _report(self, health: Health) -> None:
        self.health = health
