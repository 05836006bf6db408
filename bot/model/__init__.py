"""Who answers: what every model takes, gives and raises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import Enum
from typing import Any, Protocol

from bot.events import Event, Turn, Usage
from bot.platform import Actor, Place


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave back.

    Attributes:
        text: What the model reads.
        error: Whether it failed; the text then says why.
    """

    text: str
    error: bool = False


#: Asks people whether a tool may be called, by the tool's name and the exact call.
Ask = Callable[[str, str], Awaitable[bool]]
#: Runs a tool with the input that the model gave, and asks first if it has to.  What it raises becomes a
#: failed `Result`.
Run = Callable[[Mapping[str, Any], Ask], Awaitable[Result]]


async def nobody(_tool: str, _call: str) -> bool:
    """Allow nothing: there is nobody to ask."""
    return False


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that the model may use for one answer.

    Attributes:
        described: Its description, in the API's form.
        run: Runs it; None for a tool that the API runs itself.
        title: What people read while it runs; "" for its name.
        seconds: How long one call may take.
        patience: Seconds beside those in which a person may be asked; a call then may take both.
    """

    described: Mapping[str, Any]
    run: Run | None = field(default=None, compare=False)
    title: str = ""
    seconds: float = 30.0
    patience: float = 0.0

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return str(self.described.get("name", ""))


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a request.

    Attributes:
        actor: Who asked.
        place: Where.
        question: The question's key, one for all requests of its answer.
    """

    actor: Actor
    place: Place
    question: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What the model is asked.

    Attributes:
        turns: The conversation, oldest first; the last turn is the question.
        system: The operator's instructions.
        model: A model id; "" means the model's own default.
        effort: "low" to "max"; "" leaves it to the model.
        max_tokens: The longest answer, in tokens.
        tools: What it may use.
        thinking: Whether a summary of its thoughts is wanted.
        closing: Whether it must answer without using any of them.
        payer: Who pays; None if nobody is charged.
        counted: Told what the API has counted so far, each time that it tells; None for nobody.
    """

    turns: Sequence[Turn]
    system: str = ""
    model: str = ""
    effort: str = ""
    max_tokens: int = 32_000
    tools: Sequence[Tool] = ()
    closing: bool = False
    thinking: bool = False
    payer: Payer | None = field(default=None, compare=False)
    counted: Callable[[Usage], None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """What every request to the model has in common; see `Request`.

    Attributes:
        system: As above, with `bot.core.whereabouts.VARIABLES`.
        thinking: See `Request`.
        ahead: How many characters a reader may be ahead of the screen before it stops reading.
        context: Tokens of a conversation that are read.
        around: Messages of the channel that are read with a question, beside its conversation.
        zone: Where the date is taken from.
    """

    system: str = ""
    model: str = ""
    effort: str = ""
    max_tokens: int = 32_000
    ahead: int = 48 * 1024
    thinking: bool = False
    context: int = 32_000
    around: int = 0
    zone: tzinfo = UTC


class Kind(Enum):
    """What kind of failure it is: all that decides whether another try makes sense."""

    #: A rate limit; `ModelError.retry_after` says when to come back, where the API does.
    LIMITED = "limited"
    #: Overloaded, or broken inside: it passes.
    ILL = "ill"
    #: The API was not reached.
    AWAY = "away"
    #: It was reached, and never answered, or stopped to.
    SILENT = "silent"
    #: The stream broke off, or can't be read.
    CUT = "cut"
    #: The conversation is too long.
    LONG = "long"
    #: There is no such model.
    MISSING = "missing"
    #: The key is refused; another one may be there by now.
    KEY = "key"
    #: Only the operator can help: the key's rights, the bill.
    BARRED = "barred"
    #: One of our own limits.
    ENDLESS = "endless"
    #: What may be spent is spent: no failure of anybody's.
    CAPPED = "capped"
    #: The request itself; the same again would fail the same.
    OTHER = "other"


#: The kinds in which only the operator can help.
SHUT = frozenset({Kind.KEY, Kind.BARRED})
#: The kinds that may pass by themselves.
RETRYABLE = frozenset({Kind.LIMITED, Kind.ILL, Kind.AWAY, Kind.SILENT, Kind.CUT})


class ModelError(Exception):
    """The model could not answer; the message is fit for users.

    Args:
        message: What people read.
        kind: What kind of failure it is.
        retry_after: Seconds after which the API wants to be asked again, if it said so.
    """

    def __init__(self, message: str, kind: Kind = Kind.OTHER, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.kind in RETRYABLE


class Model(Protocol):
    """Something that answers: Claude, a script, or one of these with patience or tools."""

    def stream(self, request: Request, ask: Ask) -> AsyncGenerator[Event]:
        """Answer *request*, ending with `Finished`; raise `ModelError` where it can't.

        Args:
            request: What to answer.
            ask: Awaits a person's yes for a tool call.
        """
        ...
