"""How a response is read, on a clock that jumps; its longest event is a test of `test_claude`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.model.bounded import EACH, FEW, REST, Bounded, Crowd

pytestmark = pytest.mark.jump


class Response:
    """One that sends a piece each 10 ms, joined with what was not read meanwhile."""

    def __init__(self, pieces: int) -> None:
        self._left = [b"data: x\n\n"] * pieces
        self._next = 0.0

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        self._next = loop.time() + 0.01
        while self._left:
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            came = 1 + int((loop.time() - self._next + 1e-9) / 0.01)
            self._next += came * 0.01
            yield b"".join(self._left[:came])
            del self._left[:came]


async def reads(size: int) -> list[bytes]:
    crowd = Crowd()
    crowd.size = size
    return [chunk async for chunk in Bounded(Response(100), 1000, crowd).aiter_bytes()]


@pytest.mark.parametrize("size", [1, FEW])
async def test_of_few_each_is_read_as_it_comes(size):
    assert len(await reads(size)) == 100


@pytest.mark.parametrize("size", [FEW + 50, FEW + 100, FEW + 100_000])
async def test_of_many_each_is_read_less_often_and_nothing_of_it_is_lost(size):
    read = await reads(size)
    assert b"".join(read) == b"data: x\n\n" * 100
    assert read[0] == b"data: x\n\n"  # the first is not waited for
    assert len(read) == pytest.approx(1 + 1 / min(REST, EACH * (size - FEW)), rel=0.3, abs=1)
