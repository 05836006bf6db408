"""Messages: written, edited, deleted, reacted to; and what the judge keeps about the bot's.

Each change is applied, logged and told to the gateway in one step without awaiting, so that no
reader ever sees half of it.  Nothing here knows of HTTP or of limits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adapters.emulators import masks
from adapters.emulators.discord import markup, reading, shapes
from adapters.emulators.discord.attachments import Upload, attached
from adapters.emulators.discord.post import HAS_THREAD, LOADING, Post
from adapters.emulators.discord.rules import Refusal, check_filled, check_message, invalid, unknown
from adapters.emulators.discord.shapes import BOT, Json
from adapters.emulators.discord.world import Publish, World

#: "In the past few minutes", says resources/message.mdx of enforce_nonce, and no more.
NONCE_MEMORY = 180.0


class Messages:
    """All messages of all channels.

    Args:
        world: Where they are written.
        record: The emulator's log.
        publish: Told about every change.

    Attributes:
        nonce_memory: Seconds that an enforced nonce is remembered.
        pings: Every write of the bot that pinged somebody.
        unfurls: Every link in a write of the bot that Discord would unfold.
        masks: Every link in a write of the bot whose words name another host than it leads to.
    """

    def __init__(self, world: World, record: Callable[..., None], publish: Publish) -> None:
        self._world = world
        self._record = record
        self._publish = publish
        self._posts: dict[str, dict[str, Post]] = {}
        self.nonce_memory = NONCE_MEMORY
        self._nonces: dict[tuple[str, str], tuple[float, Post]] = {}
        self.pings: list[Json] = []
        self.unfurls: list[Json] = []
        self.masks: list[Json] = []

    def __iter__(self) -> Iterator[Post]:
        return (post for posts in self._posts.values() for post in posts.values())

    def find(self, channel: str, message: str) -> Post:
        """Return a message that is there, or raise 10008."""
        self._world.channel(channel)
        post = self._posts.get(channel, {}).get(message)
        if post is None or post.deleted:
            raise unknown(10008, "Message")
        return post

    def ever(self, channel: str, message: str) -> Post:
        """Return a message, also a deleted one, or raise `LookupError`."""
        try:
            return self._posts[channel][message]
        except KeyError:
            raise LookupError(f"no message {message} in channel {channel}") from None

    def within(self, channel: str) -> list[Post]:
        """Return a channel's messages, deleted ones too, oldest first."""
        return list(self._posts.get(channel, {}).values())

    def repeated(self, channel: str, body: Json) -> Post | None:
        """Return the message that an enforced nonce has made before."""
        if not (body.get("enforce_nonce") and body.get("nonce")):
            return None
        at, post = self._nonces.get((channel, str(body["nonce"])), (0.0, None))
        return post if post and time.monotonic() - at < self.nonce_memory else None

    def write(
        self, channel: str, author: Json, body: Json, files: Sequence[Upload] = (), more: Json | None = None
    ) -> Post:
        """Write a message, or raise `Refusal`; *more* is what else is shown of it."""
        check_message(body)
        self._world.admit(channel, "post")
        replied = self._replied(channel, body.get("message_reference"))
        shape = self._blank(channel, author, shapes.REPLY if replied else shapes.DEFAULT)
        post = Post(shape, time.monotonic(), (replied.channel, replied.id) if replied else None)
        shape["flags"] = int(body.get("flags") or 0) & ~(HAS_THREAD | LOADING)
        if replied:
            shape["message_reference"] = {"type": 0, "channel_id": replied.channel, "message_id": replied.id}
        shape.update(more or {})
        self._fill(post, {"content": "", **body}, files, 0)
        shape.update(more or {})
        self._store(post, str(body.get("nonce") or ""))
        return post

    def again(self, post: Post) -> None:
        """Tell once more that a message was written."""
        self._tell("MESSAGE_CREATE", post)

    def wait(self, channel: str, flags: int, more: Json) -> Post:
        """Write the "is thinking" message of a deferred answer; *more* is what else is shown of it."""
        shape = {**self._blank(channel, self._world.users[BOT], shapes.DEFAULT), **more}
        shape["flags"] = flags | LOADING
        post = Post(shape, time.monotonic())
        self._store(post, "")
        return post

    def _replied(self, channel: str, reference: Json | None) -> Post | None:
        if not reference or not reference.get("message_id"):
            return None
        try:
            return self.find(str(reference.get("channel_id") or channel), str(reference["message_id"]))
        except Refusal:
            if reference.get("fail_if_not_exists") is False:
                return None
            code = "MESSAGE_REFERENCE_UNKNOWN_MESSAGE"
            raise invalid(["message_reference"], code, "Unknown message") from None

    def _blank(self, channel: str, author: Json, kind: int) -> Json:
        shape = {
            "id": self._world.new_id(),
            "type": kind,
            "channel_id": channel,
            "author": author,
            "content": "",
            "timestamp": shapes.now(),
            "edited_timestamp": None,
            "tts": False,
            "pinned": False,
            "flags": 0,
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": False,
            "attachments": [],
            "embeds": [],
            "components": [],
        }
        place = self._world.channel(channel)
        if place["type"] in shapes.THREADS:
            shape["position"] = place["total_message_sent"]
        return shape

    def _fill(self, post: Post, body: Json, files: Sequence[Upload], edits: int) -> None:
        """Change what *body* speaks of, and check that something is left."""
        shape = dict(post.shape)
        if "content" in body:
            shape["content"] = str(body["content"] or "").strip()
        if "embeds" in body:
            shape["embeds"] = [shapes.embed(each, self._world.new_id()) for each in body["embeds"] or []]
        if "components" in body:
            shape["components"] = shapes.numbered(body["components"] or [])
        shape["attachments"] = attached(shape["attachments"], body, files)
        check_filled(shape)
        post.shape.update(shape)
        post.edits = edits
        if "content" in body:
            self._mention(post, body.get("allowed_mentions"))

    def _mention(self, post: Post, allowed: Json | None) -> None:
        """Rebuild the mentions from the content, as every change of the content does."""
        shape, guild = post.shape, self._world.guild_of(post.channel)
        replied = self.ever(*post.replied).author if post.replied else ""
        found = reading.mentions(shape["content"], allowed, replied)
        found = found.known(self._world.users, self._world.roles(guild))
        shape["mentions"] = [self._world.users[each] for each in found.people()]
        shape["mention_roles"] = list(found.roles)
        shape["mention_everyone"] = found.everyone and bool(guild)
        if post.author == BOT and found:
            seen = {"everyone": found.everyone, "roles": list(found.roles), "users": list(found.users)}
            place = {"channel": post.channel, "message": post.id}
            self.pings.append({**place, "edit": post.edits, **seen, "replied_user": found.replied})

    def _store(self, post: Post, nonce: str) -> None:
        self._posts.setdefault(post.channel, {})[post.id] = post
        if nonce and post.author == BOT:
            self._nonces[post.channel, nonce] = (time.monotonic(), post)
        place = self._world.channel(post.channel)
        if not post.hidden:
            place["last_message_id"] = post.id
            if place["type"] in shapes.THREADS:
                place["message_count"] += 1
                place["total_message_sent"] += 1
        self._note(post, "post")
        self._tell("MESSAGE_CREATE", post, **({"nonce": nonce} if nonce else {}))

    def _note(self, post: Post, kind: str) -> None:
        """Log the bot's write and keep what the judge asks for."""
        if post.author != BOT or post.system:
            return
        content = post.shape["content"]
        text, _ = reading.read(content)
        post.was_live |= post.live
        place = {"channel": post.channel, "message": post.id}
        empty = not any(each.isalnum() for each in text)
        self._record(kind, **place, live=post.live, length=len(content), empty=empty)
        self.unfurls += [{**place, "url": url} for url in reading.unfurled(content, post.shape["flags"])]
        self.masks += [{**place, **mask} for mask in masks.found(markup.links(content))]

    def edit(self, post: Post, body: Json, files: Sequence[Upload] = ()) -> None:
        """Change a message, or raise `Refusal`; of the flags only SUPPRESS_EMBEDS can change."""
        check_message(body)
        self._world.admit(post.channel, "edit")
        self._fill(post, body, files, post.edits + 1)
        mask = reading.SUPPRESS_EMBEDS
        if body.get("flags") is not None:
            post.shape["flags"] = post.shape["flags"] & ~mask | int(body["flags"]) & mask
        post.shape["flags"] &= ~LOADING
        post.shape["edited_timestamp"] = shapes.now()
        self._note(post, "edit")
        self._tell("MESSAGE_UPDATE", post)

    def delete(self, post: Post) -> None:
        """Delete a message."""
        self._world.admit(post.channel, "delete")
        post.deleted = True
        self._record("delete", channel=post.channel, message=post.id)
        if post.hidden:
            return
        data = {"id": post.id, "channel_id": post.channel, **self._place(post)}
        self._publish("MESSAGE_DELETE", data, self._world.guild_of(post.channel))

    def forget(self, channel: str) -> None:
        """Delete all messages of a channel, without a word about each."""
        for post in self._posts.get(channel, {}).values():
            post.deleted = True

    def react(self, post: Post, user: str, emoji: str, *, on: bool = True) -> None:
        """Add or remove somebody's reaction; a repeated one changes nothing."""
        self._world.admit(post.channel, "react")
        users = post.reactions.setdefault(emoji, [])
        if (user in users) is on:
            return
        (users.append if on else users.remove)(user)
        self._record("react", channel=post.channel, message=post.id, user=user, emoji=emoji, on=on)
        data: Json = {"user_id": user, "channel_id": post.channel, "message_id": post.id, "type": 0}
        data |= {"emoji": {"id": None, "name": emoji}, "burst": False, **self._place(post)}
        guild = self._world.guild_of(post.channel)
        if on:
            data["message_author_id"] = post.author
        if on and guild:
            person, roles = self._world.person(user), self._world.roles_of(user, guild)
            data["member"] = shapes.reacting_member(person, roles)
        self._publish(f"MESSAGE_REACTION_{'ADD' if on else 'REMOVE'}", data, guild)

    def start_thread(self, post: Post, body: Json, owner: str = BOT) -> Json:
        """Start a thread from a message; its first entry, a system message, points back to it."""
        thread = self._world.open_thread(post.channel, body, post.id, owner)
        post.shape["flags"] |= HAS_THREAD
        self._tell("MESSAGE_UPDATE", post)
        starter = self._blank(post.id, self._world.users[owner], shapes.THREAD_STARTER)
        starter["message_reference"] = {"type": 0, "channel_id": post.channel, "message_id": post.id}
        del starter["position"]
        first = Post(starter, time.monotonic(), (post.channel, post.id))
        self._posts.setdefault(first.channel, {})[first.id] = first
        self._tell("MESSAGE_CREATE", first)
        return thread

    def shape(self, post: Post) -> Json:
        """Return a message as REST does."""
        shape = dict(post.shape)
        if post.replied:
            target = self.ever(*post.replied)
            shape["referenced_message"] = None if target.deleted else dict(target.shape)
            guild = self._world.guild_of(target.channel)
            shape["message_reference"] |= {"guild_id": guild} if guild else {}
        if post.shape["flags"] & HAS_THREAD and post.id in self._world.channels:
            shape["thread"] = dict(self._world.channel(post.id))
        reactions = [
            shapes.reaction(emoji, len(users), me=BOT in users)
            for emoji, users in post.reactions.items()
            if users
        ]
        return {**shape, "reactions": reactions} if reactions else shape

    def _place(self, post: Post) -> Json:
        guild = self._world.guild_of(post.channel)
        return {"guild_id": guild} if guild else {}

    def _tell(self, event: str, post: Post, **extra: Any) -> None:
        """Publish a message as the gateway shows it: with its guild and its members."""
        if post.hidden:
            return
        guild = self._world.guild_of(post.channel)
        data = {**self.shape(post), **extra, "channel_type": self._world.channel(post.channel)["type"]}
        if guild:
            member = shapes.member(self._world.roles_of(post.author, guild))
            data |= {"guild_id": guild, "member": member}
            data["mentions"] = [
                {**each, "member": shapes.member(self._world.roles_of(each["id"], guild))}
                for each in post.shape["mentions"]
            ]
        self._publish(event, data, guild)
