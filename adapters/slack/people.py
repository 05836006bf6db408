"""What Slack says of people, channels and groups: events name only ids."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.blocks import objects, string
from adapters.slack.groups import Groups
from adapters.slack.text import Json
from adapters.slack.wire.errors import code_of, translated
from adapters.slack.wire.lookup import Lookup
from bot.platform import Actor, Gone, SlowDown

log = structlog.get_logger(__name__)

#: Errors that say that this app may not see that person, or that channel.
NOBODY = frozenset({"user_not_found", "user_not_visible"})
#: Characters of an id.
LONGEST = 40
#: Seconds that a text waits for the names of those it names; then it has their ids.
NAMES_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class Channel:
    """What a channel is called and for; "" for what this app may not know."""

    name: str = ""
    topic: str = ""


async def is_anybody(web: AsyncWebClient, user: str) -> bool:
    """Tell whether Slack knows *user*.

    Raises:
        SlowDown, Gone, OSError: Slack could not be asked.
    """
    try:
        with translated():
            await web.users_info(user=user)
    except SlackApiError as error:
        return code_of(error) not in NOBODY
    return True


class People:
    """Knows people, channels and groups by their ids.

    Args:
        web: The client.
        bots: Ids of bots that may ask as members do.
        team: The workspace, where the token may be good in others of its organization too; "" else.

    Attributes:
        groups: Knows which user groups they are in.
    """

    def __init__(self, web: AsyncWebClient, bots: Collection[str] = (), team: str = "") -> None:
        self._web = web
        self._team = team
        self.bots = frozenset(bots)
        self.groups = Groups(web, team)
        self._users: Lookup[Actor] = Lookup(self._user)
        self._channels: Lookup[Channel] = Lookup(self._channel)
        self._groups: Lookup[Mapping[str, str]] = Lookup(self._all_groups)

    async def find(self, user: str, *, spare: bool = False) -> Actor:
        """Return who *user* is, a guest if Slack does not show them; asked anew after ten minutes.

        Raises:
            SlowDown, Gone, OSError: When Slack could not be asked; the event must then not be acknowledged.
        """
        if len(user) > LONGEST:  # no id of Slack's
            return Actor(user[:LONGEST], guest=True)
        found = await self._users.find(user, spare=spare)
        return replace(found, roles=await self.groups.of(user))

    async def doer(self, user: str, called: str, workspace: str, home: str) -> Actor:
        """Return who *user* is, who has pressed, chosen or said something by Slack's own means.

        Of somebody whose *workspace* is another than *home* ("": not said) nothing else matters.

        Raises:
            SlowDown, Gone, OSError: When Slack could not be asked.
        """
        if workspace not in {"", home}:
            return Actor(user, called, workspace=workspace)
        return self.known(user) or await self.find(user, spare=True)

    def known(self, user: str, *, stale: bool = False) -> Actor | None:
        """Return who *user* is, if that was asked in the last ten minutes; *stale*: or ever."""
        found, roles = self._users.known(user, stale=stale), self.groups.known(user, stale=stale)
        return None if found is None or roles is None else replace(found, roles=roles)

    def keep(self, actor: Actor) -> None:
        """Remember *actor*, who need not be asked for."""
        self._users.keep(actor.id, actor)

    async def somebody(self, user: str) -> Actor:
        """Return who *user* is; a guest without a name if Slack does not say."""
        with suppress(SlowDown, Gone, OSError, SlackApiError):
            return await self.find(user)
        return Actor(user, user, guest=True)

    async def names(self, ids: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """Return the names of *ids* ("@", "#" or "!subteam^", and an id), as far as they are soon known."""
        tasks = {id_: asyncio.ensure_future(self._named(kind, id_)) for kind, id_ in ids}
        if not tasks:
            return {}
        _, late = await asyncio.wait(tasks.values(), timeout=NAMES_WITHIN)
        for task in late:
            task.cancel()  # the look-up itself goes on, for the next who asks
        return {id_: task.result() for id_, task in tasks.items() if task not in late}

    async def _named(self, kind: str, id_: str) -> str:
        """Return a name; "" if Slack does not say it."""
        with suppress(SlowDown, Gone, OSError):
            match kind:
                case "@":
                    return (await self.find(id_)).name
                case "#":
                    return (await self._channels.find(id_)).name
                case _:
                    return (await self._groups.find("")).get(id_, "")
        return ""

    async def _user(self, user: str) -> Actor:
        try:
            with translated():
                return self._actor(user, (await self._web.users_info(user=user)).get("user"))
        except SlackApiError as error:
            if code_of(error) not in NOBODY:
                raise ConnectionError(f"Slack does not say who somebody is: {code_of(error)}") from error
            log.info("Slack does not show a person", user=user, error=code_of(error))
            return Actor(user, user, guest=True)

    async def channel(self, channel: str) -> Channel:
        """Return what *channel* is called and for, as far as Slack says; an old answer is good meanwhile."""
        known = self._channels.known(channel, stale=True)
        with suppress(SlowDown, Gone, OSError):
            async with asyncio.timeout(0 if known else NAMES_WITHIN):  # the look-up itself goes on
                return await self._channels.find(channel)
        return known or Channel()

    async def _channel(self, channel: str) -> Channel:
        with suppress(SlackApiError, Gone):
            with translated():
                found = (await self._web.conversations_info(channel=channel)).get("channel")
            if isinstance(found, dict):
                topic = found.get("topic")
                value = string(topic.get("value")) if isinstance(topic, dict) else ""
                return Channel(string(found.get("name")), value)
        return Channel()

    async def _all_groups(self, _: str) -> Mapping[str, str]:
        """Return the handles of all groups; none if this app may not know them."""
        with suppress(SlackApiError, Gone):
            with translated():
                found = (await self._web.usergroups_list(team_id=self._team or None)).get("usergroups")
            return {string(each.get("id")): string(each.get("handle")) for each in objects(found)}
        return {}

    def _actor(self, id_: str, user: object) -> Actor:
        if not isinstance(user, dict):
            raise ConnectionError("Slack's answer about a person makes no sense")
        return Actor(
            id=id_,
            name=_name(user) or id_,
            workspace=self._team
            if self._team and self._team in _teams(user)
            else string(user.get("team_id")),
            bot=(bool(user.get("is_bot")) or id_ == "USLACKBOT") and id_ not in self.bots,
            guest=any(user.get(kind) for kind in ("is_restricted", "is_ultra_restricted", "is_stranger")),
        )


def _teams(user: Json) -> Sequence[str]:
    """Return the workspaces of an organization that *user* is in."""
    told = user.get("enterprise_user")
    teams = told.get("teams") if isinstance(told, dict) else None
    return [*map(string, teams)] if isinstance(teams, list) else []


def _name(user: Json) -> str:
    profile = user.get("profile")
    shown = string(profile.get("display_name")) if isinstance(profile, dict) else ""
    return shown or string(user.get("real_name")) or string(user.get("name"))
