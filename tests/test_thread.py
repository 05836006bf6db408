"""The thread that has the ledger's file: in order, and nobody who waits is forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from bot.store.thread import Thread


@pytest.fixture
def thread():
    thread = Thread("under test")
    yield thread
    thread.end()


async def test_work_is_done_in_order_and_away_from_the_loop(thread):
    done: list[int] = []
    where = await thread.run(threading.current_thread)
    assert where is not threading.current_thread()
    await asyncio.gather(*(thread.run(lambda number=number: done.append(number)) for number in range(50)))
    assert done == [*range(50)]


async def test_what_work_raises_comes_to_who_waits_and_the_next_is_done(thread):
    def fail() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await thread.run(fail)
    assert await thread.run(lambda: 1) == 1


async def test_work_that_nobody_waits_for_any_more_is_left_out(thread):
    goes_on = threading.Event()
    first = asyncio.create_task(thread.run(goes_on.wait))
    done: list[int] = []
    second = asyncio.create_task(thread.run(lambda: done.append(2)))
    third = asyncio.create_task(thread.run(lambda: done.append(3)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    goes_on.set()
    await asyncio.gather(first, third)
    assert done == [3]


@pytest.mark.parametrize("end", [Thread.end, lambda _thread: None], ids=["told", "forgotten"])
async def test_it_ends_after_what_it_was_told(end: Callable[[Thread], None]):
    thread = Thread("under test")
    started = await thread.run(threading.current_thread)
    done: list[int] = []
    thread.tell(lambda: done.append(1), lambda _result, _error: None)
    end(thread)
    del thread
    gc.collect()
    await asyncio.to_thread(started.join, 10)
    assert not started.is_alive()
    assert done == [1]


@pytest.mark.parametrize("begun", [True, False])
async def test_who_tells_it_something_after_its_end_does_not_wait_forever(begun: bool):
    thread = Thread("under test")
    if begun:
        await thread.run(lambda: 1)
    thread.end()
    with pytest.raises(RuntimeError, match="'under test' was told to end"):
        await asyncio.wait_for(thread.run(lambda: 2), 10)


def test_a_loop_that_is_closed_before_the_work_is_done_does_not_end_the_thread(thread):
    goes_on = threading.Event()

    async def leave() -> None:
        thread.tell(goes_on.wait, lambda _result, _error: None)

    asyncio.run(leave())
    goes_on.set()
    assert asyncio.run(thread.run(lambda: 1)) == 1
