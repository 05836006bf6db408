"""Claude over the Anthropic API: one request in, events out.

The only module that imports `anthropic` and its HTTP library.  It must never show anybody the
words of an exception, never retry (`bot.model.patient` does), and never judge the end of a stream by anything
but `message_stop`: the SDK ends silently where the body just ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import anthropic
import httpx2
import structlog

from bot.events import Event, Finished, Turn, Usage
from bot.model import Ask, Kind, ModelError, Request
from bot.model.reply import BROKEN_OFF, Reply, mended
from bot.platform import Unavailable

log = structlog.get_logger(__name__)

#: Explicit, so that a stray ANTHROPIC_BASE_URL on the host can't redirect the bot.
BASE_URL = "https://api.anthropic.com"

#: How often one answer may pause: a pause is ten rounds of server tools (docs, "Handling stop reasons").
PAUSES = 5

#: The stop reasons that end an answer (anthropic 2.12, types/stop_reason.py); pause_turn doesn't.
FINAL = frozenset(
    {"end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded", "tool_use"}
)

UNREACHABLE = "Claude can't be reached right now. Please try again in a minute."
SILENT = "Claude went silent, so this answer is incomplete. Please ask again."
GARBLED = "Claude's answer arrived garbled, so it is incomplete. Please ask again."
BUSY = "Claude is overloaded right now. Please try again in a minute."
FAILED = "Claude had an internal error. Please try again in a minute."
NO_STREAM = "Something else than Claude answered. The bot's operator should check the network and its proxy."
RESTLESS = "Claude kept pausing and didn't get to an end. Please ask for less at once."
SPENT = "The bot has used up its budget at Anthropic. Its operator has to raise the limit."

#: What people read, by the API's error code or type (anthropic 2.12, types/shared/error_type.py), or by
#: exception class.  The type, not the HTTP status: an error in the middle of a stream has status 200.
SENTENCES: Mapping[str | type[BaseException], str] = {
    "enforced_spend_limit_reached": SPENT,
    "contract_spend_limit_reached": SPENT,
    "organization_on_hold": "Anthropic has put the bot's account on hold. Its operator has to contact them.",
    "invalid_request_error": "Claude didn't accept this request. Please ask differently, or in a new thread.",
    "request_too_large": "This conversation is too long for Claude. Please start a new thread.",
    "authentication_error": "Claude didn't accept the bot's API key. Its operator has to set a valid one.",
    "permission_error": "The bot's API key may not use this model. Its operator has to allow it.",
    "billing_error": "The bot's account at Anthropic can't be billed. Its operator has to look after it.",
    "not_found_error": "The configured model doesn't exist. The bot's operator has to choose another.",
    "rate_limit_error": "The bot has reached its rate limit at Claude. Please try again in a minute.",
    "timeout_error": "Claude took too long to answer. Please ask again, for less at once.",
    "overloaded_error": BUSY,
    "api_error": FAILED,
    anthropic.APITimeoutError: UNREACHABLE,
    anthropic.APIConnectionError: UNREACHABLE,
    httpx2.TimeoutException: SILENT,
    httpx2.HTTPError: BROKEN_OFF,
    json.JSONDecodeError: GARBLED,
    UnicodeDecodeError: GARBLED,
}

#: What kind of failure each of them is; what is not named passes by itself, like an internal error.
KINDS: Mapping[str | type[BaseException], Kind] = {
    "enforced_spend_limit_reached": Kind.BARRED,
    "contract_spend_limit_reached": Kind.BARRED,
    "organization_on_hold": Kind.BARRED,
    "invalid_request_error": Kind.OTHER,
    "request_too_large": Kind.LONG,
    "authentication_error": Kind.BARRED,
    "permission_error": Kind.BARRED,
    "billing_error": Kind.BARRED,
    "not_found_error": Kind.MISSING,
    "rate_limit_error": Kind.LIMITED,
    "timeout_error": Kind.ILL,
    "overloaded_error": Kind.ILL,
    "api_error": Kind.ILL,
    anthropic.APITimeoutError: Kind.SILENT,
    anthropic.APIConnectionError: Kind.AWAY,
    httpx2.TimeoutException: Kind.SILENT,
    httpx2.HTTPError: Kind.CUT,
    json.JSONDecodeError: Kind.CUT,
    UnicodeDecodeError: Kind.CUT,
}

#: How a 400 says that the conversation is too long: it has no code of its own (docs, "Errors").
TOO_LONG = re.compile(r"prompt is too long|exceed(s|ed)? (the )?context (limit|window)")

#: For error responses that are not the API's own, like a proxy's (docs, "Errors").
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

FAULTS = (anthropic.AnthropicError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError)

#: Two line breaks, between two events.
BORDER = re.compile(rb"\n\r?\n")

#: What an operator reads, by error type.
CHECKS = {
    "authentication_error": "Anthropic refuses ANTHROPIC_API_KEY; make a new one in the Claude Console.",
    "permission_error": "ANTHROPIC_API_KEY may not use model {model}; set another in RIVULET_MODEL.",
    "not_found_error": "Anthropic knows no model {model}; set one of its list in RIVULET_MODEL.",
}


class Claude:
    """Answers with Claude.

    Args:
        api_key: The key; the environment is not consulted.
        base_url: Where the API is; None means Anthropic's own.
        model: The model id for requests that name none.
        silence: Seconds without a byte after which a stream counts as dead; the API pings in between.
        event: The longest event that is read, in bytes.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = "claude-sonnet-5-5",
        silence: float = 60.0,
        event: int = 2**20,
    ) -> None:
        self.model = model
        self._longest = event
        self._key_is_sound = _is_sound(api_key)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            http_client=anthropic.DefaultAioHttpClient(),  # half the CPU of the default backend
            max_retries=0,
            timeout=httpx2.Timeout(connect=5, read=silence, write=30, pool=5),
            open_telemetry={"traces": {"content_mode": "metadata_only"}},
        )

    def rekey(self, api_key: str) -> None:
        """Use *api_key* from now on; the old one is in no later request."""
        self._key_is_sound = _is_sound(api_key)
        self._client.api_key = api_key

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def check(self, model: str = "") -> str:
        """Ask the API about *model*, or the default; return what is wrong for the moment, or "".

        Raises:
            Unavailable: When only the operator can help; the message says how.
        """
        model = model or self.model
        if not self._key_is_sound:
            raise Unavailable("ANTHROPIC_API_KEY is empty or has characters that no key has; copy it again.")
        try:
            found = await self._client.models.retrieve(model)
        except FAULTS as error:
            kind = next((key for key in _keys(error) if key in CHECKS), "")
            if kind:
                raise Unavailable(CHECKS[kind].format(model=model)) from None
            return sentence(error)
        if getattr(found, "type", "") != "model":
            return NO_STREAM
        if found.lifecycle == "retired":
            raise Unavailable(f"Model {model} is retired; set a newer one in RIVULET_MODEL.")
        return ""

    async def stream(self, request: Request, ask: Ask) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        wanted = _parameters(request, self.model)
        spent = Usage()
        try:
            for _ in range(PAUSES + 1):
                reply = Reply()
                async with await self._client.messages.create(**wanted, stream=True) as stream:
                    _expect_events(stream.response)
                    # Plain JSON: the SDK's typed events take more than the rest of the bot does.
                    bounded: Any = _Bounded(stream.response, self._longest)
                    async for raw in anthropic.AsyncStream.raw_events(bounded):
                        event = _taken(reply, _parsed(raw)) if raw.data else None
                        if event is not None:
                            yield event
                spent = _sum(spent, reply.usage)
                if reply.end() == "pause_turn":
                    wanted["messages"].append({"role": "assistant", "content": reply.content()})
                    continue
                if reply.reason not in FINAL:
                    log.warning("Claude stopped for an unknown reason", reason=reply.reason)
                yield Finished(reply.reason or "end_turn", spent)
                return
        except FAULTS as error:
            raise _translated(error) from error
        raise ModelError(RESTLESS, Kind.ENDLESS)


