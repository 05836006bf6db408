"""Colours for code, made in a process of their own.

Some languages' lexers take minutes for a text that was made for that, in one call that nothing in the bot's
own process could interrupt.  Here a timer ends the process, and the code stays as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from adapters.web.drawing import coloured

#: Seconds of CPU that a block may take; seconds that the process waits for one, and that it is waited for.
TAKES, WAITS, PATIENCE = 2, 60, 6.0
#: Bytes of a block.
ROOM = 2**20


class Colours:
    """Colours blocks, one after the other."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def of(self, html: str) -> str:
        """Return *html* with its code in colours; as it is, where that takes too long."""
        asked = json.dumps(html).encode() + b"\n"
        async with self._turn:
            if self._closed or len(asked) > ROOM:
                return html
            with suppress(OSError, ValueError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    return await self._asked(asked)
            await self._end()  # it is over this block that it ended, or will not
        return html

    async def _asked(self, asked: bytes) -> str:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__),
                env={"PYTHONPATH": os.pathsep.join(sys.path)},  # and none of the bot's secrets
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=8 * ROOM,
            )
        wires = self._process.stdin, self._process.stdout
        assert wires[0]  # noqa: S101  they are pipes
        assert wires[1]  # noqa: S101  the same
        wires[0].write(asked)
        await wires[0].drain()
        return str(json.loads(await wires[1].readline()))

    async def close(self) -> None:
        """Colour no more."""
        self._closed = True
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def main() -> None:
    """Colour what comes in, a line a block, until there is no more."""
    while True:
        signal.alarm(WAITS)
        asked = sys.stdin.buffer.readline()
        if not asked:
            return
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, TAKES)  # a busy machine costs no colours
        sys.stdout.write(json.dumps(coloured(json.loads(asked))) + "\n")
        sys.stdout.flush()
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
