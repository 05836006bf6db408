"""What Slack says of people: events name only an id, rights need a workspace and a status."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.text import Json
from adapters.slack.wire.errors import code_of, translated
from bot.platform import Actor, Gone, SlowDown

log = structlog.get_logger(__name__)

#: Seconds for which an answer is good, and how many people are remembered.
FRESH = 600.0
PEOPLE = 10_000
#: Errors that say that this app may not see that person.
NOBODY = frozenset({"user_not_found", "user_not_visible"})


class People:
    """A cache over users.info."""

    def __init__(self, web: AsyncWebClient) -> None:
        self._web = web
        self._known: OrderedDict[str, tuple[float, Actor]] = OrderedDict()

    async def find(self, user: str) -> Actor:
        """Return who *user* is, a guest if Slack does not show them; asked anew after ten minutes.

        Raises:
            SlowDown, Gone, OSError: When Slack could not be asked; the event must then not be acknowledged.
        """
        now = asyncio.get_running_loop().time()
        asked, actor = self._known.get(user, (0.0, None))
        if actor is None or now - asked > FRESH:
            with translated():
                actor = await self._ask(user)
            self._known[user] = (now, actor)
            if len(self._known) > PEOPLE:
                self._known.popitem(last=False)
        return actor

    async def _ask(self, user: str) -> Actor:
        try:
            return _actor((await self._web.users_info(user=user))["user"])
        except SlackApiError as error:
            if code_of(error) not in NOBODY:
                raise
            log.info("Slack does not show a person", user=user, error=code_of(error))
            return Actor(user, user, guest=True)

    async def somebody(self, user: str) -> Actor:
        """Return who *user* is; a guest without a name if Slack does not say."""
        with suppress(SlowDown, Gone, OSError, SlackApiError):
            return await self.find(user)
        return Actor(user, user, guest=True)


def _actor(user: Json) -> Actor:
    profile = user.get("profile", {})
    return Actor(
        id=user["id"],
        name=profile.get("display_name") or user.get("real_name") or user.get("name", ""),
        workspace=user.get("team_id", ""),
        bot=bool(user.get("is_bot")) or user["id"] == "USLACKBOT",
        guest=any(user.get(kind) for kind in ("is_restricted", "is_ultra_restricted", "is_stranger")),
    )
