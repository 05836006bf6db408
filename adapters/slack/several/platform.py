"""Slack for several workspaces: one app, one way in, and a token for each workspace that installs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import structlog
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError

from adapters.slack.incoming.bolt import finder
from adapters.slack.incoming.link import ticket
from adapters.slack.incoming.way import Way
from adapters.slack.platform import TIMEOUT, trouble
from adapters.slack.settings import Settings
from adapters.slack.several.claims import Claims
from adapters.slack.several.directory import Directory
from adapters.slack.several.installations import Installations
from adapters.slack.several.oauth import INSTALL, REDIRECT, Asker, Door, Flow, States
from adapters.slack.several.seal import LINK, STATE, Seal, Tickets
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import code_of, translated
from adapters.slack.wire.first import first
from adapters.slack.wire.straight import straight
from adapters.slack.wire.web import Web
from adapters.slack.workspace import Workspace
from bot.platform import (
    Actor,
    Asked,
    Finding,
    Gone,
    Inbox,
    Mention,
    Place,
    Platform,
    Remains,
    SlowDown,
    Stop,
    Surface,
)

log = structlog.get_logger(__name__)

#: Connections to Slack at once, over all workspaces.
CONNECTIONS = 1_000
#: A code that is none, by which it shows whether client id and secret are good; and the answer if they are.
PROBE, GOOD = "rivulet-doctor", "invalid_code"
#: Workspaces that are tried for a person who is to be told something.
TRIED = 50


class Several(Platform):
    """All workspaces that have installed one app."""

    name = "slack"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Not "slack/": a bot that served one workspace may go on with more.
        self.identity = f"slack-app/{settings.client_id}"
        secrets = (settings.client_secret, settings.app_token, settings.signing_secret)
        self.secrets = [value for secret in secrets if (value := secret.get_secret_value().strip())]
        self._directory: Directory | None = None
        self._errands = Errands()
        self._door = Door()
        self._way = Way(settings, self, self._errands)
        self.routes = [*(self._way.http.routes if self._way.http else ()), *self._door.routes]

    async def run(self, inbox: Inbox) -> None:
        """See `Platform.run`."""
        async with self._session() as session:
            client = partial(_client, self._settings, session)
            seal = Seal(self._settings.client_secret.get_secret_value(), "installation")
            store = Installations(inbox.vault, seal)
            self._directory = directory = Directory(self._settings, store, client, inbox)
            plain = client(None)
            take = finder(plain, directory.events_of, _authorized)
            try:
                await directory.load()
                await inbox.repair(self)
                self._door.flow = self._flow(store, session, inbox, directory)
                await first(self._way.listen(plain, take, inbox, partial(_pulse, plain)), directory.tend())
            finally:
                self.health = "down"
                self._door.flow = None
                await directory.close()
                await self._errands.close()

    def _flow(
        self, store: Installations, session: aiohttp.ClientSession, inbox: Inbox, directory: Directory
    ) -> Flow:
        claims = Claims(inbox.vault, inbox.leases)
        states = States(self._tickets("state", STATE), claims)
        asker = Asker(base_url=_api(self._settings), session=session)
        return Flow(self._settings, store, states, self._tickets("link", LINK), claims, asker, directory.add)

    def _tickets(self, purpose: str, life: int) -> Tickets:
        return Tickets(Seal(self._settings.client_secret.get_secret_value(), purpose), life)

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`; which workspaces have installed the bot, the log says at each start."""
        async with self._session() as session:
            web = _client(self._settings, session, None)
            asked = [self._probe(web), *([] if self._way.http else [self._ticket(web)])]
            told = await asyncio.gather(*asked, return_exceptions=True)
        return [trouble(each) if isinstance(each, BaseException) else each for each in told]

    async def _probe(self, web: Web) -> Finding:
        """Ask for a token with a code that is none: Slack looks at client id and secret first."""
        try:
            with translated():
                await web.oauth_v2_access(
                    client_id=self._settings.client_id,
                    client_secret=self._settings.client_secret.get_secret_value(),
                    code=PROBE,
                    redirect_uri=f"{self._settings.url}{REDIRECT}",
                )
            word = GOOD
        except SlackApiError as error:
            word = code_of(error)
        if word != GOOD:
            text = f"Slack refuses SLACK_CLIENT_ID and SLACK_CLIENT_SECRET ({word})"
            return Finding(ok=False, text=text, fatal=True, fix="copy both again: Basic Information")
        where = f"{self._settings.url}{INSTALL}"
        return Finding(
            ok=True, text=f"workspaces install it at {where}, with a link of `rivulet invite slack`"
        )

    async def _ticket(self, web: Web) -> Finding:
        """Ask for a socket, which is not opened: Slack would send it events."""
        await ticket(web, self._settings.app_token.get_secret_value())
        return Finding(ok=True, text="Socket Mode is on, for all of them")

    def _of(self, key: str) -> Workspace | None:
        """Return the workspace that the message *key* is in."""
        match key.split("/"):
            case ["slack", team, *_] if self._directory:
                return self._directory.known(team)
        return None

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`; in a workspace that the bot was removed from, nothing goes on."""
        here = self._of(asked.key)
        return here.reopen(asked, remains) if here else None

    async def standing(self, message: str, place: Place) -> Sequence[Stop]:
        """See `Platform.standing`."""
        here = self._of(message)
        return await here.events.standing(message, place) if here else ()

    async def whisper(self, message: str, actor: Actor, place: Place, text: str) -> bool:
        """See `Platform.whisper`."""
        here = self._of(message)
        return here is not None and await here.events.whispers.tell(message, actor.id, text)

    async def notify(self, person: str, text: str) -> bool:
        """See `Platform.notify`; an id does not say in which workspace the person is."""
        known = [*self._directory] if self._directory else []
        known.sort(key=lambda each: each.people.known(person, stale=True) is None)
        for here in known[:TRIED]:
            if await here.notify(person, text):
                return True
        return False

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`."""
        found: list[Mention] = []
        for here in self._directory or ():
            ours = [asked for asked in recent if self._of(asked.key) is here]
            try:
                found += await here.missed(ours, since) if ours else ()
            except (SlowDown, Gone, OSError) as error:
                log.warning("what was missed was not looked for", workspace=here.us.team, error=repr(error))
        return found

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        # With a session of ours, the SDK's own timeout does not apply; no retries: the core makes them.
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            trace_configs=[straight()],
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        ) as session:
            yield session


def _api(settings: Settings) -> str:
    return settings.api_url.rstrip("/") + "/"


def _client(settings: Settings, session: aiohttp.ClientSession, token: str | None) -> Web:
    """Return a client for *token*."""
    return Web(token=token, base_url=_api(settings), session=session)


async def _pulse(web: Web) -> None:
    """Ask whether Slack is there, which needs no token."""
    try:
        with translated():
            await web.api_test()
    except SlackApiError as error:
        raise ConnectionError(f"Slack is not well: {code_of(error)}") from error


async def _authorized(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Let Bolt pass an event on: whose it is was found out before, and no token is given to it."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)
