"""Commands that are forked: what they write is for all who ask."""

from __future__ import annotations

import asyncio

import pytest

from tests.warm import forked


async def test_what_a_process_writes_is_told_to_all_who_ask(tmp_path):
    async with forked("json.tool", cwd=tmp_path, env={}) as process:
        asking = [process.communicate(b"[]"), process.communicate(), process.wait(), process.wait()]
        assert await asyncio.gather(*asking) == [(b"[]\n", b""), (b"[]\n", b""), 0, 0]
        assert await process.communicate() == (b"[]\n", b"")


async def test_an_error_is_seen_as_it_is_while_somebody_reads_what_the_process_writes(tmp_path):
    reading: list[asyncio.Task[tuple[bytes, bytes]]] = []

    async def fails() -> None:
        async with forked("this", cwd=tmp_path, env={}, code="import time; time.sleep(600)") as process:
            reading.append(asyncio.create_task(process.communicate()))
            await asyncio.sleep(0.1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await asyncio.wait_for(reading[0], 60) == (b"", b"")
