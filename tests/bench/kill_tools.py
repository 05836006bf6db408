"""kill -9 around a tool that writes: no call is made twice, and each answer says what it lacks.

The tool is a package's, as an operator installs one.  It writes a line when it begins and one when it ends,
so the file tells how often each call was made, whatever the bot believes.  The control is the same bot
without the ledger's row of a call; that one must fail, or the bench sees nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.emulators.process import spawned
from tests.bench.crashing import REST, Crashing, answering, crashing, heard
from tests.bench.rig import ROOT, Entry, Side

LIMITS = (
    "emulator limits off, answers in the channel (RIVULET_DISCORD_REPLY=channel), the bot's intake "
    "unbounded, no brake on log-ins"
)
#: When the bot is killed: before the tool's first line, between its two lines, after the second.
KINDS = ("before", "during", "after")
#: Kills of each kind; calls that one kill meets, on each platform.
KILLS, QUICK, CONTROL = 100, 1, 2
CALLS = 2
#: Seconds from the request to the call, of the call, and of the text after it.
BEFORE, DURING, AFTER = 0.3, 0.4, 0.3
#: Channels that people ask in, once before all else: in others the bot does not look for what it missed.
CHANNELS = 4
#: Looks for the tool's line, 5 ms apart, and looks in a row, half a second apart, that see no answer end.
#: Not seconds: on a busy machine both sides are slower.
CALLED, QUIET = 6_000, 120
#: The last word of an answer that is whole.
END = "written."
TOOL = f'''
import asyncio, os
from bot.tools import tool


@tool(title="writing", writes=True)
async def write_line(call: str) -> str:
    """Write a line."""
    for word in ("begun", "done"):
        with open(os.environ["RIVULET_LINES"], "a") as lines:
            lines.write(f"{{word}} {{call}}\\n")
        if word == "begun":
            await asyncio.sleep({DURING})
    return "Written."
'''
#: What keeps the ledger from knowing of calls.
NO_CALLS = """
from bot.store.sqlite import Sqlite
async def call(self, key, calling):
    pass
