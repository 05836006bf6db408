"""What is asked and what is answered: scripts in parts, requests, errors and the wire's JSON.

No I/O: `stream.py` writes, the package itself listens.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from .cache import Cached

#: bot.model.script says what a step is; only the package itself imports it.
Step = str | float | Mapping[str, Any]

#: docs.claude.com, "Errors"; 402, 408, 409 and 504 as in anthropic 2.12, types/shared/error_type.py.
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

#: The keys of steps with which the model goes on after a tool came back.
SAID = frozenset({"thinking", "text", "server_tool"})

#: The keys of which a step that is a dict must have one.
KEYS = (
    SAID
    | {"tool", "finish", "error", "event", "raw", "ping", "stall", "cut", "reset", "end"}
    | {"status", "html", "hang", "empty", "hangup", "huge", "drip", "resumes"}
)

#: The longest and the shortest end of a question that is taken for words of an answer to go on from.
QUOTED, SHORTEST = 300, 16

#: Tokens of a picture of the best size: docs.claude.com, "Vision", 1.15 megapixels / 750.
PICTURE = 1_600

#: As recorded, with the space.
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def encoded(value: Any) -> bytes:
    """Serialise as the API does; lone surrogates only pass as escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def frame(event: Mapping[str, Any]) -> bytes:
    """Return the server-sent event."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + encoded(event) + b"\n\n"


def tokens(value: Any) -> int:
    """Estimate the tokens of *value*: a picture's data is no text."""
    pictures: list[Any] = []
    text = encoded(_without(value, pictures))
    return (
        8 + len(text) // 4 + PICTURE * len(pictures)
    )  # four characters a token: docs.claude.com, "Glossary"


def _without(value: Any, pictures: list[Any]) -> Any:
    """Return *value* without pictures that are in it as base64, which are added to *pictures*."""
    if isinstance(value, Mapping):
        if value.get("type") == "base64" and str(value.get("media_type", "")).startswith("image/"):
            pictures.append(value)
            return ""
        return {key: _without(each, pictures) for key, each in value.items()}
    return [_without(each, pictures) for each in value] if isinstance(value, list) else value


class Refusal(Exception):
    """An HTTP error in the API's form."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "",
        code: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or ERROR_TYPES.get(status, "api_error")
        self.code = code
        self.headers = headers or {}

    def response(self) -> web.Response:
        """Return what the client gets."""
        answer = request_id()
        error: dict[str, Any] = {"type": self.kind, "message": str(self)}
        if self.code:
            error["details"] = {"error_code": self.code}
        body = {"type": "error", "error": error, "request_id": answer}
        return web.json_response(body, status=self.status, headers={"request-id": answer, **self.headers})


def request_id() -> str:
    """Return a new one."""
    return f"req_{secrets.token_hex(12)}"


class Script:
    """One script, cut into the parts that one request each plays."""

    def __init__(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Mapping) and not KEYS & step.keys():
                raise ValueError(f"not a step of a script: {step!r}")
        first = steps[0] if steps else ""
        self._resumes: int | None = first.get("resumes") if isinstance(first, Mapping) else None
        if self._resumes is not None:
            steps = steps[1:]
        self._parts: list[list[Step]] = [[]]
        ended = called = False
        for step in steps:
            if ended or (called and _speaks(step)):
                self._parts.append([])
                ended = called = False
            self._parts[-1].append(step)
            if isinstance(step, Mapping):
                ended, called = ended or "finish" in step, called or "tool" in step
        self._played: Counter[tuple[int, int]] = Counter()

    def play(self, part: int, asked: str = "") -> Iterator[Step]:
        """Return the steps for the request number *part* of an answer to *asked*; the last part repeats."""
        part = min(part, len(self._parts) - 1)
        skip = self._known(self._parts[part], asked)
        for number, step in enumerate(self._parts[part]):
            if skip and isinstance(step, int | float):
                continue  # what is not said takes no time
            if isinstance(step, str):
                left, skip = step[skip:], max(skip - len(step), 0)
                if left or not step:
                    yield left
                continue
            if isinstance(step, Mapping) and step.keys() & {"times", "after"}:
                self._played[part, number] += 1
                played = self._played[part, number] - step.get("after", 0)
                if not 0 < played <= step.get("times", played):
                    continue
            yield step

    def continues(self, said: str) -> bool:
        """Tell whether it goes on after what was *said* last."""
        return self._known(self._parts[0], said) > 0

    def _known(self, steps: Sequence[Step], asked: str) -> int:
        """Return how much of the text of *steps* a request to go on leaves out."""
        if self._resumes is None:
            return 0
        whole = "".join(step for step in steps if isinstance(step, str))
        for size in range(min(QUOTED, len(asked)), SHORTEST - 1, -1):
            if (at := whole.find(asked[-size:])) >= 0:
                return max(at + size - self._resumes, 0)
        return 0


def _speaks(step: Step) -> bool:
    return isinstance(step, str) or (isinstance(step, Mapping) and bool(SAID & step.keys()))


class Play:
    """One request, and how far its answer has come.

    Attributes:
        transport: The connection that carries its stream, while it does.
    """

    def __init__(self, number: int, body: dict[str, Any], steps: Iterator[Step]) -> None:
        self.id = f"msg_01{number:022d}"
        self.body = body
        self.question = question(body["messages"])
        self.steps = steps
        self.blocks: list[dict[str, Any]] = []
        self.pieces: list[str] = []
        self.characters = 0
        self.state = "open"
        self.start = time.monotonic()
        self.first: float | None = None
        self.end: float | None = None
        self.reason: str | None = None
        self.details: Any = None
        self.input = tokens([body.get("system"), body.get("tools"), body["messages"]])
        self.cached = Cached(rest=self.input)
        self.transport: asyncio.Transport | None = None

    def view(self) -> dict[str, Any]:
        """Return it in the form of `Claude.requests`."""
        times = {"start": self.start, "first": self.first, "end": self.end}
        text = "".join(self.pieces)
        return {"id": self.id, "body": self.body, "text": text, "state": self.state, "times": times}

    def usage(self) -> dict[str, Any]:
        """Return the tokens so far."""
        return {
            "input_tokens": self.cached.rest,
            "cache_creation_input_tokens": self.cached.short + self.cached.long,
            "cache_read_input_tokens": self.cached.read,
            "output_tokens": 1 + self.characters // 4,
        }

    def message(self) -> dict[str, Any]:
        """Return the message as `message_start` announces it; without a stream, with its content."""
        more = {"inference_geo": "not_available", "service_tier": "standard"}
        cached = {
            "ephemeral_5m_input_tokens": self.cached.short,
            "ephemeral_1h_input_tokens": self.cached.long,
        }
        message: dict[str, Any] = {
            "model": self.body["model"],
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": self.blocks,
            "stop_reason": self.reason,
            "stop_sequence": None,
            "usage": {**self.usage(), "cache_creation": cached, **more},
        }
        return message if self.details is None else {**message, "stop_details": self.details}


def words_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message."""
    content = message.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def question(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the last text of a user; tool results are none."""
    texts = (words_of(message) for message in reversed(messages) if message["role"] == "user")
    return next(filter(None, texts), "")


def told(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the last text of the model, "" where it has said nothing yet."""
    texts = (words_of(message) for message in reversed(messages) if message["role"] == "assistant")
    return next(filter(None, texts), "").rstrip()


def part(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return how often the model has already answered the question."""
    answers = itertools.takewhile(
        lambda message: message["role"] != "user" or not words_of(message), reversed(messages)
    )
    return sum(message["role"] == "assistant" for message in answers)
