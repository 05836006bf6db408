"""Slack's events, given to the core as the seam's values.

`Events.take` returns once the core has taken an event, so none is acknowledged before.  Must never drop one
because it is a retry: Slack sends what happened while the bot did not listen as retries only.

Nobody is looked up for a reaction, an edit or a press before it is known to be about an answer that runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from adapters.slack.blocks import string
from adapters.slack.incoming import payloads
from adapters.slack.incoming.asking import Asking
from adapters.slack.incoming.commands import Slashes
from adapters.slack.incoming.early import Early
from adapters.slack.incoming.lately import Lately
from adapters.slack.incoming.loops import Loops
from adapters.slack.incoming.mentions import Mentions, Open
from adapters.slack.incoming.payloads import home_of, inner, moment, placed
from adapters.slack.incoming.questions import Questions
from adapters.slack.incoming.reactions import reacting
from adapters.slack.incoming.shortcuts import Shortcuts
from adapters.slack.incoming.subscribed import Subscribed
from adapters.slack.incoming.thumbs import THUMBS, Thumbs
from adapters.slack.incoming.tidy import Tidy
from adapters.slack.outgoing.notices import Notices
from adapters.slack.outgoing.whispers import Whispers
from adapters.slack.people import People
from adapters.slack.reading import Message
from adapters.slack.text import Json
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.lookup import Full
from adapters.slack.wire.web import Web
from bot.events import STOP
from bot.platform import (
    Actor,
    Deleted,
    Edited,
    Gone,
    Inbox,
    Mention,
    Outcome,
    Place,
    Press,
    Rating,
    SlowDown,
    Stop,
)

log = structlog.get_logger(__name__)

#: Seconds for which the log says once that Slack holds events back.
QUIET = 3600.0
#: Seconds that a stop waits to learn who it is from.
SOON = 1.0
#: Seconds after which an edit of a question is none that came before its answer was known.
FRESH = 60.0


@dataclass
class Events:
    """Takes the events of one workspace.

    Attributes:
        inbox: Who is told.
        web: The client.
        team: The workspace.
        me: The bot's user.
        people: Finds who did something.
        surface: Makes the surface of an answer.
        stop_emoji: Names of the reactions that stop.
        errands: Does what may lag behind.
    """

    inbox: Inbox
    web: Web
    team: str
    me: str
    people: People
    surface: Open
    stop_emoji: Collection[str]
    errands: Errands
    _told: float = field(default=float("-inf"), init=False)
    _loops: Loops = field(default_factory=Loops, init=False)

    def __post_init__(self) -> None:
        """Make what needs the others."""
        self._early = Early(self.inbox.knows, self.errands)
        self._tidy = Tidy(self.web, self.errands)
        self._subscribed = Subscribed()
        self.questions = Questions(self.team, self.me, self.people.bots, self.inbox.asked_in)
        self._notices = Notices(self.web, self.errands)
        self._thumbs = Thumbs(self.inbox, self.people, self.team, self.me)
        self._lately = Lately()
        self.whispers = Whispers(self.web, self._lately.thread)
        self._mentions = Mentions(self.inbox, self.surface)
        asking = Asking(self.inbox, self.web, self.team, self._mentions, self._lately)
        us = (asking, self.people, self.me, self.errands)
        self._slashes = Slashes(*us)
        self._shortcuts = Shortcuts(*us, self.whispers)

    async def take(self, body: Json) -> Json:
        """Give what Slack sends to the core, and ignore what means nothing; return what Slack is to show."""
        match body:
            case {"type": "block_actions"}:
                if press := payloads.Press.of(body):
                    await self._pressed(press)
            case {"type": "message_action"}:
                await self._shortcuts.chosen(body)
            case {"type": "view_submission"}:
                return await self._shortcuts.submitted(body)
            case {"type": "app_rate_limited"}:
                self._warn()
            case {"type": "event_callback", "team_id": str(team)} if team:
                await self._event(body, inner(body, "event"))
            case {"command": str()} if "type" not in body:
                return await self._slashes.take(body)
        return {}

    async def _event(self, body: Json, event: Json) -> None:
        match event:
            case {"type": "message", "subtype": "message_changed", "channel": str()}:
                await self._changed(body, event)
            case {"type": "message", "subtype": "message_deleted", "channel": str(), "deleted_ts": str(ts)}:
                await self.inbox.deleted(Deleted(self._key(event["channel"], ts)))
            case {"type": "app_mention" | "message"}:
                self._subscribed.notice(event)
                if self.questions.told(event):
                    await self._ask(body, event)
            case {"type": "reaction_added" | "reaction_removed", "reaction": str(name)}:
                await (self._reacted if self._means_stop(name) else self._thumbs.take)(body, event)
            case {"type": "agent_session_stopped", "user": str(user), "channel": str(channel)}:
                listed = event.get("streaming_message_ts")
                found = [ts for each in (listed if isinstance(listed, list) else ()) if (ts := moment(each))]
                # None is listed where answers are edited.
                thread = "" if found else moment(event.get("thread_ts"))
                await self._stop(body, user, channel, found, thread)
            case {"type": "app_uninstalled"} | {"type": "tokens_revoked", "tokens": {"bot": [_, *_]}}:
                self.web.doubted.set()

    async def _reacted(self, body: Json, event: Json) -> None:
        """Take an emoji that stops; taking it away does not undo that."""
        item, user = inner(event, "item"), string(event.get("user"))
        channel, ts = string(item.get("channel")), moment(item.get("ts"))
        if event.get("type") == "reaction_added" and user and channel and ts:
            await self._stop(body, user, channel, [ts])

    def _means_stop(self, reaction: str) -> bool:
        return reaction.partition("::")[0] in self.stop_emoji

    async def standing(self, key: str, where: Place) -> list[Stop]:
        """Return the stops that stand on the message *key*; see `Platform.standing`."""
        found = await reacting(self.web, self.people, key, self._means_stop, self.me)
        return [Stop(key, who, where) for who in {who.id: who for _, who in found}.values()]

    async def thumbs(self, key: str, where: Place) -> list[Rating]:
        """Return the thumbs that stand on the message *key*; see `Platform.thumbs`."""
        found = await reacting(self.web, self.people, key, THUMBS.__contains__, self.me)
        return [Rating(key, who, where, good=THUMBS[name], on=True) for name, who in found]

    def _warn(self) -> None:
        """Log that Slack has begun to hold events back, once in an hour."""
        now = asyncio.get_running_loop().time()
        if now - self._told >= QUIET:
            self._told = now
            log.error("Slack holds events back: over 30,000 in an hour; unsubscribe from what is not needed")

    async def _ask(self, body: Json, event: Json) -> None:
        mention = await self.mention(event, string(body.get("team_id")), home_of(event, body))
        if bot := self.questions.admitted(event):
            now = asyncio.get_running_loop().time()
            if not self._loops.admit(mention.conversation, bot, now):
                log.warning("a bot has asked too often, and is not answered", bot=bot)
                return
        await self.inbox.mention(mention)
        self._lately.note(mention)

    async def mention(self, event: Json, team: str, home: str = "") -> Mention:
        """Return the mention that the message *event* is; *home*: its writer's workspace, if told."""
        channel, ts = string(event.get("channel")), moment(event.get("ts"))
        thread = moment(event.get("thread_ts")) or ts
        read = Message.of(event)
        asked = self._mentions.make(
            ts,
            thread,
            await self._asker(event, team, home),
            placed(channel, team, self.team),
            read.says(await self.people.names(read.ids()), self.me),
            read.files,
        )
        return replace(asked, follow_up=not channel.startswith("D") and not read.addresses(self.me))

    async def _asker(self, event: Json, team: str, home: str) -> Actor:
        user = string(event.get("user"))
        if bot := self.questions.admitted(event):
            return Actor(bot, string(event.get("username")) or bot, workspace=team)
        if home not in {"", self.team}:  # of another workspace, so that nothing else matters
            return Actor(user, user, workspace=home)
        return await self.people.find(user)

    async def _changed(self, body: Json, event: Json) -> None:
        """Take an edit: of a question that is being answered, or one that calls the bot only now."""
        message, before = inner(event, "message"), inner(event, "previous_message")
        channel, ts, user = string(event["channel"]), moment(message.get("ts")), string(message.get("user"))
        key = self._key(channel, ts)
        if message.get("subtype") == "tombstone":  # what Slack leaves of a deleted question that has replies
            await self.inbox.deleted(Deleted(key))
            return
        now, was = Message.of(message), Message.of(before)
        if not ts or user in {"", self.me} or now.own == was.own:
            return
        asked = {**before, "type": "message", "channel": channel}
        if self.inbox.knows(key) or (_fresh(event, ts) and self.questions.asked(asked)):
            actor = self.people.known(user, stale=True) or await self.people.find(user, spare=True)
            place = placed(channel, string(body.get("team_id")), self.team)
            text = now.says(await self.people.names(now.ids()), self.me)
            await self.inbox.edited(Edited(key, text, actor, place))
        elif before and not channel.startswith("D") and not was.addresses(self.me):
            question = {**message, "channel": channel}
            if self.questions.asks(question):
                await self._ask(body, question)

    async def _stop(self, body: Json, user: str, channel: str, messages: list[str], thread: str = "") -> None:
        """Stop what runs in *thread*, if one is given, and what *messages* belong to, or turn out to."""
        team = string(body.get("team_id"))
        place = placed(channel, team, self.team)
        # Who reacts where no other workspace is, is of this one.
        home = team if body.get("is_ext_shared_channel") is False else ""

        async def stop(message: str) -> None:
            await self.inbox.stop(Stop(message, await self._who_stops(user, home), place))

        if thread:
            talk = f"slack/{team}/{channel}/{thread}"
            await self.inbox.stop(Stop("", await self._who_stops(user, home), place, conversation=talk))
        for key in [self._key(channel, ts) for ts in messages]:
            if self.inbox.knows(key):
                await stop(key)
            else:
                self._early.keep(key, partial(stop, key))

    async def _who_stops(self, user: str, home: str, name: str = "") -> Actor:
        """Return who stops an answer; do not wait long for Slack to say it.

        Somebody of whom Slack does not tell in time is taken for a member if the event itself says that they
        are of this workspace.  That is safe: they may be a guest, who sees the answer anyway, and all that is
        done is that it ends, which *Continue* undoes; nothing is asked or shown in their name.  Where only
        the asker may stop an answer, the id decides, which the event has.
        """
        if actor := self.people.known(user, stale=True):
            return actor
        if home not in {"", self.team}:
            return Actor(user, name, workspace=home)
        try:
            async with asyncio.timeout(SOON):
                return await self.people.find(user, spare=True)
        except (SlowDown, Gone, OSError) as error:
            if not home and isinstance(error, Full):  # a flood: sent again, it would only be longer
                return Actor(user, name, guest=True)
            if not home:
                raise
            log.info("a stop by somebody who is not known", user=user, error=repr(error))
            return Actor(user, name, workspace=home)

    async def _pressed(self, press: payloads.Press) -> None:
        outcome = await self._press(press)
        if outcome is Outcome.LAPSED:
            self._notices.lapsed(press.user, press.channel)
        if outcome is Outcome.REFUSED:
            self._notices.refused(press.user, press.channel)
        if outcome in {Outcome.UNKNOWN, Outcome.TAKEN, Outcome.LAPSED}:
            self._tidy.start(press, partial(self._press, press))

    async def _press(self, press: payloads.Press) -> Outcome:
        key = self._key(press.channel, press.message)
        place = placed(press.channel, press.team, self.team)
        if press.name == STOP.name:
            if not self.inbox.knows(key):
                return Outcome.UNKNOWN
            actor = await self._who_stops(press.user, press.workspace, press.called)
        else:
            actor = await self.people.doer(press.user, press.called, press.workspace, self.team)
        return await self.inbox.press(Press(key, press.name, actor, place))

    def _key(self, channel: str, ts: str) -> str:
        return f"slack/{self.team}/{channel}/{ts}"


def _fresh(event: Json, ts: str) -> bool:
    """Tell whether the message *ts* was new when *event*, an edit, came of it; by Slack's clock."""
    return float(moment(event.get("event_ts")) or ts) - float(ts) < FRESH
