"""Several workspaces, and how the app comes into them and goes: the switches.

Each workspace is an emulator of its own, with the same controls; the first one listens for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from adapters.emulators.control import Emulator, control
from adapters.emulators.slack import shapes
from adapters.emulators.slack.arguments import read
from adapters.emulators.slack.http_sender import HttpSender
from adapters.emulators.slack.oauth import App, Installed, OAuth
from adapters.emulators.slack.shapes import Json, Team
from adapters.emulators.slack.sockets import Sockets
from adapters.emulators.slack.workspace import Workspace

#: Events of which the app is told that is installed by OAuth.
TOLD = frozenset({"app_uninstalled", "tokens_revoked", "team_access_granted", "team_access_revoked"})


@dataclass
class Shared:
    """What all workspaces have in common: the app.

    Attributes:
        sockets, http: Its two ways in.
        oauth: Its installations.
        teams: The workspaces, by their ids.
    """

    sockets: Sockets
    http: HttpSender
    oauth: OAuth
    teams: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, first: Emulator) -> Shared:
        """Return what the workspaces beside *first* share with it."""
        ways = first.record, first.spawn
        return cls(Sockets(*ways), HttpSender(*ways), OAuth(first.record))


class Installing:
    """The switches; `Slack` has them beside its controls, and is what `Any` stands for here."""

    shared: Shared
    first: Any
    _oauth: OAuth
    _workspace: Workspace
    record: Callable[..., None]
    send: Callable[[Json], None]

    @property
    def team(self) -> Team:
        """The workspace that this is."""
        return self._workspace.team

    @property
    def hears(self) -> bool:
        """Whether the app is told what happens here."""
        return not self._oauth.on or self.installed() is not None

    def found(self, id: str, enterprise: str = "") -> Any:  # noqa: A002 - Slack's own word for it
        """Return the workspace *id*, a new one unless it is there, perhaps of an organization.

        Its people are called as those of the others.  Its bot is `U<id>BOT`, or that of the organization.
        """
        if id in self.shared.teams:
            return self.shared.teams[id]
        bot = f"U{enterprise or id}BOT"
        made = type(self.first)(Team(id, bot, f"B{enterprise or id}BOT", enterprise), self.first)
        made.workspace.subscriptions |= TOLD
        org = [
            each for each in self.shared.teams.values() if enterprise and each.team.enterprise == enterprise
        ]
        for each in org:  # an organization's people are the same in all its workspaces
            for person in each.workspace.people.values():
                person.flags["enterprise_user"]["teams"] = [one.team.id for one in org]
        return made

    @control
    async def app(
        self, client_id: str, client_secret: str, redirects: Sequence[str], *, rotates: bool = False
    ) -> None:
        """Let the app be installed by OAuth: from now on no token is good but those that it gives.

        Args:
            client_id: Its credentials.
            client_secret: The same.
            redirects: Its redirect URLs.
            rotates: Whether token rotation is on.
        """
        self._oauth.app = App(client_id, client_secret, tuple(redirects), rotates)
        for each in self.shared.teams.values():
            each.workspace.subscriptions |= TOLD

    @control
    async def allow(self, url: str, user: str = "U1", *, whole: bool = False) -> str:
        """Let *user* of this workspace open *url*, where an app has sent them, and press Allow.

        Returns:
            Where their browser is sent then.

        Raises:
            ValueError: Slack shows what is wrong with *url*, and sends nobody anywhere.
        """
        team = self.team
        new = Installed(team.enterprise, "" if whole else team.id, team.bot_user, user, "", {team.id})
        if whole:
            org = (each for each in self.shared.teams.values() if each.team.enterprise == team.enterprise)
            new.ids = {each.team.id for each in org}
        for id_ in new.ids:
            self.shared.teams[id_].install(whole=whole)
        return self._oauth.allow(url, new)

    def install(self, *, whole: bool) -> None:
        """Let the app be installed here from now on, or in the organization as a *whole*."""
        self._workspace.team = replace(self.team, whole=whole)

    @control
    async def grant(self) -> None:
        """Let an administrator of the organization add this workspace to those that the app may be in."""
        [known] = [each for each in self._oauth.installed if each.whole and not each.over]
        known.ids.add(self.team.id)
        self.install(whole=True)
        self._move("team_access_granted")

    @control
    async def withdraw(self) -> None:
        """Let them take it away again."""
        known = self.installed()
        self._move("team_access_revoked")
        if known:
            known.ids.discard(self.team.id)

    def _move(self, kind: str) -> None:
        """Tell the app of a workspace that it may be in, or may not [docs, the events' pages]."""
        event = {"type": kind, "team_ids": [self.team.id], "event_ts": self._workspace.ts()}
        told = shapes.callback(event, shared=False, team=self.team)
        for name in ("team_id", "context_team_id", "context_enterprise_id", "authorizations"):
            del told[name]
        self.send(told)

    @control
    async def cancel(self, url: str) -> str:
        """Let somebody open *url* and press Cancel; return where their browser is sent then."""
        return self._oauth.allow(url, None)

    @control
    async def uninstall(self, *, tell: bool = True) -> None:
        """Let somebody remove the app from here; the order in which it is told so is not defined [docs]."""
        known = self.installed()
        if known is None:
            raise LookupError(f"the app is not installed in {self.team.id}")
        if tell:
            self._workspace.tell({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [known.bot_user]}})
            self._workspace.tell({"type": "app_uninstalled"})
        known.over = "account_inactive"
        self.record("uninstall", team=known.team, enterprise=known.enterprise)

    @control
    async def age_codes(self, seconds: float) -> None:
        """Let each code be so many seconds older than it is."""
        self._oauth.aged = seconds

    @control
    async def end_tokens(self, *, but_newest: bool = False) -> None:
        """Let the tokens that are good here end now, as those of rotation do by themselves."""
        if known := self.installed():
            tokens = [*known.tokens][: -1 if but_newest else None]
            known.tokens |= dict.fromkeys(tokens, time.time())

    @control
    async def tokens_here(self) -> list[str]:
        """Return all access tokens that were ever good here."""
        return [token for each in self._oauth.installed if self.team.id in each.ids for token in each.tokens]

    def installed(self) -> Installed | None:
        """Return the installation that is good here now; None if there is none."""
        found = (each for each in reversed(self._oauth.installed) if self.team.id in each.ids)
        return next((each for each in found if not each.over), None)

    async def _meant(self, request: web.Request) -> Any:
        """Return the workspace that a call is about: by its token, and what else it says."""
        try:
            arguments: Json = await read(request)
        except ValueError:
            return self.first
        known = self._oauth.of(str(arguments.get("token") or ""))
        if known is None:
            return self.first
        return self._of_many(
            [self.shared.teams[id_] for id_ in sorted(known.ids) if id_ in self.shared.teams], arguments
        )

    def _of_many(self, teams: Sequence[Any], arguments: Json) -> Any:
        """Return which of an organization's workspaces a call is about."""
        channel: Any = arguments.get("channel") or arguments.get("channel_id")
        told = [each for each in teams if each.team.id == arguments.get("team_id")]
        there = [each for each in teams if channel and each.workspace.messages(str(channel))]
        return [*told, *there, *teams, self.first][0]
