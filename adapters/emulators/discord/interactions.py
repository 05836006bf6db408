"""Interactions: a pressed button, the bot's answer to it, and the webhook that comes with it.

Deadlines are Discord's (interactions/receiving-and-responding.mdx); it must never extend them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.emulators.discord import reading, shapes
from adapters.emulators.discord.attachments import Upload
from adapters.emulators.discord.messages import Messages
from adapters.emulators.discord.post import EPHEMERAL, LOADING, Post
from adapters.emulators.discord.rules import Refusal, unknown
from adapters.emulators.discord.shapes import BOT, Json
from adapters.emulators.discord.world import Publish, World

FIRST_RESPONSE = 3.0  # seconds
LIFETIME = 15 * 60.0  # seconds a token is good for
REPLY, DEFER_REPLY, DEFER_UPDATE, UPDATE = 4, 5, 6, 7


@dataclass
class _Interaction:
    id: str
    token: str
    post: Post
    at: float
    answer: int = 0
    original: Post | None = None


class Interactions:
    """All interactions so far.

    Args:
        world: Where they happen.
        messages: The messages whose buttons are pressed.
        record: The emulator's log.
        publish: Told about each press.
    """

    def __init__(
        self, world: World, messages: Messages, record: Callable[..., None], publish: Publish
    ) -> None:
        self._world = world
        self._messages = messages
        self._record = record
        self._publish = publish
        self._by_token: dict[str, _Interaction] = {}

    def press(self, post: Post, user: str, label: str) -> str:
        """Press the button that says *label*; return the interaction's id."""
        button = self._button(post, label)
        made = _Interaction(self._world.new_id(), secrets.token_urlsafe(96), post, time.monotonic())
        self._by_token[made.token] = made
        self._record("press", channel=post.channel, message=post.id, user=user, label=label, id=made.id)
        data = {"component_type": 2, "custom_id": button["custom_id"], "id": button["id"]}
        self._publish("INTERACTION_CREATE", self._shape(made, user, data), self._world.guild_of(post.channel))
        return made.id

    def _button(self, post: Post, label: str) -> Json:
        found = [each for each in reading.buttons(post.shape["components"]) if not each.get("disabled")]
        exact = [each for each in found if reading.label(each) == label]
        near = [each for each in found if label in reading.label(each)]
        for button in exact + near:
            if button.get("custom_id"):
                return button
        raise LookupError(f"message {post.id} has no button {label!r}")

    def _shape(self, made: _Interaction, user: str, data: Json) -> Json:
        channel, guild = made.post.channel, self._world.guild_of(made.post.channel)
        person = self._world.person(user)
        shape = {
            "id": made.id,
            "application_id": BOT,
            "type": 3,
            "version": 1,
            "token": made.token,
            "data": data,
            "channel": self._world.interaction_channel(channel),
            "channel_id": channel,
            "message": self._messages.shape(made.post),
            "locale": "en-US",
            "app_permissions": "2248473465835073",
            "attachment_size_limit": 10485760,
            "authorizing_integration_owners": {"0": guild or "0"},
            "context": 0 if guild else 1,
            "entitlement_sku_ids": [],
            "entitlements": [],
        }
        if not guild:
            return {**shape, "user": person}
        return {
            **shape,
            "guild": {"id": guild, "features": [], "locale": "en-US"},
            "guild_id": guild,
            "guild_locale": "en-US",
            "member": shapes.acting_member(person, self._world.roles_of(user, guild)),
        }

    def respond(self, id_: str, token: str, body: Json, files: Sequence[Upload]) -> Json:
        """Take the bot's first answer; return what `with_response` shows."""
        made = self._by_token.get(token)
        took = time.monotonic() - made.at if made else 0.0
        if made is None or made.id != id_ or took > FIRST_RESPONSE:
            raise unknown(10062, "interaction")
        if made.answer:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        kind, data = int(body["type"]), body.get("data") or {}
        self._apply(made, kind, data, files)
        made.answer = kind
        self._record("callback", id=id_, type=kind, took=took, message=made.post.id)
        return self._outcome(made)

    def _apply(self, made: _Interaction, kind: int, data: Json, files: Sequence[Upload]) -> None:
        bot = self._world.users[BOT]
        match kind:
            case 4:
                made.original = self._messages.write(made.post.channel, bot, data, files)
            case 5:
                made.original = self._messages.wait(made.post.channel, int(data.get("flags") or 0))
            case 6 | 7:
                made.original = made.post
        if kind == UPDATE:
            self._messages.edit(made.post, data, files)

    def _outcome(self, made: _Interaction) -> Json:
        original, mine = made.original, made.answer in (REPLY, DEFER_REPLY)
        flags = original.shape["flags"] if original and mine else 0
        interaction = {
            "id": made.id,
            "type": 3,
            "response_message_id": original.id if original else None,
            "response_message_loading": bool(flags & LOADING),
            "response_message_ephemeral": bool(flags & EPHEMERAL),
        }
        resource: Json = {"type": made.answer}
        if original and made.answer != DEFER_UPDATE:
            resource["message"] = self._messages.shape(original)
        return {"interaction": interaction, "resource": resource}

    def _known(self, token: str) -> _Interaction:
        made = self._by_token.get(token)
        if made is None or time.monotonic() - made.at > LIFETIME:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return made

    def follow_up(self, token: str, body: Json, files: Sequence[Upload]) -> Json:
        """Write another message with the interaction's webhook."""
        made = self._known(token)
        if not made.answer:
            raise unknown(10015, "Webhook")
        post = self._messages.write(made.post.channel, self._world.users[BOT], body, files)
        return self._messages.shape(post)

    def message(self, token: str, message: str) -> Post:
        """Return a message of the interaction's webhook; "@original" is its first answer."""
        made = self._known(token)
        if message != "@original":
            return self._messages.find(made.post.channel, message)
        if made.original is None or made.original.deleted:
            raise unknown(10008, "Message")
        return made.original