def _is_sound(api_key: str) -> bool:
    return bool(api_key) and api_key.isascii() and api_key.isprintable()


class _Bounded:
    """A response whose events have a longest length; the SDK would collect one of any."""

    def __init__(self, response: httpx2.Response, longest: int) -> None:
        self._response = response
        self._longest = longest

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the body, up to an event that is too long."""
        size, tail = 0, b""
        async for chunk in self._response.aiter_bytes():
            joined = tail + chunk
            borders = [found.end() for found in BORDER.finditer(joined)]
            first = borders[0] if borders else len(joined)
            if size + first - len(tail) > self._longest:
                raise ModelError(GARBLED, Kind.CUT)
            size = len(joined) - borders[-1] if borders else size + len(chunk)
            tail = b"" if borders and borders[-1] == len(joined) else joined[-2:]
            yield chunk


def _translated(error: BaseException) -> ModelError:
    """Return *error* as the core knows it."""
    keys = tuple(_keys(error))
    kind = next((KINDS[key] for key in keys if key in KINDS), Kind.ILL)
    wait = None
    if isinstance(error, anthropic.APIStatusError):
        wait = _seconds(error.response.headers.get("retry-after"))
        if kind is Kind.OTHER and TOO_LONG.search(str(error)):
            return ModelError(SENTENCES["request_too_large"], Kind.LONG)
    return ModelError(sentence(error), kind, wait)


def _seconds(header: str | None) -> float | None:
    """Read a Retry-After header; None if it is not a number of seconds, which the API always sends."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def sentence(error: BaseException) -> str:
    """Return what a person may read about *error*: what happened, and what to do."""
    return next((SENTENCES[key] for key in _keys(error) if key in SENTENCES), FAILED)


