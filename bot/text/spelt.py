"""Files of ours as markdown, for where they can't be attached.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.events import File

_TICKS = re.compile("`{3,}")


def spelt(files: Iterable[File]) -> str:
    """Return *files*, which are text, as markdown: the name of each, and a block of code with its content."""
    return "\n\n".join(_block(file) for file in files)


def _block(file: File) -> str:
    text = file.data.decode(errors="replace").removesuffix("\n")
    fence = "`" * (1 + max((len(found) for found in _TICKS.findall(text)), default=2))
    return f"`{file.name}`\n{fence}{file.name.rpartition('.')[2]}\n{text}\n{fence}\n"
