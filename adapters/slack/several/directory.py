"""Which workspaces have installed the bot, and which of them an event is of.

Every workspace has a client, people, budgets and streams of its own; those of one organization share a token.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress

import structlog
from slack_bolt.request.internals import extract_enterprise_id, extract_is_enterprise_install, extract_team_id
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from adapters.slack.blocks import string
from adapters.slack.incoming.events import Events
from adapters.slack.settings import Settings
from adapters.slack.several.grants import EARLY, OVER, Grant
from adapters.slack.several.installations import Installations
from adapters.slack.text import Json
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.seldom import Seldom
from adapters.slack.wire.web import Web
from adapters.slack.workspace import Workspace
from bot.platform import Inbox

log = structlog.get_logger(__name__)

#: Seconds between two looks at what other replicas have installed and dropped, and whether a token ends soon.
TICK = 5.0
#: Seconds that a start waits for tokens to be renewed that ended while nobody ran.
ENDED = 20.0
#: Seconds after which it is looked again for an installation that was not there, or for an organization's
#: workspaces; and how many of these are remembered.
ANEW, REMEMBERED = 10.0, 1_000
#: Seconds before each look whether a token is refused: where Slack has said that it is over, and where not.
TOLD, UNTOLD = (0.0, 5.0, 60.0), (0.0, 60.0, 600.0)
#: Events by which Slack tells it.
ENDS = frozenset({"app_uninstalled", "tokens_revoked"})
#: Events by which it tells that an organization lets the bot into a workspace, or out of one.
MOVES = frozenset({"team_access_granted", "team_access_revoked"})


class Directory:
    """The workspaces.

    Args:
        settings: The operator's.
        store: Keeps the installations.
        client: Makes a client for a token.
        inbox: Who is told.
    """

    def __init__(
        self, settings: Settings, store: Installations, client: Callable[[str | None], Web], inbox: Inbox
    ) -> None:
        self._settings = settings
        self._store = store
        self._client = client
        self._inbox = inbox
        known = settings.client_id, settings.client_secret.get_secret_value()
        self._rotator = AsyncTokenRotator(client_id=known[0], client_secret=known[1], client=client(None))
        self._grants: dict[str, Grant] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._tasks: dict[Grant, asyncio.Task[None]] = {}
        self._unread: set[str] = set()
        self._seldom = Seldom()

    def __iter__(self) -> Iterator[Workspace]:
        """Yield the workspaces that are known."""
        yield from [*self._workspaces.values()]

    def known(self, team: str) -> Workspace | None:
        """Return the workspace *team*, if it is known."""
        return self._workspaces.get(team)

    async def load(self) -> None:
        """Take up all installations that are kept.

        Raises:
            OSError: They can't be read.
        """
        await self._agree()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDED):
                await self._renew(0.0)
        if not self._grants:
            log.warning("no workspace has installed the bot: `rivulet invite slack` prints a link for one")

    async def add(self, installation: Installation) -> None:
        """Serve what was installed, or installed anew, from now on."""
        grant = Grant(installation, self._client(installation.bot_token))
        if known := self._grants.get(grant.key):
            known.adopt(installation)
            grant = known
        else:
            self._grants[grant.key] = grant
            watch = asyncio.get_running_loop().create_task(self._watch(grant), name=f"watch {grant.name}")
            self._tasks[grant] = watch
            watch.add_done_callback(_heard)
        if grant.whole:
            await grant.look()
        else:
            grant.teams = {grant.key}
        self._absent.clear()
        self._meet(grant)

    def _meet(self, grant: Grant) -> None:
        """Make the workspaces of *grant* that are not known, and leave those where it is good no more."""
        for team in grant.teams:
            known, us = self._workspaces.get(team), grant.us(team)
            if known and known.web is grant.web and known.us.user == us.user:
                known.us = us
            else:
                made = Workspace(grant.web, self._settings, Errands(), us, self._inbox)
                self._workspaces[team] = made
        left = [team for team, each in self._workspaces.items() if each.web is grant.web]
        for team in left:
            if team not in grant.teams:
                del self._workspaces[team]
                self._inbox.removed("slack", team)

    async def events_of(self, body: Json) -> Events | None:
        """Return what takes the event *body*; None if it is of no workspace that has installed the bot.

        Where Slack does not say in *body* which workspace of an organization it is of, that is added.

        Raises:
            OSError: It can't be told now.
        """
        grant, team = await self._placed(body)
        if grant is None or team not in grant.teams:
            if self._seldom.due("absent", asyncio.get_running_loop().time()):
                log.warning(
                    "an event of a workspace that has not installed the bot is left out", workspace=team
                )
            return None
        if self._workspaces[team].web is not grant.web:  # it has two installations, and this one counts
            self._meet(grant)
        if _kind(body) in ENDS:
            grant.told.set()
        if grant.whole and "team" in body and not body["team"]:
            body["team"] = {"id": team}
        return self._workspaces[team].events

    async def _placed(self, body: Json) -> tuple[Grant | None, str]:
        """Return the installation that *body* was sent for, and the workspace; Bolt knows where it stands."""
        enterprise, team = string(extract_enterprise_id(body)), string(extract_team_id(body))
        team = team or string(body.get("team_id"))
        if team and not extract_is_enterprise_install(body):
            return await self._found(enterprise, team), team
        grant = await self._found(enterprise, "")
        if grant is None:
            return None, team
        # In a channel that is shared with others, the event may have happened in a workspace of theirs.
        told = [team, string(body.get("context_team_id")), string(body.get("team_id"))]
        if _kind(body) in MOVES or not grant.teams.intersection(told):
            await grant.look(0.0 if _kind(body) in MOVES else ANEW)
            self._meet(grant)
        return grant, next((each for each in told if each in grant.teams), team)

    async def _found(self, enterprise: str, team: str) -> Grant | None:
        """Return an installation, which another replica may have made: an organization's if *team* is ""."""
        key, now = team or enterprise, asyncio.get_running_loop().time()
        known = self._grants.get(key)
        if known or now - self._absent.get(key, float("-inf")) < ANEW:
            return known
        made = await self._store.async_find_installation(
            enterprise_id=enterprise or None, team_id=team or None, is_enterprise_install=not team
        )
        if made:
            await self.add(made)
            return self._grants.get(key)
        self._absent[key] = now
        if len(self._absent) > REMEMBERED:
            self._absent.popitem(last=False)
        return None

    async def _agree(self) -> None:
        """Serve the installations that are kept, and no others: other replicas make some, and drop some."""
        names = await self._store.names()
        known = {grant.name: grant for grant in self._grants.values()}
        for name in names:
            if name not in known and name not in self._unread:
                self._unread.add(name)  # what can't be read is told of once
                if found := await self._store.read(name):
                    self._unread.discard(name)
                    await self.add(found)
                    await asyncio.sleep(0)  # a thousand of them take a second
        for name in known.keys() - set(names):
            known[name].told.set()
            known[name].web.doubted.set()

    async def tend(self) -> None:
        """Agree with the other replicas, and renew tokens before they end, until cancelled."""
        while True:
            try:
                await self._agree()
            except OSError as error:
                log.warning("it is not known what other replicas have installed", error=str(error))
            await self._renew(EARLY)
            await asyncio.sleep(TICK)

    async def _renew(self, minutes: float) -> None:
        """Renew the tokens that end in so many *minutes*."""
        for grant in [each for each in self._grants.values() if each.is_due(minutes)]:
            try:
                await grant.renew(self._store, self._rotator, self._inbox.leases)
            except OSError as error:
                log.warning("a token was not renewed yet", name=grant.name, error=str(error))

    async def _watch(self, grant: Grant) -> None:
        """Find out whether *grant* is over whenever there is a reason to doubt it; return when it is."""
        while True:
            await grant.web.doubted.wait()
            if await self._is_over(grant) and await self._forgotten(grant):
                return self._leave(grant)
            grant.web.doubted.clear()
            grant.told.clear()

    async def _is_over(self, grant: Grant) -> bool:
        """Tell whether Slack refuses the token for good; where it has not told so, only after a while."""
        for wait in UNTOLD:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await grant.told.wait()
            if not grant.told.is_set() and not await self._refuses(grant):
                return False
            if grant.told.is_set():
                break
        for wait in TOLD if grant.told.is_set() else ():
            await asyncio.sleep(wait)
            if await self._refuses(grant):
                return True
        return not grant.told.is_set()

    async def _refuses(self, grant: Grant) -> bool:
        """Tell whether Slack says that *grant* is over, with the token that another replica may have kept."""
        try:
            kept = await grant.kept(self._store)
            if kept is None:  # another replica has dropped it
                grant.told.set()
                return True
            grant.adopt(kept)
            if (word := await grant.refused()) == "token_expired":
                await grant.renew(self._store, self._rotator, self._inbox.leases)
        except OSError as error:
            log.warning("it is not known whether an installation is over", error=str(error))
            return False
        if word:
            log.warning("Slack refuses a token", name=grant.name, error=word)
        return word in OVER

    async def _forgotten(self, grant: Grant) -> bool:
        """Delete what is kept of *grant*; False if it was installed anew just now, or that can't be done."""
        made = grant.installation
        try:
            kept = await grant.kept(self._store)
            if kept and kept.bot_token != made.bot_token:
                return False
            await self._store.async_delete_all(enterprise_id=made.enterprise_id, team_id=made.team_id)
        except OSError as error:
            log.warning("an installation that is over was not deleted", name=grant.name, error=str(error))
            return False
        return True

    def _leave(self, grant: Grant) -> None:
        """Serve *grant* no more, and end the answers where it was good."""
        log.warning("the bot was removed", name=grant.name)
        grant.web.removed = True
        grant.teams = set()
        if self._grants.get(grant.key) is grant:
            del self._grants[grant.key]
        self._tasks.pop(grant, None)
        self._meet(grant)

    async def close(self) -> None:
        """End what is done in the background, and stop the streams that are open."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self))


def _kind(body: Json) -> str:
    """Return the type of the event in *body*; "" for other payloads."""
    event = body.get("event")
    return string(event.get("type")) if isinstance(event, dict) else ""


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how *task* ended, which nobody waits for."""
    if not task.cancelled() and (error := task.exception()):
        log.error("an installation is watched no more", exc_info=error)
