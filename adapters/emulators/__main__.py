"""All emulators in one process: `python -m adapters.emulators`.

Prints one JSON line with their addresses when all of them listen.  It must never outlive the
process that started it: it ends on SIGTERM, on SIGINT, and when a piped standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys

from .claude import Claude
from .control import Emulator
from .discord import Discord
from .slack import Slack


async def serve(slack: int, discord: int, claude: int, theatre: int | None, host: str) -> None:
    """Run the emulators on these ports, 0 for a free one, until told to end; with *theatre*, its page too."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    world = Slack(), Discord(), Claude()
    emulators: dict[str, tuple[Emulator, int]] = dict(
        zip(("slack", "discord", "claude"), zip(world, (slack, discord, claude), strict=True), strict=True)
    )
    if theatre is not None:
        from .theatre import Theatre  # noqa: PLC0415 - nobody else waits for it

        emulators["theatre"] = Theatre(*world, host=host), theatre
    watch = asyncio.create_task(_watch_parent(over))
    try:
        for emulator, port in emulators.values():
            await emulator.start(port)
        print(json.dumps({name: emulator.url for name, (emulator, _) in emulators.items()}), flush=True)  # noqa: T201 - its one line
        await over.wait()
    finally:
        watch.cancel()
        await asyncio.gather(*(emulator.stop() for emulator, _ in emulators.values()))


async def _watch_parent(over: asyncio.Event) -> None:
    """Set *over* at the end of standard input, if that is a pipe (asyncio makes it a socket pair)."""
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
    over.set()


def main() -> None:
    """Parse the ports and serve."""
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators", description=__doc__)
    for name in ("slack", "discord", "claude"):
        parser.add_argument(f"--{name}-port", dest=name, type=int, default=0, help="default: a free one")
    parser.add_argument("--theatre-port", dest="theatre", type=int, help="default: no theatre")
    parser.add_argument("--theatre-host", dest="host", default="127.0.0.1", help="default: 127.0.0.1")
    asyncio.run(serve(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
