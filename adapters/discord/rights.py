"""What the Discord application may do and hears.

The one table that the invite link, the doctor, the gateway's intents and the docs are made from.

Pure data.  Source: discord.com/developers/docs/topics/permissions and /events/gateway#gateway-intents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

LINK = "https://discord.com/oauth2/authorize?"
#: What the link asks for beside permissions: to be a member, and to have commands.
SCOPES = ("bot", "applications.commands")
#: Allows everything; the bot needs none of it.
ADMINISTRATOR = 1 << 3


@dataclass(frozen=True, slots=True)
class Right:
    """A permission in a server, or an intent.

    Attributes:
        name: As Discord's settings call it.
        key: As Discord's API calls it.
        bit: Its value.
        why: What for.
        privileged: Whether it must be switched on in the Developer Portal.
    """

    name: str
    key: str
    bit: int
    why: str
    privileged: bool = False


PERMISSIONS: Sequence[Right] = (
    Right("View Channels", "view_channel", 1 << 10, "to be where it is asked"),
    Right("Send Messages", "send_messages", 1 << 11, "to answer"),
    Right("Send Messages in Threads", "send_messages_in_threads", 1 << 38, "to answer in threads"),
    Right("Create Public Threads", "create_public_threads", 1 << 35, "to open a thread for an answer"),
    Right(
        "Read Message History", "read_message_history", 1 << 16, "to read what was said before, and to reply"
    ),
    Right("Add Reactions", "add_reactions", 1 << 6, "to mark a question that waits"),
    Right("Attach Files", "attach_files", 1 << 15, "to attach what is too long for a message"),
)
INTENTS: Sequence[Right] = (
    Right("Guilds", "guilds", 1 << 0, "to know channels, threads and roles"),
    Right("Messages", "messages", (1 << 9) | (1 << 12), "to hear questions, edits and deletions"),
    Right("Reactions", "reactions", (1 << 10) | (1 << 13), "to hear a stop emoji, and thumbs"),
    Right(
        "Message Content",
        "message_content",
        1 << 15,
        "to read questions without a mention, and what was said before",
        privileged=True,
    ),
)


def bits(rights: Sequence[Right] = PERMISSIONS) -> int:
    """Return the sum of all *rights*."""
    return sum(right.bit for right in rights)


def missing(granted: int) -> list[Right]:
    """Return the permissions that are not *granted*; none to an administrator, who has all."""
    if granted & ADMINISTRATOR:
        return []
    return [right for right in PERMISSIONS if not granted & right.bit]


def missing_to_answer(granted: int, *, inside: bool) -> Right | None:
    """Return the first permission that an answer needs and that is not *granted*.

    Args:
        granted: What the bot may do in a channel, as bits.
        inside: Whether that is a thread.
    """
    writing = "send_messages_in_threads" if inside else "send_messages"
    needed = {"view_channel", writing, "read_message_history"}
    return next((right for right in missing(granted) if right.key in needed), None)


def invite(application: str) -> str:
    """Return the link that lets *application* into a server, with what it needs and nothing more."""
    query = {"client_id": application, "scope": " ".join(SCOPES), "permissions": bits()}
    return LINK + urlencode(query)
