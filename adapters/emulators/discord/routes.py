"""The REST routes: which endpoint a request means, and what it answers.

An endpoint applies its request in one step and raises `Refusal` where Discord would; it must
never wait, count or look at headers, which is `rest`'s work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.emulators.discord import shapes
from adapters.emulators.discord.attachments import Upload
from adapters.emulators.discord.commands import Commands
from adapters.emulators.discord.gateway import Gateway, without_content
from adapters.emulators.discord.interactions import Interactions
from adapters.emulators.discord.limits import OLD, Limits
from adapters.emulators.discord.messages import Messages
from adapters.emulators.discord.post import Post
from adapters.emulators.discord.rules import Refusal, check_emoji
from adapters.emulators.discord.shapes import BOT, OWNER, Json
from adapters.emulators.discord.world import World

PAGE = 50  # messages, by default; resources/channel.mdx
PAGE_LIMIT = 100


@dataclass(frozen=True)
class Call:
    """A request, parsed.

    Attributes:
        path: Below /api/v10/, decoded.
        files: Attachments that came with it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    files: Sequence[Upload] = ()


#: What an endpoint answers: a JSON value, or None for 204.
Answer = Callable[[Call], Any]


@dataclass(frozen=True)
class Endpoint:
    """Where a request leads.

    Attributes:
        route: The name that limits, faults and latencies go by, such as "PATCH messages".
        major: The channel or webhook with buckets of its own.
        open: Whether the path's own token admits, which the global limit leaves alone too.
    """

    route: str
    answer: Answer
    major: str = ""
    open: bool = False


def missing(_call: Call) -> Any:
    """Refuse an endpoint that does not exist."""
    raise Refusal(404, 0, "404: Not Found")


