"""A request in the form that the Messages API takes.  Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from bot.events import File, Turn
from bot.model import Request
from bot.text.safe import mended

#: How the API says that a model writes less at once (a 400), and what it calls what a model can't do.
ROOM = re.compile(r"max_tokens: \d+ > (\d+)")
#: How a gateway that knows no prompt caching says so.
UNCACHED = re.compile(r"cache_control")
#: Marks the end of what the API keeps for the next request; at the top level, the end of all.
CACHE = {"cache_control": {"type": "ephemeral"}}
UNKNOWN = ((re.compile(r"\beffort\b"), "output_config"), (re.compile(r"\bthinking\b"), "thinking"))


def parameters(request: Request, model: str) -> dict[str, Any]:
    """Return the fields of *request*'s body; *model* answers if it names none."""
    wanted: dict[str, Any] = {
        "model": request.model or model,
        "max_tokens": request.max_tokens,
        "messages": messages(request.turns),
        **CACHE,
    }
    if request.system:
        wanted["system"] = mended(request.system)
    if request.effort:
        wanted["output_config"] = {"effort": request.effort}
    if request.thinking:
        wanted["thinking"] = {"type": "adaptive", "display": "summarized"}
    if request.tools:
        wanted["tools"] = [tool.described for tool in request.tools]
        if request.closing:
            wanted["tool_choice"] = {"type": "none"}
    return wanted


def fits(wanted: dict[str, Any], said: str) -> bool:
    """Change *wanted* to what its model can do, if the API has *said* so; tell whether anything changed."""
    if (room := ROOM.search(said)) and int(room[1]) < wanted["max_tokens"]:
        wanted["max_tokens"] = int(room[1])
        return True
    if UNCACHED.search(said) and "cache_control" in wanted:
        unmark(wanted)
        return True
    return any(word.search(said) and wanted.pop(field, None) is not None for word, field in UNKNOWN)


def unmark(wanted: dict[str, Any]) -> None:
    """Take all marks for the cache out of *wanted*."""
    wanted.pop("cache_control", None)
    wanted["messages"] = [_unmarked(message) for message in wanted["messages"]]


def messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return *turns* as the API takes them: what one side said in a row is one message."""
    said = [turn for turn in turns if turn.text.strip() or turn.files or turn.blocks]
    found: list[dict[str, Any]] = [
        {"role": role, "content": _content([*run])} for role, run in groupby(said, key=lambda turn: turn.role)
    ]
    if found and found[0]["role"] == "assistant":
        found.insert(0, {"role": "user", "content": "…"})  # the API wants a person to speak first
    return found


def _unmarked(message: dict[str, Any]) -> dict[str, Any]:
    """Return *message* without marks for the cache."""
    content = message["content"]
    if isinstance(content, str):
        return message
    blocks = [{key: block[key] for key in block if key not in CACHE} for block in content]
    return {**message, "content": blocks}


def _content(run: Sequence[Turn]) -> str | list[Mapping[str, Any]]:
    """Return the content of one message.

    What is said aside comes last, behind a mark: the next request has the same up to there, and not this.
    """
    content = _lasting(run)
    aside = "\n\n".join(turn.aside for turn in run if turn.aside)
    if not aside:
        return content
    *before, last = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [*before, {**last, **CACHE}, {"type": "text", "text": mended(aside)}]


def _lasting(run: Sequence[Turn]) -> str | list[Mapping[str, Any]]:
    """Return what is said in one message: a text where it is nothing else, else blocks."""
    if not any(turn.files or turn.blocks for turn in run):
        return mended("\n\n".join(turn.text for turn in run))
    content: list[Mapping[str, Any]] = []
    for turn in run:
        content += turn.blocks
        content += map(_block, turn.files)
        if turn.text.strip():  # the API refuses empty text
            content.append({"type": "text", "text": mended(turn.text)})
    return content


def _block(file: File) -> Mapping[str, Any]:
    """Return a file as the API takes it."""
    if file.type.startswith("text/"):
        text = {"type": "text", "media_type": "text/plain", "data": mended(file.data.decode())}
        return {"type": "document", "source": text, "title": mended(file.name)}
    source = {"type": "base64", "media_type": file.type, "data": b64encode(file.data).decode()}
    if file.type.startswith("image/"):
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": mended(file.name)}
