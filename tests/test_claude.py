"""The Claude model client against the emulator: real SDK, real sockets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from adapters.emulators.claude import Claude as Emulated
from bot.events import (
    Cited,
    Event,
    File,
    Finished,
    Source,
    Text,
    Thinking,
    ToolFinished,
    ToolStarted,
    Turn,
    Usage,
)
from bot.model import Kind, ModelError, Request, Tool, failures
from bot.model import reply as reply_module
from bot.model.claude import BASE_URL, EXCEPTIONS, Claude, sentence
from bot.model.failures import FAILED, FAILURES, INTERNAL, LOST, UNCALLED
from bot.model.request import CACHE, fits

QUESTION = Request(turns=(Turn("user", "hi"),))

Connect = Callable[..., Claude]
URL = "https://api.anthropic.com/v1/messages"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulated]:
    emulator = Emulated()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def connect(emulator: Emulated) -> AsyncIterator[Connect]:
    """Make clients of the emulator, which are closed at the end."""
    made: list[Claude] = []

    def connect(key: str = "sk-good", **more: Any) -> Claude:
        made.append(Claude(key, **{"base_url": emulator.url, **more}))
        return made[-1]

    yield connect
    for client in made:
        await client.close()


@pytest.fixture
def model(connect: Connect) -> Claude:
    return connect()


async def answer(model: Claude, request: Request = QUESTION) -> list[Event]:
    async with aclosing(model.stream(request)) as events:
        return [event async for event in events]


async def failure(model: Claude, request: Request = QUESTION) -> tuple[str, str]:
    """The text before the error, and the error's words."""
    got: list[str] = []

    async def read() -> None:
        async for event in model.stream(request):
            got.extend([event.text] if isinstance(event, Text) else [])

    with pytest.raises(ModelError) as raised:
        await read()
    return "".join(got), str(raised.value)


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


async def test_text_comes_delta_by_delta_and_then_the_end(emulator: Emulated, model: Claude) -> None:
    """Each delta is one event; the usage is the API's."""
    await emulator.script(["Hello", " you"])
    *said, end = await answer(model)
    assert said == [Text("Hello"), Text(" you")]
    assert isinstance(end, Finished)
    assert end.reason == "end_turn"
    assert end.usage.input > 0
    assert end.usage.output == 1 + len("Hello you") // 4


async def test_thinking_is_told_apart_from_text(emulator: Emulated, model: Claude) -> None:
    """A thinking block announces itself even where the API omits its text."""
    await emulator.script([{"thinking": ""}, {"thinking": "Hm."}, "Yes."])
    assert (await answer(model))[:-1] == [Thinking(), Thinking("Hm."), Text("Yes.")]


@pytest.mark.parametrize(
    "reason",
    ["end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded", "tool_use"],
)
async def test_every_final_stop_reason_is_passed_on(emulator: Emulated, model: Claude, reason: Any) -> None:
    """Six of the seven reasons end the answer, in the API's words."""
    await emulator.script(["a", {"finish": reason, "details": None}])
    with capture_logs() as logs:
        assert [getattr(event, "reason", "") for event in await answer(model)] == ["", reason]
    assert not logs


async def test_an_unknown_stop_reason_ends_the_answer_and_is_logged(
    emulator: Emulated, model: Claude
) -> None:
    """A reason of the future is no error."""
    await emulator.script(["a", {"finish": "future"}])
    with capture_logs() as logs:
        assert (await answer(model))[-1].reason == "future"  # type: ignore[union-attr]
    assert [log["reason"] for log in logs] == ["future"]


