"""What a conversation costs: tools, the first token, a long thread, the cache; and what attacks come to.

Long inputs of tools, calls at once and stops amid them are measured here, the rest in modules of their own.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from adapters.emulators.claude import Claude as Emulated
from adapters.emulators.process import spawned
from bot.core.core import Core
from bot.events import Event, Finished
from bot.guard.access import Access
from bot.model import Ask, Model, Request, Result, Tool, nobody
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Stop
from bot.store.memory import Memory
from bot.tools import Caller, Offered
from tests import test_cache
from tests.bench import cut_streams, first_token, injection, long_thread
from tests.bench.cut_streams import claude, heard
from tests.bench.figures import spread
from tests.bench.rig import UNBOUND, UNBOUND_TEXT, rigged
from tests.fakes import ANN, HERE, Sheet, ask

LIMITS = f"emulator limits off, the bot's budgets wide, emulators on loopback, {UNBOUND_TEXT}"

#: Deltas of one tool's input; tools at once and how long each takes; stops amid a tool.
DELTAS, TOOLS, SECONDS = 8_000, 2, 1.0
STOPS, QUICK_STOPS = 200, 20


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure all; *quick* means fewer stops, and fewer cuts of each stream."""
    rng = random.Random(seed)
    measured = {
        "limits": LIMITS,
        "deltas": await _deltas(),
        "tools": await _tools(),
        "stop": await _stops(rng, QUICK_STOPS if quick else STOPS),
        "cuts": await cut_streams.bench(rng, cut_streams.QUICK_CUTS if quick else 1),
        "cache": await _cache(),
    }
    async with rigged(limits=False, settings={**UNBOUND, "RIVULET_BENCH_LAG": "off"}) as rig:
        measured["thread"] = await long_thread.bench(rig, quick=quick)
        measured["first"] = await first_token.bench(rig, quick=quick, rng=rng)
    return {**measured, "injection": await injection.bench(quick=quick, rng=rng)}


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
        *(
            (f"cache reads of turns 3 to 10, {kind}", f"{each:.3f}")
            for kind, each in measured["cache"].items()
        ),
        *long_thread.rows(measured["thread"]),
        *first_token.rows(measured["first"]),
        *injection.rows(measured["injection"]),
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
    async with spawned() as world, claude(world.claude) as model:
        await world.claude.script(steps=["Hi."])
        await heard(model)  # what is imported and connected once is not counted
        await world.claude.script(steps=steps)
        cpu = time.process_time()
        _, end = await heard(model)
        cpu = time.process_time() - cpu
    assert isinstance(end, Finished)
    assert end.turns[-1].blocks[0]["input"] == json.loads(whole)
    return {"cpu_s": round(cpu, 4), "deltas": len(pieces)}


# Tools at once, and a stop amid one.


async def _tools() -> dict[str, Any]:
    async def wait(_given: Mapping[str, Any], _ask: Ask) -> Result:
        await asyncio.sleep(SECONDS)
        return Result("2")

    script = Script(*[{"tool": "wait"}] * TOOLS, "Done.")
    began = time.monotonic()
    text, _ = await heard(Rounds(script), Tool({"name": "wait"}, wait))
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

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        try:
            async with aclosing(self._model.stream(request, ask)) as events:
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
        await core.running.all_done()
        tools.append((endless.ended - stopped) * 1000)
        models.append((model.at - stopped) * 1000)
    return {"tool_ms": spread(tools), "model_ms": spread(models)}


# The cache.


async def _cache() -> dict[str, float]:
    """Return the share of cache reads in several conversations, as the API's emulator computes it."""
    shares = {}
    for kind, how in test_cache.KINDS.items():
        emulator = Emulated()
        await emulator.start()
        async with claude(emulator) as client:
            shares[kind] = round(await test_cache.share(emulator, test_cache.Counted(client), *how), 3)
        await emulator.stop()
    return shares
