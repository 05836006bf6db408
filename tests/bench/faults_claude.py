"""The model's hop for `tests.bench.faults`: the real SDK, the core, and a surface that is a list."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adapters.emulators.claude import Claude as Emulated
from adapters.emulators.claude.chaos import FAULTS, MOMENTS, chaotic
from bot.core.core import Core
from bot.guard.access import Access
from bot.model.claude import Claude
from bot.model.course import INCOMPLETE
from bot.model.patient import Patient
from bot.platform import Said
from bot.store.memory import Memory
from tests.bench.faults import Case, Player
from tests.fakes import ANN, Sheet, ask

__all__ = ["FAULTS", "MOMENTS", "opened"]

#: Faults after which there can be no whole answer, however short they are.
FINAL = frozenset(
    {"400", "400 spend limit", "401", "402", "403", "404", "drip"}
    | {"refusal", "max_tokens", "context window", "unknown reason", "no text"}
)
#: Faults that add text of their own.
CHATTY = frozenset({"drip", "huge event"})
HISTORY = [Said("Once? " * 20, ANN), Said("Upon a time.", None), Said("And?", ANN)]
#: Models of the emulator's.
OTHER = "claude-haiku-5-5"


@asynccontextmanager
async def opened() -> AsyncIterator[Player]:
    """Start the emulator and the SDK's client; see `faults.Hop`."""
    emulator = Emulated()
    await emulator.start()
    claude = Claude("sk-bench", emulator.url)

    async def play(case: Case) -> str:
        return await _played(emulator, claude, case)

    try:
        yield play
    finally:
        await claude.close()
        await emulator.stop()


async def _played(emulator: Emulated, claude: Claude, case: Case) -> str:
    rng = random.Random(f"text of {case}")
    text = told(rng)
    await emulator.clear()
    await emulator.chaos(case.fault, case.moment, case.seed, text)
    fallback = rng.choice(["", OTHER])
    core = Core(
        Patient(claude, fallback=fallback, chance=lambda most: rng.uniform(0, most)), Memory(), Access()
    )
    sheet = Sheet(said=HISTORY[: rng.choice([0, 3])])
    await core.mention(ask(sheet, text=f"Go on with {case}"))
    if core._lives:
        await asyncio.wait(core._lives)
    return judged(sheet, case, chaotic(case.fault, case.moment, case.seed, text), fallback, len(sheet.said))


def told(rng: random.Random) -> str:
    """Return a text of which no part is twice: none, short, or of several pages."""
    size = rng.choice([3, 20, 60, 200, 500])
    return " ".join(f"{rng.choice('abcdefgh')}{number}é{rng.randrange(1000)}" for number in range(size))


def judged(sheet: Sheet, case: Case, script: Sequence[Any], fallback: str, history: int) -> str:
    """Return what is wrong with the answer on *sheet*, "property: detail"."""
    pages = list(sheet.shown.values())
    if not pages or any(page.live for page in pages):
        return f"stuck: {[page.live for page in pages]}"
    shown, note = _plain("".join(page.text for page in pages)), pages[-1].note
    wanted = _plain("".join(step for step in script if isinstance(step, str)))
    whole = shown == wanted and INCOMPLETE not in note
    if not note and not (whole and shown):
        return f"text: {len(shown)} of {len(wanted)} characters, and no word about it"
    if not wanted.startswith(shown) and case.fault not in CHATTY:
        return f"text: not the model's, from {_differ(shown, wanted)} of {len(wanted)} on; note {note!r}"
    times = max((step.get("times", 0) for step in script if isinstance(step, Mapping)), default=0)
    recovers = case.fault not in FINAL or (case.fault == "404" and fallback)
    if case.fault in {"413", "400 too long"} and not history:
        recovers = False  # there is nothing to leave out
    if times <= 1 and recovers and not whole:
        return f"gave up: {len(shown)} of {len(wanted)} characters, {note!r}"
    return ""


def _plain(text: str) -> str:
    """Return *text* as it can be encoded, without white space: where a page ends, there is none."""
    return "".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())


def _differ(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
