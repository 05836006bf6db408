"""`rivulet backup` and `rivulet restore`: the ledger as one file, also out of and into a container."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

from bot.platform import Unavailable
from bot.run.orders import IN_REDIS, order
from bot.store.examine import NAME
from bot.store.folder import Folder
from bot.store.snapshot import restore

#: Stands for standard output and input, through which a container's file system is left.
STANDARD = "-"


async def backup(data: Path, to: str, url: str = "") -> str:
    """Write a copy of the ledger in *data* to the file *to*, also while the bot runs; return what to say.

    A file that is there already is replaced once the copy is whole.

    Raises:
        Unavailable: That can't be done; in the Redis at *url* it never can.
    """
    if to != STANDARD and _is_ledger(Path(to), data):
        raise Unavailable(f"{to} is the ledger itself, or one that lies beside it: name another file.")
    copy = data / (await order(data, {"backup": True}, url))["backup"]
    try:
        size = copy.stat().st_size
        if to == STANDARD:
            with copy.open("rb") as source:
                shutil.copyfileobj(source, sys.stdout.buffer)
            return ""
        _put(copy, Path(to))
    except OSError as error:
        raise Unavailable(
            f"{to or 'A file without a name'} can't be written ({error.strerror or error})."
        ) from None
    finally:
        copy.unlink(missing_ok=True)
    return (
        f"{to}: {size:,} bytes. It has what people asked and were answered lately: keep it as you keep .env."
    )


def _is_ledger(path: Path, data: Path) -> bool:
    """Tell whether *path* is one of the files of the ledger in *data*."""
    return path.resolve().parent == data.resolve() and path.name.startswith(NAME)


def _put(copy: Path, to: Path) -> None:
    """Let the file *to* be *copy*; never half of it, and for its owner alone."""
    if not to.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    part = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with copy.open("rb") as source:
                shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def put_back(data: Path, source: str, url: str = "") -> str:
    """Put the copy in the file *source* in place of the ledger in *data*; return what to say.

    Raises:
        Unavailable: A bot runs there, that is no copy of a ledger, or the ledger is in the Redis at *url*.
    """
    if url:
        raise Unavailable(f"RIVULET_STORE: {IN_REDIS}")
    folder = Folder(data)
    folder.hold()
    if not folder.usable:
        raise Unavailable(f"RIVULET_DATA: {data} can't be written to.")
    try:
        if source == STANDARD:
            before = restore(data, sys.stdin.buffer)
        else:
            with Path(source).open("rb") as file:
                before = restore(data, file)
    except OSError as error:
        raise Unavailable(f"{source}: {error.strerror or error}.") from None
    finally:
        folder.release()
    kept = f" The one before lies beside it as {before}, for seven days." if before else ""
    return f"{data}: the ledger is what {source} holds. Start the bot.{kept}"
