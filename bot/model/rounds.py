"""A model that uses tools: it asks another one, runs what that calls for, and asks again with the results.

A round is one request, with all the patience that `bot.model.patient` has for it.  A tool runs only when the
reply that calls for it is complete, and its result is in every request after that: no retry runs it again.
Nothing that a tool does, not even to ignore that it was cancelled, can hold up the answer or its stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bot.events import (
    Again,
    Cited,
    Event,
    File,
    Finished,
    Text,
    Thinking,
    ToolFinished,
    ToolRunning,
    ToolStarted,
    Turn,
    Usage,
)
from bot.model import Ask, Model, Request, Result, Tool, nobody
from bot.model.sources import Sources

log = structlog.get_logger(__name__)

#: Characters of a result that the model reads.
RESULT = 50_000
#: Seconds between two looks at tools that run.
TICK = 1.0
#: Calls of one round that are made.
AT_ONCE = 8
#: Seconds and characters after which an answer begins no other round.
WALL, LONGEST = 1800.0, 40_000

LATE = "The tool took longer than {seconds:g} seconds and was given up. It may have done its work or not."
BROKEN = "The tool failed: {error}."
UNKNOWN = "There is no tool {name}."
MANY = "This call was not made: only the first {most} of a reply are."
CUT = "\n[{count:,} more characters were left out.]"
CLOSING = "No more tools can be used for this answer: answer with what you have."
#: What people read where an answer has used up its rounds, and still wants a tool.
ENDLESS = "It used tools {rounds} times, and was ended before it used more."


@dataclass(frozen=True, slots=True)
class Call:
    """A call for a tool.

    Attributes:
        id: The API's.
        given: The input.
        tool: What to run; None if there is no such tool.
        name: What the model called.
        made: Whether it is made: of many at once, only the first are.
    """

    id: str
    given: Mapping[str, Any]
    tool: Tool | None
    name: str
    made: bool = True


class Rounds:
    """Answers with *model*, and with the tools of each request.

    Args:
        model: Who answers one request; it deals with failures.
        most: Rounds of tools in one answer.
        tick: Seconds between two looks at tools that run.
    """

    def __init__(self, model: Model, most: int = 10, tick: float = TICK) -> None:
        self._model = model
        self._most = most
        self._tick = tick
        self._strays: set[asyncio.Task[Result]] = set()

    @property
    def trouble(self) -> str:
        """What keeps the model from answering anybody; "" if nothing is known."""
        return str(getattr(self._model, "trouble", ""))

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        told, deadline = _Told(request.tools), _now() + WALL
        for left in range(self._most, -1, -1):
            async with aclosing(ticked(self._model.stream(request, ask), self._tick)) as events:
                async for event in events:
                    for passed in told.take(event):
                        yield passed
            calls = calls_of(told.finished.turns, request.tools)
            if not calls or not left or told.size >= LONGEST or _now() >= deadline:
                for each in told.last(ENDLESS.format(rounds=self._most - left) if calls else ""):
                    yield each
                return
            results: dict[str, Result] = {}
            async with aclosing(self._called(calls, results, ask)) as news:
                async for each in news:
                    yield each
            request = answered(request, told.finished, calls, results, closing=left == 1)

    async def _called(
        self, calls: Sequence[Call], results: dict[str, Result], ask: Ask
    ) -> AsyncGenerator[Event]:
        """Run *calls* at once and put what they give into *results*; tell how it goes."""
        began = _now()
        tasks = {asyncio.create_task(_run(call, ask)): call for call in calls}
        running = set(tasks)
        try:
            while running:
                done, running = await asyncio.wait(
                    running, timeout=self._tick, return_when=asyncio.FIRST_COMPLETED
                )
                seconds = _now() - began
                late = {task for task in running if seconds >= _limit(tasks[task])}
                for task in (*done, *late):
                    call = tasks[task]
                    result = results[call.id] = _result(task, call)
                    yield ToolFinished(call.id, not result.error)
                self._give_up(late)
                running -= late
                for task in running:
                    yield ToolRunning(tasks[task].id, int(seconds))
        finally:
            self._give_up(running)

    def _give_up(self, tasks: set[asyncio.Task[Result]]) -> None:
        """Cancel *tasks* and wait for none of them: one may ignore it."""
        for task in tasks:
            task.cancel()
            self._strays.add(task)
            task.add_done_callback(self._strays.discard)


class _Told:
    """What people are told of the rounds of one answer: one text, one end."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._titles = {tool.name: tool.title or tool.name for tool in tools}
        self._sources = Sources()
        self._files: list[File] = []
        self._before: list[str] = []  # of rounds that are over
        self._said: list[str] = []  # in this round
        self._spent = Usage()
        self._notes: list[str] = []
        self.finished = Finished()
        self.size = 0

    def take(self, event: Event) -> Iterator[Event]:
        """Take an event of a round; return what people get."""
        match event:
            case Finished(usage=usage, note=note):
                self.finished = event
                self._spent += usage
                self._files += event.files
                self._notes += [note] if note and note not in self._notes else []
                said = bool(self._said)
                self._before += self._said
                self._said.clear()
                self._sources.keep()
                if said and event.turns:  # the paragraph is complete, however long the tools take
                    self._before.append("\n\n")
                    yield Text("\n\n")
            case Text(text):
                self.size += len(text)
                self._said.append(text)
                yield event
            case Again():
                self._said.clear()
                self._sources.again()
                yield event
                if self._before:
                    yield Text("".join(self._before))
            case ToolStarted(id, title):
                yield ToolStarted(id, self._titles.get(title, title.replace("_", " ")))
            case Cited(sources):
                yield event
                mark = self._sources.mark(sources)
                self._said.append(mark)
                yield Text(mark)
            case _:
                yield event

    def last(self, note: str) -> Iterator[Event]:
        """Return the end of the whole answer."""
        if listed := self._sources.listed:
            yield Text(listed)
        notes = " ".join(filter(None, [*self._notes, note]))
        yield replace(self.finished, usage=self._spent, note=notes, turns=(), files=tuple(self._files))


