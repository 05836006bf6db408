"""Interactions: a pressed button, a command, a modal; the bot's answer to each, and the webhook with it.

Deadlines are Discord's (interactions/receiving-and-responding.mdx); it must never extend them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapters.emulators.discord import reading, shapes
from adapters.emulators.discord.attachments import Upload
from adapters.emulators.discord.commands import CHAT_INPUT, MESSAGE, Commands, filled
from adapters.emulators.discord.messages import Messages
from adapters.emulators.discord.modals import check_modal, submitted
from adapters.emulators.discord.post import EPHEMERAL, LOADING, Post
from adapters.emulators.discord.rules import Refusal, invalid, unknown
from adapters.emulators.discord.shapes import BOT, Json
from adapters.emulators.discord.world import Publish, World

FIRST_RESPONSE = 3.0  # seconds
LIFETIME = 15 * 60.0  # seconds a token is good for
COMMAND, COMPONENT, AUTOCOMPLETE, SUBMIT = 2, 3, 4, 5
REPLY, DEFER_REPLY, DEFER_UPDATE, UPDATE, SUGGEST, MODAL = 4, 5, 6, 7, 8, 9
#: Which answers an interaction takes, by its type.
ANSWERS = {
    COMMAND: {REPLY, DEFER_REPLY, MODAL},
    COMPONENT: {REPLY, DEFER_REPLY, DEFER_UPDATE, UPDATE, MODAL},
    AUTOCOMPLETE: {SUGGEST},
    SUBMIT: {REPLY, DEFER_REPLY},
}
#: The type of a message that answers a command, by the command's (resources/message.mdx).
ANSWERING = {CHAT_INPUT: shapes.CHAT_INPUT, MESSAGE: shapes.CONTEXT_MENU}


@dataclass
class _Interaction:
    id: str
    token: str
    kind: int
    channel: str
    user: str
    data: Json
    at: float
    post: Post | None = None
    answer: int = 0
    original: Post | None = None
    modal: Json | None = None


class Interactions:
    """All interactions so far.

    Args:
        world: Where they happen.
        messages: The messages whose buttons are pressed.
        commands: Those that people can choose.
        record: The emulator's log.
        publish: Told about each interaction.

    Attributes:
        first_response: Seconds that the bot has for its first answer.
        rights: The bot's permissions that each interaction tells of.
    """

    def __init__(
        self,
        world: World,
        messages: Messages,
        commands: Commands,
        record: Callable[..., None],
        publish: Publish,
    ) -> None:
        self._world = world
        self._messages = messages
        self._commands = commands
        self._record = record
        self._publish = publish
        self._by_token: dict[str, _Interaction] = {}
        self.first_response = FIRST_RESPONSE
        self.rights = shapes.EVERYONE

    def press(self, post: Post, user: str, label: str) -> str:
        """Press the button that says *label*; return the interaction's id."""
        button = self._button(post, label)
        data = {"component_type": 2, "custom_id": button["custom_id"], "id": button["id"]}
        made = self._make(COMPONENT, post.channel, user, data, post)
        self._record("press", channel=post.channel, message=post.id, user=user, label=label, id=made.id)
        self._tell(made)
        return made.id

    def command(self, channel: str, user: str, name: str, values: Mapping[str, str]) -> str:
        """Give the command *name* with *values* by its options; return the interaction's id."""
        known = self._commands.find(CHAT_INPUT, name)
        data = {"id": known["id"], "name": name, "type": CHAT_INPUT}
        if options := filled(known, values):
            data["options"] = options
        return self._given(known, channel, user, data)

    def choose(self, post: Post, user: str, name: str) -> str:
        """Choose *name* in the context menu of a message; return the interaction's id."""
        known = self._commands.find(MESSAGE, name)
        resolved = {"messages": {post.id: self._messages.shape(post)}}
        data = {"id": known["id"], "name": name, "type": MESSAGE, "target_id": post.id, "resolved": resolved}
        return self._given(known, post.channel, user, data)

    def suggest(self, channel: str, user: str, name: str, option: str, text: str) -> str:
        """Type *text* into an option that is completed by the bot; return the interaction's id."""
        known = self._commands.find(CHAT_INPUT, name)
        [wanted] = [each for each in known.get("options", []) if each["name"] == option]
        if not wanted.get("autocomplete"):
            raise LookupError(f"the option {option!r} is not completed")
        focused = {"type": wanted["type"], "name": option, "value": text, "focused": True}
        data = {"id": known["id"], "name": name, "type": CHAT_INPUT, "options": [focused]}
        made = self._make(AUTOCOMPLETE, channel, user, data)
        self._tell(made)
        return made.id

    def submit(self, id_: str, values: Mapping[str, str]) -> str:
        """Fill in the modal that the interaction *id_* has opened; return the new interaction's id."""
        opened = next((each for each in self._by_token.values() if each.id == id_ and each.modal), None)
        if opened is None or opened.modal is None:
            raise LookupError(f"interaction {id_} has opened no modal")
        data = submitted(opened.modal, values)
        made = self._make(SUBMIT, opened.channel, opened.user, data, opened.post)
        self._tell(made)
        return made.id

    def modal(self, id_: str) -> Json | None:
        """Return the modal that an interaction has opened."""
        return next((each.modal for each in self._by_token.values() if each.id == id_), None)

    def tokens(self) -> list[str]:
        """Return the tokens of all interactions, which nobody else should read."""
        return list(self._by_token)

    def _given(self, known: Json, channel: str, user: str, data: Json) -> str:
        context = 0 if self._world.guild_of(channel) else 1
        if known["contexts"] is not None and context not in known["contexts"]:
            raise LookupError(f"the command {known['name']!r} is not offered here")
        made = self._make(COMMAND, channel, user, data)
        self._record("command", channel=channel, user=user, name=known["name"], id=made.id)
        self._tell(made)
        return made.id

    def _make(self, kind: int, channel: str, user: str, data: Json, post: Post | None = None) -> _Interaction:
        token = secrets.token_urlsafe(96)
        self._world.person(user)
        made = _Interaction(self._world.new_id(), token, kind, channel, user, data, time.monotonic(), post)
        self._by_token[token] = made
        return made

    def _tell(self, made: _Interaction) -> None:
        guild = self._world.guild_of(made.channel)
        shape = shapes.interaction(made.id, made.kind, made.token, made.data, guild)
        shape |= {
            "channel": self._world.interaction_channel(made.channel),
            "channel_id": made.channel,
            "app_permissions": self.rights,
        }
        if made.post:
            shape["message"] = self._messages.shape(made.post)
        person = self._world.person(made.user)
        if guild:
            shape["member"] = shapes.acting_member(person, self._world.roles_of(made.user, guild))
        else:
            shape["user"] = person
        self._publish("INTERACTION_CREATE", shape, guild)

    def _button(self, post: Post, label: str) -> Json:
        found = [each for each in reading.buttons(post.shape["components"]) if not each.get("disabled")]
        exact = [each for each in found if reading.label(each) == label]
        near = [each for each in found if label in reading.label(each)]
        for button in exact + near:
            if button.get("custom_id"):
                return button
        raise LookupError(f"message {post.id} has no button {label!r}")

    def respond(self, id_: str, token: str, body: Json, files: Sequence[Upload]) -> Json:
        """Take the bot's first answer; return what `with_response` shows."""
        made = self._by_token.get(token)
        took = time.monotonic() - made.at if made else 0.0
        if made is None or made.id != id_ or (took > self.first_response and not made.answer):
            raise unknown(10062, "interaction")
        if made.answer:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        kind, data = int(body["type"]), body.get("data") or {}
        if kind not in ANSWERS[made.kind]:
            choices = ", ".join(map(str, sorted(ANSWERS[made.kind])))
            raise invalid(["type"], "BASE_TYPE_CHOICES", f"Value must be one of ({choices}).")
        self._apply(made, kind, data, files)
        made.answer = kind
        about = made.original or made.post
        self._record("callback", id=id_, type=kind, took=took, message=about.id if about else "")
        return self._outcome(made)

    def _apply(self, made: _Interaction, kind: int, data: Json, files: Sequence[Upload]) -> None:
        bot = self._world.users[BOT]
        match kind:
            case 4:
                made.original = self._messages.write(made.channel, bot, data, files, self._about(made))
            case 5:
                flags = int(data.get("flags") or 0)
                made.original = self._messages.wait(made.channel, flags, self._about(made))
            case 6 | 7:
                made.original = made.post
            case 9:
                check_modal(data)
                made.modal = data
        if kind == UPDATE and made.post:
            self._messages.edit(made.post, data, files)

    def _about(self, made: _Interaction) -> Json:
        """Return what a message says of the interaction that it answers (resources/message.mdx).

        Which type a message has that answers a modal is not documented.
        """
        if made.kind == COMPONENT:
            return {}
        owners = {"0": self._world.guild_of(made.channel) or "0"}
        told = {
            "id": made.id,
            "type": made.kind,
            "user": self._world.users[made.user],
            "authorizing_integration_owners": owners,
        }
        if made.kind == COMMAND:
            told |= {"name": made.data["name"], "command_type": made.data["type"]}
        return {"type": ANSWERING.get(made.data.get("type", 0), shapes.DEFAULT), "interaction_metadata": told}

    def _outcome(self, made: _Interaction) -> Json:
        original, mine = made.original, made.answer in (REPLY, DEFER_REPLY)
        flags = original.shape["flags"] if original and mine else 0
        interaction = {
            "id": made.id,
            "type": made.kind,
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
        """Write another message with the interaction's webhook; right after a deferral it is the answer."""
        made = self._known(token)
        if not made.answer:
            raise unknown(10015, "Webhook")
        original = made.original
        if original and made.answer == DEFER_REPLY and original.shape["flags"] & LOADING:
            self._messages.edit(original, body, files)
            return self._messages.shape(original)
        post = self._messages.write(made.channel, self._world.users[BOT], body, files)
        return self._messages.shape(post)

    def message(self, token: str, message: str) -> Post:
        """Return a message of the interaction's webhook; "@original" is its first answer."""
        made = self._known(token)
        if message != "@original":
            return self._messages.find(made.channel, message)
        if made.original is None or made.original.deleted:
            raise unknown(10008, "Message")
        return made.original
