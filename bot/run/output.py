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
#: Standard output takes no more.
FULL = 74


def stray(words: Iterable[str]) -> str:
    """Return what is wrong with the arguments *words*; "" if all are text."""
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            return f"{word!a} is not UTF-8"
    return ""


@contextmanager
def whole() -> Iterator[None]:
    """Let what the block writes be shown on any terminal; end quietly where nobody reads it any more."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        # What is left in memory would be written at the end of the process, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            sys.stderr.write(f"rivulet: standard output can't be written ({error.strerror}).\n")
        sys.exit(GONE if error.errno == errno.EPIPE else FULL)
