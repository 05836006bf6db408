"""One installation that is in use: its token, kept fresh, and what becomes of it when Slack takes it away."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from slack_sdk.errors import SlackApiError, SlackTokenRotationError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation.async_rotator import AsyncTokenRotator

from adapters.slack.blocks import objects, string
from adapters.slack.settings import TEAM_ID
from adapters.slack.several.installations import Installations, name_of
from adapters.slack.wire.errors import Revoked, code_of, translated
from adapters.slack.wire.web import Web
from adapters.slack.workspace import Identity
from bot.platform import Gone, Leases, SlowDown

log = structlog.get_logger(__name__)

#: Minutes before a token ends from which on it is renewed; Bolt's.
EARLY = 120
#: Seconds between two renewals of one token, by any replica: longer than one takes.
APART = 15.0
#: Seconds before a token that Slack did not renew is tried again.
LATER = 60.0
#: Answers that say that an installation is over for good; others may be about the way there.
OVER = frozenset({"account_inactive", "token_revoked"})
#: Workspaces of an organization that are asked for at once, and pages of them.
PAGE, PAGES = 200, 50


@dataclass(eq=False)
class Grant:
    """An installation.

    Attributes:
        name: What the vault calls it.
        installation: What Slack gave.
        web: The client with its token.
        teams: The workspaces that it is good in.
        told: Set once Slack has told that it is over, so that one refusal is enough to believe it.
    """

    installation: Installation
    web: Web
    name: str = field(init=False)
    teams: set[str] = field(default_factory=set)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    _looked: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _later: float = float("-inf")
    _unsaved: Installation | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Find out what the vault calls it, which never changes."""
        self.name = name_of(self.installation.enterprise_id, self.installation.team_id)

    @property
    def key(self) -> str:
        """The id of what it is for: a workspace, or an organization."""
        made = self.installation
        return str((made.enterprise_id if self.whole else made.team_id) or "")

    @property
    def whole(self) -> bool:
        """Whether it is an organization's."""
        return self.installation.is_enterprise_install

    def us(self, team: str) -> Identity:
        """Return who the bot is in the workspace *team*."""
        made = self.installation
        scopes = frozenset(made.bot_scopes or ())
        return Identity(team, str(made.bot_user_id), scopes=scopes, shared=self.whole)

    def ends_within(self, minutes: float) -> bool:
        """Tell whether its token ends in so many *minutes*."""
        end = self.installation.bot_token_expires_at
        return end is not None and end < time.time() + minutes * 60

    def is_due(self, minutes: float) -> bool:
        """Tell whether its token is to be renewed that ends in so many *minutes*, or a new one to be kept."""
        return self._unsaved is not None or self.ends_within(minutes)

    def adopt(self, installation: Installation) -> None:
        """Use *installation* from now on, which is the same one with a new token."""
        self.installation = installation
        self.web.token = installation.bot_token

    async def renew(self, store: Installations, rotator: AsyncTokenRotator, leases: Leases) -> None:
        """Have the token renewed, by one replica, if it ends soon; what fails is logged.

        Raises:
            OSError: Slack or the vault could not be asked.
        """
        now = asyncio.get_running_loop().time
        async with self._renewing:
            if not self.is_due(EARLY) or now() < self._later:
                return
            self._later = now() + LATER
            await leases.turn(f"slack/renew/{self.name}", APART)
            kept = await self.kept(store)
            if kept is None:
                return
            self.adopt(kept)  # another replica may have done it
            if self._unsaved:
                await self._save(store, kept)
            elif await self._rotated(store, rotator):
                self._later = now()

    async def _rotated(self, store: Installations, rotator: AsyncTokenRotator) -> bool:
        """Have Slack give another token, if this one ends soon; False if Slack refuses that."""
        try:
            with translated():
                new = await rotator.perform_token_rotation(
                    installation=self.installation, minutes_before_expiration=EARLY
                )
        except SlackTokenRotationError as error:
            word = code_of(error.api_error)
            log.error("a token can't be renewed; install the bot anew", name=self.name, error=word)  # noqa: TRY400  told in full
            return False
        if new:
            self.adopt(new)
            await self._save(store, new)
        return True

    async def _save(self, store: Installations, new: Installation) -> None:
        """Keep *new*, whose refresh token is the only good one; until that is done, nothing else counts."""
        self._unsaved = new
        await store.async_save(new)
        self._unsaved = None

    async def kept(self, store: Installations) -> Installation | None:
        """Return what the vault has of it, or is to have; None once it was dropped.  Raises OSError."""
        return self._unsaved or await store.async_find_installation(
            enterprise_id=self.installation.enterprise_id,
            team_id=self.installation.team_id,
            is_enterprise_install=self.whole,
        )

    async def refused(self) -> str:
        """Return Slack's word for why the token is refused; "" if it is good.

        Raises:
            OSError: Slack could not be asked.
        """
        try:
            with translated():
                await self.web.auth_test()
        except (Gone, Revoked) as error:
            return str(error)
        except (SlowDown, SlackApiError) as error:
            raise ConnectionError(f"Slack does not say whether a token is good: {error}") from error
        return ""

    async def look(self, fresh: float = 0.0) -> None:
        """Ask which workspaces of the organization it is good in, unless that was done *fresh* seconds ago.

        What fails is logged.
        """
        now = asyncio.get_running_loop().time
        async with self._looking:
            if now() - self._looked >= fresh:
                await self._look()
                self._looked = now()

    async def _look(self) -> None:
        found: set[str] = set()
        cursor = ""
        try:
            for _ in range(PAGES):
                with translated():
                    answer = await self.web.auth_teams_list(cursor=cursor or None, limit=PAGE)
                ids = (string(each.get("id")) for each in objects(answer.get("teams"), PAGE))
                found.update(filter(TEAM_ID.fullmatch, ids))
                cursor = string((answer.get("response_metadata") or {}).get("next_cursor"))
                if not cursor:
                    break
        except (Gone, SlowDown, OSError, SlackApiError) as error:
            log.warning("an organization's workspaces are not known", name=self.name, error=str(error))
            self.teams |= found
            return
        self.teams = found
