"""What the bot sends for one answer, taken from the emulators at three moments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.events import Event, Finished, Text, Thinking
from bot.model import Ask, Request, nobody
from bot.model.script import Script
from tests.contract import World, at, until

ANSWER = Path(__file__).with_name("answer.md").read_text(encoding="utf-8")
QUESTION = "what changes in 4.2, and what must we do before?"
#: Where it is caught growing, within inline code in a list in a list.
GROWING = ANSWER.index("te.db`")
#: The only host that it may link to.
HOST = "python.org"


@dataclass(frozen=True)
class Frame:
    """One look at the bot's message: when, and what the emulator holds of it."""

    moment: str
    message: dict[str, Any]


class Slow(Script):
    """Thinks, begins and ends when it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Semaphore(0)

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        yield Thinking()
        for part in (ANSWER[:GROWING], ANSWER[GROWING:]):
            await self.go.acquire()
            yield Text(part)
        await self.go.acquire()
        yield Finished()


async def frames(kind: type[World]) -> list[Frame]:
    """Return the answer on *kind*'s platform when it begins, while it grows, and in the end."""
    emulator = kind.new_emulator()
    await emulator.start()
    await emulator.limits(on=False)
    world = kind(emulator, RIVULET_LINKS=HOST)
    model = Slow()
    world.model = model  # type: ignore[assignment]
    world.core = world.fresh_core()
    await world.connect()
    question = await world.say(QUESTION)
    taken = [Frame("thinking", await _when(world, question, note="thinking"))]
    model.go.release()
    taken.append(Frame("while it grows", await _when(world, question, text="copy")))
    model.go.release()
    model.go.release()
    taken.append(Frame("finished", await _when(world, question, live=False)))
    await world.close()
    return taken


async def _when(
    world: World, question: str, *, text: str = "", note: str = "", live: bool = True
) -> dict[str, Any]:
    """Return the bot's first message once it shows *text* and *note*, and is *live* or not."""

    async def shown() -> dict[str, Any] | None:
        for seen in (await world.answers(question))[:1]:
            if text in seen.text and note in seen.note and seen.live == live:
                found: dict[str, Any] = await world.emulator.message(*at(seen.id))
                return found
        return None

    found = await until(shown)
    assert found is not None
    return found
