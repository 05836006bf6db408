r"""Claude on loopback: the part of the Anthropic API that a streaming chat bot uses.

It follows recorded traffic and API version 2026-10-21, so that the real SDK can't tell the
difference; it must never bend a rule because our client would like that.  It plays scripts in
the format of `bot.model.script`, with these keys of its own.  Instead of a stream, as a
script's first step:

    {"status": 529}                 an HTTP error; "type", "message", "code" (details.error_code)
                                    and "headers" ({"retry-after": "3"}) are optional
    {"html": true}                  HTTP 200 with a web page, as a captive portal sends
    {"hang": true}                  no response headers, ever
    {"empty": true}                 HTTP 200 with nothing in it
    {"hangup": "cut"}               TCP closed before the headers; "reset" resets it

and anywhere:

    {"cut": true}                   TCP closed without the end of the chunked body
    {"reset": true}                 TCP reset
    {"end": true}                   a clean end of the body without message_stop
    {"stall": true}                 no bytes, for ever; with "pings": true only pings
    {"ping": true}                  a ping now
    {"event": {"type": ...}}        this event as it is
    {"raw": "..."}                  these bytes, as UTF-8 ("\udcff" is the byte FF); a script that
                                    begins with it is written bare: no event is added
    {"huge": 2000000}               a text delta of so many bytes
    {"drip": "x", "every": 0.5}     this text again and again, for ever
    {"finish": "refusal"}           the end; with "details", the stop_details
    {"error": "api_error"}          the error event; with "message"
    {"text": "...", "citations": [...]}      a text block with its sources
    {"server_tool": "web_search", "input": {}, "result": [...]}    a tool that the API itself runs

"times": n plays any of these steps only the first n times that it is reached, "after": m only after it
was reached m times; "bare": true, in the first step, leaves out the message_start before it.

A script that begins with {"resumes": n} is played as a model that can be asked to go on: where a question
ends with words of the script's text, the answer begins after them, with the last n characters once more; it
also goes on with its own last answer when a person says no more than "continue".

A script is a whole answer, which can take several requests: after {"finish": "pause_turn"}, or
where text follows a {"tool": ...}, the request that sends the model's content (and the tool's
result) back goes on with the next steps; past the end, the last part repeats.  Where a script
just ends, the stop reason is "tool_use" after a tool and "end_turn" otherwise.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from adapters.emulators.control import Emulator, control
from bot.model.script import Step

from .cache import Cache, TooManyMarks
from .chaos import chaotic
from .plays import Play, Refusal, Script, part, question, request_id, tokens, told
from .stream import Stream, reset

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-fable-5-2")

#: What people say for it to go on.
GO_ON = "continue"

#: How many requests are kept with their text: far more than any test asks for, and bounded for a soak.
KEPT = 10_000

SAMPLE = """\
**Streaming** means that you read an answer while it is being written.

Three things make it pleasant:

1. The first words come *early*, so nobody wonders whether anything happens.
2. The message grows at a steady pace, however fast the model writes.
3. You can stop it at any time: react with 🛑 and the model stops too.

In code, the whole idea is one line:

```python
await surface.edit(message, answer.page())
```

