"""Who and what exists: users, guilds, channels and threads, and how they come into being.

It answers for the bot's surroundings only; it must never know about messages, sockets or limits.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from adapters.emulators.discord import furnished, shapes
from adapters.emulators.discord.rules import Refusal, check_name, unknown
from adapters.emulators.discord.shapes import BOT, GUILD, OWNER, ROLE, Json

#: Tells the gateway: event, data, and the guild's id ("" in direct messages).
Publish = Callable[[str, Json, str], None]

#: What is done to a message in a thread; a deletion is what an archived thread allows.
Act = Literal["post", "edit", "react", "delete"]

#: The first second of 2015, in ms since 1970, from which snowflakes count (reference.mdx).
EPOCH = 1420070400000


class World:
    """Everything but messages.

    Args:
        publish: Told about what the bot would be told about.

    Attributes:
        users: By id.
        guilds: By id, without their channels.
        channels: Channels of every type by id, as GET channels/{id} returns them.
        closed: Users who take no direct messages.
        held: The roles that people hold, by guild and user.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._count = itertools.count()
        self._dms: dict[str, str] = {}
        self._removed: set[str] = set()
        self.users: dict[str, Json] = {}
        self.guilds: dict[str, Json] = {}
        self.channels: dict[str, Json] = {}
        self.closed: set[str] = set()
        self.held: dict[tuple[str, str], Sequence[str]] = {}
        for id_, name in (OWNER, "operator"), ("300", "alice"), ("301", "bob"):
            self.users[id_] = shapes.user(id_, name)
        self.users[BOT] = shapes.user(BOT, "rivulet", bot=True)
        self.add_guild(GUILD, shapes.CHANNEL, ROLE)

    def new_id(self) -> str:
        """Return a fresh snowflake; they grow."""
        count = next(self._count)
        return str((int(time.time() * 1000) - EPOCH + (count >> 12)) << 22 | count & 0xFFF)

    def person(self, id_: str, name: str = "", *, bot: bool = False) -> Json:
        """Return the user *id_*, who joins when first heard of."""
        known = self.users.get(id_)
        if known is None or name or bot > known.get("bot", False):
            name = name or (known["username"] if known else f"user{id_}")
            self.users[id_] = shapes.user(id_, name, bot=bot)
        return self.users[id_]

    def user(self, id_: str) -> Json:
        """Return the user *id_*, or raise 10013."""
        if id_ not in self.users:
            raise unknown(10013, "User")
        return self.users[id_]

    def add_guild(
        self, id_: str, channel: str, role: str, own: str = shapes.BOTS, everyone: str = shapes.EVERYONE
    ) -> None:
        """Let the bot join another guild with one text channel; *own* is what its role there may do."""
        roles = [
            shapes.role(id_, "@everyone", permissions=everyone),
            shapes.role(role, "rivulet", managed_by=BOT, permissions=own),
        ]
        self._join(shapes.guild(id_, f"guild {id_}", roles), [shapes.text_channel(channel, id_, "general")])

    def add_guilds(self, count: int, channels: int, roles: int, threads: int) -> None:
        """Let the bot join *count* guilds with so much in each; see `furnished`."""
        first = int(self.new_id())
        for number in range(count):
            id_ = str(first + ((number + 1) << 22))  # the next shard's, whatever their number
            everyone = shapes.role(id_, "@everyone", permissions=shapes.EVERYONE)
            own = shapes.role(self.new_id(), "rivulet", managed_by=BOT, permissions=shapes.BOTS)
            held = furnished.roles(roles - 2, self.new_id)
            guild = shapes.guild(id_, f"guild {id_}", [everyone, own, *held])
            inside = furnished.channels(id_, channels, held, self.new_id)
            open_ = furnished.threads(threads, inside, self.new_id)
            self._join({**guild, "emojis": furnished.emojis(self.new_id)}, [*inside, *open_])

    def _join(self, guild: Json, inside: Sequence[Json]) -> None:
        self.guilds[guild["id"]] = guild
        self.channels |= {each["id"]: each for each in inside}
        self._publish("GUILD_CREATE", self.guild_create(guild["id"], inside), guild["id"])

    def own_guilds(self) -> list[Json]:
        """Return the guilds that the bot is in, with what its roles let it do there."""
        return [shapes.partial_guild(guild, self._allowed(guild)) for guild in self.guilds.values()]

    def _allowed(self, guild: Json) -> int:
        own = {guild["id"], *self.roles_of(BOT, guild["id"])}  # @everyone has the guild's id
        allowed = 0
        for role in guild["roles"]:
            allowed |= int(role["permissions"]) if role["id"] in own else 0
        return allowed

    def roles(self, guild: str) -> set[str]:
        """Return the ids of a guild's roles that can be mentioned."""
        return {role["id"] for role in self.guilds[guild]["roles"]} - {guild} if guild else set()

    def roles_of(self, user: str, guild: str) -> list[str]:
        """Return the ids of the roles that *user* holds: the bot has its own, others those in `held`."""
        roles = self.guilds[guild]["roles"] if guild else []
        own = [role["id"] for role in roles if role.get("tags", {}).get("bot_id") == user]
        return [*own, *(self.held.get((guild, user), ()) if guild else ())]

    def member(self, guild: str, user: str) -> Json:
        """Return who somebody is in a guild, or raise 10007 (resources/guild.mdx, get guild member).

        Whoever was heard of is in every guild.
        """
        self.guild(guild)
        if user not in self.users:
            raise unknown(10007, "Member")
        return {**shapes.member(self.roles_of(user, guild)), "user": self.users[user]}

    def guild(self, id_: str) -> Json:
        """Return a guild, or raise 10004."""
        if id_ not in self.guilds:
            raise unknown(10004, "Guild")
        return self.guilds[id_]

    def guild_create(self, id_: str, here: Sequence[Json] | None = None) -> Json:
        """Return a guild as GUILD_CREATE brings it; *here* are its channels, if they are known."""
        members = [{**shapes.member(self.roles_of(BOT, id_)), "user": self.users[BOT]}]
        return shapes.guild_create(self.guilds[id_], *self.inside(id_, here), members)

    def by_guild(self) -> Mapping[str, Sequence[Json]]:
        """Return the channels and threads of each guild, from one look at all."""
        found: dict[str, list[Json]] = {id_: [] for id_ in self.guilds}
        for each in self.channels.values():
            if each.get("guild_id") in found:
                found[each["guild_id"]].append(each)
        return found

    def inside(self, id_: str, here: Sequence[Json] | None = None) -> tuple[list[Json], list[Json]]:
        """Return the channels of a guild and its threads that are not archived, or raise 10004."""
        self.guild(id_)
        found = self.by_guild()[id_] if here is None else here
        here = [dict(each) for each in found]
        threads = [each for each in here if each["type"] in shapes.THREADS]
        threads = [each for each in threads if not each["thread_metadata"]["archived"]]
        return [each for each in here if each["type"] not in shapes.THREADS], threads

    def channel(self, id_: str, guild: str = GUILD, kind: int = shapes.TEXT) -> Json:
        """Return a channel; one never heard of is a new channel of *guild*, of type *kind*."""
        if id_ not in self.channels:
            if not id_.isdigit() or id_ in self._removed:
                raise unknown(10003, "Channel")
            self.channels[id_] = shapes.text_channel(id_, guild, f"channel-{id_}", kind)
            self._publish("CHANNEL_CREATE", dict(self.channels[id_]), guild)
        return self.channels[id_]

    def set_topic(self, id_: str, text: str) -> None:
        """Let somebody write what a guild's channel is for."""
        channel = self.channel(id_)
        channel["topic"] = text
        self._publish("CHANNEL_UPDATE", dict(channel), channel["guild_id"])

    def remove(self, id_: str) -> None:
        """Delete a channel of a guild, or a thread."""
        self._removed.add(id_)
        channel = self.channels.pop(id_)
        if channel["type"] in shapes.THREADS:
            data = {key: channel[key] for key in ("id", "guild_id", "parent_id", "type")}
            self._publish("THREAD_DELETE", data, channel["guild_id"])
        else:
            self._publish("CHANNEL_DELETE", channel, channel["guild_id"])

    def guild_of(self, channel: str) -> str:
        """Return the id of a channel's guild, "" for direct messages."""
        return str(self.channel(channel).get("guild_id", ""))

    def open_dm(self, user: str) -> Json:
        """Return the direct-message channel with *user*, or raise 50033."""
        if user not in self.users or user == BOT:
            raise Refusal(400, 50033, "Invalid Recipient(s)")
        if user not in self._dms:
            self._dms[user] = id_ = self.new_id()
            self.channels[id_] = shapes.dm_channel(id_, self.users[user])
        return self.channels[self._dms[user]]

    def admit_direct(self, channel: str) -> None:
        """Raise 50007 for the direct messages of somebody who takes none."""
        if any(each["id"] in self.closed for each in self.channel(channel).get("recipients", ())):
            raise Refusal(403, 50007, "Cannot send messages to this user")

    def open_thread(self, parent: str, body: Json, message: str = "", owner: str = BOT) -> Json:
        """Start a thread below *parent*, from the message that gives it its id or from none."""
        above = self.channel(parent)
        if above["type"] not in shapes.THREAD_BELOW:
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if message in self.channels:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        thread = shapes.thread(message or self.new_id(), above, check_name(body), owner)
        minutes = body.get("auto_archive_duration")
        thread["thread_metadata"]["auto_archive_duration"] = minutes or 1440
        self.channels[thread["id"]] = thread
        self._publish("THREAD_CREATE", {**thread, "newly_created": True}, thread["guild_id"])
        return {**thread, "member": self.thread_member(thread["id"], owner)}

    def admit(self, channel: str, act: Act) -> None:
        """Raise where a thread is closed to this *act*; a post opens an archived one (topics/threads.mdx).

        Which of the two codes an archived and locked thread answers with is inferred.
        """
        state = self.channel(channel).get("thread_metadata", {"archived": False, "locked": False})
        if state["archived"] and act in {"edit", "react"}:
            raise Refusal(400, 50083, "Thread is archived")
        if state["locked"] and (state["archived"] or act in {"post", "edit"}):
            raise Refusal(400, 160005, "Thread is locked")
        if state["archived"] and act == "post":
            self.close_thread(channel, archived=False)

    def close_thread(self, id_: str, *, archived: bool, locked: bool = False) -> None:
        """Archive a thread or open it, and lock it or not."""
        thread = self.channel(id_)
        thread["thread_metadata"] |= {
            "archived": archived,
            "locked": locked,
            "archive_timestamp": shapes.now(),
        }
        self._publish("THREAD_UPDATE", dict(thread), thread["guild_id"])

    def edit_thread(self, id_: str, body: Json) -> Json:
        """Change a thread as the bot, which may not manage threads: archive or open it, or name it anew.

        Who wrote in a thread is in it, and may open it; the rest is for who started it (topics/threads.mdx).
        """
        thread = self.channel(id_)
        asked = {name for name in body if name != "archived" or body[name]}
        if thread["type"] not in shapes.THREADS or asked - {"archived", "name"}:
            raise Refusal(403, 50013, "Missing Permissions")
        state = thread["thread_metadata"]
        if state["archived"] and body.get("archived") is not False:
            raise Refusal(400, 50083, "Thread is archived")
        if state["locked"]:
            raise Refusal(400, 160005, "Thread is locked")
        if asked and thread["owner_id"] != BOT:
            raise Refusal(403, 50013, "Missing Permissions")
        if "name" in body:
            thread["name"] = check_name(body)
        self.close_thread(id_, archived=bool(body.get("archived")))
        return dict(thread)

    def thread_member(self, thread: str, user: str) -> Json:
        """Return what a thread knows about one who is in it."""
        return {
            "id": thread,
            "user_id": user,
            "join_timestamp": shapes.JOINED,
            "flags": 0,
            "muted": False,
            "mute_config": None,
        }

    def interaction_channel(self, id_: str) -> Json:
        """Return a channel as INTERACTION_CREATE shows it."""
        channel = self.channel(id_)
        match channel["type"]:
            case shapes.DM:
                return dict(channel)
            case shapes.THREAD | shapes.NEWS_THREAD:
                extra = {
                    "member": self.thread_member(id_, BOT),
                    "member_ids_preview": [BOT],
                    "permissions": shapes.EVERYTHING,
                }
                return {**channel, **extra}
            case _:
                return {**channel, "permissions": shapes.EVERYTHING}
