"""Streams that are cut anywhere, recorded or the emulator's: no tool runs twice, no half looks whole."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adapters.emulators.claude import Claude as Emulated
from bot.events import Again, Finished, Text, Turn
from bot.model import Ask, Model, ModelError, Request, Result, Tool, nobody
from bot.model.claude import Claude
from bot.model.patient import Patient
from bot.model.rounds import Rounds

#: Of the places where a stream is cut, a quick run takes one in so many.
QUICK_CUTS = 8
#: Streams of the emulator's own, beside the recorded ones.
OWN: Mapping[str, Sequence[Any]] = {
    "text": ["It ", "rains ", "in ", "the ", "mountains."],
    "tool": ["Let me see.", {"tool": "add", "input": {"a": 1, "b": [2, 3]}}],
    "two tools": [{"thinking": "Hm."}, {"tool": "add", "input": {"a": 1}}, {"tool": "add", "input": {}}],
    "server tool": [{"server_tool": "web_search", "input": {"query": "rain"}}, "It rains."],
}
REST = "And so it went on, to its very end."


def _recorded() -> dict[str, str]:
    """Return the recorded streams, as they came over the wire; none where they are not there."""
    folder = Path(os.environ.get("RECORDED_PAYLOADS", "nowhere"), "anthropic")
    found = {}
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text()
        if path.name.endswith(".chunks.txt"):
            lines = [(json.loads(line)["type"], line) for line in text.splitlines()]
            text = "".join(f"event: {kind}\ndata: {line}\n\n" for kind, line in lines)
        found[path.stem] = text
    return found


async def bench(rng: random.Random, every: int) -> dict[str, Any]:
    """Cut each stream behind each of its events, or one in *every*; the rest comes when it is asked for."""
    counts = {"streams": 0, "cuts": 0, "twice": 0, "seem_whole": 0, "wrong": 0}
    emulator = Emulated()
    await emulator.start()
    try:
        async with claude(emulator) as client:
            for raw in [*_recorded().values(), *[await _own(emulator, steps) for steps in OWN.values()]]:
                events = [f"{event}\n\n" for event in raw.split("\n\n") if event.strip()]
                counts["streams"] += 1
                whole = await _played(emulator, client, ["".join(events)])
                for size in range(rng.randrange(every), len(events), every):
                    cut = await _played(emulator, client, ["".join(events[:size]), ""])
                    counts["cuts"] += 1
                    counts["twice"] += cut.twice
                    counts["seem_whole"] += cut.seems_whole and not cut.is_like(whole)
    finally:
        await emulator.stop()
    return counts


async def _own(emulator: Emulated, steps: Sequence[Any]) -> str:
    """Return what the emulator sends for *steps*."""
    await emulator.script(steps=steps)
    body = {"model": "claude-sonnet-5-5", "max_tokens": 100, "stream": True}
    body["messages"] = [{"role": "user", "content": "why?"}]
    headers = {"x-api-key": "sk-good", "anthropic-version": "2023-06-01"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{emulator.url}/v1/messages", json=body, headers=headers) as response,
    ):
        return (await response.text()).replace('event: ping\ndata: {"type": "ping"}\n\n', "")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a stream.

    Attributes:
        text: What people read in the end.
        note: What stands below; "" if nothing says that something is missing or was said anew.
        ran: The tools that ran, with their input.
    """

    text: str
    note: str
    ran: tuple[str, ...]

    @property
    def twice(self) -> bool:
        """Whether a call was made twice."""
        return len(set(self.ran)) < len(self.ran)

    @property
    def seems_whole(self) -> bool:
        """Whether nothing tells that it may lack something."""
        return not self.note

    def is_like(self, whole: _Answer) -> bool:
        """Whether all of *whole* is in it, or it was asked for anew and is whole as such."""
        return whole.text in self.text or self.text.endswith(REST)


async def _played(emulator: Emulated, client: Claude, streams: Sequence[str]) -> _Answer:
    """Let the first of *streams* be sent, cut if there are more, and then `REST` at each request."""
    await emulator.clear()
    first, *more = streams
    cut = [{"raw": first, "bare": True, "times": 1}, {"cut": True, "times": 1}]
    await emulator.script(steps=[*(cut if more else [{"raw": first, "finish": "-"}]), REST])
    ran: list[str] = []

    def runs(name: str) -> Tool:
        async def run(given: Mapping[str, Any], _ask: Ask) -> Result:
            ran.append(f"{name} {json.dumps(given, sort_keys=True)}")
            return Result("done")

        return Tool({"name": name, "input_schema": {"type": "object"}}, run)

    model = Rounds(Patient(client, chance=lambda _most: 0.0))
    text, end = await heard(model, *map(runs, _names("".join(streams))))
    return _Answer(text, str(end) if isinstance(end, ModelError) else end.note, tuple(ran))


def _names(raw: str) -> list[str]:
    """Return the names of the tools that *raw* calls."""
    return sorted(set(re.findall(r'"type": ?"tool_use".*?"name": ?"(\w+)"', raw)))


@asynccontextmanager
async def claude(emulator: Any) -> AsyncIterator[Claude]:
    """Yield a client of *emulator*."""
    made = Claude("sk-good", emulator.url)
    try:
        yield made
    finally:
        await made.close()


async def heard(model: Model, *tools: Tool) -> tuple[str, Finished | ModelError]:
    """Return the text of an answer, and its end."""
    text = ""
    try:
        async with aclosing(model.stream(Request((Turn("user", "why?"),), tools=tools), nobody)) as events:
            async for event in events:
                if isinstance(event, Again):
                    text = ""
                elif isinstance(event, Text):
                    text += event.text
                elif isinstance(event, Finished):
                    return text, event
    except ModelError as error:
        return text, error
    raise AssertionError("an answer without an end")
