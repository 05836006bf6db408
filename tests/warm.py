"""Commands in processes of their own, forked from one that has imported what they need: a start costs little.

It is the same program, with folder, environment, arguments, streams, signals and exit code of its own.  What
can't be seen in it is what is imported when, and that a cold start works: tests of that start Python itself,
and so do `rivulet demo --check` and the benches.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import multiprocessing
import os
import runpy
import signal
import sys
import termios
from asyncio import StreamReader, StreamReaderProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from typing import Any

import aiohttp

from adapters.emulators.control import Remote
from adapters.emulators.process import World

#: What starts import.  A module must not be here whose values each process has to make anew, as those of
#: `bot.guard.metered`, nor what imports it.
IMPORTED = [
    "aiohttp.web",
    "anthropic",
    "discord",
    "dotenv",
    "mcp",
    "nh3",
    "prometheus_client",
    "pydantic",
    "rich.console",
    "rich.live",
    "rich.markdown",
    "rich.table",
    "slack_bolt.app.async_app",
    "slack_sdk.web.async_client",
    "structlog",
    "adapters.emulators.__main__",
    "bot.config",
    "bot.core.core",
    "bot.run.look",
]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(IMPORTED)
#: Bytes of a line that it writes.
LONGEST = 2**20


class Forked:
    """A process that runs a module as `python -m` does; it is used like one of asyncio's."""

    def __init__(
        self, module: str, words: Sequence[str], cwd: Any, env: Mapping[str, str], code: str
    ) -> None:
        pipes = [os.pipe() for _ in range(3)]
        theirs = [_Given(end[number > 0]) for number, end in enumerate(pipes)]
        self._input: int | None = pipes[0][1]
        self._outputs = [read for read, _ in pipes[1:]]
        self._transports: list[asyncio.BaseTransport] = []
        self._reading: asyncio.Task[tuple[bytes, bytes]] | None = None
        self._ending: asyncio.Task[int] | None = None
        self.stdout, self.stderr = StreamReader(LONGEST), StreamReader(LONGEST)
        self._process = FORKING.Process(target=_run, args=(module, [*words], str(cwd), {**env}, theirs, code))
        self._process.start()
        for each in theirs:
            os.close(each.fd)

    async def listen(self) -> None:
        """Begin to read what it writes."""
        loop = asyncio.get_running_loop()
        for fd, reader in zip(self._outputs, (self.stdout, self.stderr), strict=True):
            protocol = partial(StreamReaderProtocol, reader)
            transport, _ = await loop.connect_read_pipe(protocol, os.fdopen(fd, "rb", 0))
            self._transports.append(transport)

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        self._ending = self._ending or asyncio.create_task(self._ended())
        return await asyncio.shield(self._ending)

    async def _ended(self) -> int:
        loop = asyncio.get_running_loop()
        while (code := self.returncode) is None:
            ended = loop.create_future()
            loop.add_reader(self._process.sentinel, _done, ended)
            try:
                await ended
            finally:
                loop.remove_reader(self._process.sentinel)
        return code

    async def communicate(self, said: bytes = b"") -> tuple[bytes, bytes]:
        """Write *said*, close its input, and return what it writes until its end; the same if asked again."""
        if self._input is not None:
            fd, self._input = self._input, None
            await asyncio.to_thread(_write, fd, said)
        self._reading = self._reading or asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def _read(self) -> tuple[bytes, bytes]:
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return out, err

    async def end(self) -> None:
        """Kill it if it is still there; leave nothing of it but its exit code."""
        self.kill()
        await self.communicate()
        for transport in self._transports:
            transport.close()
        self._process.join()


@asynccontextmanager
async def forked(
    module: str, *words: str, cwd: Any, env: Mapping[str, str], code: str = ""
) -> AsyncIterator[Forked]:
    """Run *code* and then *module* as long as the block runs; it is killed if it is still there then."""
    process = Forked(module, words, cwd, env, code)
    try:
        await process.listen()
        yield process
    finally:
        await process.end()


def at_terminal(
    module: str, *words: str, terminal: int, cwd: Any, env: Mapping[str, str]
) -> ForkServerProcess:
    """Start *module* in a session of its own, whose terminal and streams are *terminal*: a pty's end."""
    process = FORKING.Process(target=_run_at, args=(_Given(terminal), module, [*words], str(cwd), {**env}))
    process.start()
    return process


@asynccontextmanager
async def spawned() -> AsyncIterator[World]:
    """Run all emulators in a process of their own; see `adapters.emulators.process.spawned`."""
    async with forked("adapters.emulators", cwd=os.curdir, env=os.environ) as process:
        urls = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            yield World(**{name: Remote(session, url) for name, url in urls.items()})


class _Given:
    """A descriptor that a process gets as it starts."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> Any:
        return _taken, (DupFd(self.fd),)


def _taken(given: Any) -> int:
    return int(given.detach())


def _run(module: str, words: list[str], cwd: str, env: dict[str, str], streams: list[int], code: str) -> None:
    """Become what `python -m module words` is, after *code*."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  to the end of the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(code, {})
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_at(terminal: int, module: str, words: list[str], cwd: str, env: dict[str, str]) -> None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    _run(module, words, cwd, env, [terminal, os.dup(terminal), os.dup(terminal)], "")


def _write(fd: int, said: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(fd, "wb") as file:
        file.write(said)


def _done(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
