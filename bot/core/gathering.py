"""Fetching the files of one question, while its history is read and its placeholder is written.

A few at a time, so that no more than those are in memory as they came.  A file that does not come, or that
nobody can read, costs a bounded time and itself, never the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import structlog

from bot.core.files import FULL, Found, Room, chosen
from bot.events import File
from bot.files import LATE, Bounds, Read, read
from bot.platform import Gone, SlowDown, Unreadable
from bot.text.heard import visible

log = structlog.get_logger(__name__)

#: Files that one answer, and that all answers together, fetch at once.
AT_ONCE, ALL_AT_ONCE = 3, 6
#: Threads in which they are made smaller or into text.
THREADS = 2
#: Seconds that one file may take to come and to be read, and all files of an answer.
FETCHING, READING, ALTOGETHER = 20.0, 20.0, 30.0
#: Seconds before each new try to fetch one.
AGAIN = (0.5, 2.0)
#: Bytes of what was read that all answers hold at once.
HELD = 96_000_000
LOST = "it could not be fetched"
BROKEN = "it could not be read"

#: Fetches a file of at most so many bytes; see `Surface.fetch`.
Fetch = Callable[[File, int], Awaitable[bytes]]


class Desk:
    """Where files are read; all answers of a core share it.

    Args:
        bounds: How much is read for one answer.

    Attributes:
        bounds: The same.
        free: Bytes that all answers together may still hold of what was read.
        lanes: How many are fetched at once.
        threads: Where they are read.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.free = HELD
        self.lanes = asyncio.Semaphore(ALL_AT_ONCE)
        self.threads = ThreadPoolExecutor(THREADS, "files")

    async def read(self, file: File, data: bytes) -> Read:
        """Return what the model reads of *file*, which has the content *data*.

        Raises:
            Unreadable: It is none that can be read.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self.threads, _read, file.name, file.type, data, self.bounds)
        try:
            async with asyncio.timeout(READING):
                return await work
        except TimeoutError:
            log.warning("a file was not read in time", type=file.type, size=len(data))
            raise Unreadable(LATE) from None


def _read(name: str, claimed: str, data: bytes, bounds: Bounds) -> Read:
    """See `bot.files.read`; a text without what nobody sees in it."""
    found = read(name, claimed, data, bounds)
    if not found.type.startswith("text/"):
        return found
    return replace(found, data=visible(found.data.decode()).encode())


class Gathering:
    """The files of one answer.

    Args:
        desk: Where they are read.
        fetch: Fetches one.
    """

    def __init__(self, desk: Desk, fetch: Fetch) -> None:
        self._desk = desk
        self._fetch = fetch
        self._room = Room(desk.bounds.count)
        self._held = 0
        self._found: dict[File, Read | str] = {}
        self._queue: deque[File] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = asyncio.get_running_loop().time()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, files: Iterable[File]) -> None:
        """Begin to fetch those of *files* that are read; those added first go first."""
        told = chosen((file for file in files if file not in self._found), self._desk.bounds, self._room)
        self._found |= {file: why or LATE for file, why in told.items()}
        self._queue += [file for file, why in told.items() if not why]
        working = sum(not task.done() for task in self._tasks)
        for _ in range(min(AT_ONCE - working, len(self._queue))):
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def busy(self) -> bool:
        """Whether some files have not come yet."""
        return bool(self._tasks)

    async def wait(self, seconds: float = ALTOGETHER) -> None:
        """Wait until all have come, at most so many *seconds*; and never longer than `ALTOGETHER` in all."""
        left = self._began + ALTOGETHER - asyncio.get_running_loop().time()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(0.0, min(seconds, left)))

    def give_back(self) -> None:
        """Let other answers hold as much as these files do; once nobody holds what was read of them."""
        self._desk.free += self._held
        self._held = 0
        self._found.clear()

    @property
    def found(self) -> Found:
        """What became of all files so far."""
        return dict(self._found)

    async def _work(self) -> None:
        while self._queue:
            file = self._queue.popleft()
            try:
                async with self._desk.lanes:
                    data = await self._data(file)
                    self._keep(file, await self._desk.read(file, data))
                    del data
            except Unreadable as why:
                self._found[file] = str(why)
            except Exception:
                log.exception("a file was not read", type=file.type, size=file.size)
                self._found[file] = BROKEN

    def _keep(self, file: File, found: Read) -> None:
        size = len(found.data)
        if size > self._desk.free or not self._room.take(found):
            self._found[file] = FULL
            return
        self._desk.free -= size
        self._held += size
        self._found[file] = found

    async def _data(self, file: File) -> bytes:
        try:
            async with asyncio.timeout(FETCHING):
                return await self._tried(file)
        except TimeoutError:
            raise Unreadable(LATE) from None

    async def _tried(self, file: File) -> bytes:
        for pause in (*AGAIN, None):
            try:
                return await self._fetch(file, self._desk.bounds.size)
            except Gone as gone:
                raise Unreadable("it is gone") from gone
            except SlowDown as slow:
                wait = slow.retry_after
            except OSError as error:
                log.info("a file did not come", type=file.type, error=repr(error))
                wait = pause or 0.0
            if pause is not None:
                await asyncio.sleep(wait)
        raise Unreadable(LOST)
