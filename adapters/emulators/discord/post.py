"""One message as the emulator keeps it.  It holds no rules: see `messages`."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.emulators.discord import reading, shapes
from adapters.emulators.discord.shapes import Json

#: Message flags (resources/message.mdx).
HAS_THREAD, EPHEMERAL, LOADING = 1 << 5, 1 << 6, 1 << 7


@dataclass
class Post:
    """One message.

    Attributes:
        shape: What REST returns for it, but for the message replied to and reactions.
        born: When it was made, on the monotonic clock; earlier if a test aged it.
        replied: The channel and id of the message it replies to.
        was_live: Whether it ever had a visible Stop button.
    """

    shape: Json
    born: float
    replied: tuple[str, str] | None = None
    edits: int = 0
    deleted: bool = False
    was_live: bool = False
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self.shape["id"])

    @property
    def channel(self) -> str:
        """The channel's id."""
        return str(self.shape["channel_id"])

    @property
    def author(self) -> str:
        """The author's id."""
        return str(self.shape["author"]["id"])

    @property
    def live(self) -> bool:
        """Whether a button says Stop."""
        return any("Stop" in reading.label(each) for each in reading.buttons(self.shape["components"]))

    @property
    def system(self) -> bool:
        """Whether Discord wrote it itself."""
        written = (shapes.DEFAULT, shapes.REPLY, shapes.CHAT_INPUT, shapes.CONTEXT_MENU)
        return self.shape["type"] not in written

    @property
    def hidden(self) -> bool:
        """Whether only one person sees it."""
        return bool(self.shape["flags"] & EPHEMERAL)

    def seen(self) -> Json:
        """Return the message as a reader sees it; see `Discord.message`."""
        text, note = reading.read(self.shape["content"])
        return {
            "id": self.id,
            "channel": self.channel,
            "user": self.author,
            "bot": bool(self.shape["author"].get("bot")),
            "text": text,
            "note": note,
            "live": self.live and not self.deleted,
            "edits": self.edits,
            "deleted": self.deleted,
            "content": self.shape["content"],
            "controls": [reading.label(each) for each in reading.buttons(self.shape["components"])],
            "reply_to": self.replied[1] if self.replied else "",
            "flags": self.shape["flags"],
            "alone": self.hidden,
            "components": self.shape["components"],
            "reactions": {emoji: list(users) for emoji, users in self.reactions.items() if users},
        }
