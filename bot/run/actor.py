"""The bot of `rivulet demo`, in a process of its own, so that it can be killed: `python -m bot.run.actor`.

It does what `rivulet run` does, with the settings that a line on standard input has; it must never outlive
the process that wrote it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from importlib import import_module
from typing import Any

import adapters
from bot.config import Settings
from bot.run.demo import tools
from bot.run.start import start


def main() -> None:
    """Import what takes seconds, then take the settings and serve."""
    gc.disable()  # see `bot.run.cli.main`
    importing = threading.Thread(target=_import, daemon=True)
    importing.start()
    line = sys.stdin.readline()
    if not line:
        return
    threading.Thread(target=_watch, daemon=True).start()
    importing.join()
    sys.exit(asyncio.run(serve(**json.loads(line))))


async def serve(bot: dict[str, Any], platforms: dict[str, Any]) -> int:
    """Serve all platforms; *bot* and *platforms* are settings by the names of their variables."""
    makes = [adapters.find(name, _env_file=None, **platforms) for name in adapters.NAMES]
    return await start(Settings(**bot), [make for make in makes if make], tools())


def _import() -> None:
    for name in ("model", "supervise"):
        import_module(f"bot.run.{name}")


def _watch() -> None:
    """End when standard input does."""
    while sys.stdin.readline():
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
