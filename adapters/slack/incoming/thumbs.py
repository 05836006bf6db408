"""Reactions on answers that mean a button, or what somebody thinks of the answer.

Most such reactions are about messages that are none of ours, so nobody is looked up before the inbox has said
that it owns the message; and it is asked only where the event itself does not say whose the message is.
"""

from __future__ import annotations

import structlog

from adapters.slack.blocks import string
from adapters.slack.incoming.once import Once
from adapters.slack.incoming.payloads import inner, moment, placed
from adapters.slack.people import People
from adapters.slack.text import Json
from adapters.slack.wire.lookup import Full
from bot.events import CONTINUE, RETRY
from bot.platform import Actor, Inbox, Place, Press, Rating

log = structlog.get_logger(__name__)

#: What Slack calls the emojis of the buttons, and the thumbs: whether they are good.
BUTTONS = {
    "repeat": RETRY.name,
    "arrows_counterclockwise": RETRY.name,
    "arrow_forward": CONTINUE.name,
}
THUMBS = {"+1": True, "thumbsup": True, "-1": False, "thumbsdown": False}


class Thumbs:
    """Takes the reactions of one workspace that are no stops.

    Args:
        inbox: Who is told.
        people: Finds who reacted.
        team: The workspace.
        me: The bot's user.
    """

    def __init__(self, inbox: Inbox, people: People, team: str, me: str) -> None:
        self._inbox = inbox
        self._people = people
        self._team = team
        self._me = me
        self._once = (
            Once()
        )  # Slack may send an event again after minutes: a button would be pressed once more

    async def take(self, body: Json, event: Json) -> None:
        """Give a reaction that was added or removed to the core, if it means something on an answer of ours.

        Raises:
            SlowDown, Gone, OSError: Slack does not say who it was; it is to send the event again.
        """
        name, on = string(event.get("reaction")).partition("::")[0], event.get("type") == "reaction_added"
        user, item = string(event.get("user")), inner(event, "item")
        channel, ts = string(item.get("channel")), moment(item.get("ts"))
        if name not in THUMBS and not (name in BUTTONS and on):
            return
        if not (user and channel and ts) or user == self._me or not self._may_be_ours(event):
            return
        key, number = f"slack/{self._team}/{channel}/{ts}", string(body.get("event_id"))
        if not await self._inbox.owns(key, user) or not self._once.first(number):
            return
        try:
            actor = self._people.known(user) or await self._people.find(user, spare=True)
        except Full:  # a flood: sent again, it would only be longer
            log.info("a reaction by somebody who is not known", user=user)
            return
        except BaseException:
            self._once.forget(number)
            raise
        place = placed(channel, string(body.get("team_id")), self._team)
        await self._tell(name, key, actor, place, on=on)

    async def _tell(self, name: str, key: str, actor: Actor, place: Place, *, on: bool) -> None:
        if name in BUTTONS:
            await self._inbox.press(Press(key, BUTTONS[name], actor, place))
        else:
            await self._inbox.rated(Rating(key, actor, place, good=THUMBS[name], on=on))

    def _may_be_ours(self, event: Json) -> bool:
        """Tell whether the message may be the bot's: Slack says whose it is, if a user of it wrote it."""
        return string(event.get("item_user")) in {"", self._me}
