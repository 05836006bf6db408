"""Slash commands, message shortcuts and sent modals, as far as they are read here.  Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from adapters.slack.blocks import string
from adapters.slack.incoming.payloads import inner, moment
from adapters.slack.text import Json

#: What would be taken for markup of Slack's, and is none.
_LOOSE = re.compile(r"<(?![@#!]|https?://|mailto:)")
#: Slack's bound for what a view carries with it.
CARRIED = 3_000


@dataclass(frozen=True, slots=True)
class Slash:
    """A slash command.

    Attributes:
        text: What stands behind it, in Slack's notation.
        called: What whoever gave it is called.
        team: The workspace that it was given in.
        trigger: Unique; good for three seconds.
        url: Where replies go that come later.
    """

    text: str
    channel: str
    user: str
    called: str
    team: str
    trigger: str
    url: str

    @classmethod
    def of(cls, body: Json) -> Slash | None:
        """Read *body*; None if something that is needed is not there."""
        names = ("channel_id", "user_id", "user_name", "team_id", "trigger_id", "response_url")
        found = cls(_LOOSE.sub("&lt;", string(body.get("text"))), *(string(body.get(name)) for name in names))
        return found if all((found.channel, found.user, found.team)) else None


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who used a shortcut or sent a modal.

    Attributes:
        called: What they are called.
        workspace: Theirs; "" if that is not said.
        team: The workspace that it was in.
    """

    user: str
    called: str
    workspace: str
    team: str

    @classmethod
    def of(cls, body: Json) -> Who | None:
        """Read *body*; None if it does not say who."""
        user, team = inner(body, "user"), string(inner(body, "team").get("id"))
        called = string(user.get("name")) or string(user.get("username"))
        found = cls(string(user.get("id")), called, string(user.get("team_id")), team)
        return found if found.user and found.team else None


@dataclass(frozen=True, slots=True)
class About:
    """The message that a question is about; `thread` is "" where it is in none."""

    channel: str
    message: str
    thread: str

    @classmethod
    def of(cls, body: Json) -> About | None:
        """Read the payload of a shortcut; None if it is about no message."""
        message, channel = inner(body, "message"), string(inner(body, "channel").get("id"))
        found = cls(channel, moment(message.get("ts")), moment(message.get("thread_ts")))
        return found if found.channel and found.message else None

    @property
    def carried(self) -> str:
        """Return it as a view carries it."""
        return json.dumps([self.channel, self.message, self.thread])

    @classmethod
    def carried_by(cls, view: Json) -> About | None:
        """Read what a *view* carries; None if it is none of ours."""
        try:
            match json.loads(string(view.get("private_metadata"))[:CARRIED]):
                case [str(channel), str(message), str(thread)] if channel and moment(message):
                    return cls(channel, message, moment(thread))
        except (ValueError, RecursionError):
            pass
        return None
