"""The JSON that Slack sends: messages, events, button presses, as documented and recorded.

Pure but for random identifiers.  It decides nothing: who is told what is `workspace.py`'s.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.slack import content, files

TEAM, APP, BOT_USER, BOT_ID = "T1", "A1", "UBOT", "BBOT"


@dataclass(frozen=True)
class Team:
    """A workspace, and the app's bot in it.

    Attributes:
        id: The workspace's.
        bot_user, bot_id: The bot's; of an organization's workspaces, the same in all.
        enterprise: The organization that it is in, "" for none.
        whole: Whether the app is installed in that as a whole.
    """

    id: str = TEAM
    bot_user: str = BOT_USER
    bot_id: str = BOT_ID
    enterprise: str = ""
    whole: bool = False


HOME = Team()
#: The recorded field; real apps get theirs from the app's settings page.
VERIFICATION_TOKEN = "emulated-verification"  # noqa: S105 - deprecated by Slack and secret to nobody

Json = dict[str, Any]

_RICH = re.compile(r"<([^<>]+)>")


@dataclass
class Message:
    """One message as Slack keeps it.

    Attributes:
        thread_ts: The root's ts in a reply, '' at top level.
        bot_id: The bot that posted it, '' for people.
        edits: How often its visible state was replaced.
        was_live: Whether it ever had a Stop button, or was streaming.
        streams_until: When it expires as a native stream, by `time.monotonic()`; 0.0 if it is none, or ended.
        stopped_by_user: Whether a reader stopped it.
        files: What is attached to it.
        attachments: Forwards, alerts and previews, as the API has them.
        cards: The task cards of a stream, by their ids.
        home: The workspace that it is in.
        team: The workspace of who wrote it; "" for that one.
    """

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str = ""
    blocks: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    bot_id: str = ""
    app_id: str = ""
    subtype: str = ""
    team: str = ""
    client_msg_id: str = ""
    edited: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edits: int = 0
    deleted: bool = False
    was_live: bool = False
    streams_until: float = 0.0
    stopped_by_user: bool = False
    files: list[files.Stored] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    cards: dict[str, Json] = field(default_factory=dict)
    home: Team = HOME

    @property
    def key(self) -> str:
        """Return channel and ts in one string."""
        return f"{self.channel}/{self.ts}"

    @property
    def own(self) -> bool:
        """Tell whether the app under test posted it."""
        return self.bot_id == self.home.bot_id

    @property
    def streaming(self) -> bool:
        """Tell whether it is a native stream that takes text."""
        return not self.deleted and time.monotonic() < self.streams_until

    @property
    def broken(self) -> bool:
        """Tell whether it expired as a stream and nobody wrote it anew: Slack shows a broken pill."""
        return not self.deleted and 0.0 < self.streams_until <= time.monotonic()

    @property
    def live(self) -> bool:
        """Tell whether a reader sees it with a Stop button, or streaming."""
        return not self.deleted and (self.streaming or content.is_live(self.blocks))


@dataclass
class Person:
    """A user account, with `users.info`'s flags."""

    id: str
    name: str
    flags: Json = field(default_factory=dict)

    @property
    def team(self) -> str:
        """Return the home workspace."""
        return str(self.flags.get("team_id", TEAM))


def token(prefix: str, length: int = 10) -> str:
    """Return a fresh identifier such as Ev0AFKSS1NKD."""
    return prefix + base64.b32encode(secrets.token_bytes(length)).decode().rstrip("=")[:length]


def blocks_kept(blocks: list[Json]) -> list[Json]:
    """Return *blocks* as Slack keeps them: each with an id, a markdown block's own one replaced."""
    return [
        {**block, "block_id": token("", 5)}
        if block["type"] == "markdown" or "block_id" not in block
        else block
        for block in blocks
    ]


def rich_text(text: str) -> list[Json]:
    """Return the rich_text block that Slack makes of a person's *text*."""
    section = {"type": "rich_text_section", "elements": list(_elements(text))}
    return [{"type": "rich_text", "block_id": token("", 5), "elements": [section]}]


