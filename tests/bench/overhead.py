"""What streaming costs: the core alone, the whole bot under load; and whether a long answer arrives whole."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from bot.core.core import Core
from bot.events import Event, Finished, Text
from bot.guard.access import Access
from bot.model import Ask, Request, nobody
from bot.store.memory import Memory
from tests.bench.rig import UNBOUND_TEXT, Entry, Rig, Side, following, rigged
from tests.bench.texts import deltas, markdown, paced, prose, tells
from tests.fakes import Sheet, ask
from tests.readers import COMMONMARK, READERS, text_of

LIMITS = (
    "core: none, a surface in memory that takes 60 writes/s of an answer; live and long: the platforms' "
    f"documented limits in the emulators, and the bot's own pacing; {UNBOUND_TEXT}"
)

#: The core alone: answers at once, deltas of each, and deltas after which the loop runs.
CORE_ANSWERS, CORE_DELTAS, CORE_YIELD = 100, 2000, 10
#: Fewer deltas to a write than on a platform with one edit a second, at 50 deltas a second: about 29.
CORE_WRITES = 60.0

#: Channels over which a platform's live answers are spread, and deltas a second of each answer.
CHANNELS, RATE = 10, 50.0
#: Seconds over which the questions come, and which everything gets to settle after the last first delta.
RAMP, SETTLE = 3.0, 3.0

#: Characters of the long answer at most: at 40,000 the bot ends one.
LONG, QUICK_LONG = 39_900, 8_000
#: Deltas a second of it, and seconds after which it is judged as it is.
LONG_RATE, LONG_PATIENCE = 300.0, 240.0


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure all three; *quick* means fewer answers, less time, and a shorter long answer."""
    rng = random.Random(seed)
    core = await _core(rng, CORE_DELTAS // 4 if quick else CORE_DELTAS)
    live = await _live(rng, answers=20 if quick else 100, window=5.0 if quick else 30.0)
    most = QUICK_LONG if quick else LONG
    long = await _long(markdown(rng, most)[:most].rpartition("\n\n")[0])
    return {"limits": LIMITS, "core_us_per_delta": core["us"], "core": core, "live": live, "long": long}


# The core alone.


class _Stream:
    """A model that always has another delta."""

    def __init__(self, text: str) -> None:
        self._deltas = deltas(text)

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        for number, delta in enumerate(self._deltas):
            if number % CORE_YIELD == 0:
                await asyncio.sleep(0)
            yield Text(delta)
        yield Finished()


async def _core(rng: random.Random, many: int) -> dict[str, Any]:
    """Return what a delta costs in this process: received, scheduled, rendered late, written to memory."""
    text = prose(rng, many * 5)
    core = Core(_Stream(text), Memory(), Access())
    calls = int(60 * CORE_WRITES)
    sheets = [
        Sheet(f"s{n}", f"b{n}", rate=CORE_WRITES, burst=calls, spacing=1 / CORE_WRITES, latency=0.005)
        for n in range(CORE_ANSWERS)
    ]
    cpu = time.process_time()
    for sheet in sheets:
        await core.mention(ask(sheet, sheet.name))
    await asyncio.wait(core._lives)
    cpu = time.process_time() - cpu
    total = len(deltas(text)) * CORE_ANSWERS
    assert all(tells([page.text for page in sheet.shown.values()], text) for sheet in sheets[:3])
    writes = sum(len(sheet.log) for sheet in sheets)
    return {"us": round(cpu / total * 1e6, 2), "answers": CORE_ANSWERS, "deltas": total, "writes": writes}


# The whole bot.


async def _live(rng: random.Random, answers: int, window: float) -> dict[str, Any]:
    """Return what so many answers at once cost the bot's process, once all of them are live."""
    text = prose(rng, int((RAMP + SETTLE + window + 15) * RATE) * 5)
    async with rigged(limits=True) as rig:
        await rig.world.claude.script(steps=paced(text, RATE, 0.3), when="live")
        await _all_live(rig, answers, rng)
        await asyncio.sleep(SETTLE)
        said, since, cpu, _ = await _said(rig), time.monotonic(), rig.bot.cpu, await rig.bot.report()
        await asyncio.sleep(window)
        cpu, report, seconds = rig.bot.cpu - cpu, await rig.bot.report(), time.monotonic() - since
        said = await _said(rig) - said
        refused = [(await side.remote.verdict())["refused"] for side in rig.sides]
    return {
        "answers": answers,
        "seconds": round(seconds, 2),
        "deltas_per_s": round(said / 5 / seconds),
        "cpu_percent": round(cpu / seconds * 100, 1),
        "lag_ms": report["lag_ms"],
        "n429": sum(refused),
    }


async def _all_live(rig: Rig, answers: int, rng: random.Random) -> None:
    """Ask so many questions, half on each platform, and return when all have begun to be answered."""
    begun = len(await rig.world.claude.events(kinds=["first"]))
    async with following(rig.world.claude, "first") as claude, asyncio.TaskGroup() as people:
        for number in range(answers):
            side = rig.sides[number % 2]
            people.create_task(_asked(side, side.channel(number // 2 % CHANNELS), rng.uniform(0, RAMP)))
        async with asyncio.timeout(60):
            while len(claude.about) < begun + answers:
                await asyncio.sleep(0.1)


async def _asked(side: Side, channel: str, after: float) -> None:
    await asyncio.sleep(after)
    await side.ask(channel, "live")


async def _said(rig: Rig) -> int:
    """Return how many characters Claude has said."""
    return sum(len(request["text"]) for request in await rig.world.claude.requests())


# The long answer.


async def _long(text: str) -> dict[str, Any]:
    """Return whether a long, fast answer arrives whole, on each platform at the same time."""
    async with rigged(limits=True, settings={"RIVULET_PAGES": "0"}) as rig:
        await rig.world.claude.script(steps=paced(text, LONG_RATE, 0.3), when="long")
        async with asyncio.TaskGroup() as group:
            tasks = {side.name: group.create_task(_whole(rig, side)) for side in rig.sides}
        return {"characters": len(text), **{name: task.result() for name, task in tasks.items()}}


def _words(read: str) -> list[str]:
    """Return the words of what is *read*: without marks, which each platform writes in its own way."""
    return re.findall(r"[^\W\d_]+", read)


async def _whole(rig: Rig, side: Side) -> dict[str, Any]:
    channel, question = side.channel(0), f"long on {side.name}"
    async with (
        following(side.remote, "say", "post", "edit") as chat,
        following(rig.world.claude, "finished") as claude,
    ):
        await side.ask(channel, question)
        async with asyncio.timeout(LONG_PATIENCE):
            finished = await claude.until(await _request(rig, question), lambda _: True)
        pages = await _settled(side, channel)
        written: list[Entry] = chat.about[channel]
        sent = (await rig.world.claude.find(question=question))["text"]
        return {
            "equal": _words("\n".join(map(READERS[side.name], (page["text"] for page in pages))))
            == _words(text_of(COMMONMARK.render(sent)))
            and not any(page["live"] for page in pages),
            "n429": (await side.remote.verdict())["refused"],
            "seconds": round(written[-1]["t"] - written[0]["t"], 1),
            "tail_seconds": round(max(0.0, written[-1]["t"] - finished["t"]), 1),
            "pages": len(pages),
            "edits": sum(entry["kind"] == "edit" for entry in written),
        }


async def _request(rig: Rig, question: str) -> str:
    """Return the id of Claude's request for *question*, once it has come."""
    async with asyncio.timeout(10):
        while True:
            try:
                return str((await rig.world.claude.find(question=question))["id"])
            except LookupError:
                await asyncio.sleep(0.1)


async def _settled(side: Side, channel: str) -> list[Entry]:
    """Return the pages of an answer that Claude has finished, once none is live and none comes any more."""
    before: list[Entry] = []
    quiet = 0
    for _ in range(int(LONG_PATIENCE)):
        pages = await side.pages(channel)
        still = pages == before and not any(page["live"] for page in pages)
        quiet, before = (quiet + 1 if still else 0), pages
        if quiet == 8:  # longer than any of the limits' windows
            break
        await asyncio.sleep(1)
    return before


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    core, live, long = measured["core"], measured["live"], measured["long"]
    lag = live["lag_ms"]
    load = f"{live['answers']} answers, {live['deltas_per_s']} deltas/s in all, {live['seconds']:g} s"
    table = [
        ("bench", "what", "figure"),
        (
            "core",
            f"CPU a delta; {core['answers']} answers, {core['deltas']} deltas, {core['writes']} writes",
            f"{core['us']:.2f} us",
        ),
        ("live", f"CPU of the bot's process, of one core; {load}", f"{live['cpu_percent']:.1f} %"),
        (
            "live",
            f"lag of its event loop, p50 / p99 / max of {lag['n']}",
            f"{lag['p50']:.1f} / {lag['p99']:.1f} / {lag['max']:.1f} ms",
        ),
        ("live", "429s", str(live["n429"])),
    ]
    for side in ("slack", "discord"):
        seen = long[side]
        what = (
            f"{long['characters']} characters on {side}: equal, pages, edits, 429s, seconds (after the end)"
        )
        figure = f"{seen['equal']}, {seen['pages']}, {seen['edits']}, {seen['n429']}, {seen['seconds']} "
        table.append(("long", what, f"{figure}({seen['tail_seconds']})"))
    return table
