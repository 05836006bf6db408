"""Which user groups somebody is in, of those that the operator's rules name.

Slack tells it of a group, not of a person, so each group costs one call in ten minutes, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.blocks import string
from adapters.slack.wire.errors import code_of, translated, why
from adapters.slack.wire.lookup import Lookup
from bot.platform import Gone, SlowDown

log = structlog.get_logger(__name__)

#: How the id of a group begins.
KIND = "S"
#: Slack's words for a group that is not there, and for a workspace that has none.
NONE = frozenset({"no_such_subteam", "plan_upgrade_required"})


def _no_ids() -> Collection[str]:
    return ()


class Groups:
    """Knows who is in the groups that matter.

    Args:
        web: The client.
        team: The workspace, for a token that is good in several; "" else.

    Attributes:
        named: See `Inbox.named`.
    """

    def __init__(self, web: AsyncWebClient, team: str = "") -> None:
        self.named: Callable[[], Collection[str]] = _no_ids
        self._web = web
        self._team = team
        self._members: Lookup[frozenset[str]] = Lookup(self._all_members)

    async def of(self, user: str) -> tuple[str, ...]:
        """Return the groups that *user* is in.

        Raises:
            SlowDown, Gone, OSError: Slack does not say who is in a group; what that allows or denies is not
                known then.
        """
        groups = self._wanted()
        members = await asyncio.gather(*map(self._members.find, groups))
        return tuple(group for group, users in zip(groups, members, strict=True) if user in users)

    async def members(self, group: str) -> Collection[str]:
        """Return who is in *group*; nobody where Slack does not say."""
        try:
            return await self._members.find(group)
        except (SlowDown, Gone, OSError) as error:
            log.warning("it is not known who is in a group", group=group, error=str(error))
            return ()

    def known(self, user: str, *, stale: bool = False) -> tuple[str, ...] | None:
        """Return the groups that *user* is in, as `Lookup.known`; None if that is not known of them all."""
        found = {group: self._members.known(group, stale=stale) for group in self._wanted()}
        if any(members is None for members in found.values()):
            return None
        return tuple(group for group, members in found.items() if members and user in members)

    def _wanted(self) -> Sequence[str]:
        return [each for each in self.named() if each.startswith(KIND)]

    async def _all_members(self, group: str) -> frozenset[str]:
        try:
            with translated():
                answer = await self._web.usergroups_users_list(usergroup=group, team_id=self._team or None)
        except SlackApiError as error:
            if code_of(error) not in NONE:
                raise ConnectionError(f"Slack does not say who is in group {group}: {why(error)}") from error
            log.warning("a rule names a user group that Slack does not know", group=group, error=why(error))
            return frozenset()
        users = answer.get("users")
        if not isinstance(users, list):
            raise ConnectionError("Slack's answer about a user group makes no sense")
        return frozenset(map(string, users))
