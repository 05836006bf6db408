"""A model that needs no network: it plays a script.  For tests, benches and the demo.

A script is a list of plain JSON values, so that it can also be a file or cross a process
border; the Claude emulator plays the same format over HTTP:

    "text"                          a text delta
    0.25                            a pause in seconds
    {"thinking": "text"}            a thinking delta
    {"tool": "name", "input": {}}   a tool call, which ends at once where the request has no such tool
    {"finish": "max_tokens"}        the end, for this stop reason ("end_turn" if the script just ends)
    {"error": "overloaded_error"}   the error event with which a started stream breaks off
    {"stall": true}                 silence, for ever

Further keys of the emulator's own, for faults on the wire, are described there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

from bot.events import Event, Finished, Text, Thinking, ToolFinished, ToolStarted, Turn
from bot.model import Ask, ModelError, Request, nobody

Step = str | float | Mapping[str, Any]


class Script:
    """Plays the same steps for whatever it is asked, and goes on with them when a tool has answered.

    Attributes:
        requests: What it was asked so far.
        played: How many text steps it has played.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self.requests: list[Request] = []
        self.played = 0

    async def stream(self, request: Request, _ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.requests.append(request)
        called: list[Mapping[str, Any]] = []
        for step in self._left(request):
            if called and not calls(step, request):
                break
            if calls(step, request):
                called.append(call(step, len(called)))
                yield ToolStarted(called[-1]["id"], called[-1]["name"])
            elif isinstance(step, int | float):
                await asyncio.sleep(step)
            elif isinstance(step, str):
                self.played += 1
                yield Text(step)
            else:
                for event in await _play(step):
                    yield event
                if "finish" in step:
                    return
        yield wanting(request, called) if called else Finished()

    def _left(self, request: Request) -> Sequence[Step]:
        """Return the steps after the calls whose results *request* has."""
        made = sum(len(turn.blocks) for turn in request.turns if turn.role == "assistant")
        index = 0
        while made:
            made -= calls(self._steps[index], request)
            index += 1
        return self._steps[index:]


def calls(step: Step, request: Request) -> bool:
    """Tell whether *step* calls one of the tools of *request*."""
    name = step.get("tool") if isinstance(step, Mapping) else None
    return any(tool.run and tool.name == name for tool in request.tools)


def wanting(request: Request, called: Sequence[Mapping[str, Any]]) -> Finished:
    """Return the end of an answer to *request* that goes on when tools have answered to *called*."""
    return Finished("tool_use", turns=(*request.turns, Turn("assistant", "", blocks=tuple(called))))


def call(step: Step, number: int) -> Mapping[str, Any]:
    """Return the call number *number* of an answer, which *step* makes, in the API's form."""
    told = cast("Mapping[str, Any]", step)
    given = {"name": told["tool"], "input": told.get("input", {})}
    return {"type": "tool_use", "id": f"toolu_{secrets.token_hex(6)}{number}", **given}


async def _play(step: Mapping[str, Any]) -> Sequence[Event]:
    match step:
        case {"thinking": text}:
            return [Thinking(text)]
        case {"tool": name}:
            return [ToolStarted(name, name), ToolFinished(name)]
        case {"finish": reason}:
            return [Finished(reason)]
        case {"error": kind}:
            raise ModelError(f"The script failed: {kind}.")
        case {"stall": True}:
            await asyncio.Event().wait()
    raise ValueError(f"not a step of a script: {step!r}")
