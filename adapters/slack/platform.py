"""One Slack workspace: who listens, and where answers are written.

What the core did not take is not acknowledged, and Slack sends it again.  Must never use Bolt's `lazy=`
(breaks with a shared session) nor the SDK's retries on a create (they post twice).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.incoming.bolt import taker
from adapters.slack.incoming.events import Events
from adapters.slack.incoming.http import Http
from adapters.slack.incoming.link import ticket
from adapters.slack.incoming.missed import missed, newest
from adapters.slack.incoming.payloads import moment
from adapters.slack.incoming.sockets import DOWN, Sockets
from adapters.slack.native import NOBODY, NativeSurface, Reader
from adapters.slack.outgoing.notices import Notices
from adapters.slack.outgoing.sessions import Sessions
from adapters.slack.outgoing.streams import Streams
from adapters.slack.outgoing.uploads import ATTACH
from adapters.slack.people import People
from adapters.slack.rights import FILES, lacking
from adapters.slack.settings import Settings
from adapters.slack.surface import SlackSurface
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import Refused, Revoked, translated
from adapters.slack.wire.first import first
from adapters.slack.wire.straight import straight
from adapters.slack.wire.web import Web
from bot.platform import (
    Actor,
    Asked,
    Finding,
    Gone,
    Health,
    Inbox,
    Mention,
    Place,
    Platform,
    Rating,
    Remains,
    SlowDown,
    Stop,
    Surface,
    Unavailable,
)

log = structlog.get_logger(__name__)

#: Seconds that one call may take in total.
TIMEOUT = 10.0
#: Seconds after which a token that was refused is tried again, and between two looks at one that may be.
RECHECK = 600.0
DOUBT = 60.0
#: Seconds of silence past which mentions are looked for: Slack sends an event again at once and after a
#: minute, and then in five.
QUICK = 60.0
#: Seconds between two calls in HTTP mode that only ask whether Slack is there.
PULSE = 60.0
SCOPES_STEP = "compare OAuth & Permissions with `rivulet manifest slack`"
EVENTS = (
    "questions in threads need no mention where message.channels and message.groups are among its events "
    "(Event Subscriptions; Slack does not tell)"
)


class Slack(Platform):
    """One workspace, through one app."""

    name = "slack"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        secrets = (settings.bot_token, settings.app_token, settings.signing_secret)
        self.secrets = [value for secret in secrets if (value := secret.get_secret_value().strip())]
        self._web = Web()
        self._team = ""
        self._user = ""
        self._attach = 0
        self._people = People(self._web, self._settings.bots)
        self._errands = Errands()
        self._streams = Streams(self._web, self._errands)
        self._sessions = Sessions(self._web, self._errands)
        self._notices = Notices(self._web, self._errands)
        self._events: Events | None = None
        self._served = False
        self._sockets: Sockets | None = None
        self._http: Http | None = None
        if not settings.app_token.get_secret_value():
            self._http = Http(settings.signing_secret.get_secret_value().strip())
            self.routes = self._http.routes

    async def run(self, inbox: Inbox) -> None:
        """See `Platform.run`; a token that was good and is refused now is tried again every ten minutes."""
        while True:
            try:
                await self._serve(inbox)
            except Refused as error:
                if not self._served:
                    raise
                log.error("Slack is off until its token is good again", reason=str(error))  # noqa: TRY400  told in full
                await asyncio.sleep(RECHECK)

    async def _serve(self, inbox: Inbox) -> None:
        """Listen while the token is good."""
        async with self._client() as self._web:
            self._people = People(self._web, self._settings.bots)
            self._streams = Streams(self._web, self._errands)
            self._sessions = Sessions(self._web, self._errands)
            self._notices = Notices(self._web, self._errands)
            try:
                await self._identify()
                self._events = self._events_for(inbox)
                await inbox.repair(self)
                await first(self._listen(self._events, inbox), self._mistrust(self._web))
            finally:
                self.health = "down"
                await self._streams.close()

    async def _listen(self, events: Events, inbox: Inbox) -> None:
        take, back = taker(self._web, events), partial(self._back, inbox)
        if self._http is None:
            token = self._settings.app_token.get_secret_value()
            self._sockets = Sockets(self._web, token, take, self._tell, back)
            await self._sockets.run()
            return
        self._http.take = take
        try:
            await self._feel_pulse(back)
        finally:
            await self._http.close()

    def _back(self, inbox: Inbox, silent: float) -> None:
        """Let the core know that Slack is heard, for the first time or after so many seconds without."""
        inbox.back(self)
        if silent > QUICK:
            log.info("looking for what was missed while nothing was heard of Slack", seconds=round(silent))
            self._errands.start(_done(inbox.repair(self)))

    async def _feel_pulse(self, back: Callable[[float], None]) -> None:
        """Report whether Slack is there, in HTTP mode nothing else shows that while no event comes."""
        now = asyncio.get_running_loop().time
        self.heard_at = heard = now()  # `_identify` has just asked
        self._tell("up")
        back(0.0)
        well = True
        while True:
            await asyncio.sleep(PULSE)
            try:
                await self._identify()
            except (SlowDown, OSError):
                well = False
                if now() - heard >= DOWN:
                    self._tell("down")
            else:
                if not well:
                    back(now() - heard)
                well = True
                self.heard_at = heard = now()
                self._tell("up")

    async def _mistrust(self, web: Web) -> None:
        """Ask whether the token is still good whenever there is a reason to doubt it."""
        while True:
            await web.doubted.wait()
            with suppress(SlowDown, OSError):
                await self._identify()
            await asyncio.sleep(DOUBT)
            web.doubted.clear()

    def _tell(self, health: Health) -> None:
        self.health = health
        self.heard_at = self._sockets.heard if self._sockets else self.heard_at
        self._served = self._served or health == "up"

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        async with self._client() as self._web:
            asked = [self._identify(), *([self._ticket()] if self._http is None else [])]
            told = await asyncio.gather(*asked, return_exceptions=True)
        found = [_trouble(each) for each in told if isinstance(each, BaseException)]
        if isinstance(told[0], BaseException):
            return found
        good = Finding(ok=True, text=f"bot {self._user} in workspace {self._team}; {EVENTS}")
        return [good, *found, *_scopes(told[0])]

    async def _ticket(self) -> set[str]:
        """Ask for a socket, which is not opened: Slack would send it events."""
        await ticket(self._web, self._settings.app_token.get_secret_value())
        return set()

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        match [*asked.key.split("/"), asked.conversation.split("/")[-1]]:
            case ["slack", self._team, channel, ts, *_, thread]:  # a press has its button's name at the end
                if not all(map(moment, (ts, thread, *map(self._stamp, remains.messages)))):
                    raise ValueError("ids that are none of this workspace's")
                surface = self._surface(channel, thread, ts)
                surface.resume(remains)
                return surface
        return None

    def _stamp(self, message: str) -> str:
        """Return the `ts` in the key of a message; "" if it is of no message in this workspace."""
        match message.split("/"):
            case ["slack", self._team, _, ts]:
                return ts
        return ""

    async def standing(self, message: str, place: Place) -> Sequence[Stop]:
        """See `Platform.standing`."""
        return await self._events.standing(message, place) if self._events else ()

    async def thumbs(self, message: str, place: Place) -> Sequence[Rating]:
        """See `Platform.thumbs`."""
        return await self._events.thumbs(message, place) if self._events else ()

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        """See `Platform.whisper`."""
        return self._events is not None and await self._events.whispers.tell(message, actor.id, text)

    async def notify(self, person: str, text: str) -> bool:
        """See `Platform.notify`."""
        return self._events is not None and await self._events.whispers.notify(person, text)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: Slack sends again what it can, but not for ever."""
        if self._events is None:
            return ()
        asked, found = newest(recent), list[Mention]()
        for message in await missed(self._web, recent, since):
            before = asked.get((message["channel"], str(message.get("thread_ts"))), 0.0)
            followed = float(message["ts"]) > before and self._events.questions.follows(message)
            if not followed and not self._events.questions.asks(message):
                continue
            try:
                found.append(await self._events.mention(message, self._team))
            except (SlowDown, Gone, OSError, SlackApiError) as error:
                log.warning("a mention that was missed was not taken", ts=message["ts"], error=repr(error))
        return found

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Web]:
        # With a session of ours, the SDK's own timeout does not apply; no retries: the core makes them.
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT), trace_configs=[straight()]
        ) as session:
            yield Web(
                token=self._settings.bot_token.get_secret_value(),
                base_url=self._settings.api_url.rstrip("/") + "/",
                session=session,
            )

    async def _identify(self) -> set[str]:
        """Learn who we are; return the scopes that we have."""
        try:
            with translated():
                answer = await self._web.auth_test()
        except (Gone, Revoked) as gone:
            raise Refused(
                f"Slack refuses SLACK_BOT_TOKEN ({gone}): copy it again from OAuth & Permissions."
            ) from None
        self._team, self._user = answer["team_id"], answer["user_id"]
        self._people.keep(Actor(self._user, str(answer.get("user") or "me"), workspace=self._team, bot=True))
        scopes = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
        self._attach = ATTACH if FILES in scopes or not any(scopes) else 0  # a proxy may take the header away
        return scopes

    def _events_for(self, inbox: Inbox) -> Events:
        us = (self._web, self._team, self._user, self._people)
        self._people.groups.named = lambda: inbox.named
        return Events(inbox, *us, self._surface, self._settings.stop_emoji, self._errands)

    def _surface(self, channel: str, thread: str, question: str, reader: Reader = NOBODY) -> SlackSurface:
        us = (self._people, self._user, self._errands, self._sessions)
        where = (self._web, self._team, channel, thread, question, *us)
        kind = self._settings.streaming
        shut = partial(self._notices.tell, reader.user, channel) if reader.user else _unheard
        surface = SlackSurface(*where, shut)
        if kind == "native" or (kind == "auto" and channel.startswith("D")):
            surface = NativeSurface(*where, shut, streams=self._streams, reader=reader)
        surface.limits = replace(surface.limits, attach=self._attach)
        return surface


async def _done(work: Awaitable[None]) -> None:
    await work


def _unheard(_why: str) -> None:
    """Tell no person: it is not known who asked."""


def _trouble(error: BaseException) -> Finding:
    """Return what *error* means to an operator; raise it where it is none of Slack's."""
    if isinstance(error, Unavailable):
        return Finding(ok=False, text=str(error), fatal=True)
    if isinstance(error, SlowDown | OSError | SlackApiError):
        return Finding(ok=False, text=f"could not be asked ({error})", fix="see whether the network is up")
    raise error


def _scopes(granted: set[str]) -> list[Finding]:
    """Return a finding for each scope that the app lacks."""
    if not any(granted):  # a proxy may take the header away
        return [Finding(ok=False, text="Slack did not say which scopes the app has", fix=SCOPES_STEP)]
    return [
        Finding(
            ok=False,
            text=f"the bot scope {right.name} is missing ({right.why})",
            fatal=right.vital,
            fix=f"add {right.name} at OAuth & Permissions, then reinstall the app",
        )
        for right in lacking(granted)
    ]
