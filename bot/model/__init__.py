"""Who answers: what every model takes, gives and raises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.events import Event, Turn


@dataclass(frozen=True, slots=True)
class Request:
    """What the model is asked.

    Attributes:
        turns: The conversation, oldest first; the last turn is the question.
        system: The operator's instructions.
        model: A model id; "" means the model's own default.
        effort: "low" to "max"; "" leaves it to the model.
        max_tokens: The longest answer, in tokens.
        tools: Tool descriptions, in the API's form.
    """

    turns: Sequence[Turn]
    system: str = ""
    model: str = ""
    effort: str = ""
    max_tokens: int = 8192
    tools: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Asking:
    """What every request to the model has in common; see `Request`.

    Attributes:
        ahead: How many characters a reader may be ahead of the screen before it stops reading.
    """

    system: str = ""
    model: str = ""
    effort: str = ""
    max_tokens: int = 8192
    ahead: int = 256 * 1024


#: Asks a person whether a tool call may run; takes its title, returns their answer.
Ask = Callable[[str], Awaitable[bool]]


class ModelError(Exception):
    """The model could not answer; the message is fit for users."""


class Model(Protocol):
    """Something that answers: Claude, or a script."""

    def stream(self, request: Request, ask: Ask) -> AsyncGenerator[Event]:
        """Answer *request*, ending with `Finished`; raise `ModelError` where it can't."""
        ...
