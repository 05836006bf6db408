"""The emulators in a process of their own, for tests and benches.

In another process they can't share the event loop of what is measured.  The process must never
be left behind: it also ends by itself when ours does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from .control import Remote

#: Seconds that the process gets to end by itself; it takes 0.5 for open connections (control.py).
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class World:
    """The three services, and the theatre if there is one; each `url` says where."""

    slack: Remote
    discord: Remote
    claude: Remote
    theatre: Remote | None = None


@asynccontextmanager
async def spawned(theatre: int | None = None, host: str = "127.0.0.1") -> AsyncIterator[World]:
    """Run all emulators in a process of their own, as long as the block runs.

    Args:
        theatre: The port of the theatre's page, another one if it is taken; None for no theatre.
        host: Where that page listens.

    Raises:
        RuntimeError: The process ended before its emulators listened.
    """
    page = () if theatre is None else ("--theatre-port", str(theatre), "--theatre-host", host)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.emulators", *page, stdin=PIPE, stdout=PIPE, process_group=0
    )
    try:
        urls = await _addresses(process)
        # A long poll of the log may take as long as it likes.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            yield World(**{name: Remote(session, url) for name, url in urls.items()})
    finally:
        await _end(process)


async def _addresses(process: Process) -> dict[str, str]:
    line = await process.stdout.readline() if process.stdout else b""
    if not line:
        code = await process.wait()
        raise RuntimeError(
            f"the emulators ended at their start with exit code {code}; see their output above"
        )
    urls: dict[str, str] = json.loads(line)
    return urls


async def _end(process: Process) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