async def test_a_paused_turn_goes_on_in_the_same_stream(emulator: Emulated, model: Claude) -> None:
    """The content goes back unchanged (the emulator refuses any other); usage adds up."""
    cited = {"text": "Sun.", "citations": [{"type": "web_search_result_location", "url": "https://a.b"}]}
    plain = {"server_tool": "web_search", "input": {"query": "weather"}}
    await emulator.script([{"thinking": "Hm."}, "One. ", plain, cited, {"finish": "pause_turn"}, "Two."])
    events = await answer(model)
    first, second = await emulator.requests()
    assert text(events) == "One. Sun.Two."
    assert [event for event in events if isinstance(event, Finished)] == events[-1:]
    assert [block["type"] for block in second["body"]["messages"][-1]["content"]] == [
        *["thinking", "text", "server_tool_use", "web_search_tool_result", "text"]
    ]
    assert len(first["body"]["messages"]) == 1


async def test_a_turn_that_never_stops_pausing_fails(emulator: Emulated, model: Claude) -> None:
    """Pauses are bounded, because each costs money."""
    await emulator.script(["a", {"finish": "pause_turn"}])
    assert await failure(model) == ("a" * 6, failures.RESTLESS)


async def test_tools_start_and_server_tools_finish(emulator: Emulated, model: Claude) -> None:
    """A tool's title is its name; a server tool's result says whether it went well."""
    ok = {"server_tool": "web_search", "input": {"query": "a"}, "result": []}
    bad = {**ok, "result": {"type": "web_search_tool_result_error", "error_code": "unavailable"}}
    await emulator.script([ok, bad, {"tool": "add", "input": {"a": 1}}])
    *events, end = await answer(model)
    started = [event for event in events if isinstance(event, ToolStarted)]
    finished = [event.ok for event in events if isinstance(event, ToolFinished)]
    assert [event.title for event in started] == ["web_search", "web_search", "add"]
    assert finished == [True, False]
    assert isinstance(end, Finished)
    assert end.reason == "tool_use"


async def test_tool_input_is_parsed_once(
    emulator: Emulated, model: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing at each delta would be quadratic."""
    parsed: list[dict[str, Any]] = []
    parse = reply_module.Reply._parse

    def counted(self: Any, head: dict[str, Any], whole: str) -> None:
        parse(self, head, whole)
        parsed.append(head["input"])

    monkeypatch.setattr(reply_module.Reply, "_parse", counted)
    rows = {"rows": list(range(500))}
    await emulator.script([{"tool": "write", "input": rows}, {"tool": "look"}])
    await answer(model)
    assert parsed == [rows, {}]


def block(*pieces: str, reason: str) -> list[Any]:
    """A script in which a tool's input is *pieces*, exactly."""
    start = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [
        {"event": {"type": "content_block_start", "index": 0, "content_block": start}},
        *({"event": {"type": "content_block_delta", "index": 0, "delta": delta}} for delta in deltas),
        {"event": {"type": "content_block_stop", "index": 0}},
        {"finish": reason},
    ]


@pytest.mark.parametrize(
    "given",
    ['{"a": oops', "[" * 100_000, '{"a": 1e400}', '{"a": NaN}', f'{{"a": {"1" * 5_000}}}', "[1]", '"a"'],
    ids=["torn", "deep", "endless", "none", "long", "list", "text"],
)
async def test_malformed_tool_input_is_an_error_of_the_model(
    emulator: Emulated, model: Claude, given: str
) -> None:
    """Nobody can run a tool with it, or send it back."""
    await emulator.script(block(given[:6], given[6:], reason="tool_use"))
    assert await failure(model) == ("", reply_module.BAD_INPUT)


async def test_tool_input_that_the_length_limit_cut_is_no_fault(emulator: Emulated, model: Claude) -> None:
    """The stop reason already says what happened."""
    await emulator.script(block('{"a": ', reason="max_tokens"))
    assert (await answer(model))[-1].reason == "max_tokens"  # type: ignore[union-attr]


async def test_lone_surrogates_in_tool_input_are_replaced(
    emulator: Emulated, model: Claude, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON escapes in JSON hide them until the input is parsed."""
    kept: list[Any] = []
    end = reply_module.Reply.end

    def kept_end(self: Any) -> str:
        kept.append(self)
        return end(self)

    monkeypatch.setattr(reply_module.Reply, "end", kept_end)
    await emulator.script(block('{"a": "\\ud83d', '\\ude00 \\ud83d"}', reason="tool_use"))
    await answer(model)
    assert kept[0].content()[0]["input"] == {"a": "😀 \ufffd"}


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "\ude00"], ["😀"]),
        (["a\ud83db"], ["a\ufffdb"]),
        (["\ude00a"], ["\ufffda"]),
        (["a\ud83d", "b"], ["a", "\ufffdb"]),
        (["a\ud83d"], ["a", "\ufffd"]),
        (["é", "😀", "\ud83d\ude00"], ["é", "😀", "😀"]),
    ],
)
async def test_surrogates_are_joined_or_replaced(
    emulator: Emulated, model: Claude, steps: Any, wanted: Any
) -> None:
    """What leaves the model can be encoded, and no pair is torn by a delta's border."""
    await emulator.script(steps)
    events = await answer(model)
    assert [event.text for event in events if isinstance(event, Text)] == wanted
    text(events).encode()


async def test_unknown_events_blocks_and_deltas_are_ignored(emulator: Emulated, model: Claude) -> None:
    """The API may add types at any time."""
    unknown = [
        {"type": "future_event", "x": 1},
        {"type": "content_block_start", "index": 7, "content_block": {"type": "future_block", "zz": 1}},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "future_delta", "q": 1}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "stray"}},
        {"type": "content_block_stop", "index": 7},
    ]
    await emulator.script(["a", *({"event": event} for event in unknown), {"ping": True}, "b"])
    assert (await answer(model))[:-1] == [Text("a"), Text("b")]


