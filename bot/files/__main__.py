"""Read one file of a kind that is unpacked or parsed: `python -m bot.files KIND`; see `bot.files.apart`.

The file comes on stdin.  One JSON object goes to stdout: what a `Read` has, with its "text" instead of its
data, which is empty for a PDF; or only "why" it can't be read.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.files import documents, notebooks, office
from bot.files.reading import LARGE, Read, Unreadable

#: Bytes of addresses, and seconds of processor time.
MEMORY, SECONDS = 192 * 2**20, 5
READERS: Mapping[str, Callable[[bytes], Read]] = {
    "notebook": notebooks.read,
    "office": office.read,
    "pdf": documents.read,
}


def main(kind: str) -> None:
    """Read a file of a *kind*, one of `READERS`."""
    _bound()
    try:
        told = _told(READERS[kind](sys.stdin.buffer.read()))
    except Unreadable as error:
        told = {"why": str(error)}
    except MemoryError:
        told = {"why": LARGE}
    sys.stdout.write(json.dumps(told))


def _bound() -> None:
    """Bound what this process takes; where memory is short all the same, it goes before the bot does."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _told(found: Read) -> dict[str, Any]:
    text = found.data.decode() if found.type.startswith("text/") else ""
    return {"type": found.type, "text": text, "pages": found.pages, "cut": found.cut}


if __name__ == "__main__":
    main(sys.argv[1])
