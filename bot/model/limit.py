"""A limit on how long each of many waits may take, with one timer for all of them.

`asyncio.timeout` makes and cancels a timer for each, which costs as much as all else that is done about an
event; here the timer is left alone while the limit moves away, as it does with every event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Found = TypeVar("Found")


class Limit:
    """Ends waits that take too long, one at a time.  Must be closed.

    Attributes:
        expired: Whether the newest wait took too long.
    """

    def __init__(self) -> None:
        self.expired = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._task: asyncio.Task[object] | None = None  # that waits

    async def wait(self, coming: Awaitable[Found], until: float) -> Found:
        """Return what *coming* gives, or raise what it raises.

        Raises:
            TimeoutError: That takes longer than *until*, by the loop's clock.
        """
        task = asyncio.current_task()
        assert task  # noqa: S101  a coroutine runs in one
        before = task.cancelling()
        self._task, self._until, self.expired = task, until, False
        if self._timer is None or self._timer.when() > until:
            self._set(until)
        try:
            return await coming
        except asyncio.CancelledError as error:
            if self.expired and task.uncancel() <= before:
                raise TimeoutError from error
            raise
        finally:
            self._task = None

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self, until: float) -> None:
        self.close()
        self._timer = self._loop.call_at(until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._until:
            self._set(self._until)
        else:
            self.expired = True
            self._task.cancel()
