"""Slack's events, given to the core as the seam's values.

`Events.take` returns once the core has taken an event, so none is acknowledged before.  Must never drop one
because it is a retry: Slack sends what happened while the bot did not listen as retries only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.incoming.people import People
from adapters.slack.native import Reader
from adapters.slack.text import Json, words
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import TooLong, translated
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
    SlowDown,
    Stop,
    Surface,
)

log = structlog.get_logger(__name__)

#: Seconds for which the log says once that Slack holds events back.
QUIET = 3600.0
#: Seconds after a press on Stop until the core knows all messages of running answers: a message that it does
#: not know then belongs to none.
KNOWN = 3.0

#: Makes the surface for an answer: of a channel, a thread, a question, and who reads it live.
Open = Callable[[str, str, str, Reader], Surface]


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

    async def take(self, body: Json) -> None:
        """Give one event, or one press of a button, to the core; ignore all other kinds."""
        match body.get("type"):
            case "block_actions":
                outcome = await self._press(body)
                self.errands.start(self._tidy(body, outcome))
            case "app_rate_limited":
                self._warn()
            case "event_callback":
                await self._event(body, body.get("event") or {})

    async def _event(self, body: Json, event: Json) -> None:
        match event:
            case {"type": "app_mention"} | {"type": "message", "channel_type": "im"} if self.asks(event):
                await self.inbox.mention(await self.mention(event, body["team_id"]))
            case {"subtype": "message_changed", "message": {"subtype": "tombstone", "ts": ts}}:
                # What Slack leaves of a deleted question that has replies.
                await self.inbox.deleted(Deleted(self._key(event["channel"], ts)))
            case {"type": "message", "subtype": "message_changed", "message": {"user": user} as message}:
                before = event.get("previous_message", {})
                if user != self.me and message.get("text") != before.get("text"):
                    actor, place = await self._who(user, event["channel"], body["team_id"])
                    await self.inbox.edited(
                        Edited(self._key(event["channel"], message["ts"]), self._words(message), actor, place)
                    )
            case {"type": "message", "subtype": "message_deleted", "deleted_ts": ts}:
                await self.inbox.deleted(Deleted(self._key(event["channel"], ts)))
            case {"type": "reaction_added", "item": {"type": "message", "channel": channel, "ts": ts}}:
                if event["reaction"].split("::")[0] in self.stop_emoji:
                    await self._stop(event["user"], channel, [ts], body["team_id"])
            case {"type": "agent_session_stopped"}:
                messages = [*event.get("streaming_message_ts", ()), event["thread_ts"]]
                await self._stop(event["user"], event["channel"], messages, body["team_id"])
            case {"type": "app_uninstalled"} | {"type": "tokens_revoked", "tokens": {"bot": [_, *_]}}:
                self.web.doubted.set()

    def _warn(self) -> None:
        """Log that Slack has begun to hold events back, once in an hour."""
        now = asyncio.get_running_loop().time()
        if now - self._told >= QUIET:
            self._told = now
            log.error("Slack holds events back: over 30,000 in an hour; unsubscribe from what is not needed")

    async def mention(self, event: Json, team: str) -> Mention:
        """Return the mention that the message *event* is."""
        channel, ts = event["channel"], event["ts"]
        thread = event.get("thread_ts") or ts
        actor, place = await self._who(event["user"], channel, team)

        async def stopped(message: str) -> None:
            if channel.startswith("D"):  # elsewhere Slack's event says who it was
                await self.inbox.stop(Stop(message, actor, place))

        reader = Reader(actor.id, actor.workspace or team, stopped)
        return Mention(
            key=self._key(channel, ts),
            conversation=f"slack/{team}/{channel}/{thread}",
            actor=actor,
            place=place,
            text=self._words(event),
            surface=self.surface(channel, thread, ts, reader),
        )

    async def _stop(self, user: str, channel: str, messages: list[str], team: str) -> None:
        actor, place = await self._who(user, channel, team)
        for ts in messages:
            await self.inbox.stop(Stop(self._key(channel, ts), actor, place))

    async def _press(self, body: Json) -> Outcome:
        message, channel = body["container"]["message_ts"], body["container"]["channel_id"]
        actor, place = await self._who(body["user"]["id"], channel, body["team"]["id"])
        return await self.inbox.press(Press(self._key(channel, message), _pressed(body), actor, place))

    async def _tidy(self, body: Json, outcome: Outcome) -> None:
        """Take the buttons off a message if they are not needed any more, or were left by a crash.

        The press has the message as it was then; it is read anew, so that a newer text stays.
        """
        if outcome not in {Outcome.UNKNOWN, Outcome.TAKEN}:
            return
        stop = _pressed(body) == STOP.name
        if stop:
            await asyncio.sleep(KNOWN)
        with suppress(SlowDown, Gone, TooLong, OSError, SlackApiError), translated():
            message = await self._there(body)
            drawn = message.get("blocks") or []
            rows = [block["elements"] for block in drawn if block["type"] == "actions"]
            if _pressed(body) not in {button.get("action_id") for row in rows for button in row}:
                return
            if stop and await self._press(body) is not Outcome.UNKNOWN:
                return  # a running answer has it after all
            await self.web.chat_update(
                channel=body["container"]["channel_id"],
                ts=message["ts"],
                blocks=[block for block in drawn if block["type"] != "actions"],
                text=message.get("text") or "…",
            )

    async def _there(self, body: Json) -> Json:
        """Return the message that was pressed as it is now; empty if it is gone."""
        ts = body["container"]["message_ts"]
        answer = await self.web.conversations_replies(
            channel=body["container"]["channel_id"],
            ts=body["container"].get("thread_ts") or ts,
            oldest=ts,
            latest=ts,
            inclusive=True,
        )
        return next((each for each in answer["messages"] if each["ts"] == ts), {})

    async def _who(self, user: str, channel: str, team: str) -> tuple[Actor, Place]:
        return await self.people.find(user), Place(channel, workspace=team, home=self.team)

    def _key(self, channel: str, ts: str) -> str:
        return f"slack/{self.team}/{channel}/{ts}"

    def asks(self, event: Json) -> bool:
        """Whether a person wrote *event*: no bot, no edit, no joining of a channel, and no file of ours."""
        plain_kinds = {None, "file_share", "thread_broadcast"}
        person = "bot_id" not in event and event.get("user") not in {None, "", self.me}
        return person and event.get("subtype") in plain_kinds

    def _words(self, message: Json) -> str:
        """Return what was asked, without our own mention."""
        return words(message.get("text", ""), self.me)


def _pressed(body: Json) -> str:
    """Return the name of the button that was pressed."""
    return str(body["actions"][0]["action_id"])