def _elements(text: str) -> Iterator[Json]:
    # re.split with one group alternates plain text and the insides of <...>.
    for number, part in enumerate(_RICH.split(text)):
        name, _, label = part.partition("|")
        match number % 2, part[:1]:
            case 0, _:
                if part:
                    yield {"type": "text", "text": content.decoded(part)}
            case 1, "@":
                yield {"type": "user", "user_id": name[1:]}
            case 1, "#":
                yield {"type": "channel", "channel_id": name[1:]}
            case 1, "!" if name.startswith("!subteam^"):
                yield {"type": "usergroup", "usergroup_id": name.removeprefix("!subteam^")}
            case 1, "!":
                yield {"type": "broadcast", "range": name[1:]}
            case _:
                yield {"type": "link", "url": name} | ({"text": label} if label else {})


def message(kept: Message, parent: Message | None = None, *, metadata: bool = False) -> Json:
    """Return *kept* as the Web API and events carry it.

    Args:
        kept: The message.
        parent: The root of its thread, where there is one and it is known.
        metadata: Whether the caller asked for the metadata.
    """
    shape: Json = {"type": "message", "user": kept.user, "ts": kept.ts, "text": kept.text, "team": kept.team}
    optional: Json = {
        "subtype": kept.subtype,
        "client_msg_id": kept.client_msg_id,
        "bot_id": kept.bot_id,
        "app_id": kept.app_id,
        "bot_profile": _bot_profile(kept) if kept.bot_id else None,
        "blocks": kept.blocks,
        "attachments": kept.attachments,
        "edited": kept.edited,
        "thread_ts": kept.thread_ts,
        "parent_user_id": parent.user if parent and kept.thread_ts else None,
        "metadata": kept.metadata if metadata else None,
        "reactions": [
            {"name": name, "users": users, "count": len(users)} for name, users in kept.reactions.items()
        ],
    }
    if kept.files:
        # A share is said to be its user's, also a bot's: no bot_id, and no rich_text block without a comment.
        optional |= {
            "files": [files.told(each, kept.home.id) for each in kept.files],
            "upload": True,
            "display_as_bot": False,
        }
        optional |= {"bot_id": "", "app_id": "", "bot_profile": None}
    if kept.team != kept.home.id:
        optional |= {"user_team": kept.team, "source_team": kept.team}
    return shape | {key: value for key, value in optional.items() if value}


def tombstone(kept: Message) -> Json:
    """Return what is left of a deleted root with replies, as slack-edge#10 and matterbridge#600 show it."""
    return {
        "type": "message",
        "subtype": "tombstone",
        "text": "This message was deleted.",
        "user": "USLACKBOT",
        "hidden": True,
        "ts": kept.ts,
        "thread_ts": kept.ts,
    }


def _bot_profile(kept: Message) -> Json:
    return {
        "id": kept.bot_id,
        "app_id": kept.app_id,
        "name": "rivulet" if kept.own else kept.bot_id.lower(),
        "icons": {},
        "deleted": False,
        "updated": 1_700_000_000,
        "team_id": kept.team,
    }


def channel_type(channel: str) -> str:
    """Return the `channel_type` of a message event: channel, group or im."""
    return {"D": "im", "G": "group"}.get(channel[:1], "channel")


def posted(kept: Message, parent: Message | None) -> Iterator[Json]:
    """Yield the events of a new message: app_mention where the bot is named, then message."""
    event = message(kept, parent) | {"channel": kept.channel, "event_ts": kept.ts}
    # "Messages sent to your app in direct message conversations are not dispatched via app_mention" [docs].
    if (
        not kept.own
        and channel_type(kept.channel) != "im"
        and re.search(rf"<@{kept.home.bot_user}[|>]", kept.text)
    ):
        # One post, two events, two event_ids; app_mention carries no channel_type.
        yield event | {"type": "app_mention"}
    yield event | {"channel_type": channel_type(kept.channel)}


def changed(now: Json, before: Json, channel: str, ts: str) -> Json:
    """Return the message_changed event from *before* to *now*."""
    return _hidden("message_changed", channel, ts) | {"message": now, "previous_message": before}


def removed(before: Json, channel: str, ts: str) -> Json:
    """Return the message_deleted event of *before*."""
    gone = {"deleted_ts": before["ts"], "previous_message": before}
    return _hidden("message_deleted", channel, ts) | gone


