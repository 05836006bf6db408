"""Several workspaces, and how the app comes into them and goes: the switches.

Each workspace is an emulator of its own, with the same controls; the first one listens for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from adapters.emulators.control import Emulator, control
from adapters.emulators.slack.arguments import read
from adapters.emulators.slack.http_sender import HttpSender
from adapters.emulators.slack.oauth import App, Installed, OAuth
from adapters.emulators.slack.shapes import Json, Team
from adapters.emulators.slack.sockets import Sockets
from adapters.emulators.slack.workspace import Workspace

if TYPE_CHECKING:
    from adapters.emulators.slack.emulator import Slack


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
    teams: dict[str, Slack] = field(default_factory=dict)

    @classmethod
    def of(cls, first: Emulator) -> Shared:
        """Return what the workspaces beside *first* share with it."""
        ways = first.record, first.spawn
        return cls(Sockets(*ways), HttpSender(*ways), OAuth(first.record))


class Installing:
    """The switches; `Slack` has them beside its controls."""

    shared: Shared
    first: Slack
    _oauth: OAuth
    _workspace: Workspace
    record: Callable[..., None]

    @property
    def team(self) -> Team:
        """The workspace that this is."""
        return self._workspace.team

    @property
    def hears(self) -> bool:
        """Whether the app is told what happens here."""
        return not self._oauth.on or self.installed() is not None

    def found(self, id: str, enterprise: str = "") -> Slack:  # noqa: A002 - Slack's own word for it
        """Return the workspace *id*, a new one unless it is there, perhaps of an organization.

        Its people are called as those of the others.  Its bot is `U<id>BOT`, or that of the organization.
        """
        if id in self.shared.teams:
            return self.shared.teams[id]
        bot = f"U{enterprise or id}BOT"
        made = type(self.first)(Team(id, bot, f"B{enterprise or id}BOT", enterprise), self.first)
        made.workspace.subscriptions |= {"app_uninstalled", "tokens_revoked"}
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
            each.workspace.subscriptions |= {"app_uninstalled", "tokens_revoked"}

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
            new.ids = {
                each.team.id for each in self.shared.teams.values() if each.team.enterprise == team.enterprise
            }
        return self._oauth.allow(url, new)

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
    async def end_tokens(self, within: float = 0.0) -> None:
        """Let the tokens of rotation that are good here end in so many seconds."""
        if known := self.installed():
            known.tokens = {token: time.time() + within for token in known.tokens}

    @control
    async def tokens_here(self) -> list[str]:
        """Return all access tokens that were ever good here."""
        return [token for each in self._oauth.installed if self.team.id in each.ids for token in each.tokens]

    def installed(self) -> Installed | None:
        """Return the installation that is good here now, and let the workspace be as it is in it."""
        found = [each for each in self._oauth.installed if self.team.id in each.ids and not each.over]
        if found:
            self._workspace.team = replace(self.team, whole=found[-1].whole)
        return found[-1] if found else None

    async def _meant(self, request: web.Request) -> Slack:
        """Return the workspace that a call is about: by its token, and what else it says."""
        try:
            arguments: Json = await read(request)
        except ValueError:
            return self.first
        known = self._oauth.of(str(arguments.get("token") or ""))
        if known is None:
            return self.first
        for each in self.shared.teams.values():
            each.installed()
        return self._of_many(
            [self.shared.teams[id_] for id_ in sorted(known.ids) if id_ in self.shared.teams], arguments
        )

    def _of_many(self, teams: Sequence[Slack], arguments: Json) -> Slack:
        """Return which of an organization's workspaces a call is about."""
        channel: Any = arguments.get("channel") or arguments.get("channel_id")
        told = [each for each in teams if each.team.id == arguments.get("team_id")]
        there = [each for each in teams if channel and each.workspace.messages(str(channel))]
        return [*told, *there, *teams, self.first][0]
