"""The course of one answer through failures: what to do after each, and what people see of it.  Pure.

A request that fails before its first token is made again after a wait.  After that token, a short text is
replaced by one fresh try; a longer one is kept, and the model is asked once to go on from there.  If that
fails too, the answer says what is missing.

Rule 1: text that was shown is kept until other text replaces it.
Rule 2: nothing ends without a word that could be mistaken for a whole answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bot.events import Again, Event, Finished, Text, Turn
from bot.model import Kind, ModelError, Request
from bot.model.failures import NOTES, note_of
from bot.model.seam import Seam


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may wait, and how large it may get.  Times are in seconds.

    Attributes:
        tries: Requests that are made before a first token, if the fault may pass.
        mute_tries: The same where the API was silent, which each try may take a minute to find out.
        backoff: The longest wait before the second try; doubles with every further one.
        backing_off: All such waits together, at most.
        header: The longest wait that the API may ask for.
        waiting: All waits of one answer together, at most.
        byte_idle: Without a byte, a stream is dead.
        content_idle: Without content, a stream is dead, whatever else comes.
        thinking_idle: The same while the model thinks or runs a tool.
        wall: One request with its retries, from when it may begin.
        characters: Its text.
        event: One event's bytes.
        restart: Fewer characters than these are said anew after a break.
        streams: Answers that are read at once.
        barred: How long nothing new is asked after a failure that only the operator can end.
    """

    tries: int = 4
    mute_tries: int = 2
    backoff: float = 5.0
    backing_off: float = 45.0
    header: float = 30.0
    waiting: float = 60.0
    byte_idle: float = 60.0
    content_idle: float = 120.0
    thinking_idle: float = 300.0
    wall: float = 600.0
    characters: int = 40_000
    event: int = 2**20
    restart: int = 300
    streams: int = 32
    barred: float = 60.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask `Course.request` after `wait` seconds; `note` is what people read meanwhile."""

    wait: float
    note: str


#: What people read below an answer that took more than one request.
TRIMMED = "Older messages were left out: the conversation is too long."
RESUMED = "The connection broke off in between; Claude went on from there."
REPLACED = "Answered by {model}."
TOO_LONG = "This conversation is too long for Claude. Please start a new thread."
NOTHING = "Claude had nothing to say when asked again."
LIMITED = "The bot has reached its rate limit at Claude. Please try again in {span}."
#: Stands before the reason, where the text above may look like the whole answer.
INCOMPLETE = "Cut short here."
#: Seconds from which on people are told minutes.
MINUTES = 90

#: How the model is asked to go on.  As a user: Claude 4.6 and later refuse an answer to be completed.
GO_ON = (
    "[The connection broke off in the middle of your answer. Continue it exactly where it ends, beginning "
    "with the very next character: no repetition, no remark, no apology. "
    "If it was complete, say nothing.]\n\n"
    "Continue exactly after: "
)
#: Characters of the answer that are quoted there.
QUOTED = 200


class Course:
    """One answer.

    Args:
        request: What was asked.
        patience: The limits.
        chance: Returns a random number below its argument, so that not all answers wait equally long.
        fallback: The model to ask where the other one fails; "" for none.

    Attributes:
        request: What to ask next.
        ended: Whether the last event is out.
    """

    def __init__(
        self, request: Request, patience: Patience, chance: Callable[[float], float], fallback: str = ""
    ) -> None:
        self.request = request
        self.ended = False
        self._asked = request
        self._patience = patience
        self._chance = chance
        self._fallback = fallback if fallback != request.model else ""
        self._notes: list[str] = []
        self._said: list[str] = []
        self._size = 0
        self._heard = False  # whether this request has said something
        self._stale = False  # whether the next text replaces all before
        self._seam: Seam | None = None
        self._tries = 1
        self._failed: Counter[Kind] = Counter()
        self._waited = self._backed_off = 0.0
        self._trimmed = self._restarted = self._resumed = False

    @property
    def said(self) -> str:
        """The text that people have."""
        return "".join(self._said)

    def take(self, event: Event) -> Iterable[Event]:
        """Take what the model sent; return what people get.

        Raises:
            ModelError: When it is the end of a request, but none of an answer.
        """
        match event:
            case Text(text):
                self._heard = True
                if self._passes(text):
                    return (event,)
                return self._text(self._seam.feed(text) if self._seam else text)
            case Finished(reason, _, note):
                self._notes += filter(None, [note])
                if reason == "model_context_window_exceeded" and not self._heard and not self._trimmed:
                    raise ModelError(TOO_LONG, Kind.LONG)
                return self._end(event)
        return (event,)

    def after(self, error: ModelError) -> Retry:
        """Return how to go on after *error*; raise what people are told if there is no way."""
        retry = self._resume(error) if self._heard else self._again(error)
        if retry is None or self._waited + retry.wait > self._patience.waiting:
            raise self._failure(error)
        self._waited += retry.wait
        self._heard = False
        return retry

    def cut(self, error: ModelError) -> ModelError:
        """Return *error*, which ends the answer at once, as people are told it."""
        return self._failure(error)

    # What people get.

    def _passes(self, text: str) -> bool:
        """Keep *text* if people get it as it is, as most; tell whether they do."""
        passes = not (self._seam or self._stale) and 0 < len(text) <= self._patience.characters - self._size
        if passes:
            self._said.append(text)
            self._size += len(text)
        return passes

    def _text(self, text: str) -> Sequence[Event]:
        if not text:
            return ()
        passed: list[Event] = []
        if self._stale:
            self._stale = False
            self._said.clear()
            self._size = 0
            passed.append(Again())
        room = self._patience.characters - self._size
        self._said.append(text[:room])
        self._size += len(text[:room])
        passed.append(Text(text[:room]))
        if len(text) > room:
            passed.append(self._last(Finished("max_tokens")))
        return passed

    def _end(self, finished: Finished) -> Sequence[Event]:
        rest = self._text(self._seam.end()) if self._seam else ()
        return rest if self.ended else (*rest, self._last(finished))

    def _last(self, finished: Finished) -> Event:
        if self._stale and not finished.turns:  # there was text, and the fresh try has none
            raise ModelError(NOTHING, Kind.CUT)
        self.ended = True
        return replace(finished, note=" ".join(self._notes))

    # What to do.

    def _again(self, error: ModelError) -> Retry | None:
        """Ask the same again: this request has said nothing yet."""
        if error.kind is Kind.LONG:
            return self._trim()
        if error.kind is Kind.MISSING:
            return self._replace()
        if not error.retryable:
            return None
        self._tries += 1
        self._failed[error.kind] += 1
        if self._tries > self._patience.tries or self._failed[error.kind] >= self._most(error):
            return self._replace() if error.kind is Kind.ILL else None
        if error.retry_after is not None:
            return Retry(min(error.retry_after, self._patience.header), note_of(error))
        wait = self._jitter()
        self._backed_off += wait
        return Retry(wait, note_of(error)) if self._backed_off <= self._patience.backing_off else None

    def _most(self, error: ModelError) -> int:
        """Return how many requests may fail as *error* did."""
        if error.kind is Kind.SILENT:
            return self._patience.mute_tries
        if error.kind is Kind.LIMITED and error.retry_after is None:
            return 2  # a limit without an end may be the monthly one
        return self._patience.tries

    def _jitter(self) -> float:
        return self._chance(self._patience.backoff * 2 ** (self._tries - 2))

    def _trim(self) -> Retry | None:
        """Leave out the oldest half of the conversation, once."""
        turns = trimmed(self._asked.turns)
        if self._trimmed or len(turns) == len(self._asked.turns):
            return None
        self._trimmed = True
        self._notes.append(TRIMMED)
        self._asked = replace(self._asked, turns=turns)
        self.request = self._to_go_on() if self._seam else self._asked
        return Retry(0.0, NOTES[Kind.LONG])

    def _replace(self) -> Retry | None:
        """Ask the other model, once."""
        model, self._fallback = self._fallback, ""
        if not model:
            return None
        self._notes.append(REPLACED.format(model=model))
        self._asked = replace(self._asked, model=model)
        self.request = self._to_go_on() if self._seam else self._asked
        return Retry(0.0, NOTES[Kind.MISSING])

    def _resume(self, error: ModelError) -> Retry | None:
        """Begin anew, or go on where the text ends: this request broke off in the middle."""
        if not error.retryable:
            return None
        if self._size < self._patience.restart and not any(turn.blocks for turn in self._asked.turns):
            if self._restarted:
                return None
            self._restarted = self._stale = True
            self.request = self._asked
        elif not self._resumed:
            self._resumed = True
            self._notes.append(RESUMED)
            self._seam = Seam(self.said)
            self.request = self._to_go_on()
        else:
            return None
        self._tries = 1
        self._failed.clear()
        return Retry(self._chance(1.0), note_of(error))

    def _to_go_on(self) -> Request:
        return replace(self._asked, turns=continued(self._asked.turns, self.said))

    def _failure(self, error: ModelError) -> ModelError:
        """Return what people are told about *error*."""
        words = str(error)
        if error.kind is Kind.LIMITED and (error.retry_after or 0) > self._patience.header:
            words = LIMITED.format(span=_span(error.retry_after or 0))
        if self._said:
            words = " ".join(filter(None, [INCOMPLETE, words]))
        return ModelError(words, error.kind, error.retry_after)


def trimmed(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Leave out the oldest half of *turns*, by characters; the question always stays."""
    half = sum(len(turn.text) for turn in turns) / 2
    question = next((index for index, turn in enumerate(turns) if turn.blocks), len(turns)) - 1
    first = 0
    while first < question and (not first or sum(len(turn.text) for turn in turns[first:]) > half):
        first += 1
    return turns[first:]


def continued(turns: Sequence[Turn], said: str) -> Sequence[Turn]:
    """Return *turns* with the request to go on after *said*."""
    return [*turns, Turn("assistant", said), Turn("user", GO_ON + said[-QUOTED:])]


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= MINUTES else f"{seconds:.0f} seconds"