async def test_a_gateway_that_counts_nothing_is_read_all_the_same(emulator: Emulated, model: Claude) -> None:
    """Servers that imitate the API leave usage out."""
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events = [{"type": "message_start", "message": {}}, delta, {"type": "message_stop"}]
    await emulator.script([{"raw": "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events)}])
    assert await answer(model) == [Finished("end_turn")]


async def test_usage_keeps_what_a_later_event_leaves_out(emulator: Emulated, model: Claude) -> None:
    """Input comes first, output last, and either may be corrected."""
    start = {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1},
        },
    }
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    await emulator.script(
        [{"event": start}, {"event": delta}, {"event": {"type": "message_stop"}}, {"end": True}]
    )
    assert await answer(model) == [Finished("end_turn", Usage(input=5, output=9, cache_read=7))]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (408, "timeout_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
        (418, "future_error"),
    ],
)
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.rule(11)
async def test_every_api_error_has_its_sentence(
    emulator: Emulated, model: Claude, status: Any, kind: Any, early: Any
) -> None:
    """By type, whether it comes as an HTTP status or inside a stream with status 200."""
    await emulator.script([{"status": status, "type": kind}] if early else ["partial", 0.01, {"error": kind}])
    assert await failure(model) == ("" if early else "partial", FAILURES.get(kind, INTERNAL).sentence)


@pytest.mark.parametrize("code", [key for key in FAILURES if "_error" not in key])
async def test_error_codes_that_need_an_operator_win_over_the_type(
    emulator: Emulated, model: Claude, code: Any
) -> None:
    """A spend limit comes as a 400, which else blames the question."""
    await emulator.script([{"status": 400, "code": code}])
    assert await failure(model) == ("", FAILURES[code].sentence)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ({"cut": True}, reply_module.BROKEN_OFF),
        ({"reset": True}, reply_module.BROKEN_OFF),
        ({"end": True}, reply_module.BROKEN_OFF),
        ({"stall": True}, failures.SILENT),
        ({"raw": "event: content_block_delta\ndata: {oops\n\n"}, failures.GARBLED),
        ({"raw": "event: content_block_delta\ndata: \udcff\n\n"}, failures.GARBLED),
        ({"raw": "event: error\ndata: <html>\n\n"}, FAILED),
    ],
)
async def test_faults_on_the_wire_come_after_the_text(
    emulator: Emulated, connect: Connect, fault: Any, wanted: Any
) -> None:
    """What arrived before the fault is shown; then one sentence says that it is not all."""
    await emulator.script(["partial", 0.05, fault])
    assert await failure(connect(silence=1.0)) == ("partial", wanted)


