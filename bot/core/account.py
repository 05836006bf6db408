"""What one request was, and what is learnt from its answer: tokens, seconds, and whether a secret got out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot import content
from bot.core.prefix import Prefix, Prefixes, without
from bot.events import Event, Finished, Text, Thinking, Usage
from bot.model import Ask, Request, Result, Tool
from bot.model.estimate import Estimate, size

log = structlog.get_logger(__name__)

#: What people read below an answer to a question whose thread is longer than what was read of it.
NOT_READ = "Older messages of this thread were not read."

#: Says, by the model and what it used, what stands below an answer.
Footer = Callable[[str, Usage], str]


@dataclass(frozen=True, slots=True)
class Lasting:
    """What the answers of a core have learnt for later ones."""

    prefixes: Prefixes = field(default_factory=Prefixes)
    estimate: Estimate = field(default_factory=Estimate)


class Account:
    """One answer's.

    Args:
        question: Its key, for the log.
        request: What is asked.
        prefix: What stays the same in the conversation.
        estimate: Learns how many tokens texts have.
    """

    def __init__(
        self,
        question: str,
        request: Request,
        prefix: Prefix,
        estimate: Estimate,
        footer: Footer | None = None,
    ) -> None:
        self._question = question
        self._request = request
        self._prefix = prefix
        self._estimate = estimate
        self._lacks = prefix.window.left_out
        self._footer = footer
        self._began = _now()
        self._single = not any(turn.files or turn.blocks for turn in request.turns)
        self._said: list[str] = []

    def take(self, event: Event) -> Event:
        """Take what the model sent; return it, at the end with what people should know."""
        match event:
            case Text(text):
                self._said.append(text)
            case Thinking():
                pass
            case Finished():
                return self._end(event)
            case _:
                self._single = False  # it may take several requests
        return event

    def close(self) -> None:
        """Take note of what was said, however the answer ended."""
        said = "".join(self._said)
        self._prefix.keep_secret([said])
        told = {"question": self._question, "asked": self._request.turns[-1].text, "answered": said}
        content.log.info("content", extra=told)

    def _end(self, finished: Finished) -> Finished:
        usage = finished.usage
        read = usage.input + usage.cache_read + usage.cache_write
        if self._single:
            self._estimate.learn(_size(self._request), read)
        log.info(
            "answered",
            question=self._question,
            tokens_in=read,
            tokens_out=usage.output,
            cached=round(usage.cache_read / read, 2) if read else 0.0,
            seconds=round(_now() - self._began, 1),
        )
        footer = self._footer(finished.model or self._request.model, usage) if self._footer else ""
        note = " ".join(filter(None, [finished.note, NOT_READ if self._lacks else "", footer]))
        return replace(finished, note=note)


def sealed(tool: Tool, token: str) -> Tool:
    """Return *tool* with *token* in none of its results."""
    run = tool.run
    if run is None:
        return tool

    async def ran(given: Mapping[str, Any], ask: Ask) -> Result:
        result = await run(given, ask)
        return replace(result, text=without(result.text, token))

    return replace(tool, run=ran)


def _size(request: Request) -> int:
    texts = [request.system, *(turn.text for turn in request.turns), *(turn.aside for turn in request.turns)]
    described = [json.dumps(tool.described) for tool in request.tools]
    return sum(map(size, [*texts, *described]))


def _now() -> float:
    return asyncio.get_running_loop().time()