@dataclass(frozen=True)
class Routes:
    """All endpoints of one emulator."""

    world: World
    messages: Messages
    interactions: Interactions
    commands: Commands
    gateway: Gateway
    limits: Limits
    shards: Callable[[], int]

    def find(self, method: str, path: str) -> Endpoint:
        """Return where a request leads; an unknown one leads to a 404."""
        match path.split("/"):
            case ["channels", channel]:
                return Endpoint(f"{method} channels", self._channel(method, channel), channel)
            case ["channels", channel, *rest]:
                return self._in_channel(method, channel, rest)
            case ["interactions", id_, token, "callback"]:
                return Endpoint(
                    f"{method} callback", lambda call: self._callback(call, id_, token), token, open=True
                )
            case ["webhooks", _, token, *rest]:
                return Endpoint(f"{method} webhooks", self._webhook(method, token, rest), token, open=True)
            case parts:
                return Endpoint(f"{method} {parts[0]}", self._plain(method, parts))

    def _plain(self, method: str, parts: list[str]) -> Answer:
        match method, parts:
            case "GET", ["users", "@me"]:
                return lambda _: {**self.world.users[BOT], "verified": True, "mfa_enabled": False}
            case "GET", ["users", "@me", "guilds"]:
                return lambda _: self.world.own_guilds()
            case "POST", ["users", "@me", "channels"]:
                return lambda call: self.world.open_dm(str(call.body.get("recipient_id")))
            case "GET", ["users", id_]:
                return lambda _: self.world.user(id_)
            case "GET", ["oauth2", "applications", "@me"] | ["applications", "@me"]:
                return lambda _: self._application()
            case "GET", ["gateway"]:
                return lambda _: {"url": self.gateway.url}
            case "GET", ["gateway", "bot"]:
                return lambda _: self._gateway_bot()
            case "GET", ["guilds", id_, *rest]:
                return self._guild(id_, rest)
            case _, ["applications", _, "commands"]:
                return self._commands(method)
            case _:
                return missing

    def _guild(self, id_: str, rest: list[str]) -> Answer:
        match rest:
            case []:
                return lambda _: self.world.guild(id_)
            case ["channels"]:
                return lambda _: self.world.inside(id_)[0]
            case ["threads", "active"]:
                return lambda _: {"threads": self.world.inside(id_)[1], "members": []}
            case ["members", user]:
                return lambda _: self.world.member(id_, user)
            case _:
                return missing

    def _commands(self, method: str) -> Answer:
        match method:
            case "GET":
                return lambda _: self.commands.all()
            case "PUT":
                return lambda call: self.commands.overwrite(call.body)
            case _:
                return missing

    def _channel(self, method: str, channel: str) -> Answer:
        match method:
            case "GET":
                return lambda _: self.world.channel(channel)
            case "PATCH":
                return lambda call: self.world.edit_thread(channel, call.body)
            case _:
                return missing

    def _application(self) -> Json:
        flags = shapes.CONTENT_FLAG if self.gateway.content else 0
        return shapes.application(self.world.users[OWNER], flags)

    def _gateway_bot(self) -> Json:
        remaining, reset_after = self.gateway.starts
        starts = {"total": 1000, "remaining": remaining, "reset_after": reset_after}
        starts["max_concurrency"] = self.gateway.concurrency
        return {"url": self.gateway.url, "shards": self.shards(), "session_start_limit": starts}

    def _in_channel(self, method: str, channel: str, rest: list[str]) -> Endpoint:
        def to(name: str, answer: Answer) -> Endpoint:
            return Endpoint(f"{method} {name}", answer, channel)

        match method, rest:
            case "POST", ["messages"]:
                return to("messages", lambda call: self._create(call, channel))
            case "GET", ["messages"]:
                return to("messages", lambda call: self._history(call, channel))
            case "GET", ["messages", id_]:
                return to("message", lambda _: self._shown(self.messages.find(channel, id_)))
            case "PATCH", ["messages", id_]:
                return to("messages", lambda call: self._edit(call, channel, id_))
            case "DELETE", ["messages", id_]:
                return to("messages", lambda _: self.messages.delete(self.messages.find(channel, id_)))
            case _:
                return self._beside(method, channel, rest)

    def _beside(self, method: str, channel: str, rest: list[str]) -> Endpoint:
        """Return what there is in a channel besides its messages."""

        def to(name: str, answer: Answer) -> Endpoint:
            return Endpoint(f"{method} {name}", answer, channel)

        match method, rest:
            case "POST", ["messages", id_, "threads"]:
                return to("threads", lambda call: self._start_thread(call, channel, id_))
            case "POST", ["threads"]:
                return to("threads", lambda call: self.world.open_thread(channel, call.body))
            case "GET", ["messages", id_, "reactions", emoji]:
                return to("reactions", lambda call: self._reacted(channel, id_, emoji, call))
            case "PUT" | "DELETE", ["messages", id_, "reactions", emoji, "@me"]:
                return to("reactions", lambda _: self._react(channel, id_, emoji, on=method == "PUT"))
            case "POST", ["typing"]:
                return to("typing", lambda _: self.world.channel(channel) and None)
            case _:
                return to(rest[0], missing)

    def _create(self, call: Call, channel: str) -> Json:
        place = self.world.channel(channel)
        self.world.admit_direct(channel)
        post = self.messages.repeated(place["id"], call.body)
        if post is None:
            post = self.messages.write(channel, self.world.users[BOT], call.body, call.files)
        nonce = call.body.get("nonce")
        return {**self.messages.shape(post), **({"nonce": nonce} if nonce else {})}

    def _edit(self, call: Call, channel: str, id_: str) -> Json:
        post = self.messages.find(channel, id_)
        if post.author != BOT:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        if time.monotonic() - post.born > OLD:
            self.limits.spend_old_edit(channel)
        self.messages.edit(post, call.body, call.files)
        return self.messages.shape(post)

    def _shown(self, post: Post) -> Json:
        """Return a message as the app may read it: REST respects the content intent too."""
        shape = self.messages.shape(post)
        if self.gateway.content:
            return shape
        kind = self.world.channel(post.channel)["type"]
        hidden = without_content({**shape, "channel_type": kind})
        return {key: hidden[key] for key in shape}

    def _history(self, call: Call, channel: str) -> list[Json]:
        self.world.channel(channel)
        limit = int(call.query.get("limit", PAGE))
        if not 1 <= limit <= PAGE_LIMIT:
            raise Refusal(400, 50035, "Invalid Form Body")
        posts = [each for each in self.messages.within(channel) if not (each.deleted or each.hidden)]
        return [self._shown(each) for each in reversed(_page(posts, limit, call.query))]

    def _start_thread(self, call: Call, channel: str, id_: str) -> Json:
        return self.messages.start_thread(self.messages.find(channel, id_), call.body)

    def _reacted(self, channel: str, message: str, emoji: str, call: Call) -> list[Json]:
        """Return who has reacted with an emoji (resources/message.mdx, get reactions)."""
        users = self.messages.find(channel, message).reactions.get(emoji, [])
        return [self.world.users[each] for each in users[: int(call.query.get("limit") or 25)]]

    def _react(self, channel: str, id_: str, emoji: str, *, on: bool) -> None:
        self.messages.react(self.messages.find(channel, id_), BOT, check_emoji(emoji), on=on)

    def _callback(self, call: Call, id_: str, token: str) -> Json | None:
        outcome = self.interactions.respond(id_, token, call.body, call.files)
        return outcome if call.query.get("with_response", "").lower() in ("1", "true") else None

    def _webhook(self, method: str, token: str, rest: list[str]) -> Answer:
        match method, rest:
            case "POST", []:
                return lambda call: self.interactions.follow_up(token, call.body, call.files)
            case "GET", ["messages", id_]:
                return lambda _: self.messages.shape(self.interactions.message(token, id_))
            case "PATCH", ["messages", id_]:
                return lambda call: self._edit_webhook(call, token, id_)
            case "DELETE", ["messages", id_]:
                return lambda _: self.messages.delete(self.interactions.message(token, id_))
            case _:
                return missing

    def _edit_webhook(self, call: Call, token: str, id_: str) -> Json:
        post = self.interactions.message(token, id_)
        self.messages.edit(post, call.body, call.files)
        return self.messages.shape(post)


def _page(posts: list[Post], limit: int, query: Mapping[str, str]) -> list[Post]:
    """Return the messages that before, after or around ask for, oldest first."""
    ids = [int(each.id) for each in posts]
    if "before" in query:
        return [each for each in posts if int(each.id) < int(query["before"])][-limit:]
    if "after" in query:
        return [each for each in posts if int(each.id) > int(query["after"])][:limit]
    if "around" in query:
        place = sum(id_ < int(query["around"]) for id_ in ids)
        start = max(0, place - limit // 2)
        return posts[start : start + limit]
    return posts[-limit:]
