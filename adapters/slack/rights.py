"""What the Slack app is allowed and told: the one table that manifest, doctor and docs are made from.

Pure data.  Source: docs.slack.dev/reference/scopes and /reference/events.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

#: What an operator may leave out, or, with "agent" and "org", add.
Part = Literal["", "follow-ups", "files", "commands", "agent", "org"]
PARTS: Sequence[Part] = ("follow-ups", "files", "commands")

#: The scope without which nothing can be attached.
FILES = "files:write"
#: The scope without which nothing that people attach can be read.
READ = "files:read"
#: What makes the app an agent.
AGENT = "assistant:write"


@dataclass(frozen=True, slots=True)
class Right:
    """A scope that the app has, or an event that it is told of.

    Attributes:
        name: As Slack writes it.
        why: What for.
        part: What it belongs to; "" where nothing works well without it.
        vital: Whether the bot is of no use without it.
    """

    name: str
    why: str
    part: Part = ""
    vital: bool = False


#: Bot scopes.
SCOPES: Sequence[Right] = (
    Right("app_mentions:read", "to hear mentions", vital=True),
    Right(
        "channels:history", "to read the thread it is asked in, and to hear questions there without a mention"
    ),
    Right("groups:history", "the same in private channels"),
    Right("im:history", "to be asked in direct messages"),
    Right("chat:write", "to answer", vital=True),
    Right("reactions:read", "to be stopped with an emoji"),
    Right("reactions:write", "to mark a question that waits"),
    Right("users:read", "to tell members from guests and strangers", vital=True),
    Right("channels:read", "to read the names of channels"),
    Right("groups:read", "to read the names of private channels"),
    Right("usergroups:read", "to read the names of user groups, and who is in them"),
    Right(FILES, "to attach what is too long for a message", "files"),
    Right(READ, "to read pictures and documents that people attach", "files"),
    Right("commands", "to offer /rivulet and the shortcut Ask about this", "commands"),
    Right(AGENT, "for Slack's own stop button; guests cannot use such an app", "agent"),
)
#: Events that the bot subscribes to.
EVENTS: Sequence[Right] = (
    Right("app_mention", "a mention"),
    Right("app_uninstalled", "the app was removed"),
    Right("message.channels", "questions in threads without a mention, edits and deletions", "follow-ups"),
    Right("message.groups", "the same in private channels", "follow-ups"),
    Right("message.im", "direct messages"),
    Right("reaction_added", "a stop emoji, a thumb"),
    Right("reaction_removed", "one that is taken back"),
    Right("tokens_revoked", "the token was revoked"),
    Right("agent_session_stopped", "Slack's own stop button", "agent"),
    Right("team_access_granted", "an organization lets the app into a workspace", "org"),
    Right("team_access_revoked", "and out of one", "org"),
)


def chosen(rights: Sequence[Right], parts: Collection[str]) -> list[Right]:
    """Return those of *rights* that the bot needs with *parts*."""
    return [right for right in rights if not right.part or right.part in parts]


def lacking(granted: Collection[str]) -> list[Right]:
    """Return the scopes that the usual manifest asks for and that are not *granted*."""
    return [right for right in chosen(SCOPES, PARTS) if right.name not in granted]
