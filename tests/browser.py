"""A real browser for tests: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from bot.run import chromium as ours
from bot.unavailable import Unavailable

#: What a test that needs one says where there is none.
MISSING = ours.MISSING
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
#: Milliseconds that anything may take in it, on a machine that is busy with other things.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)  # of all modules: there is one such setting


def chromium() -> Path | None:
    """Return where Chromium is, if it is anywhere."""
    try:
        return Path(ours.found())
    except Unavailable:
        return None


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """Run Chromium while the block runs."""
    async with async_playwright() as playwright:
        run = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield run
        finally:
            await run.close()


@asynccontextmanager
async def browser(**options: Any) -> AsyncIterator[BrowserContext]:
    """Run Chromium with one context while the block runs; *options* are those of a Playwright context."""
    async with launched() as run:
        yield await run.new_context(**options)
