"""One Slack workspace: who listens, and where answers are written.

What the core did not take is not acknowledged, and Slack sends it again.  Must never use Bolt's `lazy=`
(breaks with a shared session) nor the SDK's retries on a create (they post twice).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.incoming.bolt import taker
from adapters.slack.incoming.link import ticket
from adapters.slack.incoming.way import Way
from adapters.slack.people import is_anybody
from adapters.slack.rights import lacking
from adapters.slack.settings import Settings
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import Refused, Revoked
from adapters.slack.wire.first import first
from adapters.slack.wire.straight import straight
from adapters.slack.wire.web import Web
from adapters.slack.workspace import Identity, Workspace, identify
from bot.platform import (
    Actor,
    Asked,
    Finding,
    Gone,
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
        self._errands = Errands()
        self._here: Workspace | None = None
        self._way = Way(settings, self, self._errands)
        self.routes = self._way.http.routes if self._way.http else ()

    async def run(self, inbox: Inbox) -> None:
        """See `Platform.run`; a token that was good and is refused now is tried again every ten minutes."""
        while True:
            try:
                await self._serve(inbox)
            except Refused as error:
                if not self._way.served:
                    raise
                log.error("Slack is off until its token is good again", reason=str(error))  # noqa: TRY400  told in full
                await asyncio.sleep(RECHECK)

    async def _serve(self, inbox: Inbox) -> None:
        """Listen while the token is good."""
        async with self._client() as self._web:
            try:
                us = await self._identify()
                self.identity = f"slack/{us.team}/{us.user}"
                self._here = here = Workspace(self._web, self._settings, self._errands, us, inbox)
                await inbox.repair(self)
                listening = self._way.listen(self._web, taker(self._web, here.events), inbox, self._identify)
                await first(listening, self._mistrust(self._web))
            finally:
                self.health = "down"
                if self._here:
                    await self._here.close()

    async def _mistrust(self, web: Web) -> None:
        """Ask whether the token is still good whenever there is a reason to doubt it."""
        while True:
            await web.doubted.wait()
            with suppress(SlowDown, OSError):
                await self._identify()
            await asyncio.sleep(DOUBT)
            web.doubted.clear()

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        async with self._client() as self._web:
            asked = [self._identify(), *([self._ticket()] if self._way.http is None else [])]
            told = await asyncio.gather(*asked, return_exceptions=True)
        found = [trouble(each) for each in told if isinstance(each, BaseException)]
        if isinstance(told[0], BaseException):
            return found
        us = told[0]
        assert us  # noqa: S101  else it is an error
        good = Finding(ok=True, text=f"bot {us.user} in workspace {us.team}; {EVENTS}")
        return [good, *found, *_scopes(us.scopes)]

    async def strangers(self, ids: Collection[str]) -> Collection[str]:
        """See `Platform.strangers`; groups are taken for known."""
        async with self._client() as web:
            return [id_ for id_ in ids if id_[0] != "S" and not await is_anybody(web, id_)]

    async def _ticket(self) -> None:
        """Ask for a socket, which is not opened: Slack would send it events."""
        await ticket(self._web, self._settings.app_token.get_secret_value())

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        return self._here.reopen(asked, remains) if self._here else None

    async def standing(self, message: str, place: Place) -> Sequence[Stop]:
        """See `Platform.standing`."""
        return await self._here.events.standing(message, place) if self._here else ()

    async def thumbs(self, message: str, place: Place) -> Sequence[Rating]:
        """See `Platform.thumbs`."""
        return await self._here.events.thumbs(message, place) if self._here else ()

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        """See `Platform.whisper`."""
        return self._here is not None and await self._here.events.whispers.tell(message, actor.id, text)

    async def notify(self, person: str, text: str) -> bool:
        """See `Platform.notify`."""
        return self._here is not None and await self._here.notify(person, text)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: Slack sends again what it can, but not for ever."""
        return await self._here.missed(recent, since) if self._here else ()

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

    async def _identify(self) -> Identity:
        """Learn who we are, and what we may."""
        try:
            us = await identify(self._web)
        except (Gone, Revoked) as gone:
            raise Refused(
                f"Slack refuses SLACK_BOT_TOKEN ({gone}): copy it again from OAuth & Permissions."
            ) from None
        if self._here:
            self._here.us = us
        return us


def trouble(error: BaseException) -> Finding:
    """Return what *error* means to an operator; raise it where it is none of Slack's."""
    if isinstance(error, Unavailable):
        return Finding(ok=False, text=str(error), fatal=True)
    if isinstance(error, SlowDown | OSError | SlackApiError):
        return Finding(ok=False, text=f"could not be asked ({error})", fix="see whether the network is up")
    raise error


def _scopes(granted: Collection[str]) -> list[Finding]:
    """Return a finding for each scope that the app lacks."""
    if not granted:  # a proxy may take the header away
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
