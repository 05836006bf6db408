"""A clock that jumps, for real SDKs on real sockets: it stands still while a thread works."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

#: Seconds of real time between two looks at what a thread does.
LOOK = 0.002
#: Before a jump of so many seconds, so many seconds of real time are waited: on a busy machine the kernel may
#: hand over what went through a loopback socket a little later, and a time limit must not overtake it.
LONG, GRACE = 5.0, 0.005


class _Selector(selectors.DefaultSelector):
    """Adds the timeout to the loop's time where a real selector would sleep."""

    loop: SocketJumpLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        while not ready and self.loop.threads and timeout != 0:
            ready = super().select(LOOK)
        if not ready and (timeout is None or timeout >= LONG):
            ready = super().select(GRACE)
        if not ready and timeout:
            self.loop.jumped += timeout
        elif not ready and timeout is None:
            raise RuntimeError("deadlock: every task waits and nothing is scheduled")
        return ready


class SocketJumpLoop(asyncio.SelectorEventLoop):
    """An event loop whose time only moves when every task waits and no thread works.

    Attributes:
        threads: How many calls run in threads.
    """

    def __init__(self) -> None:
        selector = _Selector()
        self.jumped = 0.0
        self.threads = 0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Return the virtual time."""
        return self.jumped

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """See `asyncio.AbstractEventLoop.run_in_executor`."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._left)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """See `asyncio.loop.shutdown_default_executor`: that waits for a thread too."""
        self.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.threads -= 1

    def _left(self, _future: asyncio.Future[Any]) -> None:
        self.threads -= 1