@pytest.mark.parametrize(
    ("step", "wanted"),
    [({"html": True}, failures.NO_STREAM), ({"hang": True}, failures.UNREACHABLE)],
)
async def test_answers_that_are_no_stream(
    emulator: Emulated, connect: Connect, step: Any, wanted: Any
) -> None:
    """A captive portal's page, and no headers at all."""
    await emulator.script([step])
    assert await failure(connect(silence=1.0)) == ("", wanted)


async def test_nobody_listens(connect: Connect) -> None:
    """A refused connection is told from a broken one."""
    assert await failure(connect(base_url="http://127.0.0.1:1")) == ("", failures.UNREACHABLE)


def response(status: int) -> httpx2.Response:
    return httpx2.Response(status, request=httpx2.Request("POST", URL))


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (anthropic.APIStatusError("secret", response=response(502), body="<html>"), FAILED),
        (anthropic.APIStatusError("secret", response=response(529), body=None), failures.BUSY),
        (anthropic.APIStatusError("secret", response=response(200), body={"error": {"type": []}}), FAILED),
        (anthropic.APITimeoutError(httpx2.Request("POST", URL)), failures.UNREACHABLE),
        (httpx2.ReadTimeout("secret"), failures.SILENT),
        (httpx2.RemoteProtocolError("secret"), reply_module.BROKEN_OFF),
        (anthropic.AnthropicError("secret"), FAILED),
    ],
)
@pytest.mark.rule(11)
def test_every_error_of_the_sdk_has_a_sentence(error: Any, wanted: Any) -> None:
    """Also those that no emulator can provoke."""
    assert sentence(error) == wanted


async def failed(model: Claude) -> ModelError:
    """The error, whole."""
    with pytest.raises(ModelError) as raised:
        await answer(model)
    return raised.value


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ({"status": 429}, Kind.LIMITED),
        ({"status": 529}, Kind.ILL),
        ({"status": 502}, Kind.ILL),
        ({"status": 504}, Kind.ILL),
        ({"status": 401}, Kind.KEY),
        ({"status": 402}, Kind.BARRED),
        ({"status": 403}, Kind.BARRED),
        ({"status": 404}, Kind.MISSING),
        ({"status": 413}, Kind.LONG),
        ({"status": 400}, Kind.OTHER),
        ({"status": 400, "message": "prompt is too long: 9 tokens > 8 maximum"}, Kind.LONG),
        ({"status": 400, "code": "organization_on_hold"}, Kind.BARRED),
        ({"html": True}, Kind.AWAY),
        ({"empty": True}, Kind.AWAY),
        ({"hangup": "cut"}, Kind.AWAY),
        ({"hangup": "reset"}, Kind.AWAY),
        ({"hang": True}, Kind.SILENT),
        ({"stall": True}, Kind.SILENT),
        ({"cut": True}, Kind.CUT),
        ({"end": True}, Kind.CUT),
        ({"error": "overloaded_error"}, Kind.ILL),
        ({"error": "rate_limit_error"}, Kind.LIMITED),
        ({"error": "authentication_error"}, Kind.KEY),
        ({"error": "future_error"}, Kind.ILL),
        ({"huge": 1_100_000}, Kind.CUT),
        ({"event": {"type": "content_block_delta"}}, Kind.CUT),
        ({"event": {"type": "content_block_start", "index": [], "content_block": 3}}, Kind.CUT),
        ({"raw": "data: " + "[" * 100_000 + "\n\n"}, Kind.CUT),
    ],
)
async def test_every_failure_says_what_kind_it_is(
    emulator: Emulated, connect: Connect, step: Any, kind: Any
) -> None:
    """So that somebody else can decide whether another try makes sense."""
    await emulator.script([step])
    assert (await failed(connect(silence=0.5))).kind is kind


