"""History and question become what the model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.events import Turn
from bot.platform import Mention, Surface

#: Turns of history that the model reads.
HISTORY = 40


@dataclass(frozen=True, slots=True)
class Past:
    """What came before a question.

    Attributes:
        read: The history, if it was read already; None if it is still to be read.
        surface: Where it is to be read; None for the question's own surface.
        said: What was said after that history and before the question.
    """

    read: Sequence[Turn] | None = None
    surface: Surface | None = None
    said: tuple[Turn, ...] = ()


def turns(history: Sequence[Turn], mention: Mention) -> list[Turn]:
    """Return the conversation for the model, oldest first, ending with the question.

    What one speaker said in several messages (an answer's pages, a question in two parts) becomes one turn.
    """
    joined: list[Turn] = []
    for turn in [*history[-HISTORY:], Turn("user", mention.text.strip(), mention.actor.name)]:
        if not turn.text.strip():
            continue
        last = joined[-1] if joined else None
        if last and (last.role, last.name) == (turn.role, turn.name):
            joined[-1] = Turn(turn.role, f"{last.text}\n{turn.text}", turn.name)
        else:
            joined.append(turn)
    return joined
