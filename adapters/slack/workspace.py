"""One Slack workspace that the bot is in: what is known of it, and where its answers are written.

It knows one token's client and no other, so that nothing of one workspace can be written to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.groups import KIND
from adapters.slack.incoming.events import Events
from adapters.slack.incoming.missed import missed, newest
from adapters.slack.incoming.payloads import moment
from adapters.slack.native import NOBODY, NativeSurface, Reader
from adapters.slack.outgoing.notices import Notices
from adapters.slack.outgoing.sessions import Sessions
from adapters.slack.outgoing.streams import Streams
from adapters.slack.outgoing.uploads import ATTACH
from adapters.slack.people import People
from adapters.slack.rights import FILES
from adapters.slack.settings import Settings
from adapters.slack.surface import SlackSurface
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import translated
from adapters.slack.wire.web import Web
from bot.platform import Actor, Asked, Gone, Inbox, Mention, Remains, SlowDown, Surface

log = structlog.get_logger(__name__)

#: People of a user group who are told what its members are to be told.
NOTIFIED = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in a workspace.

    Attributes:
        team: The workspace.
        user: The bot's user.
        name: What it is called.
        scopes: Those that the app has there; empty where that is not known.
        shared: Whether the token is good in other workspaces of the organization too.
    """

    team: str
    user: str
    name: str = "me"
    scopes: frozenset[str] = frozenset()
    shared: bool = False

    @property
    def attach(self) -> int:
        """Bytes of one file that it may attach."""
        return ATTACH if FILES in self.scopes or not self.scopes else 0


async def identify(web: Web) -> Identity:
    """Ask Slack who the bot is by the token of *web*.

    Raises:
        Gone, Revoked: Slack refuses the token.
        SlowDown, OSError, SlackApiError: Slack could not be asked.
    """
    with translated():
        answer = await web.auth_test()
    told = (scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(","))
    scopes = frozenset(filter(None, told))  # none of them where a proxy takes the header away
    return Identity(answer["team_id"], answer["user_id"], str(answer.get("user") or "me"), scopes)


class Workspace:
    """A workspace.

    Args:
        web: The client, with the token that is good there.
        settings: The operator's.
        errands: Does what may lag behind there.
        us: Who the bot is there.
        inbox: Who is told.

    Attributes:
        us: See above; renewed as Slack tells.
        people, events, streams, sessions, notices: What is known and done there.
    """

    def __init__(self, web: Web, settings: Settings, errands: Errands, us: Identity, inbox: Inbox) -> None:
        self.web = web
        self.us = us
        self.people = People(web, settings.bots, us.team if us.shared else "")
        self.streams = Streams(web, errands)
        self.sessions = Sessions(web, errands)
        self.notices = Notices(web, errands)
        self._settings = settings
        self._errands = errands
        self.people.keep(Actor(us.user, us.name, workspace=us.team, bot=True))
        self.people.groups.named = lambda: inbox.named
        who = (web, us.team, us.user, self.people)
        self.events = Events(inbox, *who, self.surface, settings.stop_emoji, errands)

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        match [*asked.key.split("/"), asked.conversation.split("/")[-1]]:
            case ["slack", self.us.team, channel, ts, *_, thread]:  # a press has its button's name at the end
                if not all(map(moment, (ts, thread, *map(self._stamp, remains.messages)))):
                    raise ValueError("ids that are none of this workspace's")
                surface = self.surface(channel, thread, ts)
                surface.resume(remains)
                return surface
        return None

    def _stamp(self, message: str) -> str:
        """Return the `ts` in the key of a message; "" if it is of no message in this workspace."""
        match message.split("/"):
            case ["slack", self.us.team, _, ts]:
                return ts
        return ""

    async def notify(self, person: str, text: str) -> bool:
        """See `Platform.notify`; of a user group, a few are told."""
        people = await self.people.groups.members(person) if person.startswith(KIND) else [person]
        told = [await self.events.whispers.notify(each, text) for each in sorted(people)[:NOTIFIED]]
        return any(told)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: Slack sends again what it can, but not for ever."""
        asked, found = newest(recent), list[Mention]()
        for message in await missed(self.web, recent, since):
            before = asked.get((message["channel"], str(message.get("thread_ts"))), 0.0)
            followed = float(message["ts"]) > before and self.events.questions.follows(message)
            if not followed and not self.events.questions.asks(message):
                continue
            try:
                found.append(await self.events.mention(message, self.us.team))
            except (SlowDown, Gone, OSError, SlackApiError) as error:
                log.warning("a mention that was missed was not taken", ts=message["ts"], error=repr(error))
        return found

    def surface(self, channel: str, thread: str, question: str, reader: Reader = NOBODY) -> SlackSurface:
        """Return where the answer to *question* is written."""
        us = (self.people, self.us.user, self._errands, self.sessions)
        where = (self.web, self.us.team, channel, thread, question, *us)
        kind = self._settings.streaming
        shut = partial(self.notices.tell, reader.user, channel) if reader.user else _unheard
        surface = SlackSurface(*where, shut)
        if kind == "native" or (kind == "auto" and channel.startswith("D")):
            surface = NativeSurface(*where, shut, streams=self.streams, reader=reader)
        surface.limits = replace(surface.limits, attach=self.us.attach)
        return surface

    async def close(self) -> None:
        """Stop the streams that are open."""
        await self.streams.close()


def _unheard(_why: str) -> None:
    """Tell no person: it is not known who asked."""
