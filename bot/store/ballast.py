"""A file that reserves disk space: deleted when the disk is full, so that the ledger can go on being written.

Every call blocks.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAME = "ballast"
#: Bytes: days of questions, and more than a write-ahead log may take.
SIZE = 16 * 2**20
#: The ballast is made where this many times its size is free.
PLENTY = 4


class Ballast:
    """A file of zeros.

    Args:
        folder: Where it lies.

    Attributes:
        spent: Whether it was deleted, and not made again yet.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.spent = False

    def take(self) -> None:
        """Make the file if there is plenty of room; else go without it."""
        try:
            if self._path.exists() or shutil.disk_usage(self._path.parent).free < PLENTY * SIZE:
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as zeros:
                zeros.write(bytes(SIZE))
            self.spent = False
        except OSError:
            self._path.unlink(missing_ok=True)

    def drop(self) -> bool:
        """Delete the file; return whether there was one."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self.spent = True
        return True
