"""The parts of Slack's payloads that are read here, whatever shape they come in.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.slack.blocks import objects, string
from adapters.slack.text import Json
from bot.platform import Place

#: The kinds of messages that people write.
ASKING = frozenset({"", "file_share", "thread_broadcast", "me_message"})
#: The kinds that Slack may not tell of as mentions (`app_mention`).
UNTOLD = frozenset({"me_message", "thread_broadcast"})


def inner(found: Json, name: str) -> Json:
    """Return the object *name* of *found*; empty if there is none."""
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def moment(found: Any) -> str:
    """Return a `ts` that can be compared; "" if *found* is none."""
    text = string(found)
    whole, dot, rest = text.partition(".")
    return (
        text if len(text) < 30 and whole.isascii() and whole.isdigit() and (not dot or rest.isdigit()) else ""
    )


def placed(channel: str, workspace: str, home: str) -> Place:
    """Return where something was done: a *channel* of a *workspace*, for a bot whose workspace is *home*."""
    return Place(channel, workspace, home, platform="slack", direct=channel.startswith("D"))


def written(key: str) -> float:
    """Return when the message *key* was written, in seconds since 1970; 0 if that is no key of ours."""
    return float(moment((*key.split("/"), "", "", "")[3]) or 0)


@dataclass(frozen=True, slots=True)
class Press:
    """A press on a button.

    Attributes:
        name: The button's.
        workspace: The presser's.
        team: The workspace that it was in.
    """

    name: str
    channel: str
    message: str
    thread: str
    user: str
    called: str
    workspace: str
    team: str

    @classmethod
    def of(cls, body: Json) -> Press | None:
        """Read *body*; None if something that is needed is not there."""
        container, user, team = (inner(body, name) for name in ("container", "user", "team"))
        actions = objects(body.get("actions"))
        found = cls(
            string(actions[0].get("action_id")) if actions else "",
            string(container.get("channel_id")),
            moment(container.get("message_ts")),
            moment(container.get("thread_ts")),
            string(user.get("id")),
            string(user.get("name")) or string(user.get("username")),
            string(user.get("team_id")),
            string(team.get("id")),
        )
        return found if all((found.name, found.channel, found.message, found.user, found.team)) else None


def by_person(message: Json) -> bool:
    """Tell whether a person wrote *message*: no bot, no edit, and no joining of a channel."""
    user, subtype = string(message.get("user")), string(message.get("subtype"))
    return bool(user) and not message.get("bot_id") and subtype in ASKING


def home_of(event: Json, body: Json) -> str:
    """Return the workspace of who wrote *event*, if it is said to be another one; else ""."""
    team = string(event.get("user_team")) or string(event.get("source_team"))
    return team if body.get("is_ext_shared_channel") is True and team.startswith("T") else ""
