"""Bolt's installation store over the vault: one sealed text for each installation.

Bot tokens alone are kept: the app asks for none of a person.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from logging import Logger

import structlog
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore

from adapters.slack.settings import TEAM_ID
from adapters.slack.several.seal import Seal
from bot.platform import Vault

log = structlog.get_logger(__name__)

#: What the names of installations begin with.
KEPT = "slack/install/"
#: What stands in a name for a workspace without an organization, or an organization as a whole.
NONE = "-"
UNREADABLE = "an installation cannot be read; install the bot anew: was SLACK_CLIENT_SECRET changed since?"


def name_of(enterprise: str | None, team: str | None) -> str:
    """Return what the vault calls an installation.

    Raises:
        ValueError: These are no ids of Slack's.
    """
    parts = (enterprise or NONE, team or NONE)
    if parts == (NONE, NONE) or not all(part == NONE or TEAM_ID.fullmatch(part) for part in parts):
        raise ValueError("no ids of a workspace")
    return KEPT + "/".join(parts)


class Installations(AsyncInstallationStore):
    """The installations.

    Args:
        vault: Where they are kept; its errors, OSError, come through.
        seal: Seals them.
    """

    def __init__(self, vault: Vault, seal: Seal) -> None:
        self._vault = vault
        self._seal = seal

    @property
    def logger(self) -> Logger:
        """See `AsyncInstallationStore.logger`."""
        return logging.getLogger(__name__)

    async def names(self) -> Sequence[str]:
        """Return the names of all."""
        return await self._vault.names(KEPT)

    async def async_save(self, installation: Installation) -> None:
        """See `AsyncInstallationStore.async_save`."""
        team = None if installation.is_enterprise_install else installation.team_id
        said = {**installation.to_dict_for_copying(), "team_id": team}
        said |= {name: None for name in said if name.startswith(("user_token", "user_refresh", "incoming_"))}
        text = json.dumps({**said, "user_scopes": None}, default=datetime.isoformat)
        name = name_of(installation.enterprise_id, team)
        await self._vault.keep(name, self._seal.seal(text, time.time()))

    async def async_save_bot(self, bot: Bot) -> None:
        """See `AsyncInstallationStore.async_save_bot`; who installed it stays."""
        found = await self.async_find_installation(
            enterprise_id=bot.enterprise_id,
            team_id=bot.team_id,
            is_enterprise_install=bot.is_enterprise_install,
        )
        who = found.user_id if found else ""
        await self.async_save(Installation(**bot.to_dict_for_copying(), user_id=who))

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """See `AsyncInstallationStore.async_find_bot`."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return found.to_bot() if found else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """See `AsyncInstallationStore.async_find_installation`; whose it is does not matter."""
        try:
            names = [name_of(enterprise_id, None if is_enterprise_install else team_id)]
            if enterprise_id and team_id and not is_enterprise_install:
                names.append(name_of(None, team_id))  # from before it joined the organization
        except ValueError:
            return None
        for name in names:
            if found := await self.read(name):
                return found
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """See `AsyncInstallationStore.async_delete_bot`."""
        await self._vault.drop(name_of(enterprise_id, team_id))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """See `AsyncInstallationStore.async_delete_installation`; of one person, nothing is kept."""
        if user_id is None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def read(self, name: str) -> Installation | None:
        """Return what is kept as *name*; None too if it can't be read, or was made for another name."""
        if (sealed := await self._vault.kept(name)) is None:
            return None
        text = self._seal.opened(sealed)
        try:
            found = Installation(**json.loads(text)) if text else None
        except (TypeError, ValueError):
            found = None
        if found is None or name_of(found.enterprise_id, found.team_id) != name or not found.bot_token:
            log.error(UNREADABLE, name=name)
            return None
        return found
