"""The data folder: made if it is not there, and one process's alone.

The lock is the kernel's, so it never outlives its process, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

import structlog

from bot.platform import Unavailable

log = structlog.get_logger(__name__)


class Folder:
    """A data folder.

    Args:
        path: Where.

    Attributes:
        path: Where.
        usable: Whether it can be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.usable = False
        self._lock: int | None = None
        self._lost = False

    def hold(self) -> None:
        """Make it and keep other processes off.

        Raises:
            Unavailable: When another process holds it.
        """
        if (lock := self._opened()) is None:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 32).decode(errors="replace").strip() or "?"
            os.close(lock)
            raise Unavailable(
                f"RIVULET_DATA: another Rivulet (process {holder}) runs on {self.path}; stop it first, "
                "or give each a folder of its own."
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError:  # a full disk; the lock holds anyway
            pass
        self._lock, self.usable = lock, True

    def expect_held(self) -> None:
        """Hold the folder that is there now, should it have been deleted and made anew.

        Raises:
            OSError: Another process holds it.
        """
        if self._lock is None and not self._lost:
            return
        with suppress(FileNotFoundError):
            if self._lock and os.path.samestat(os.fstat(self._lock), (self.path / "lock").stat()):
                return
        self._lost = True
        self.release()
        try:
            self.hold()
        except Unavailable as error:
            raise OSError(errno.EBUSY, "another Rivulet has the folder: stop one of them") from error

    def _opened(self) -> int | None:
        """Make the folder, and open its lock; None, which is logged, if that can't be done."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.error(  # noqa: TRY400  said in one line
                "RIVULET_DATA cannot be written to: nothing will survive a restart",
                folder=str(self.path),
                error=error.strerror,
            )
            return None

    def release(self) -> None:
        """Let other processes have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
