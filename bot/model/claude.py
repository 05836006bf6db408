"""Claude over the Anthropic API: one request in, events out.

The only module that imports `anthropic`.  It must never show anybody the words of an
exception (`bot.model.failures` has what people read), never retry (`bot.model.patient` does), and never judge
the end of a stream by anything but `message_stop`: the SDK ends silently where the body just ends.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import structlog

from bot.events import Event, File, Finished, Turn, Usage
from bot.model import Ask, Kind, ModelError, Request, nobody
from bot.model.bounded import Bounded, Crowd
from bot.model.failures import (
    FAILED,
    FAILURES,
    GARBLED,
    INTERNAL,
    LOST,
    NO_STREAM,
    RESTLESS,
    SILENT,
    TOO_LONG,
    TYPES,
    UNCALLED,
    UNREACHABLE,
    Failure,
    declined,
    named,
    seconds,
    told,
)
from bot.model.reply import BROKEN_OFF, Reply
from bot.model.request import fits, messages, parameters, unmark
from bot.model.room import READ, Room

log = structlog.get_logger(__name__)

#: Explicit, so that a stray ANTHROPIC_BASE_URL on the host can't redirect the bot.
BASE_URL = "https://api.anthropic.com"

#: How often one answer may pause: a pause is ten rounds of server tools (docs, "Handling stop reasons").
PAUSES = 5

#: What a model may have less of than is asked for by default: room, an effort to set, thinking, a cache.
FITTINGS = 4

#: Seconds that counting tokens may take; then the request is made all the same.
COUNTING = 5.0

#: Files that code has made, and bytes of each, that an answer may have.
FILES, LARGEST = 5, 10 * 2**20

#: The stop reasons that end an answer (anthropic 2.12, types/stop_reason.py); pause_turn doesn't.
FINAL = frozenset(
    {"end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded", "tool_use"}
)

#: The failures that come as exceptions, not as answers of the API.
EXCEPTIONS: Mapping[type[BaseException], Failure] = {
    anthropic.APITimeoutError: Failure(UNREACHABLE, Kind.SILENT),
    anthropic.APIConnectionError: Failure(UNREACHABLE, Kind.AWAY),
    httpx2.TimeoutException: Failure(SILENT, Kind.SILENT),
    httpx2.HTTPError: Failure(BROKEN_OFF, Kind.CUT),
    json.JSONDecodeError: Failure(GARBLED, Kind.CUT),
    UnicodeDecodeError: Failure(GARBLED, Kind.CUT),
}

#: A redirect, which is never followed.
ELSEWHERE = Failure(NO_STREAM, Kind.AWAY)

FAULTS = (anthropic.AnthropicError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError)


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
        self._crowd = Crowd()
        self._room = Room()
        self._caches = True  # until a gateway refuses to
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            # Half the CPU of the default backend.  A redirect would take the question and the key elsewhere.
            http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
            max_retries=0,
            timeout=httpx2.Timeout(connect=5, read=silence, write=30, pool=5),
            open_telemetry={"traces": {"content_mode": "metadata_only"}},
        )

    def rekey(self, api_key: str) -> None:
        """Use *api_key* from now on; the old one is in no later request."""
        self._client.api_key = api_key

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    def told(self, model: str, window: int | None) -> None:
        """Take note that *model* reads *window* tokens, if that is known."""
        self._room.told(model, window)

    async def _expect_room(self, wanted: Mapping[str, Any]) -> None:
        """Raise `ModelError` if *wanted* is too long for its model; ask the API only where that is close."""
        if not self._room.is_close(wanted):
            return
        counted = {name: wanted[name] for name in ("model", *READ) if name in wanted}
        try:
            count = await self._client.messages.count_tokens(**counted, timeout=COUNTING)
        except FAULTS as error:
            log.info("tokens can't be counted", error=type(error).__name__)
            return
        tokens = getattr(count, "input_tokens", 0)
        if isinstance(tokens, int) and tokens > self._room.window(wanted["model"]):
            raise ModelError(FAILURES["request_too_large"].sentence, Kind.LONG)

    async def _begun(self, wanted: dict[str, Any]) -> Any:
        """Return the stream that answers *wanted*, which is made to fit the model where the API says how."""
        for _ in range(FITTINGS):
            try:
                return await self._client.messages.create(**wanted, stream=True)
            except anthropic.BadRequestError as error:
                if not fits(wanted, str(error)):
                    raise
                self._caches = "cache_control" in wanted
        return await self._client.messages.create(**wanted, stream=True)

    async def _with_files(self, finished: Finished, made: Sequence[str]) -> Finished:
        """Return *finished* with the files *made*, as far as they can be had; else it says so."""
        files: list[File] = []
        for key in made[:FILES]:
            with suppress(*FAULTS):
                told = await self._client.files.retrieve_metadata(key)
                if told.size_bytes <= LARGEST:
                    content = await self._client.files.download(key)
                    data = await content.read()
                    files.append(File(told.filename, told.mime_type, len(data), data=data))
        lost = LOST.format(count=len(made) - len(files)) if len(files) < len(made) else ""
        note = " ".join(filter(None, [finished.note, lost]))
        return replace(finished, files=tuple(files), note=note)

    async def stream(self, request: Request, _ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        wanted = parameters(request, self.model)
        if not self._caches:
            unmark(wanted)
        spent, made = Usage(), list[str]()
        self._crowd.size += 1
        try:
            for _ in range(PAUSES + 1):
                reply = Reply()
                await self._expect_room(wanted)
                async with await self._begun(wanted) as stream:
                    _expect_events(stream.response)
                    # Plain JSON: the SDK's typed events take more than the rest of the bot does.
                    bounded: Any = Bounded(stream.response, self._longest, self._crowd)
                    async for raw in anthropic.AsyncStream.raw_events(bounded):
                        before = reply.usage
                        event = _taken(reply, _parsed(raw)) if raw.data else None
                        if request.counted and reply.usage is not before:
                            request.counted(spent + reply.usage)
                        if event is not None:
                            yield event
                spent += reply.usage
                self._room.learn(wanted, reply.usage)
                made += reply.made
                if reply.end() == "pause_turn":
                    wanted["messages"].append({"role": "assistant", "content": reply.content()})
                    continue
                if reply.reason not in FINAL:
                    log.warning("Claude stopped for an unknown reason", reason=reply.reason)
                yield await self._with_files(_finished(reply, spent, request, wanted), made)
                return
        except FAULTS as error:
            raise _translated(error) from error
        finally:
            self._crowd.size -= 1
        raise ModelError(RESTLESS, Kind.ENDLESS)


def _finished(reply: Reply, spent: Usage, request: Request, wanted: Mapping[str, Any]) -> Finished:
    """Return the end of the answer; *wanted* has what was said before pauses behind the request's turns."""
    note = declined(reply.details) if reply.reason == "refusal" else ""
    if reply.reason == "max_tokens" and reply.calling:
        note = UNCALLED.format(name=reply.calling)
    turns: tuple[Turn, ...] = ()
    if reply.reason == "tool_use":
        paused = wanted["messages"][len(messages(request.turns)) :]
        blocks = [block for message in paused for block in message["content"]]
        turns = (*request.turns, Turn("assistant", "", blocks=(*blocks, *reply.content())))
    return Finished(reply.reason or "end_turn", spent, note, turns, wanted["model"])