def _keys(error: BaseException) -> Iterable[Any]:
    """Name *error* for the tables, the most exact name first."""
    if isinstance(error, anthropic.APIStatusError):
        return str(error.error_code), str(error.type), TYPES.get(error.status_code, "api_error")
    return type(error).__mro__


def _parsed(raw: Any) -> dict[str, Any]:
    """Return the event that *raw* carries; raise `ModelError` if it is an error, or no event at all."""
    try:
        event: dict[str, Any] = json.loads(raw.data)
    except (ValueError, RecursionError):
        if raw.event == "error":
            raise ModelError(FAILED, Kind.ILL) from None
        raise ModelError(GARBLED, Kind.CUT) from None
    match event:
        case {"type": "error"}:
            raise _told(event.get("error"))
        case {"type": str()}:
            return event
    raise ModelError(GARBLED, Kind.CUT)


def _told(error: Any) -> ModelError:
    """Return the error that came as an event: by its code or its type, since its HTTP status is 200."""
    told = error if isinstance(error, dict) else {}
    details = told.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    key = next((str(key) for key in (code, told.get("type")) if str(key) in SENTENCES), "api_error")
    return ModelError(SENTENCES[key], KINDS[key])


def _taken(reply: Reply, event: dict[str, Any]) -> Event | None:
    """Let *reply* take *event*; what has a known type and another shape is garbled."""
    try:
        return reply.take(event)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ModelError(GARBLED, Kind.CUT) from None


def _expect_events(response: httpx2.Response) -> None:
    """Refuse a captive portal's web page, which the SDK would read as an empty answer."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise ModelError(NO_STREAM, Kind.AWAY)


def _parameters(request: Request, model: str) -> dict[str, Any]:
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


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Merge what one side said in a row; name people where several speak."""
    said = [turn for turn in turns if turn.text.strip()]  # the API refuses empty text
    crowd = len({turn.name for turn in said if turn.name}) > 1
    messages: list[dict[str, Any]] = []
    for role, run in groupby(said, key=lambda turn: turn.role):
        text = "\n\n".join(_attributed(turn) if crowd else turn.text for turn in run)
        messages.append({"role": role, "content": mended(text)})
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": "…"})  # the API wants a person to speak first
    return messages


def _attributed(turn: Turn) -> str:
    name = " ".join(turn.name.split())
    return f"{name}: {turn.text}" if name else turn.text


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input + other.input,
        one.output + other.output,
        one.cache_read + other.cache_read,
        one.cache_write + other.cache_write,
    )
