"""The newest questions: what a command is about that was given in no thread.  Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.platform import Asked, Mention

#: Channels that are remembered, questions of each, and conversations.
CHANNELS, QUESTIONS, CONVERSATIONS = 500, 20, 2_000

Name = TypeVar("Name")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was taken.

    Attributes:
        key: Its message key.
        conversation: See `Mention.conversation`.
        asker: The id of who asked.
    """

    key: str
    conversation: str
    asker: str


class Latest:
    """Remembers the newest questions of channels and of conversations; of too many, those of the newest."""

    def __init__(self) -> None:
        self._channels: OrderedDict[tuple[str, str], deque[Question]] = OrderedDict()
        self._conversations: OrderedDict[str, str] = OrderedDict()

    def note(self, asked: Mention | Asked) -> None:
        """Remember the question *asked*."""
        where = asked.key.partition("/")[0], asked.place.channel
        questions = self._channels.get(where) or deque(maxlen=QUESTIONS)
        questions.append(Question(asked.key, asked.conversation, asked.actor.id))
        _keep(self._channels, where, questions, CHANNELS)
        _keep(self._conversations, asked.conversation, asked.key, CONVERSATIONS)

    def meant(self, platform: str, channel: str, actor: str, runs: Callable[[str], bool]) -> str:
        """Return the conversation that *actor* most likely means in *channel*; "" if there is none.

        The newest one in which an answer runs, or else the newest; their own before those of others.

        Args:
            platform: The name of the platform.
            channel: Where; its id.
            actor: Who; their id.
            runs: Tells of the key of a question whether its answer runs or waits.
        """
        newest = [*reversed(self._channels.get((platform, channel), ()))]
        running = [each for each in newest if runs(each.key)] or newest
        own = [each for each in running if each.asker == actor] or running
        return own[0].conversation if own else ""

    def newest(self, conversation: str) -> str:
        """Return the key of the newest question of *conversation*; "" if none is known."""
        return self._conversations.get(conversation, "")


def _keep(known: OrderedDict[Name, Value], name: Name, value: Value, most: int) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > most:
        known.popitem(last=False)
