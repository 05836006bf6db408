"""Looks now and then whether `config.toml` has changed: what is good holds, what is not is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from bot.config.rules import Rulebook
from bot.run.configured import ConfigFile, Stamp, stamp
from bot.run.places import Places
from bot.unavailable import Unavailable

log = structlog.get_logger(__name__)

#: Seconds between two looks.  A change counts once it looked the same twice: editors write in pieces.
LOOK = 1.0
GONE = "it is not there any more; what it said last holds until the bot is restarted"

#: Told to whoever should know: that the file is wrong, or good again.
Tell = Callable[[str], None]


@asynccontextmanager
async def watching(
    config: ConfigFile | None, places: Places, before: Stamp, tell: Tell | None = None
) -> AsyncIterator[None]:
    """Let what the file says hold in *places* whenever it changes, while the block runs; see `watch`."""
    if config is None:
        yield
        return
    task = asyncio.create_task(watch(config, places, before, tell))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def watch(config: ConfigFile, places: Places, before: Stamp, tell: Tell | None = None) -> None:
    """Let what the file says hold in *places* whenever it changes; runs until it is cancelled.

    Args:
        config: The file.
        places: Where it holds.
        before: What it was known by when it was read.
        tell: Gets a sentence when a file is wrong, and when that is over.
    """
    read = seen = before
    while True:
        await asyncio.sleep(LOOK)
        now = stamp(config.path)
        if now == seen and now != read:
            read = now
            trouble = await _again(config, places) if now else GONE
            _note(config, places.book, trouble, tell)
        seen = now


async def _again(config: ConfigFile, places: Places) -> str:
    """Read the file anew, and let it hold if it is good; return what is wrong with it."""
    try:
        written = await asyncio.to_thread(config.read)
        toolsets = await asyncio.to_thread(config.toolsets, written)
    except Unavailable as error:
        return str(error)
    except Exception as error:
        log.exception("config.toml can't be read anew")
        return f"{config.path} can't be read anew ({type(error).__name__})."
    places.take(written, toolsets)
    return ""


def _note(config: ConfigFile, book: Rulebook, trouble: str, tell: Tell | None) -> None:
    before, book.trouble = book.trouble, trouble
    name = str(config.path)
    if trouble:
        log.error("the old rules hold: the file is wrong", file=name, reason="; ".join(trouble.splitlines()))
    else:
        log.info("new rules hold for the next question", file=name)
    if tell and trouble != before:
        tell(f"{name} is wrong; what it said before holds. {trouble}" if trouble else f"{name} holds again.")
