"""What tools cost: a long input, calls at once, a stop amid them; and streams that are cut anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adapters.emulators.claude import Claude as Emulated
from adapters.emulators.process import spawned
from bot.core.core import Core
from bot.events import Again, Event, Finished, Text, Turn
from bot.guard.access import Access
from bot.model import Model, ModelError, Request, Result, Tool
from bot.model.claude import Claude
from bot.model.patient import Patient
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Stop
from bot.store.memory import Memory
from bot.tools import Caller, Offered
from tests.bench.figures import spread
from tests.fakes import ANN, HERE, Sheet, ask

LIMITS = "none: what is measured is the bot's own time; emulators on loopback"

#: Deltas of one tool's input; tools at once and how long each takes; stops amid a tool.
DELTAS, TOOLS, SECONDS = 8_000, 2, 1.0
STOPS, QUICK_STOPS = 200, 20
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


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure all; *quick* means fewer stops, and fewer cuts of each stream."""
    rng = random.Random(seed)
    return {
        "limits": LIMITS,
        "deltas": await _deltas(),
        "tools": await _tools(),
        "stop": await _stops(rng, QUICK_STOPS if quick else STOPS),
        "cuts": await _cuts(rng, QUICK_CUTS if quick else 1),
    }


def rows(measured: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what was measured, as a table."""
    cuts, stop = measured["cuts"], measured["stop"]
    return [
        ("what", "measured"),
        (f"a tool's input of {DELTAS:,} deltas, CPU s", f"{measured['deltas']['cpu_s']:.3f}"),
        (f"{TOOLS} tools of {SECONDS:g} s, s", f"{measured['tools']['s']:.3f}"),
        (
            "stop amid a tool: tool cancelled, ms p50 / p99",
            f"{stop['tool_ms']['p50']} / {stop['tool_ms']['p99']}",
        ),
        ("model closed, ms p50 / p99", f"{stop['model_ms']['p50']} / {stop['model_ms']['p99']}"),
        ("streams, cuts", f"{cuts['streams']}, {cuts['cuts']}"),
        ("tools run twice; answers that only look whole", f"{cuts['twice']}; {cuts['seem_whole']}"),
    ]


# One tool's input.


async def _deltas() -> dict[str, Any]:
    """Return what it costs this process to read one call of a tool, whose input comes in many deltas."""
    whole = json.dumps({"text": "x" * (8 * DELTAS)})
    size = len(whole) // DELTAS + 1
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    start = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    steps: list[Any] = [{"event": {"type": "content_block_start", "index": 0, "content_block": start}}]
    for piece in pieces:
        delta = {"type": "input_json_delta", "partial_json": piece}
        steps.append({"event": {"type": "content_block_delta", "index": 0, "delta": delta}})
    steps += [{"event": {"type": "content_block_stop", "index": 0}}, {"finish": "tool_use"}]
    async with spawned() as world, _claude(world.claude) as claude:
        await world.claude.script(steps=["Hi."])
        await _heard(claude)  # what is imported and connected once is not counted
        await world.claude.script(steps=steps)
        cpu = time.process_time()
        _, end = await _heard(claude)
        cpu = time.process_time() - cpu
    assert isinstance(end, Finished)
    assert end.turns[-1].blocks[0]["input"] == json.loads(whole)
    return {"cpu_s": round(cpu, 4), "deltas": len(pieces)}


# Tools at once, and a stop amid one.


async def _tools() -> dict[str, Any]:
    async def wait(_given: Mapping[str, Any]) -> Result:
        await asyncio.sleep(SECONDS)
        return Result("2")

    script = Script(*[{"tool": "wait"}] * TOOLS, "Done.")
    began = time.monotonic()
    text, _ = await _heard(Rounds(script), Tool({"name": "wait"}, wait))
    assert text == "Done."
    return {"s": round(time.monotonic() - began, 3)}


class _Closed:
    """A model that notes when its stream is closed.

    Attributes:
        at: When it was, by the monotonic clock.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.at = 0.0

    async def stream(self, request: Request) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    yield event
        finally:
            self.at = time.monotonic()


class _Endless:
    """A tool that runs until it is cancelled.

    Attributes:
        running: Set when it runs.
        ended: When it ended.
    """

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.ended = 0.0

    async def use(self, _caller: Caller, _given: Mapping[str, Any]) -> Result:
        """Run."""
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = time.monotonic()
        return Result("")


async def _stops(rng: random.Random, many: int) -> dict[str, Any]:
    """Stop answers while a tool of theirs runs; each is cancelled and closed in so many ms."""
    tools, models = [], []
    for _ in range(many):
        endless, model = _Endless(), _Closed(Rounds(Script("Let me see.", {"tool": "wait"}, "never")))
        offered = Offered({"name": "wait"}, endless.use)
        core, sheet = Core(model, Memory(), Access(), tools=[offered]), Sheet()
        await core.mention(ask(sheet))
        await endless.running.wait()
        await asyncio.sleep(rng.uniform(0, 0.1))
        stopped = time.monotonic()
        await core.stop(Stop("q1", ANN, HERE))
        await core._running.all_done()
        tools.append((endless.ended - stopped) * 1000)
        models.append((model.at - stopped) * 1000)
    return {"tool_ms": spread(tools), "model_ms": spread(models)}


# Streams that are cut anywhere.


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


async def _cuts(rng: random.Random, every: int) -> dict[str, Any]:
    """Cut each stream behind each of its events, or one in *every*; the rest comes when it is asked for."""
    counts = {"streams": 0, "cuts": 0, "twice": 0, "seem_whole": 0, "wrong": 0}
    emulator = Emulated()
    await emulator.start()
    try:
        async with _claude(emulator) as claude:
            for raw in [*_recorded().values(), *[await _own(emulator, steps) for steps in OWN.values()]]:
                events = [f"{event}\n\n" for event in raw.split("\n\n") if event.strip()]
                counts["streams"] += 1
                whole = await _played(emulator, claude, ["".join(events)])
                for size in range(rng.randrange(every), len(events), every):
                    cut = await _played(emulator, claude, ["".join(events[:size]), ""])
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


async def _played(emulator: Emulated, claude: Claude, streams: Sequence[str]) -> _Answer:
    """Let the first of *streams* be sent, cut if there are more, and then `REST` at each request."""
    await emulator.clear()
    first, *more = streams
    cut = [{"raw": first, "bare": True, "times": 1}, {"cut": True, "times": 1}]
    await emulator.script(steps=[*(cut if more else [{"raw": first, "finish": "-"}]), REST])
    ran: list[str] = []

    def runs(name: str) -> Tool:
        async def run(given: Mapping[str, Any]) -> Result:
            ran.append(f"{name} {json.dumps(given, sort_keys=True)}")
            return Result("done")

        return Tool({"name": name, "input_schema": {"type": "object"}}, run)

    model = Rounds(Patient(claude, chance=lambda _most: 0.0))
    text, end = await _heard(model, *map(runs, _names("".join(streams))))
    return _Answer(text, str(end) if isinstance(end, ModelError) else end.note, tuple(ran))


def _names(raw: str) -> list[str]:
    """Return the names of the tools that *raw* calls."""
    return sorted(set(re.findall(r'"type": ?"tool_use".*?"name": ?"(\w+)"', raw)))


@asynccontextmanager
async def _claude(emulator: Any) -> AsyncIterator[Claude]:
    claude = Claude("sk-good", emulator.url)
    try:
        yield claude
    finally:
        await claude.close()


async def _heard(model: Model, *tools: Tool) -> tuple[str, Finished | ModelError]:
    """Return the text of an answer, and its end."""
    text = ""
    try:
        async with aclosing(model.stream(Request((Turn("user", "why?"),), tools=tools))) as events:
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
