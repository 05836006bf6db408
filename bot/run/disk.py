"""What `rivulet doctor` finds where the ledger is: in a folder, or in Redis."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from bot.config import Settings
from bot.platform import Finding
from bot.run.look import left_behind
from bot.store.examine import findings

#: Bytes that must be free where the ledger is: a day of a busy bot, and room for SQLite's log.
FREE = 256 * 2**20


async def kept(settings: Settings) -> Sequence[Finding]:
    """Say how the ledger is, where it is."""
    url = settings.store.get_secret_value()
    if not url:
        return await asyncio.to_thread(_ledger, settings.data)
    from bot.store.redis.opening import findings_at  # noqa: PLC0415  most bots need no Redis

    behind = [Finding(ok=False, text=line) for line in filter(None, [left_behind(settings)])]
    return [*await findings_at(url), *behind]


def _ledger(folder: Path) -> list[Finding]:
    """Say how the data folder and the ledger in it are; nothing there is changed."""
    found = [Finding(ok=False, text=line) for line in findings(folder)]
    try:
        there = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path("/"))
        free = shutil.disk_usage(there).free
        mode = folder.stat().st_mode if folder.is_dir() else 0
    except OSError:
        return found
    if free < FREE:
        text = f"RIVULET_DATA: {free / 2**20:.0f} MB are free where {folder} is"
        found.append(
            Finding(ok=False, text=text, fix=f"make room: it should be {FREE / 2**20:.0f} MB or more")
        )
    if mode & 0o077:
        text = f"RIVULET_DATA: {folder} can be read by others on this host"
        found.append(Finding(ok=False, text=text, fix=f"chmod 700 {folder}"))
    return found or [Finding(ok=True, text=f"{folder}, {free / 2**30:.1f} GB free")]
