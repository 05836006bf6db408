"""A thread that does what it is told, in order, and tells the event loop what came of it.

An executor makes a future of its own for each piece of work and passes it on under locks.  Where the work
takes less than a tenth of a millisecond, that is most of the time.  Here is a queue, and one call back.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread as Started
from typing import Any, TypeVar

Result = TypeVar("Result")
#: Is given what the work has returned, or None and what it has raised.
Then = Callable[[Any, BaseException | None], None]
Job = tuple[asyncio.AbstractEventLoop, Callable[[], Any], Then]


class Thread:
    """A thread that begins with the first work, and ends when it is told to or nobody has this any more.

    Args:
        name: What it is called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._started: Started | None = None
        self._ended = False

    def tell(self, work: Callable[[], Any], then: Then) -> None:
        """Have *work* done, and *then* called in the event loop that runs now.

        Raises:
            RuntimeError: It was told to end.
        """
        if self._ended:
            raise RuntimeError(f"the thread {self._name!r} was told to end")
        if self._started is None:
            # A daemon, so that a process ends that could not close its ledger.
            self._started = Started(target=_work, args=(self._jobs,), name=self._name, daemon=True)
            self._started.start()
            weakref.finalize(self, self._jobs.put, None)
        self._jobs.put((asyncio.get_running_loop(), work, then))

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what *work* returns; it is left out if nobody waits for it when its turn comes.

        Raises:
            BaseException: What *work* raises; or as `tell`.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.tell(lambda: None if future.cancelled() else work(), done)
        return await future

    def end(self) -> None:
        """Let it end after what it was told."""
        self._ended = True
        self._jobs.put(None)


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while job := jobs.get():
        loop, work, then = job
        result = error = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  whoever waits gets it
            error = raised
        try:  # noqa: SIM105  quicker than a context manager
            loop.call_soon_threadsafe(then, result, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits
        del job, work, then, result, error  # so that nothing of it stays while this waits
