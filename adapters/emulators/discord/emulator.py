"""Discord as a bot, its users and a judge see it.

People write, react and press here; the judge reads what is visible and what should not have
happened.  Whatever a person does goes through the same rules as over the wire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from adapters.emulators.control import control
from adapters.emulators.discord.knobs import Knobs
from adapters.emulators.discord.post import Post
from adapters.emulators.discord.rules import Refusal
from adapters.emulators.discord.shapes import Json


class Discord(Knobs):
    """A stand-in for Discord: REST v10 at `/api/v10`, the gateway at `/gw/`.

    There is one bot ("999", named rivulet, owned by "1"), one guild ("100") with the bot's role
    "101" and the text channel "200", and the users "300" alice and "301" bob.  Other channels
    and people are there as soon as they are spoken of.

    Log kinds: call, post, edit, delete, react, press, command, callback, say, 429, error, connect,
    identify, resume, heartbeat, presence, dispatch, refuse, "turned away", chaos.
    """

    @control
    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        reply_to: str = "",
        bot: bool = False,
        *,
        files: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a message as a person; return its id.

        Args:
            channel: The channel's id.
            user: The author's id.
            text: May hold mentions such as <@999> and <@&101>.
            reply_to: The message replied to, whose author is told, as the client does by default.
            bot: Whether the author is another bot.
            files: Attachments as {name: base64}.
            more: Other fields of the message as Discord shows it: embeds, poll, webhook_id.
        """
        body: Json = {"content": text, "nonce": self._world.new_id()}
        if reply_to:
            body["message_reference"] = {"message_id": reply_to, "channel_id": channel}
        author = self._world.person(user, bot=bot)
        kept = self._files.given(self._world.new_id, files or {})
        try:
            post = self._messages.write(channel, author, body, kept, dict(more or {}))
        except Refusal as refusal:
            raise ValueError(f"{refusal}: {refusal.body}") from refusal
        self.record("say", channel=channel, user=user, message=post.id)
        return post.id

    @control
    async def again(self, channel: str, message: str) -> None:
        """Dispatch once more that a message was written, whenever that was."""
        self._messages.again(self._there(channel, message))

    @control
    async def edit(self, channel: str, message: str, text: str) -> None:
        """Change a person's message."""
        self._messages.edit(self._there(channel, message), {"content": text})

    @control
    async def delete(self, channel: str, message: str) -> None:
        """Delete anybody's message."""
        self._messages.delete(self._there(channel, message))

    @control
    async def react(self, channel: str, message: str, user: str, emoji: str, *, on: bool = True) -> None:
        """React to a message as a person, or (not *on*) take that back."""
        self._world.person(user)
        post = self._there(channel, message)
        if on or user in post.reactions.get(emoji, ()):
            self._messages.react(post, user, emoji, on=on)

    @control
    async def press(self, channel: str, message: str, user: str, label: str = "Stop") -> str:
        """Press the button that says *label*; return the interaction's id.

        Raises:
            LookupError: There is no such button.
        """
        return self._interactions.press(self._there(channel, message), user, label)

    @control
    async def command(
        self, channel: str, user: str, name: str, values: Mapping[str, str] | None = None
    ) -> str:
        """Give a command that is registered, as a person; return the interaction's id.

        Args:
            channel: Where.
            user: Who.
            name: The command's, without the slash.
            values: The person's values by the options' names; a subcommand is {"its name": ""}.

        Raises:
            LookupError, ValueError: A client would not let them.
        """
        return self._interactions.command(channel, user, name, values or {})

    @control
    async def choose(self, channel: str, message: str, user: str, name: str) -> str:
        """Choose *name* in the context menu of a message as a person; return the interaction's id."""
        return self._interactions.choose(self._there(channel, message), user, name)

    @control
    async def suggest(self, channel: str, user: str, name: str, option: str, text: str) -> str:
        """Type *text* into an option of a command that the bot completes; return the interaction's id."""
        return self._interactions.suggest(channel, user, name, option, text)

    @control
    async def modal(self, interaction: str) -> Json | None:
        """Return the modal that an interaction has opened."""
        return self._interactions.modal(interaction)

    @control
    async def submit(self, interaction: str, values: Mapping[str, str]) -> str:
        """Fill in the modal that *interaction* has opened, by custom id; return the new interaction's id."""
        return self._interactions.submit(interaction, values)

    @control
    async def open_thread(self, channel: str, message: str, user: str, name: str) -> str:
        """Open a thread from a message as a person; return its id, which is the message's."""
        self._world.person(user)
        return str(self._messages.start_thread(self._there(channel, message), {"name": name}, user)["id"])

    @control
    async def close_thread(self, thread: str, *, archived: bool = True, locked: bool = False) -> None:
        """Archive a thread, or open it; *locked*, only moderators write in it, of whom the bot is none."""
        self._world.close_thread(thread, archived=archived, locked=locked)

    @control
    async def age(self, channel: str, message: str, seconds: float) -> None:
        """Make a message *seconds* older, for the limit on edits of old messages."""
        self._there(channel, message).born -= seconds

    def _there(self, channel: str, message: str) -> Post:
        post = self._messages.ever(channel, message)
        if post.deleted:
            raise LookupError(f"message {message} is deleted")
        return post

    def content(self, channel: str, message: str, number: int) -> bytes:
        """Return the bytes of a message's file *number*, or raise `LookupError`."""
        return self._files.content(self._there(channel, message).shape["attachments"][number])

    @control
    async def message(self, channel: str, message: str) -> dict[str, Any]:
        """Return what a reader sees of a message.

        Returns:
            id, channel, user, bot; text without the subtext lines at its end, which are the
            note; content as it was sent; live (a Stop button is there), controls (labels),
            components, edits, deleted, reply_to, flags, alone (one person sees it); reactions as
            {emoji: [user]}; files as {name, size, text}.
        """
        return self._seen(self._messages.ever(channel, message))

    @control
    async def messages(self, channel: str) -> list[dict[str, Any]]:
        """Return a channel's messages as `message` does, oldest first, deleted ones too."""
        return [self._seen(post) for post in self._messages.within(channel) if not post.system]

    def _seen(self, post: Post) -> Json:
        return {**post.seen(), "files": self._files.seen(post.shape["attachments"])}

    @control
    async def verdict(self) -> dict[str, Any]:
        """Return what the judge has seen.

        Returns:
            pings: Every write of the bot that pinged: channel, message, edit (0 for the post),
                everyone, roles, users, replied_user.
            unfurls: Every link that unfolded: channel, message, url.
            masks: Every link whose words name another host: channel, message, text, target.
            live: Keys "channel/message" of messages that ever had a Stop button.
            never_final: Those that still have it.
            refused: How many requests were answered with 429.
            errors: How many were answered with another error, by "status/code".
        """
        live = [post for post in self._messages if post.was_live]
        failed = Counter(f"{each['status']}/{each['code']}" for each in self.log if each["kind"] == "error")
        return {
            "pings": self._messages.pings,
            "unfurls": self._messages.unfurls,
            "masks": self._messages.masks,
            "live": [f"{post.channel}/{post.id}" for post in live],
            "never_final": [f"{post.channel}/{post.id}" for post in live if post.live and not post.deleted],
            "refused": sum(each["kind"] == "429" for each in self.log),
            "errors": dict(failed),
        }