def calls_of(turns: Sequence[Turn], tools: Sequence[Tool]) -> list[Call]:
    """Return the calls that the last of *turns* ends with."""
    known = {tool.name: tool for tool in tools if tool.run}
    blocks = [block for block in (turns[-1].blocks if turns else ()) if block.get("type") == "tool_use"]
    return [
        Call(
            str(block["id"]),
            block.get("input") or {},
            known.get(str(block["name"])),
            str(block["name"]),
            number < AT_ONCE,
        )
        for number, block in enumerate(blocks)
    ]


def answered(
    request: Request,
    finished: Finished,
    calls: Sequence[Call],
    results: Mapping[str, Result],
    *,
    closing: bool,
) -> Request:
    """Return the next request: all that was said, unchanged, and the *results* of *calls*."""
    blocks = [_block(call, results[call.id]) for call in calls]
    if closing:
        blocks.append({"type": "text", "text": CLOSING})
    turns = (*finished.turns, Turn("user", "", blocks=tuple(blocks)))
    return replace(request, turns=turns, model=finished.model or request.model, closing=closing)


def _block(call: Call, result: Result) -> dict[str, Any]:
    text = result.text
    if len(text) > RESULT:
        text = text[:RESULT] + CUT.format(count=len(text) - RESULT)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call.id, "content": text or "(nothing)"}
    return {**block, "is_error": True} if result.error else block


async def _run(call: Call, ask: Ask) -> Result:
    if not call.made:
        return Result(MANY.format(most=AT_ONCE), error=True)
    if call.tool is None or call.tool.run is None:
        return Result(UNKNOWN.format(name=call.name), error=True)
    return await call.tool.run(call.given, ask)


def _result(task: asyncio.Task[Result], call: Call) -> Result:
    """Return what *task* has given; one that still runs is late."""
    if not task.done():
        log.warning("a tool was given up", tool=call.name, seconds=_limit(call))
        return Result(LATE.format(seconds=_limit(call)), error=True)
    if task.cancelled():
        return Result(BROKEN.format(error="it was cancelled"), error=True)
    if error := task.exception():
        log.warning("a tool failed", tool=call.name, exc_info=error)
        return Result(BROKEN.format(error=type(error).__name__), error=True)
    return task.result()


def _limit(call: Call) -> float:
    return call.tool.seconds + call.tool.patience if call.tool else 0.0


def _now() -> float:
    return asyncio.get_running_loop().time()


async def ticked(events: AsyncGenerator[Event], tick: float) -> AsyncGenerator[Event]:
    """Pass *events* on; while the model thinks, tell every *tick* seconds for how long."""
    began: float | None = None
    coming: asyncio.Task[Event] | None = None
    async with aclosing(events):
        try:
            while True:
                if began is None:
                    event = await anext(events)
                else:
                    coming = coming or asyncio.ensure_future(anext(events))
                    done, _ = await asyncio.wait({coming}, timeout=tick)
                    if not done:
                        yield Thinking(seconds=int(_now() - began))
                        continue
                    event, coming = coming.result(), None
                thinks = isinstance(event, Thinking)
                began = (began if began is not None else _now()) if thinks else None
                yield event
        except StopAsyncIteration:
            return
        finally:
            if coming:
                coming.cancel()
                await asyncio.wait({coming})