def _translated(error: BaseException) -> ModelError:
    """Return *error* as the core knows it."""
    failure, wait = _failure(error), None
    if isinstance(error, anthropic.APIStatusError):
        wait = seconds(error.response.headers.get("retry-after"))
        if failure.kind is Kind.OTHER and TOO_LONG.search(str(error)):
            failure, wait = FAILURES["request_too_large"], None
    return ModelError(failure.sentence, failure.kind, wait)


def sentence(error: BaseException) -> str:
    """Return what a person may read about *error*: what happened, and what to do."""
    return _failure(error).sentence


def _failure(error: BaseException) -> Failure:
    if isinstance(error, anthropic.APIStatusError):
        return ELSEWHERE if error.response.is_redirect else named(*_names(error))
    return next((EXCEPTIONS[kind] for kind in type(error).__mro__ if kind in EXCEPTIONS), INTERNAL)


def _names(error: BaseException) -> Sequence[str]:
    """Return the API's names for *error*, the most exact first; () if the API did not answer."""
    if isinstance(error, anthropic.APIStatusError):
        return str(error.error_code), str(error.type), TYPES.get(error.status_code, "api_error")
    return ()


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
            raise told(event.get("error"))
        case {"type": str()}:
            return event
    raise ModelError(GARBLED, Kind.CUT)


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
