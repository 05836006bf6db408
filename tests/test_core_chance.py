"""Answers whose calls fail by chance, in every way that a platform has, while people stop and delete."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from bot.core.core import Core
from bot.events import Page
from bot.guard.access import Access
from bot.model import Asking
from bot.model.script import Script
from bot.platform import Deleted, Limits, Receipt, SlowDown, Stop
from bot.store.memory import Memory
from tests.fakes import ANN, HERE, Sheet, ask

pytestmark = pytest.mark.jump

WAYS = ("not made", "made and lost", "timeout", "own 429", "429 before", "429 after")


@dataclass
class Chance(Sheet):
    """A sheet on which *faults* calls fail."""

    rng: random.Random = field(default_factory=random.Random)
    faults: int = 0
    removed: list[str] = field(default_factory=list)

    async def post(self, page: Page, nonce: str) -> Receipt:
        return await self._by_chance("post", lambda: super(Chance, self).post(page, nonce))

    async def edit(self, message: str, page: Page) -> Receipt:
        return await self._by_chance("edit", lambda: super(Chance, self).edit(message, page))

    async def remove(self, message: str) -> None:
        self.removed.append(message)

    async def _by_chance(self, op: str, call: Callable[[], Awaitable[Receipt]]) -> Receipt:
        if not self.faults or self.rng.random() < 0.5:
            return await call()
        self.faults -= 1
        way, seconds = self.rng.choice(WAYS), self.rng.choice([0.1, 5.0, 40.0])
        if way in {"made and lost", "429 after", "timeout"}:
            await call()
        if way == "timeout":
            await asyncio.sleep(10)
            raise TimeoutError
        if "429" in way:
            raise SlowDown(seconds, f"{self.bucket}/{op}" if way == "own 429" else "another call")
        raise ConnectionError(way)


@pytest.mark.parametrize("seed", range(100))
async def test_whatever_fails_every_answer_ends_once_and_none_stays_live(seed):
    rng, store = random.Random(seed), Memory()
    words = [f"w{number} " for number in range(rng.randrange(5, 120))]
    steps = (rng.choice([0.0, 30.0]), *(step for word in words for step in (word, 0.1)))
    it = Core(Script(*steps), store, Access(), Asking())

    async def one(number: int) -> tuple[Chance, bool]:
        """Ask, and then perhaps stop or delete; return what is shown, and whether it was let be."""
        sheet = Chance(f"s{number}", limits=Limits(rng.choice([150, 2000])), rng=rng, faults=rng.randrange(9))
        await it.mention(ask(sheet, f"chat/q{number}"))
        await asyncio.sleep(rng.choice([0.0, 0.06, 1.0, 5.0, 20.0]))
        act = rng.randrange(3)
        if act == 0:
            await it.stop(Stop(f"chat/q{number}", ANN, HERE))
        elif act == 1:
            await it.deleted(Deleted(f"chat/q{number}"))
        return sheet, act == 2

    ended = await asyncio.gather(*(one(number) for number in range(rng.randrange(1, 6))))
    await asyncio.sleep(3_600)
    assert not it._lives
    assert not await store.unfinished("chat")
    for sheet, whole in ended:
        shown = {message: page for message, page in sheet.shown.items() if message not in sheet.removed}
        assert not any(page.live for page in shown.values())
        assert len(set(sheet.nonces.values())) == len(sheet.nonces)
        if whole:
            assert " ".join(page.text for page in shown.values()).split() == "".join(words).split()
