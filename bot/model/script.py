"""A model that needs no network: it plays a script.  For tests, benches and the demo.

A script is a list of plain JSON values, so that it can also be a file or cross a process
border; the Claude emulator plays the same format over HTTP:

    "text"                          a text delta
    0.25                            a pause in seconds
    {"thinking": "text"}            a thinking delta
    {"tool": "name", "input": {}}   a tool call, which ends at once
    {"finish": "max_tokens"}        the end, for this stop reason ("end_turn" if the script just ends)
    {"error": "overloaded_error"}   the error event with which a started stream breaks off
    {"stall": true}                 silence, for ever

Further keys of the emulator's own, for faults on the wire, are described there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from bot.events import Event, Finished, Text, Thinking, ToolFinished, ToolStarted
from bot.model import Ask, ModelError, Request

Step = str | float | Mapping[str, Any]


class Script:
    """Plays the same steps for whatever it is asked.

    Attributes:
        requests: What it was asked so far.
        played: How many text steps it has played.
    """

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self.requests: list[Request] = []
        self.played = 0

    async def stream(self, request: Request, ask: Ask) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.requests.append(request)
        for step in self._steps:
            if isinstance(step, int | float):
                await asyncio.sleep(step)
            elif isinstance(step, str):
                self.played += 1
                yield Text(step)
            else:
                for event in await _play(step):
                    yield event
                if "finish" in step:
                    return
        yield Finished()


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
