"""Who does something, where, and what they said: plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.events import File


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something.

    Attributes:
        id: Stable and unique on the platform; rights hang on ids only.
        name: For display.
        workspace: The Slack workspace that the account belongs to; "" where accounts are global.
        bot: Whether it is a bot, a webhook or a system user.
        guest: Whether it has less than full membership.
        owner: Whether it owns the application that the bot runs as.
        roles: Ids of the roles or user groups that it has there, of those that the operator's rules name.
    """

    id: str
    name: str = ""
    workspace: str = ""
    bot: bool = False
    guest: bool = False
    owner: bool = False
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was done.

    Attributes:
        channel: The platform's id of the channel.
        workspace: The Slack workspace or the Discord guild; "" in a direct message outside any.
        home: The workspace that the bot is installed in there, on platforms where it is there for the full
            members of one; whoever is of another one is an outsider.
        platform: The name of the platform, `Platform.name`.
        category: What the channel is listed under, where a platform has that.
        parent: The channel that this one, a thread, was opened in; "" for none.
        direct: Whether it is a direct message.
    """

    channel: str
    workspace: str = ""
    home: str = ""
    platform: str = ""
    category: str = ""
    parent: str = ""
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation, before the model's question is made of it.

    Attributes:
        text: All that people see of it, as plain markdown: with names for ids, the text of blocks and embeds,
            and quotes and forwards in lines that begin with ">".
        actor: Who wrote it; None for the bot itself.
        skipped: Whether messages before this one were left out.
        files: What came with it, and with what it forwards; not for the bot itself.
    """

    text: str
    actor: Actor | None
    skipped: bool = False
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What people know of the place where something is asked; "" for what is not known.

    Attributes:
        channel: Its name; "" for a direct message too.
        topic: What the channel is for, as its members have written it.
        bot: What the bot is called there.
    """

    channel: str = ""
    topic: str = ""
    bot: str = ""


#: Files of a message that are named; of more, the number is.
NAMED = 10


def unread(names: Sequence[str]) -> str:
    """Return the line by which a text says that files of these *names* came with it; "" for none."""
    return f"(Attached, and not read: {listed(names)})" if names else ""


def listed(names: Sequence[str]) -> str:
    """Return the *names* of files in one line; of many, the first and how many more there are."""
    shown = ", ".join(" ".join(name.split())[:80] or "a file without a name" for name in names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown
