"""What a command reads from its line and writes to the terminal: text, whatever the terminal can show."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper

#: What the shell sees of a command whose reader has gone, as of `yes | head`.
GONE = 141
#: Standard output takes no more, or was closed.
FULL = 74


def stray(words: Iterable[str]) -> str:
    """Return what is wrong with the arguments *words*; "" if all are text."""
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            return f"{word!a} is not UTF-8"
    return ""


def _opened() -> list[str]:
    """Open the streams that were closed at the start, else other files get their numbers; return them."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        way = os.O_RDONLY if name == "stdout" else os.O_RDWR
        number = os.open(os.devnull, way)  # the lowest that is free, so that very one
        setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w"))
    return closed


@contextmanager
def whole() -> Iterator[None]:
    """Let what the block writes be shown on any terminal; end quietly where nobody reads it any more.

    What is written to an output that is closed is an error: it would be lost.
    """
    unwritten = {errno.ENOSPC, *([errno.EBADF] if "stdout" in _opened() else [])}
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in {errno.EPIPE, *unwritten}:
            raise
        # What is left in memory would be written at the end of the process, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in unwritten:
            sys.stderr.write(f"rivulet: standard output can't be written ({error.strerror}).\n")
        sys.exit(GONE if error.errno == errno.EPIPE else FULL)
