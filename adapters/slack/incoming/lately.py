"""Where the bot was asked of late: a slash command is given in a channel, and is about a conversation there.

Slack knows no slash commands in threads, and tells of no message that one was given at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bot.platform import Mention

#: Questions that are remembered.
REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class _Asked:
    key: str
    conversation: str
    channel: str
    user: str


class Lately:
    """The newest questions of all channels."""

    def __init__(self) -> None:
        self._asked: deque[_Asked] = deque(maxlen=REMEMBERED)

    def note(self, mention: Mention) -> None:
        """Remember *mention*."""
        where = mention.conversation, mention.place.channel
        self._asked.append(_Asked(mention.key, *where, mention.actor.id))

    def conversation(self, channel: str, user: str, runs: Callable[[str], bool]) -> str:
        """Return the conversation that *user* means in *channel*; "" if there is none.

        The newest one in which an answer runs, or else the newest; their own before others'.

        Args:
            channel: Where.
            user: Who.
            runs: Tells of a question whether its answer runs.
        """
        here = [each for each in reversed(self._asked) if each.channel == channel]
        here.sort(key=lambda each: (not runs(each.key), each.user != user))
        return here[0].conversation if here else ""

    def thread(self, message: str) -> str | None:
        """Return the thread that the question *message* is in, "" for none; None if it is not known."""
        for each in reversed(self._asked):
            if each.key == message:
                thread = each.conversation.rpartition("/")[2]
                return "" if message.endswith(f"/{thread}") else thread
        return None
