"""Whether a request fits into the window of its model.  Pure.

Counting tokens takes a request of its own, so it is worth it only where the estimate says that it is close.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.events import File, Usage
from bot.model import Request
from bot.model.estimate import Estimate, size

#: Tokens that a model reads of which nothing is known.
WINDOW = 200_000
#: The part of the window from which on tokens are counted.
EDGE = 0.8
#: Tokens that a picture has at most, about; and bytes of a document for one token, at least.
PICTURE, DOCUMENT = 5_000, 10
#: The fields of a request that are read.
READ = ("system", "tools", "messages")


class Room:
    """Knows how much models read, and how much requests probably have."""

    def __init__(self) -> None:
        self._windows: dict[str, int] = {}
        self._estimate = Estimate()

    def told(self, model: str, window: object) -> None:
        """Take note that *model* reads *window* tokens, if that is a number."""
        if isinstance(window, int) and window > 0:
            self._windows[model] = window

    def window(self, model: str) -> int:
        """Return how many tokens *model* reads."""
        return self._windows.get(model, WINDOW)

    def is_close(self, wanted: Mapping[str, Any]) -> bool:
        """Tell whether the request *wanted* may be too long for its model."""
        text, more = weight(wanted)
        return self._estimate.tokens(text) + more > EDGE * self.window(str(wanted["model"]))

    def learn(self, wanted: Mapping[str, Any], usage: Usage) -> None:
        """Take note of how many tokens *wanted* had."""
        text, more = weight(wanted)
        if not more:
            self._estimate.learn(text, usage.input + usage.cache_read + usage.cache_write)


def weight(wanted: Mapping[str, Any]) -> tuple[int, int]:
    """Return the bytes of text in the request *wanted*, and the tokens of all else, rather too many."""
    text = more = 0
    for kind, value in _texts([wanted.get(name) for name in READ], ""):
        if kind == "base64":
            more += max(PICTURE, len(value) * 3 // 4 // DOCUMENT)
        elif kind == "image":
            more += PICTURE
        else:
            text += size(value)
    return text, more


def bulk(request: Request) -> tuple[int, int]:
    """Return, about, what `weight` returns of what *request* is made into, without its tools."""
    text, more = size(request.system), 0
    for turn in request.turns:
        text += size(turn.text) + size(turn.aside)
        for kind, value in _texts(turn.blocks, "") if turn.blocks else ():
            more += PICTURE if kind else 0
            text += 0 if kind else size(value)
        for file in turn.files:
            if _is_text(file):
                text += len(file.data)
            else:
                more += max(PICTURE, len(file.data) // DOCUMENT)
    return text, more


def _is_text(file: File) -> bool:
    return not file.type.startswith("image/") and file.type != "application/pdf"


def _texts(value: Any, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the texts in *value*, each with "base64" or "image" where it is none."""
    if isinstance(value, str):
        yield kind, value
    elif isinstance(value, Mapping):
        base64 = value.get("type") == "base64"
        image = str(value.get("media_type", "")).startswith("image/")
        for key, each in value.items():
            yield from _texts(each, ("image" if image else "base64") if base64 and key == "data" else "")
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, "")