def _hidden(subtype: str, channel: str, ts: str) -> Json:
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": channel,
        "channel_type": channel_type(channel),
        "ts": ts,
        "event_ts": ts,
    }


def reaction(kind: str, kept: Message, user: str, name: str, ts: str) -> Json:
    """Return the reaction_added or reaction_removed event (*kind*)."""
    return {
        "type": kind,
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": kept.channel, "ts": kept.ts},
        "item_user": kept.user,
        "event_ts": ts,
    }


def callback(event: Mapping[str, Any], *, shared: bool, team: Team = HOME) -> Json:
    """Wrap *event*, of *team*, into what an events_api envelope carries, with an event_id of its own."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        **({"enterprise_id": team.enterprise} if team.enterprise else {}),
        "context_team_id": team.id,
        "context_enterprise_id": team.enterprise or None,
        "api_app_id": APP,
        "event": dict(event),
        "type": "event_callback",
        "event_id": token("Ev"),
        "event_time": int(time.time()),
        "authorizations": [
            {
                "enterprise_id": team.enterprise or None,
                "team_id": None if team.whole else team.id,
                "user_id": team.bot_user,
                "is_bot": True,
                "is_enterprise_install": team.whole,
            }
        ],
        "is_ext_shared_channel": shared,
        "event_context": f"4-{token('', 32)}",
    }


def block_actions(kept: Message, who: Person, block: Json, button: Json, *, ts: str, url: str) -> Json:
    """Return the payload, but for the message's shape, of *who* pressing *button* in *block*.

    Args:
        kept: The message.
        who: The person.
        block: The block that holds the button.
        button: The button, as the app sent it.
        ts: The `action_ts`.
        url: Where the emulator listens, for the response_url.
    """
    action: Json = {
        key: button[key] for key in ("action_id", "text", "value", "type", "style", "url") if key in button
    }
    action |= {"block_id": block["block_id"], "action_ts": ts}
    action.setdefault("action_id", token("", 5))
    action["text"] = {"emoji": True} | button["text"]
    container = {
        "type": "message",
        "message_ts": kept.ts,
        "channel_id": kept.channel,
        "is_ephemeral": False,
    } | ({"thread_ts": kept.thread_ts} if kept.thread_ts else {})
    name = "directmessage" if kept.channel.startswith("D") else kept.channel.lower()
    return {
        "type": "block_actions",
        "user": {"id": who.id, "username": who.name, "name": who.name, "team_id": who.team},
        "api_app_id": APP,
        "token": VERIFICATION_TOKEN,
        "container": container,
        "trigger_id": f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**13)}.{secrets.token_hex(16)}",
        **belonging(kept.home),
        "channel": {"id": kept.channel, "name": name},
        "state": {"values": {}},
        "response_url": f"{url}/actions/{kept.home.id}/{secrets.randbelow(10**13)}/{token('', 24)}",
        "actions": [action],
    }


def belonging(team: Team) -> Json:
    """Return what an interaction's payload says of where it was: of an organization's app, no workspace."""
    enterprise = {"id": team.enterprise, "name": "Emulated"} if team.enterprise else None
    return {
        "team": None if team.whole else {"id": team.id, "domain": "emulated"},
        "enterprise": enterprise,
        "is_enterprise_install": team.whole,
    }


def account(who: Person) -> Json:
    """Return *who* as `users.info` does."""
    shape: Json = {
        "id": who.id,
        "team_id": who.team,
        "name": who.name,
        "deleted": False,
        "color": "9f69e7",
        "real_name": who.name.title(),
        "tz": "Europe/London",
        "tz_label": "Greenwich Mean Time",
        "tz_offset": 0,
        "profile": {
            "real_name": who.name.title(),
            "display_name": who.name,
            "real_name_normalized": who.name.title(),
            "display_name_normalized": who.name,
            "team": who.team,
        },
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": False,
        "is_app_user": False,
        "updated": 1_700_000_000,
    }
    return shape | who.flags


def client_message_id() -> str:
    """Return an id as a person's client gives its message."""
    return str(uuid.uuid4())
