"""What the page is told: places, people and messages of each platform, as a person's client has them.

Reads through the emulators' own controls; must never change anything.
"""

from __future__ import annotations

from typing import Any, Protocol

from adapters.emulators.discord import Discord
from adapters.emulators.discord.post import EPHEMERAL
from adapters.emulators.discord.shapes import BOT, DM, GUILD, THREADS
from adapters.emulators.slack import Slack
from adapters.emulators.slack.shapes import BOT_USER

Json = dict[str, Any]

#: The channels that are there from the start; a crowd spreads over all of them.
CHANNELS = ("general", "rivers", "help", "design", "engineering", "random", "support", "news")
#: Kinds of a log's entries after which a message looks different.
CHANGES = frozenset(
    {"say", "post", "edit", "delete", "start", "append", "stop", "react", "unreact", "expired"}
)


class View(Protocol):
    """One platform, as its clients see it."""

    async def open(self) -> None:
        """Give its channels their names."""
        ...

    async def places(self) -> Json:
        """Return {channels, people, bot}: channels are {id, name, kind, parent, user}."""
        ...

    async def message(self, channel: str, id_: str) -> Json:
        """Return a message, also a deleted one, or raise LookupError."""
        ...

    async def everything(self) -> list[Json]:
        """Return all messages, oldest first."""
        ...

    def content(self, channel: str, id_: str, number: int) -> bytes:
        """Return the bytes of a message's file, or raise LookupError or IndexError."""
        ...


class SlackView:
    """A workspace.

    Args:
        slack: Its emulator.
    """

    def __init__(self, slack: Slack) -> None:
        self._slack = slack

    async def open(self) -> None:
        """See `View.open`."""
        for number, name in enumerate(CHANNELS):
            await self._slack.channel(id=f"C{number + 1}", name=name)

    async def places(self) -> Json:
        """See `View.places`."""
        accounts = await self._slack.people()
        people = [
            {"id": one["id"], "name": one["name"], "role": _role(one["flags"])}
            for one in accounts
            if not one["flags"].get("is_bot")
        ]
        channels = [
            {"id": f"C{number + 1}", "name": name, "kind": "text"} for number, name in enumerate(CHANNELS)
        ]
        direct = [
            {"id": f"D{one['id']}", "name": "rivulet", "kind": "dm", "user": one["id"]} for one in people
        ]
        return {"channels": [*channels, *direct], "people": people, "bot": BOT_USER}

    async def message(self, channel: str, id_: str) -> Json:
        """See `View.message`."""
        seen = await self._slack.message(channel=channel, ts=id_)
        return {
            **{key: seen[key] for key in ("user", "text", "note", "live", "edits", "deleted", "blocks")},
            "reactions": seen["reactions"],
            "channel": channel,
            "id": seen["ts"],
            "thread": seen["thread_ts"],
            "own": seen["user"] == BOT_USER,
            "files": [{"name": each["name"], "size": each["size"]} for each in seen["files"]],
        }

    async def everything(self) -> list[Json]:
        """See `View.everything`."""
        return [
            await self.message(place["id"], seen["ts"])
            for place in (await self.places())["channels"]
            for seen in await self._slack.channel_messages(channel=place["id"])
        ]

    def content(self, channel: str, id_: str, number: int) -> bytes:
        """See `View.content`."""
        return self._slack.content(channel, id_, number)


class DiscordView:
    """A guild, and the direct messages with its bot.

    Args:
        discord: Its emulator.
    """

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    async def open(self) -> None:
        """See `View.open`."""
        for number, name in enumerate(CHANNELS):
            await self._discord.channel(id=str(200 + number), name=name)

    async def places(self) -> Json:
        """See `View.places`."""
        users = await self._discord.people()
        people = [
            {"id": one["id"], "name": one["username"], "role": ""} for one in users if not one.get("bot")
        ]
        channels = [_place(each) for each in await self._discord.places() if _shown(each)]
        return {"channels": channels, "people": people, "bot": BOT}

    async def message(self, channel: str, id_: str) -> Json:
        """See `View.message`."""
        seen = await self._discord.message(channel=channel, message=id_)
        told = ("user", "text", "note", "live", "edits", "deleted", "content", "components", "reactions")
        return {
            **{key: seen[key] for key in told},
            "channel": channel,
            "id": seen["id"],
            "reply_to": seen["reply_to"],
            "own": seen["user"] == BOT,
            "hidden": bool(seen["flags"] & EPHEMERAL),
            "files": [{"name": each["name"], "size": each["size"]} for each in seen["files"]],
        }

    async def everything(self) -> list[Json]:
        """See `View.everything`."""
        return [
            await self.message(place["id"], seen["id"])
            for place in (await self.places())["channels"]
            for seen in await self._discord.messages(channel=place["id"])
        ]

    def content(self, channel: str, id_: str, number: int) -> bytes:
        """See `View.content`."""
        return self._discord.content(channel, id_, number)


def _role(flags: Json) -> str:
    if flags.get("is_stranger"):
        return "of another workspace"
    return "guest" if flags.get("is_restricted") else ""


def _shown(channel: Json) -> bool:
    return channel["type"] == DM or channel.get("guild_id") == GUILD


def _place(channel: Json) -> Json:
    """Return a channel of Discord's as the page has it."""
    if channel["type"] == DM:
        user = channel["recipients"][0]["id"]
        return {"id": channel["id"], "name": "rivulet", "kind": "dm", "user": user}
    kind = "thread" if channel["type"] in THREADS else "text"
    return {"id": channel["id"], "name": channel["name"], "kind": kind, "parent": channel.get("parent_id")}
