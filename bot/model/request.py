"""A request in the form that the Messages API takes.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bot.events import Turn
from bot.model import Request
from bot.model.reply import mended

#: How the API says that a model writes less at once, and that it has no effort to set (a 400).
ROOM = re.compile(r"max_tokens: \d+ > (\d+)")
EFFORTLESS = re.compile(r"\beffort\b")


def parameters(request: Request, model: str) -> dict[str, Any]:
    """Return the fields of *request*'s body; *model* answers if it names none."""
    wanted: dict[str, Any] = {
        "model": request.model or model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request.turns),
    }
    if request.system:
        wanted["system"] = mended(request.system)
    if request.effort:
        wanted["output_config"] = {"effort": request.effort}
    if request.tools:
        wanted["tools"] = list(request.tools)
    return wanted


def fits(wanted: dict[str, Any], said: str) -> bool:
    """Change *wanted* to what its model can do, if the API has *said* so; tell whether anything changed."""
    if (room := ROOM.search(said)) and int(room[1]) < wanted["max_tokens"]:
        wanted["max_tokens"] = int(room[1])
        return True
    return bool(EFFORTLESS.search(said) and wanted.pop("output_config", None))


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Merge what one side said in a row."""
    said = [turn for turn in turns if turn.text.strip()]  # the API refuses empty text
    messages: list[dict[str, Any]] = []
    for role, run in groupby(said, key=lambda turn: turn.role):
        text = "\n\n".join(turn.text for turn in run)
        messages.append({"role": role, "content": mended(text)})
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": "…"})  # the API wants a person to speak first
    return messages