@pytest.mark.parametrize(
    ("header", "wanted"),
    [({}, None), ({"retry-after": "3"}, 3.0), ({"retry-after": "1.5"}, 1.5), ({"retry-after": "soon"}, None)]
    + [({"retry-after": odd}, None) for odd in ("-1", "inf", "nan")],
)
async def test_the_time_to_come_back_is_passed_on(
    emulator: Emulated, model: Claude, header: Any, wanted: Any
) -> None:
    """As seconds; anything else is as if there were none."""
    await emulator.script([{"status": 429, "headers": header}])
    assert (await failed(model)).retry_after == wanted


async def test_those_that_are_read_at_once_are_counted_however_one_ends(
    emulator: Emulated, model: Claude
) -> None:
    await emulator.script(["a", {"stall": True}])
    async with aclosing(model.stream(QUESTION)) as events:
        await anext(events)
        assert model._crowd.size == 1
    assert model._crowd.size == 0
    await emulator.script([{"status": 529}])
    await failed(model)
    assert model._crowd.size == 0


async def test_an_event_is_bounded_and_a_stream_is_not(emulator: Emulated, connect: Connect) -> None:
    """What came before the event that is too long has been passed on."""
    await emulator.script(["a" * 900] * 50)
    assert len(text(await answer(connect(event=2_000)))) == 45_000
    await emulator.script(["b" * 900, 0.05, "c" * 3_000])
    assert await failure(connect(event=2_000)) == ("b" * 900, failures.GARBLED)


@pytest.mark.rule(11)
def test_sentences_are_fit_for_users() -> None:
    """Plain sentences: no URL, no class, no code."""
    named = [failure.sentence for failure in [*FAILURES.values(), *EXCEPTIONS.values()]]
    for words in [*named, failures.NO_STREAM, failures.RESTLESS]:
        assert words.endswith(".")
        assert words[0].isupper()
        assert not [code for code in ("http", "Error", "_") if code in words]


async def test_cancelling_the_reader_closes_the_socket(emulator: Emulated, model: Claude) -> None:
    """A stop must end the purchase of tokens."""
    await emulator.script(["a", {"stall": True}])
    got: asyncio.Queue[Event] = asyncio.Queue()

    async def read() -> None:
        async for event in model.stream(QUESTION):
            got.put_nowait(event)

    task = asyncio.create_task(read())
    await got.get()
    task.cancel()
    [closed] = await emulator.events(wait=5, kinds=["closed"])
    assert closed["sent_characters"] == 1
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_generator_closes_the_socket(emulator: Emulated, model: Claude) -> None:
    """A reader that has enough needs no cancellation."""
    await emulator.script(["a", {"stall": True}])
    async with aclosing(model.stream(QUESTION)) as events:
        assert await anext(events) == Text("a")
    assert await emulator.events(wait=5, kinds=["closed"])


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (QUESTION, {}),
        (Request(QUESTION.turns, system="Be kind."), {"system": "Be kind."}),
        (Request(QUESTION.turns, effort="low"), {"output_config": {"effort": "low"}}),
        (Request(QUESTION.turns, model="claude-haiku-5-5"), {"model": "claude-haiku-5-5"}),
        (Request(QUESTION.turns, max_tokens=7), {"max_tokens": 7}),
        (Request(QUESTION.turns, tools=[Tool({"name": "add"})]), {"tools": [{"name": "add"}]}),
    ],
)
async def test_nothing_is_sent_that_is_not_set(
    emulator: Emulated, model: Claude, request_: Any, wanted: Any
) -> None:
    """The body has the model, the limit, the messages, the mark of the cache, and what the request names."""
    await emulator.script(["a"])
    await answer(model, request_)
    messages = [{"role": "user", "content": "hi"}]
    base = {"model": "claude-sonnet-5-5", "max_tokens": 32_000, "messages": messages, "stream": True, **CACHE}
    assert (await emulator.find("hi"))["body"] == {**base, **wanted}


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        ([("user", "a"), ("user", "b")], [("user", "a\n\nb")]),
        (
            [("user", "a"), ("assistant", "b"), ("user", " "), ("user", "c")],
            [("user", "a"), ("assistant", "b"), ("user", "c")],
        ),
        ([("assistant", "a"), ("user", "b")], [("user", "…"), ("assistant", "a"), ("user", "b")]),
        ([("user", "a\ud83d")], [("user", "a\ufffd")]),
    ],
)
async def test_turns_become_messages_that_the_api_takes(
    emulator: Emulated, model: Claude, turns: Any, wanted: Any
) -> None:
    """Roles alternate, and nothing is empty."""
    await emulator.script(["a"])
    await answer(model, Request([Turn(role, words) for role, words in turns]))
    [request] = await emulator.requests()
    assert [(message["role"], message["content"]) for message in request["body"]["messages"]] == wanted


