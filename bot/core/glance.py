"""What may be said of an answer that runs to whoever looks after the bot: how far along it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glance:
    """How far along one answer is, without a word of it.

    Attributes:
        question: The question's key.
        channel: The platform's id of where it was asked.
        seconds: Since it was taken by this process.
        state: "waiting" for other answers, "open", or "closing".
        said: Characters that the model has written.
        unshown: Those of them that are not visible yet.
        messages: Messages that it has.
        model: Who is asked.
    """

    question: str
    channel: str
    seconds: float
    state: str
    said: int
    unshown: int
    messages: int
    model: str