Everything else is about *when* that line may run."""

#: About 50 words a second.
DEFAULT: Sequence[Step] = [step for word in re.findall(r"\S+\s*", SAMPLE) for step in (0.02, word)]


class Claude(Emulator):
    """The Anthropic API: messages, token counts and models.

    Log kinds: "request" (id, model, key: its last four characters, characters of the question),
    "refused" (status, type, message), "counted" (tokens), "first", "sent" (id, characters: at the end,
    however it came), "finished", "broken" (a scripted fault) and "closed" (sent_characters: the client
    hung up).

    Attributes:
        ping_every: Seconds of silence between two pings.
        speed: How many times faster than their scripts its answers are played.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ping_every = 10.0
        self.speed = 1.0
        self._models: Sequence[str] = MODELS
        self._keys: Sequence[str] | None = None
        self._scripts: list[tuple[str, Script]] = [("", Script(DEFAULT))]
        self._plays: dict[str, Play] = {}
        self._paused: set[str] = set()
        self._files: dict[str, tuple[str, str, str]] = {}
        self._number = itertools.count(1)
        self._cache = Cache()
        self._window = 1_000_000

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `Emulator.routes`."""
        return [
            web.post("/v1/messages", self._guarded(self._create)),
            web.post("/v1/messages/count_tokens", self._guarded(self._count)),
            web.get("/v1/models", self._guarded(self._list)),
            web.get("/v1/models/{id}", self._guarded(self._model)),
            web.get("/v1/files/{id}", self._guarded(self._file)),
            web.get("/v1/files/{id}/content", self._guarded(self._content)),
        ]

    @control
    async def script(self, steps: Sequence[Step], when: str = "") -> None:
        """Play *steps* for questions that contain *when*; of several that match, the newest wins."""
        self._scripts.append((when, Script(steps)))

    @control
    async def chaos(self, fault: str, moment: str, seed: int, text: str, when: str = "") -> None:
        """Say *text*, with *fault* at *moment*, as `chaos.FAULTS` and `chaos.MOMENTS` name them.

        The rest (how often, how exactly, the pieces of the text) follows from *seed*.
        """
        await self.script(chaotic(fault, moment, seed, text), when)

    @control
    async def file(self, key: str, name: str, kind: str, content: str) -> None:
        """Have the file *key*, which code has made: its name, its media type and its text."""
        self._files[key] = name, kind, content

    @control
    async def clear(self) -> None:
        """Forget all scripts but the built-in one, all requests, and what is cached of them."""
        del self._scripts[1:]
        self._cache.clear()
        self._plays.clear()

    @control
    async def configure(
        self,
        ping_every: float | None = None,
        models: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        window: int | None = None,
        speed: float | None = None,
    ) -> None:
        """Set what is given: seconds between pings, the known models, the only valid keys.

        *window* is how many tokens each model reads; *speed* divides all pauses of scripts.

        Without *keys*, a key is valid unless it starts with "bad" (401) or "denied" (403).
        """
        self.ping_every = self.ping_every if ping_every is None else ping_every
        self._models = self._models if models is None else models
        self._keys = self._keys if keys is None else keys
        self._window = self._window if window is None else window
        self.speed = self.speed if speed is None else speed

    @control
    async def cut(self) -> int:
        """Reset the connections of all answers under way; return how many there were."""
        cut = {play: play.transport for play in self._plays.values() if play.transport}
        for play, transport in cut.items():
            self.over(play, "broken")
            transport.abort()
        return len(cut)

    def play(self, id: str) -> Play:  # noqa: A002 - the API's own word
        """Return the request whose message has this *id*, as it is kept."""
        return self._plays[id]

    @control
    async def requests(self) -> list[dict[str, Any]]:
        """Return all accepted requests, oldest first.

        Each is {"id", "body", "text": what was sent so far, "state": "open", "finished",
        "closed" or "broken", "times": {"start", "first", "end"}}.
        """
        return [play.view() for play in self._plays.values()]

    @control
    async def sent(self, id: str) -> dict[str, Any]:  # noqa: A002 - the API's own word
        """Return the request whose message has this *id*, in the form of `requests`."""
        return self._plays[id].view()

    @control
    async def find(self, question: str) -> dict[str, Any]:
        """Return the newest request whose last user text contains *question*."""
        for play in reversed(self._plays.values()):
            if question in play.question:
                return play.view()
        raise LookupError(f"nobody asked {question!r}")

    async def _file(self, request: web.Request) -> web.Response:
        """Describe a file; anthropic 2.12, types/file_metadata.py."""
        name, kind, content = self._found(request)
        told = {"id": request.match_info["id"], "type": "file", "filename": name, "mime_type": kind}
        made = {"created_at": "2026-11-01T00:00:00Z", "downloadable": True, "expires_at": None}
        return web.json_response({**told, **made, "size_bytes": len(content.encode())})

    async def _content(self, request: web.Request) -> web.Response:
        _, kind, content = self._found(request)
        return web.Response(body=content.encode(), headers={"content-type": kind})

    def _found(self, request: web.Request) -> tuple[str, str, str]:
        try:
            return self._files[request.match_info["id"]]
        except KeyError:
            raise Refusal(404, "File not found") from None

    def over(self, play: Play, state: str) -> None:
        """Record the end of *play*: "finished", "broken" or "closed"; only the first one counts."""
        if play.state != "open":
            return
        play.state, play.end, play.transport = state, time.monotonic(), None
        if play.reason == "pause_turn":
            self._paused.add(json.dumps(play.blocks, sort_keys=True))
        self.record("sent", id=play.id, characters=play.characters)
        self.record(state, id=play.id, sent_characters=play.characters)

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._authorize(request)
                return await handler(request)
            except Refusal as refusal:
                text = str(refusal)
                self.record("refused", status=refusal.status, type=refusal.kind, message=text)
                return refusal.response()

        return guarded

    def _authorize(self, request: web.Request) -> None:
        key = _key(request)
        if self._keys is not None and key not in self._keys:
            raise Refusal(401, "invalid x-api-key")
        if not key or (self._keys is None and key.startswith("bad")):
            raise Refusal(401, "invalid x-api-key")
        if self._keys is None and key.startswith("denied"):
            raise Refusal(403, "Your API key does not have permission to use the specified resource.")
        if "anthropic-version" not in request.headers:
            raise Refusal(400, "anthropic-version: header is required")

    async def _list(self, request: web.Request) -> web.Response:
        data = [_described(name, self._window) for name in self._models]
        page = {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}
        return web.json_response(page, headers={"request-id": request_id()})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self._check_model(name)
        return web.json_response(_described(name, self._window), headers={"request-id": request_id()})

    async def _count(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        estimate = tokens([body.get("system"), body.get("tools"), body["messages"]])
        self.record("counted", tokens=estimate)
        return web.json_response({"input_tokens": estimate}, headers={"request-id": request_id()})

    def _check_model(self, name: Any) -> None:
        if name not in self._models:
            raise Refusal(404, f"model: {name}")

    async def _body(self, request: web.Request) -> dict[str, Any]:
        try:
            body: dict[str, Any] = await request.json()
        except ValueError as error:
            raise Refusal(400, "The request body is not valid JSON.") from error
        self._check_model(body.get("model"))
        for key in body.keys() & {"temperature", "top_p", "top_k"}:
            raise Refusal(400, f"{key}: sampling parameters are not supported on this model.")
        if request.path == "/v1/messages":
            most = body.get("max_tokens")
            if not isinstance(most, int) or most < 1:
                raise Refusal(400, "max_tokens: must be greater than or equal to 1")
        effort = (body.get("output_config") or {}).get("effort", "high")
        if effort not in {"low", "medium", "high", "xhigh", "max"}:
            raise Refusal(400, f"output_config.effort: unexpected value {effort!r}")
        self._check_messages(body.get("messages"))
        return body

    def _check_messages(self, messages: Any) -> None:
        if not isinstance(messages, list) or not messages:
            raise Refusal(400, "messages: at least one message is required")
        for number, message in enumerate(messages):
            if message.get("role") not in {"user", "assistant", "system"}:
                raise Refusal(400, f"messages.{number}.role: unexpected role")
            content = message.get("content")
            blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
            texts = [block.get("text") for block in blocks if block.get("type") == "text"]
            if not blocks or not all(isinstance(text, str) and text.strip() for text in texts):
                raise Refusal(400, f"messages.{number}: text content blocks must be non-empty")
        last = messages[-1]
        if last["role"] == "assistant" and json.dumps(last["content"], sort_keys=True) not in self._paused:
            raise Refusal(
                400,
                "This model does not support assistant message prefill. "
                "The conversation must end with a user message.",
            )

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if (size := tokens([body.get("system"), body.get("tools"), body["messages"]])) > self._window:
            raise Refusal(400, f"prompt is too long: {size} tokens > {self._window} maximum")
        play = self._begin(body)
        key, size = _key(request)[-4:], len(play.question)
        self.record("request", id=play.id, model=body["model"], key=key, characters=size)
        try:
            if body.get("stream"):
                return await self._streamed(request, play)
            return await self._whole(request, play)
        except asyncio.CancelledError:
            self.over(play, "closed")
            raise
        except ConnectionError:
            self.over(play, "closed")
            return web.Response()  # there is nobody to send it to

    def _begin(self, body: dict[str, Any]) -> Play:
        asked, said = question(body["messages"]), told(body["messages"])
        scripts = [script for when, script in reversed(self._scripts) if when in asked]
        if asked.split("\n")[0].strip().lower() == GO_ON:
            going_on = [script for _, script in reversed(self._scripts) if script.continues(said)]
            scripts, asked = [*going_on, *scripts], said if going_on else asked
        play = Play(next(self._number), body, scripts[0].play(part(body["messages"]), asked))
        self._plays[play.id] = play
        if len(self._plays) > KEPT:
            del self._plays[next(iter(self._plays))]
        return play

    def _look_up(self, play: Play) -> None:
        """Find out what of the request was cached, and cache it."""
        try:
            play.cached = self._cache.take(play.body, play.input, asyncio.get_running_loop().time())
        except TooManyMarks as error:
            self.over(play, "broken")
            raise Refusal(400, str(error)) from None

    async def _refused(self, play: Play, transport: asyncio.Transport) -> web.Response | None:
        """Play a first step that is no stream, or put it back."""
        first: Any = next(play.steps, None)
        match first:
            case {"status": int(status)}:
                self.over(play, "broken")
                words = first.get("message", "Scripted.")
                raise Refusal(
                    status, words, first.get("type", ""), first.get("code", ""), first.get("headers")
                )
            case {"html": True}:
                self.over(play, "broken")
                return web.Response(text="<html>Please log in</html>", content_type="text/html")
            case {"empty": True}:
                self.over(play, "broken")
                return web.Response()
            case {"hangup": str(how)}:
                self.over(play, "broken")
                await reset(transport) if how == "reset" else transport.close()
                return web.Response()  # there is nobody to send it to
            case {"hang": True}:
                await asyncio.Event().wait()
        if first is not None:
            play.steps = itertools.chain([first], play.steps)
        return None

    async def _streamed(self, request: web.Request, play: Play) -> web.StreamResponse:
        if refused := await self._refused(play, _transport(request)):
            return refused
        self._look_up(play)
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        response = web.StreamResponse(headers={**headers, "request-id": request_id()})
        await response.prepare(request)
        play.transport = _transport(request)
        await Stream(self, play, _transport(request), response.write).run(play.steps)
        return response

    async def _whole(self, request: web.Request, play: Play) -> web.StreamResponse:
        if refused := await self._refused(play, _transport(request)):
            return refused
        self._look_up(play)
        stream = Stream(self, play, _transport(request), _nowhere)
        await stream.run(play.steps)
        if stream.failure:
            raise stream.failure
        return web.json_response(play.message(), headers={"request-id": request_id()})


async def _nowhere(data: bytes) -> None:
    """Write nothing: the message is sent when it is whole."""


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the client is gone")
    assert isinstance(request.transport, asyncio.Transport)  # noqa: S101 - for mypy: TCP has no other
    return request.transport


def _key(request: web.Request) -> str:
    """Return the key, from either header: SDKs before 2.0 send x-api-key."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    return bearer or request.headers.get("x-api-key", "")


def _described(name: str, window: int) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-09-01T00:00:00Z",
        "lifecycle": "active",
        "line": name.split("-")[1],
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": window,
        "max_tokens": 128_000,
        "capabilities": None,
    }
