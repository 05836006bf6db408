"""What is unpacked or parsed to be read, read in a process of its own.

A small file can be made to need gigabytes or minutes there.  The process may take so much memory and time and
no more, and nothing else waits for it.  It is given the file, and none of the bot's environment, where the
secrets are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Literal

from bot.files.reading import LARGE, LATE, Read, Unreadable

Kind = Literal["notebook", "office", "pdf"]
#: Such processes at once, and seconds to wait for one's turn.
AT_ONCE, TURN = 2, 15.0
#: Seconds that one may take: longer than its own bound on processor time, for a machine that is busy.
SECONDS = 15.0
#: What it is given of the environment: where a Python may need it to find its own libraries.
KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
ROOT = str(Path(__file__).parents[2])
_TURNS = BoundedSemaphore(AT_ONCE)


def read(kind: Kind, data: bytes) -> Read:
    """Return what `bot.files.__main__` reads of the file *data*; see there.

    Raises:
        Unreadable: It can't be read, or not with so much memory and time.
        RuntimeError: The process could not run.
    """
    if not _TURNS.acquire(timeout=TURN):
        raise Unreadable(LATE)
    try:
        done = subprocess.run(  # noqa: S603  nothing of it is anybody's words
            [sys.executable, "-P", "-m", "bot.files", kind],
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the bot
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(LATE) from None
    finally:
        _TURNS.release()
    return _told(done, data)


def _environment() -> dict[str, str]:
    """Return an environment in which modules are found where this process finds them."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join([ROOT, *filter(None, sys.path)])}


def _told(done: subprocess.CompletedProcess[bytes], data: bytes) -> Read:
    """Return what a process wrote before it ended; one that was killed had used up what it may take.

    Raises:
        RuntimeError: It could not run at all.
    """
    if done.returncode < 0 or b"MemoryError" in done.stderr:
        raise Unreadable(LARGE)
    if done.returncode:
        raise RuntimeError(f"a file's reader failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    if "why" in told:
        raise Unreadable(told["why"])
    return Read(told["type"], told["text"].encode() or data, told["pages"], cut=told["cut"])