@pytest.mark.rule(24)
async def test_a_new_key_is_used_at_once_and_the_old_one_never_again(
    emulator: Emulated, model: Claude
) -> None:
    """A key that was rotated is known to somebody else."""
    await emulator.script(["a"])
    await answer(model)
    model.rekey("sk-newer")
    await answer(model)
    assert [seen["key"] for seen in await emulator.events(kinds=["request"])] == ["good", "ewer"]


async def served(connect: Connect, anything: Any) -> tuple[Claude, web.ServerRunner]:
    """A client of a server that answers *anything*."""
    runner = web.ServerRunner(web.Server(anything))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return connect(base_url=f"http://{host}:{port}"), runner


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.rule(18)
async def test_a_redirect_is_not_followed(emulator: Emulated, connect: Connect, status: int) -> None:
    """It would take the question and the key elsewhere."""
    await emulator.script(["a"])

    async def anything(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": f"{emulator.url}{request.path_qs}"})

    model, runner = await served(connect, anything)
    with pytest.raises(ModelError, match="Something else than Claude"):
        await answer(model)
    await runner.cleanup()
    assert await emulator.events(kinds=["request"]) == []


ASKED = [{"role": "user", "content": [{"type": "text", "text": each} for each in ("hi", "ann asks this")]}]


@pytest.mark.parametrize(
    ("refusals", "body"),
    [
        (["max_tokens: 32000 > 8192, which is the maximum allowed"], {"max_tokens": 8192}),
        (["This model does not support the effort parameter."], {"output_config": None}),
        (["max_tokens: 32000 > 4096, which is", "no effort"], {"max_tokens": 4096, "output_config": None}),
        (["cache_control: Extra inputs are not permitted"], {"cache_control": None, "messages": ASKED}),
        (
            ["messages.0.content.0.text.cache_control: unknown field", "no effort", "max_tokens: 9 > 7"],
            {"cache_control": None, "messages": ASKED, "output_config": None, "max_tokens": 7},
        ),
    ],
)
async def test_a_model_that_can_do_less_is_asked_for_that(
    connect: Connect, refusals: list[str], body: dict[str, Any]
) -> None:
    """The defaults are made for the newest."""
    bodies: list[Any] = []
    left = [*refusals]

    async def anything(request: web.BaseRequest) -> web.StreamResponse:
        bodies.append(await request.json())
        said = left.pop(0) if left else "no"
        error = {"type": "invalid_request_error", "message": said}
        return web.json_response({"type": "error", "error": error}, status=400)

    model, runner = await served(connect, anything)
    asked = Turn("user", "hi", aside="ann asks this")
    with pytest.raises(ModelError):
        await answer(model, Request((asked,), effort="medium", max_tokens=32_000))
    await runner.cleanup()
    assert len(bodies) == len(refusals) + 1
    assert {name: bodies[-1].get(name) for name in body} == body


async def test_a_gateway_that_keeps_nothing_is_asked_to_once(emulator: Emulated, model: Claude) -> None:
    """Each refusal would cost a request."""
    await emulator.script([{"status": 400, "message": "cache_control: no such field", "times": 1}, "a"])
    for _ in range(3):
        assert (await answer(model))[:-1] == [Text("a")]
    bodies = [each["body"] for each in await emulator.requests()]
    assert ["cache_control" in each for each in bodies] == [True, False, False, False]


async def test_what_is_said_aside_comes_last_behind_the_mark(emulator: Emulated, model: Claude) -> None:
    """The next request has the same up to the mark, in its own history."""
    await emulator.script(["a"])
    file = File("a.txt", "text/plain", 1, data=b"x")
    await answer(model, Request((Turn("user", "b"), Turn("user", "hi", (file,), aside="ann asks"))))
    [message] = (await emulator.find("hi"))["body"]["messages"]
    assert [block.get("text", block["type"]) for block in message["content"]] == [
        "b",
        "document",
        "hi",
        "ann asks",
    ]
    assert [CACHE.items() <= block.items() for block in message["content"]] == [False, False, True, False]


@pytest.mark.parametrize(
    ("words", "counted", "fits"), [(1_000, False, True), (3_400, True, True), (9_000, True, False)]
)
async def test_tokens_are_counted_only_where_it_is_close(
    emulator: Emulated, model: Claude, words: int, counted: bool, fits: bool
) -> None:
    """A request that is known to be too long is not made."""
    await emulator.configure(window=5_000)
    model.told(model.model, 5_000)
    await emulator.script(["a"])
    question = Request((Turn("user", "word " * words),))
    if fits:
        assert (await answer(model, question))[0] == Text("a")
    else:
        with pytest.raises(ModelError) as caught:
            await answer(model, question)
        assert caught.value.kind is Kind.LONG
    assert bool(await emulator.events(kinds=["counted"])) == counted
    assert len(await emulator.requests()) == fits
    assert await emulator.events(kinds=["refused"]) == []


async def test_a_count_that_fails_holds_up_nothing(emulator: Emulated, model: Claude) -> None:
    """The API says itself that a request is too long."""
    await emulator.configure(window=100)
    model.told(model.model, 100)
    await emulator.configure(models=["other"])
    with pytest.raises(ModelError) as caught:
        await answer(model, Request((Turn("user", "word " * 500),)))
    assert caught.value.kind is Kind.MISSING


@pytest.mark.parametrize(
    ("details", "about"),
    [
        ({"type": "refusal", "category": "cyber"}, "cyber security"),
        ({"type": "refusal", "category": "new_one"}, "another of its rules"),
        ({"type": "refusal", "category": None}, ""),
        ({"category": ["cyber"]}, ""),
        (None, ""),
    ],
)
async def test_a_refusal_says_what_it_touches_and_that_a_new_thread_helps(
    emulator: Emulated, model: Claude, details: Any, about: str
) -> None:
    """The category is the API's."""
    finish = {"finish": "refusal"} | ({"details": details} if details else {})
    await emulator.script([finish])
    [end] = await answer(model)
    assert isinstance(end, Finished)
    assert about in end.note
    assert "new thread" in end.note


async def test_the_environment_redirects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray variable on the host must not see keys or questions."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "stray")
    model = Claude("sk-good")
    assert str(model._client.base_url).rstrip("/") == BASE_URL
    assert model._client.auth_token is None
    await model.close()


def bodies() -> list[Any]:
    """Every recorded stream as an SSE body."""
    folder = os.environ.get("RECORDED_PAYLOADS", "")
    return sorted(Path(folder, "anthropic").glob("*.txt")) if folder else []


@pytest.mark.skipif(not bodies(), reason="RECORDED_PAYLOADS names no folder")
@pytest.mark.parametrize("path", bodies(), ids=lambda path: path.name)
async def test_recorded_streams_are_read_to_the_end(emulator: Emulated, model: Claude, path: Any) -> None:
    """Real traffic, replayed byte for byte, gives text and a stop reason."""
    recorded = path.read_text()
    if path.name.endswith(".chunks.txt"):
        lines = [(json.loads(line)["type"], line) for line in recorded.splitlines()]
        recorded = "".join(f"event: {kind}\ndata: {line}\n\n" for kind, line in lines)
    await emulator.script([{"raw": recorded.rstrip() + "\n\n"}])
    *events, end = await answer(model)
    assert isinstance(end, Finished)
    assert end.reason in {"end_turn", "tool_use", "max_tokens"}
    assert end.usage.output > 1
    assert text(events) or any(isinstance(event, ToolStarted) for event in events)


PAGE = {
    "type": "web_search_result_location",
    "url": "https://a.example/x",
    "title": "A *page*",
    "cited_text": "x",
    "encrypted_index": "x",
}


async def test_what_is_cited_is_told_with_its_sources(emulator: Emulated, model: Claude) -> None:
    """A page that was fetched is cited by its title; the result has the address."""
    fetched = {"type": "web_fetch_result", "url": "https://b.example/", "content": {"title": "B"}}
    cited = {"type": "char_location", "document_title": "B", "cited_text": "y"}
    await emulator.script(
        [
            {"server_tool": "web_fetch", "result": fetched},
            {"text": "It rains.", "citations": [PAGE, PAGE, cited]},
            "So it is.",
        ]
    )
    events = await answer(model)
    assert Cited((Source("https://a.example/x", "A *page*"), Source("https://b.example/", "B"))) in events
    assert text(events) == "It rains.So it is."


async def test_files_that_code_has_made_come_with_the_end(emulator: Emulated, model: Claude) -> None:
    await emulator.file("file_1", "table.csv", "text/csv", "a,b")
    outputs = [{"type": "bash_code_execution_output", "file_id": key} for key in ("file_1", "file_2")]
    result = {"type": "bash_code_execution_result", "content": outputs, "return_code": 0}
    await emulator.script([{"server_tool": "bash_code_execution", "result": result}, "Here."])
    [*_, end] = await answer(model)
    assert isinstance(end, Finished)
    assert end.files == (File("table.csv", "text/csv", 3, data=b"a,b"),)
    assert end.note == LOST.format(count=1)


async def test_a_model_that_shows_no_thoughts_is_asked_without(emulator: Emulated, model: Claude) -> None:
    await emulator.script(["Hi."])
    await answer(model, replace(QUESTION, thinking=True))
    [asked] = await emulator.requests()
    assert asked["body"]["thinking"] == {"type": "adaptive", "display": "summarized"}
    wanted = {"max_tokens": 5, "thinking": {}}
    assert fits(wanted, "thinking.adaptive: not supported")
    assert "thinking" not in wanted


async def test_the_tool_whose_input_the_limit_cut_is_named(emulator: Emulated, model: Claude) -> None:
    await emulator.script(block('{"a": ', reason="max_tokens"))
    [*_, end] = await answer(model)
    assert isinstance(end, Finished)
    assert end.note == UNCALLED.format(name="add")


async def test_an_empty_text_before_a_call_is_not_sent_back(emulator: Emulated, model: Claude) -> None:
    """Models begin with one now and then, and the API refuses it."""
    empty = {"type": "text", "text": ""}
    await emulator.script(
        [
            {"event": {"type": "content_block_start", "index": 7, "content_block": empty}},
            {"event": {"type": "content_block_stop", "index": 7}},
            *block('{"a": 1}', reason="tool_use"),
        ]
    )
    [*_, end] = await answer(model)
    assert isinstance(end, Finished)
    assert [each["type"] for each in end.turns[-1].blocks] == ["tool_use"]
