"""A model that asks another one and deals with its failures: it waits, asks again, and says what is missing.

All retries are made here, but for one with a new key (`bot.run.model`): the SDK's are off, and nothing
above asks twice.  What to do after a failure is decided by `bot.model.course`; this brings the clock, the
limits and the log.  It must never swallow a cancellation: that is how a stop arrives, and the sleep before
another try is where it often does.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing

import structlog

from bot.events import Event, Finished, Thinking, ToolFinished, ToolStarted, Waiting
from bot.model import SHUT, Ask, Kind, Model, ModelError, Request, nobody
from bot.model.course import Course, Patience, Retry
from bot.model.earlier import Earlier
from bot.model.limit import Limit
from bot.tally import Tally

log = structlog.get_logger(__name__)

QUEUED = "waiting for other answers to end …"
FULL = "Too many answers are being written at once. Please ask again in a few minutes."
MUTE = "Claude went silent. Please ask again."
ENDLESS = "This took too long. Please ask for less at once."
STRAY = "Claude's answer broke off. Please ask again."


class Patient:
    """Answers with *model*, for as long as that makes sense.

    Args:
        model: Who answers; it must not retry by itself.
        patience: The limits.
        fallback: A model id to ask where the usual one is missing or stays overloaded; "" for none.
        chance: Returns a random number between 0 and its argument.
        tally: Where failures are counted.
    """

    def __init__(
        self,
        model: Model,
        patience: Patience | None = None,
        fallback: str = "",
        chance: Callable[[float], float] = lambda most: random.uniform(0, most),  # noqa: S311 - no secret
        tally: Tally | None = None,
    ) -> None:
        self._model = model
        self._patience = patience or Patience()
        self._fallback = fallback
        self._chance = chance
        self._slots = asyncio.Semaphore(self._patience.streams)
        self._barred: tuple[float, str] | None = None
        self._earlier = Earlier()
        self._tally = tally or Tally()

    @property
    def trouble(self) -> str:
        """What keeps the model from answering anybody, as users are told it; "" if nothing is known."""
        return self._barred[1] if self._barred and _now() < self._barred[0] else ""

    def forgive(self) -> None:
        """Ask again at once, although only the operator could help: they have done so."""
        self._barred = None

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        if queued := self._slots.locked():
            yield Waiting(QUEUED)
        try:
            async with asyncio.timeout(self._patience.wall):
                await self._slots.acquire()
        except TimeoutError:
            raise self._failed(ModelError(FULL, Kind.ENDLESS)) from None
        try:
            if queued:
                yield Waiting("")
            async with aclosing(self._answer(request, ask)) as events:
                async for event in events:
                    yield event
        finally:
            self._slots.release()

    async def _answer(self, request: Request, ask: Ask) -> AsyncGenerator[Event]:
        request = self._earlier.fitted(request)
        course = Course(request, self._patience, self._chance, self._fallback)
        deadline = _now() + self._patience.wall
        while not course.ended:
            retry = None
            try:
                self._expect_admission(request)
                async with aclosing(self._once(course, deadline, ask)) as events:
                    async for event in events:
                        self._note(event, course, request)
                        yield event
            except ModelError as error:
                retry = self._after(course, error)
            if retry:
                yield Waiting(retry.note)
                await self._sleep(retry.wait, deadline, course)

    async def _once(self, course: Course, deadline: float, ask: Ask) -> AsyncGenerator[Event]:
        """Ask once, and pass on what *course* makes of the reply."""
        _expect_no_stop()
        idle = self._patience.content_idle
        with closing(Limit()) as limit:
            async with aclosing(self._model.stream(course.request, ask)) as events:
                while not course.ended:
                    event = await _next(events, limit, min(_now() + idle, deadline), deadline)
                    idle = self._idle(event)
                    for passed in course.take(event):
                        yield passed

    def _note(self, event: Event, course: Course, request: Request) -> None:
        """Take note of what says something about the next request."""
        self._barred = None  # somebody is answered
        match event:
            case Finished("refusal"):
                self._earlier.refused(request)
            case Finished("max_tokens") if not course.said:
                self._earlier.thought(request)

    def _idle(self, event: Event) -> float:
        """Return how long the next event may take after *event*."""
        if isinstance(event, Thinking | ToolStarted | ToolFinished):
            return self._patience.thinking_idle
        return self._patience.content_idle

    def _after(self, course: Course, error: ModelError) -> Retry:
        """Return how to go on after *error*; log and raise what people are told if there is no way."""
        try:
            retry = course.after(error)
        except ModelError as final:
            own = not self._fallback or course.request.model != self._fallback
            if error.kind in SHUT and own:
                self._earlier.turned_away(course.request)
                self._bar(str(error))
            raise self._failed(final, error.__cause__) from error
        self._tally.failures.add(error.kind.value, "retried")
        log.info("asking Claude again", kind=error.kind.value, reason=str(error), wait=round(retry.wait, 1))
        return retry

    async def _sleep(self, seconds: float, deadline: float, course: Course) -> None:
        if _now() + seconds >= deadline:
            raise self._failed(course.cut(ModelError(ENDLESS, Kind.ENDLESS)))
        await asyncio.sleep(seconds)

    def _failed(self, error: ModelError, cause: BaseException | None = None) -> ModelError:
        """Count and log *error*, which nothing is done about any more; see `_logged`."""
        if error.kind is Kind.CAPPED:
            log.info("an answer ended at a cap", reason=str(error))
            return error
        self._tally.failures.add(error.kind.value, "told")
        return _logged(error, cause)

    def _expect_admission(self, request: Request) -> None:
        """Turn *request* away while the model answers nobody; who asks the same again may know better."""
        if self.trouble and not self._earlier.turned_away(request):
            raise ModelError(self.trouble, Kind.BARRED)

    def _bar(self, reason: str) -> None:
        known, self._barred = self.trouble, (_now() + self._patience.barred, reason)
        if not known:
            log.error(
                "Claude is not asked for a while: only the operator can help",
                reason=reason,
                seconds=round(self._patience.barred),
            )


async def _next(events: AsyncGenerator[Event], limit: Limit, until: float, deadline: float) -> Event:
    """Return the next event, which must come before *until*."""
    try:
        return await limit.wait(anext(events), until)
    except StopAsyncIteration:
        raise ModelError(STRAY, Kind.CUT) from None
    except TimeoutError:
        if not limit.expired:
            raise
        if until >= deadline:
            raise ModelError(ENDLESS, Kind.ENDLESS) from None
        raise ModelError(MUTE, Kind.SILENT) from None


def _logged(error: ModelError, cause: BaseException | None = None) -> ModelError:
    """Log *error* and return it with the log line's id, by which a user can be helped."""
    number = secrets.token_hex(3)
    log.warning(
        "an answer failed", id=number, kind=error.kind.value, reason=str(error), error=type(cause).__name__
    )
    return ModelError(f"{error} ({number})", error.kind, error.retry_after)


def _expect_no_stop() -> None:
    """Raise a cancellation that is pending, before tokens are bought for an answer that was stopped."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def _now() -> float:
    return asyncio.get_running_loop().time()