Sqlite.call = call
"""


@dataclass
class Asked:
    """One question, whose answer calls the tool once.

    Attributes:
        call: What the call is known by.
        kind: When the bot was killed, of `KINDS`.
        side: Where it was asked.
        channel: There.
        question: Its id.
    """

    call: str
    kind: str
    side: Side
    channel: str
    question: str = ""


@dataclass
class Calling:
    """A bot, the questions that it was killed at, and the lines that the tool wrote.

    Attributes:
        bot: The bot.
        rng: Of the moments.
        asked: All questions.
    """

    bot: Crashing
    rng: random.Random
    asked: list[Asked] = field(default_factory=list)

    @property
    def lines(self) -> Counter[str]:
        """How often each line was written."""
        path = self.bot.folder / "lines"
        return Counter(path.read_text().splitlines() if path.exists() else ())

    async def kill(self, kind: str) -> None:
        """Ask on both platforms, and kill the bot at such a moment."""
        new = [await self._ask(kind, side) for _ in range(CALLS) for side in self.bot.sides]
        await self._until(kind, new)
        span = {"before": BEFORE, "during": DURING, "after": AFTER}[kind]
        await asyncio.sleep(self.rng.uniform(0.0, span))
        await self.bot.kill()

    async def _ask(self, kind: str, side: Side) -> Asked:
        number = len(self.asked)
        asked = Asked(f"c{number}.", kind, side, side.channel(self.rng.randrange(CHANNELS)))
        said = ["Let me see. "] * self.rng.randrange(2)  # without a word of its own it may be asked for anew
        call = {"tool": "write_line", "input": {"call": asked.call}}
        await self.bot.world.claude.script(
            steps=[*said, BEFORE, call, "It is ", AFTER, END], when=f"write {asked.call}"
        )
        asked.question = await side.ask(asked.channel, f"write {asked.call}")
        self.asked.append(asked)
        return asked

    async def _until(self, kind: str, new: Sequence[Asked]) -> None:
        """Wait for the line that one of *new* writes before such a kill."""
        if kind == "before":
            return
        word = {"during": "begun", "after": "done"}[kind]
        for _ in range(CALLED):
            if any(f"{word} {each.call}" in self.lines for each in new):
                return
            await asyncio.sleep(0.005)
        raise RuntimeError(f"no tool was called: {self.bot.log[-2000:]}")

    async def quiet(self) -> None:
        """Wait until all answers have ended, or nothing becomes of them any more."""
        still, before = 0, dict[str, Entry]()
        while still < QUIET:
            seen = await self.judged()
            if not any(each["stuck"] or each["unended"] for each in seen.values()):
                return
            still, before = (still + 1 if seen == before else 0), seen
            await asyncio.sleep(0.5)

    async def judged(self) -> dict[str, Entry]:
        """Return what became of the calls, for each kind of kill."""
        seen = {kind: Counter[str](kills=0) for kind in KINDS}
        lines, where = self.lines, {(each.side.name, each.channel): each.side for each in self.asked}
        pages = {place: await side.pages(place[1]) for place, side in where.items()}
        for each in self.asked:
            found = answering(each.side, each.question, pages[each.side.name, each.channel])
            seen[each.kind].update(_judged(each, lines, found))
        return {kind: {key: counts[key] for key in KEYS} for kind, counts in seen.items()}


#: What is counted: calls, those that were made, those made twice, answers that are live, have no end, are
#: whole, have a note, and those whose note does not say what they lack.
KEYS = ("calls", "made", "twice", "stuck", "unended", "whole", "noted", "untold")


def _judged(asked: Asked, lines: Mapping[str, int], pages: Sequence[Entry]) -> Counter[str]:
    """Return what *pages*, the answer, and *lines*, which the tool wrote, say of one call."""
    made = lines.get(f"begun {asked.call}", 0)
    note = pages[-1]["note"].replace("\\", "") if pages else ""
    whole = bool(pages) and not note and pages[-1]["text"].endswith(END)
    told = whole and lines.get(f"done {asked.call}", 0) > 0
    told = told or ("calling write_line" in note if made else bool(note))
    return Counter(
        calls=1,
        made=bool(made),
        twice=made > 1,
        stuck=any(page["live"] for page in pages),
        unended=not pages,
        whole=whole,
        noted=bool(note),
        untold=not told,
    )


def packaged(folder: Path) -> None:
    """Make a package of the tool in *folder*, as an installer would."""
    (folder / "bench_lines.py").write_text(TOOL)
    about = folder / "bench_lines-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-lines\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[rivulet.tools]\nlines = bench_lines:write_line\n")


async def bench(*, quick: bool, seed: int, runs: int = 0) -> dict[str, Any]:
    """Kill *runs* times at each moment, by default 100 (1 if *quick*), and the control at the second."""
    kinds = [*KINDS] * (runs or (QUICK if quick else KILLS))
    killed, without = await asyncio.gather(
        _killed(kinds, random.Random(seed)),
        _killed(["during"] * CONTROL, random.Random(seed + 1), NO_CALLS),
    )
    return {**killed, "control": {**without["during"], "failed": without["during"]["twice"] > 0}}


async def _killed(kinds: Sequence[str], rng: random.Random, broken: str = "") -> dict[str, Entry]:
    kinds = rng.sample(kinds, len(kinds))
    async with spawned() as world:
        await world.slack.limits(on=False)
        await world.discord.limits(on=False)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            packaged(folder)
            settings = {
                "PYTHONPATH": os.pathsep.join([str(ROOT), name]),
                "RIVULET_TOOLS": "lines",
                "RIVULET_LINES": str(folder / "lines"),
                "RIVULET_DISCORD_REPLY": "channel",
            }
            async with crashing(Crashing(world, folder, settings, broken)) as bot:
                return await _all(Calling(bot, rng), kinds)


async def _all(calling: Calling, kinds: Sequence[str]) -> dict[str, Entry]:
    await calling.bot.start()
    for side in calling.bot.sides:
        for number in range(CHANNELS):
            await side.ask(side.channel(number), "hello?")
        await heard(side, CHANNELS)
    rested = time.monotonic()
    for number, kind in enumerate(kinds):
        if number:
            await calling.bot.start()
        if time.monotonic() - rested > REST:
            await calling.quiet()
            rested = time.monotonic()
        await calling.kill(kind)
    await calling.bot.start()
    await calling.quiet()
    await calling.bot.end()
    seen = await calling.judged()
    return {kind: {"kills": kinds.count(kind), **each} for kind, each in seen.items()}


def rows(measured: Mapping[str, Any]) -> list[Sequence[str]]:
    """Return rows for the table of `kill`: calls as questions, made twice as duplicates, untold as torn."""
    names = {**{kind: f"{kind} a tool" for kind in KINDS}, "control": "during, calls not kept"}
    keys = ("kills", "calls", "whole", "noted", "stuck", "twice", "unended", "untold")
    return [(name, *(str(measured[kind][key]) for key in keys), "-", "-") for kind, name in names.items()]
