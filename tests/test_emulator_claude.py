"""The Claude emulator, read by the real SDK over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx2
import pytest

from adapters.emulators.claude import Claude
from adapters.emulators.claude.chaos import FAULTS, MOMENTS, chaotic
from adapters.emulators.claude.plays import Script, encoded
from adapters.emulators.control import Remote
from adapters.emulators.process import spawned

HEADERS = {"authorization": "Bearer sk-good", "anthropic-version": "2026-10-21"}
CITATION = {
    "type": "web_search_result_location",
    "cited_text": "Sun.",
    "url": "https://example.org",
    "title": "Weather",
    "encrypted_index": "Eo8B",
}
RESULT = {
    "type": "web_search_result",
    "title": "Weather",
    "url": "https://example.org",
    "encrypted_content": "Erke",
    "page_age": None,
}
EVERYTHING: list[Any] = [
    {"thinking": "Hm"},
    {"thinking": "m."},
    "Let me",
    " look.",
    {"server_tool": "web_search", "input": {"query": "weather"}, "result": [RESULT]},
    {"text": "Sun.", "citations": [CITATION]},
    {"tool": "get_weather", "input": {"location": "Paris"}},
]


def body(question: str = "hi", **more: Any) -> dict[str, Any]:
    return {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": question}],
        **more,
    }


@pytest.fixture
async def claude() -> AsyncIterator[Claude]:
    emulator = Claude()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def sdk(claude: Claude) -> AsyncIterator[anthropic.AsyncAnthropic]:
    client = anthropic.AsyncAnthropic(
        api_key="sk-good",
        base_url=claude.url,
        max_retries=0,
        timeout=httpx2.Timeout(10),
        http_client=anthropic.DefaultAioHttpClient(),
    )
    yield client
    await client.close()


async def post(claude: Claude | Remote, headers: dict[str, str] = HEADERS, **request: Any) -> tuple[Any, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(claude.url + "/v1/messages", json=request, headers=headers) as response,
    ):
        return response, await response.text()


async def wire(claude: Claude, **more: Any) -> list[dict[str, Any]]:
    """Every event of a stream as it is on the wire, with its name checked against its type."""
    response, text = await post(claude, **body(stream=True, **more))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"].startswith("req_")
    events = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


async def read(sdk: Any, **more: Any) -> str:
    """All text that the SDK sees of a stream."""
    async with await sdk.messages.create(**body(**more), stream=True) as stream:
        return "".join([event.delta.text async for event in stream if event.type == "content_block_delta"])


async def test_the_sdk_reads_the_text_and_the_end(claude: Claude, sdk: Any) -> None:
    """A plain script is a whole message for the SDK's own accumulator."""
    await claude.script(["Hello", 0.01, " **you**"])
    async with sdk.messages.stream(**body()) as stream:
        message = await stream.get_final_message()
    assert message.content[0].text == "Hello **you**"
    assert (message.stop_reason, message.role, message.model) == (
        "end_turn",
        "assistant",
        "claude-sonnet-5-5",
    )
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 1
    assert message.id == (await claude.find("hi"))["id"]


async def test_events_come_in_the_recorded_order(claude: Claude) -> None:
    """Start, block, ping, deltas, stop, reason, end; thinking is signed, tool input starts empty."""
    await claude.script(EVERYTHING)
    kinds = []
    for event in await wire(claude):
        inner = event.get("delta") or event.get("content_block") or {}
        kinds.append(event["type"] + "/" + inner["type"] if "type" in inner else event["type"])
    delta, start, stop = "content_block_delta/", "content_block_start/", "content_block_stop"
    tool = [delta + "input_json_delta"]
    assert kinds == [
        *["message_start", start + "thinking", "ping", delta + "thinking_delta", delta + "thinking_delta"],
        *[delta + "signature_delta", stop],
        *[start + "text", delta + "text_delta", delta + "text_delta", stop],
        *[start + "server_tool_use", *tool * 3, stop],
        *[start + "web_search_tool_result", stop],
        *[start + "text", delta + "citations_delta", delta + "text_delta", stop],
        *[start + "tool_use", *tool * 4, stop],
        *["message_delta", "message_stop"],
    ]


async def test_the_sdk_puts_all_kinds_of_blocks_together(claude: Claude, sdk: Any) -> None:
    """Thinking, text, tools, results and citations survive the SDK's accumulator."""
    await claude.script(EVERYTHING)
    async with sdk.messages.stream(**body()) as stream:
        message = await stream.get_final_message()
    thinking, text, use, result, cited, tool = message.content
    assert (thinking.thinking, bool(thinking.signature), text.text) == ("Hmm.", True, "Let me look.")
    assert (use.input, result.tool_use_id) == ({"query": "weather"}, use.id)
    assert cited.citations[0].url == "https://example.org"
    assert (tool.input, message.stop_reason) == ({"location": "Paris"}, "tool_use")


async def test_without_a_stream_the_answer_is_one_message(claude: Claude, sdk: Any) -> None:
    """The same script is a JSON message when nobody asks for a stream."""
    await claude.script(["Hello ", "you", {"tool": "add", "input": {"a": 1}}])
    message = await sdk.messages.create(**body())
    assert (message.content[0].text, message.content[1].input) == ("Hello you", {"a": 1})
    assert message.stop_reason == "tool_use"


async def test_the_built_in_script_is_a_pleasant_answer(claude: Claude) -> None:
    """Somebody who sets nothing sees markdown in several paragraphs."""
    events = await wire(claude)
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text.count("\n\n") > 3
    assert "```python" in text


async def test_the_newest_matching_script_plays(claude: Claude, sdk: Any) -> None:
    """`when` picks by the last question; among several the newest wins."""
    await claude.script(["any"])
    await claude.script(["old cats"], when="cat")
    await claude.script(["cats"], when="cat")
    earlier = [{"role": "user", "content": "cat?"}, {"role": "assistant", "content": "cats"}]
    assert await read(sdk) == "any"
    assert await read(sdk, question="a cat?") == "cats"
    assert await read(sdk, messages=[*earlier, {"role": "user", "content": "dog?"}]) == "any"
    await claude.clear()
    assert await claude.requests() == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (402, anthropic.PaymentRequiredError),
        (403, anthropic.PermissionDeniedError),
        (413, anthropic.ContentTooLargeError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
async def test_an_error_instead_of_a_stream(claude: Claude, sdk: Any, status: Any, error: Any) -> None:
    """The SDK raises its own class, with type, message, code and headers."""
    step = {"status": status, "message": "No.", "code": "some_code", "headers": {"retry-after": "3"}}
    await claude.script([{**step, "times": 1}, "fine"])
    with pytest.raises(error) as raised:
        await read(sdk)
    assert (raised.value.api_message, raised.value.error_code) == ("No.", "some_code")
    assert raised.value.type
    assert raised.value.response.headers["retry-after"] == "3"
    assert await read(sdk) == "fine"
    assert [request["state"] for request in await claude.requests()] == ["broken", "finished"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"error": "overloaded_error"}, anthropic.APIStatusError),
        ({"cut": True}, httpx2.HTTPError),
        ({"reset": True}, httpx2.HTTPError),
        ({"raw": "event: content_block_delta\ndata: {oops\n\n"}, json.JSONDecodeError),
        ({"raw": "event: content_block_delta\ndata: \udcff\n\n"}, UnicodeDecodeError),
    ],
)
async def test_a_fault_in_the_middle_of_a_stream(claude: Claude, sdk: Any, fault: Any, error: Any) -> None:
    """The text before the fault arrives; then the SDK raises what it raises for the real API."""
    await claude.script(["partial", 0.01, fault])
    got: list[str] = []

    async def reader() -> None:
        async with await sdk.messages.create(**body(), stream=True) as stream:
            async for event in stream:
                got.extend([event.delta.text] if event.type == "content_block_delta" else [])

    with pytest.raises(error) as raised:
        await reader()
    assert got == ["partial"]
    if error is anthropic.APIStatusError:
        assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")


async def test_an_end_without_message_stop_is_silent(claude: Claude, sdk: Any) -> None:
    """The SDK sees a clean end, so its users must look for message_stop."""
    await claude.script(["partial", {"end": True}])
    assert await read(sdk) == "partial"
    assert (await claude.find("hi"))["state"] == "broken"


@pytest.mark.parametrize("steps", [["a", {"stall": True}], [{"hang": True}]])
async def test_silence_lasts_until_the_client_gives_up(claude: Claude, sdk: Any, steps: Any) -> None:
    """A stall sends nothing, with or without response headers."""
    await claude.script(steps)
    with pytest.raises((httpx2.ReadTimeout, anthropic.APITimeoutError)):
        await read(sdk.with_options(timeout=httpx2.Timeout(10, read=0.5)))
    [closed] = await claude.events(wait=5, kinds=["closed"])
    assert closed["sent_characters"] == len(steps) - 1


async def test_pings_keep_a_silent_stream_alive(claude: Claude, sdk: Any) -> None:
    """Pauses and stalls longer than the interval carry pings."""
    await claude.configure(ping_every=0.05)
    await claude.script(["a", 0.8, "b"])
    assert await read(sdk.with_options(timeout=httpx2.Timeout(10, read=0.5))) == "ab"
    pings = [event for event in await wire(claude) if event["type"] == "ping"]
    assert len(pings) > 5


async def test_a_web_page_instead_of_a_stream(claude: Claude, sdk: Any) -> None:
    """A captive portal answers 200 with HTML, which the SDK takes for an empty stream."""
    await claude.script([{"html": True}])
    async with await sdk.messages.create(**body(), stream=True) as stream:
        assert stream.response.headers["content-type"].startswith("text/html")
        assert [event async for event in stream] == []


async def test_unknown_events_pass_as_they_are(claude: Claude) -> None:
    """A raw event is written unchanged, between the usual ones."""
    event = {"type": "future_event", "x": [1]}
    await claude.script(["a", {"event": event}, {"ping": True}, "b"])
    assert event in await wire(claude)


async def test_a_hang_up_is_recorded_at_once(claude: Claude, sdk: Any) -> None:
    """Cancelling the reader closes the request, with what was sent until then."""
    await claude.script(["one ", "two ", {"stall": True}])
    first = asyncio.Event()

    async def reader() -> None:
        async with await sdk.messages.create(**body(), stream=True) as stream:
            async for event in stream:
                if event.type == "content_block_delta":
                    first.set()

    task = asyncio.create_task(reader())
    await first.wait()
    assert (await claude.find("hi"))["state"] == "open"
    task.cancel()
    [closed] = await claude.events(wait=5, kinds=["closed"])
    assert closed["sent_characters"] == 8
    request = await claude.sent(closed["id"])
    assert (request["state"], request["text"]) == ("closed", "one two ")
    assert request["times"]["start"] <= request["times"]["first"] <= request["times"]["end"]


async def test_the_log_tells_a_stream_from_start_to_end(claude: Claude, sdk: Any) -> None:
    """Request, first text, characters sent, finished; no more of the key than its end."""
    await claude.script(["Hello"])
    await read(sdk)
    log = await claude.events()
    assert [entry["kind"] for entry in log] == ["request", "first", "sent", "finished"]
    assert (log[0]["key"], log[2]["characters"]) == ("good", 5)
    assert "sk-good" not in str(log)


async def test_models_are_listed_and_described(claude: Claude, sdk: Any) -> None:
    """The known models are settable; others are not found."""
    assert (await sdk.models.retrieve("claude-haiku-5-5")).lifecycle == "active"
    await claude.configure(models=["claude-next"])
    assert [model.id async for model in await sdk.models.list()] == ["claude-next"]
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("claude-haiku-5-5")


async def test_tokens_are_counted(claude: Claude, sdk: Any) -> None:
    """More text is more tokens."""
    few = await sdk.messages.count_tokens(model="claude-sonnet-5-5", messages=body()["messages"])
    many = await sdk.messages.count_tokens(model="claude-sonnet-5-5", messages=body("hi" * 50)["messages"])
    assert 0 < few.input_tokens < many.input_tokens


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer sk-good"}, 200),
        ({"x-api-key": "sk-good"}, 200),
        ({"x-api-key": "bad-key"}, 401),
        ({"authorization": "Bearer denied-key"}, 403),
        ({}, 401),
    ],
)
async def test_keys_come_in_either_header(claude: Claude, headers: Any, status: Any) -> None:
    """SDK 2 sends a bearer token, older ones x-api-key."""
    await claude.script(["a"])
    response, text = await post(claude, headers={"anthropic-version": "2026-10-21", **headers}, **body())
    assert response.status == status
    if status != 200:
        assert json.loads(text)["type"] == "error"
        [refused] = await claude.events(kinds=["refused"])
        assert refused["status"] == status


async def test_only_the_configured_keys_are_valid(claude: Claude, sdk: Any) -> None:
    """Keys can be rotated."""
    await claude.configure(keys=["other"])
    with pytest.raises(anthropic.AuthenticationError):
        await read(sdk)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"messages": []}, 400),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, 400),
        ({"messages": [{"role": "user", "content": ""}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, 400),
        ({"messages": [{"role": "robot", "content": "a"}]}, 400),
        ({"max_tokens": 0}, 400),
        ({"temperature": 1}, 400),
        ({"top_p": 1}, 400),
        ({"top_k": 1}, 400),
        ({"output_config": {"effort": "huge"}}, 400),
        ({"model": "claude-1"}, 404),
    ],
)
async def test_the_request_is_validated(claude: Claude, more: Any, status: Any) -> None:
    """What current models refuse is refused."""
    response, text = await post(claude, **body(**more))
    assert response.status == status
    kind = {400: "invalid_request_error", 404: "not_found_error"}[status]
    assert json.loads(text)["error"]["type"] == kind


async def test_a_paused_turn_goes_on_when_it_comes_back_unchanged(claude: Claude, sdk: Any) -> None:
    """The rest of the script plays; changed content is a prefill, which is refused."""
    await claude.script(["one", {"finish": "pause_turn"}, "two"])
    paused = await sdk.messages.create(**body())
    content = [block.to_dict() for block in paused.content]
    again = [*body()["messages"], {"role": "assistant", "content": content}]
    assert (await sdk.messages.create(**body(messages=again))).content[0].text == "two"
    content[0]["text"] = "won"
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        await sdk.messages.create(**body(messages=again))


async def test_text_after_a_tool_waits_for_its_result(claude: Claude, sdk: Any) -> None:
    """A tool call ends the response; the request with the result gets what follows."""
    await claude.script(["calling", {"tool": "add", "input": {}}, "three"])
    called = await sdk.messages.create(**body())
    result = {"type": "tool_result", "tool_use_id": called.content[1].id, "content": "3"}
    turns = [
        *body()["messages"],
        {"role": "assistant", "content": [block.to_dict() for block in called.content]},
        {"role": "user", "content": [result]},
    ]
    done = await sdk.messages.create(**body(messages=turns))
    assert (called.stop_reason, done.content[0].text) == ("tool_use", "three")


async def test_refusals_carry_their_details(claude: Claude, sdk: Any) -> None:
    """A finish step can say why."""
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    await claude.script(["I", {"finish": "refusal", "details": details}])
    async with sdk.messages.stream(**body()) as stream:
        message = await stream.get_final_message()
    assert (message.stop_reason, message.stop_details.category) == ("refusal", "cyber")


async def test_lone_surrogates_reach_the_sdk(claude: Claude, sdk: Any) -> None:
    """Half a pair passes as an escape, as the API sends it."""
    await claude.script(["a\ud83d", "\ude00é"])
    assert await read(sdk) == "a\ud83d\ude00é"
    assert encoded("é") == '"é"'.encode()


async def test_a_step_that_is_none_is_refused_at_once(claude: Claude) -> None:
    """A typo in a script fails where it is set, not in a stream."""
    with pytest.raises(ValueError, match="not a step"):
        await claude.script([{"finsh": "end_turn"}])


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_a_hang_up_before_the_headers(claude: Claude, sdk: Any, how: Any) -> None:
    """The SDK says that it was not connected."""
    await claude.script([{"hangup": how, "times": 1}, "fine"])
    with pytest.raises(anthropic.APIConnectionError):
        await read(sdk)
    assert await read(sdk) == "fine"


async def test_a_fault_can_wait_for_the_second_request(claude: Claude, sdk: Any) -> None:
    """So that what a client asks after a break meets trouble of its own."""
    await claude.script([{"status": 529, "after": 1, "times": 1}, "fine"])
    assert await read(sdk) == "fine"
    with pytest.raises(anthropic.APIStatusError):
        await read(sdk)
    assert await read(sdk) == "fine"


async def test_an_empty_response_has_no_events(claude: Claude) -> None:
    """Also no type that would promise some."""
    await claude.script([{"empty": True}])
    response, text = await post(claude, **body(stream=True))
    assert (response.status, text) == (200, "")
    assert "content-type" not in response.headers


async def test_a_huge_event_is_one_delta(claude: Claude) -> None:
    """A size that no honest delta has."""
    await claude.script([{"huge": 2_000_000}])
    assert max(len(str(event)) for event in await wire(claude)) > 2_000_000


async def test_a_drip_never_ends(claude: Claude, sdk: Any) -> None:
    """But it can be hung up on."""
    await claude.script([{"drip": "x", "every": 0.001}])
    async with await sdk.messages.create(**body(), stream=True) as stream:
        seen = 0
        async for event in stream:
            seen += event.type == "content_block_delta"
            if seen == 50:
                break
    assert await claude.events(wait=5, kinds=["closed"])


async def test_a_model_goes_on_after_the_words_that_a_question_ends_with(claude: Claude, sdk: Any) -> None:
    """As a model does that is asked to; it may say the last of them twice."""
    said = "The quick brown fox jumps over"
    await claude.script([{"resumes": 4}, said[:10], said[10:], " the lazy dog.", {"cut": True, "times": 1}])
    with pytest.raises(httpx2.HTTPError):
        await read(sdk)
    assert await read(sdk, messages=[{"role": "user", "content": f"Go on after: {said}"}]) == (
        "over the lazy dog."
    )
    assert await read(sdk) == f"{said} the lazy dog."


async def test_a_model_goes_on_with_its_own_last_answer_when_a_person_says_continue(
    claude: Claude, sdk: Any
) -> None:
    """Words that it said already take no time, and nobody else's answer is gone on with."""
    said = "The quick brown fox jumps over"
    await claude.script([{"resumes": 0}, said, 60.0, " the lazy", " dog."], when="a fox")
    for word, answer in (("continue", " the lazy dog."), ("a fox", None)):
        messages = [
            {"role": "user", "content": "Tell me of a fox."},
            {"role": "assistant", "content": f"{said} the lazy" if answer is None else f"{said}"},
            {"role": "user", "content": word},
        ]
        if answer:
            await claude.configure(speed=1_000.0)
            assert await read(sdk, messages=messages) == answer
        else:
            assert (await read(sdk, messages=messages)).startswith("The quick")


async def test_a_script_is_played_faster_and_answers_under_way_are_cut(claude: Claude, sdk: Any) -> None:
    """As a faster model would, and as a network that fails."""
    await claude.configure(speed=1_000.0)
    await claude.script(["One.", 60.0, "Two."])
    assert await read(sdk) == "One.Two."
    await claude.configure(speed=1.0)
    cut = asyncio.create_task(read(sdk))
    await claude.events(since=len(claude.log), wait=5, kinds=["first"])
    assert await claude.cut() == 1
    with pytest.raises(httpx2.HTTPError):
        await cut
    assert [asked["state"] for asked in await claude.requests()] == ["finished", "broken"]
    assert await claude.cut() == 0


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_chaos_is_the_same_for_the_same_seed(fault: Any, moment: Any) -> None:
    """A failing case is one line to see again, and other seeds are other cases."""
    told = "Some text of several words, and more of it. " * 9
    scripts = [list(chaotic(fault, moment, seed, told)) for seed in (1, 1, 2, 3, 4)]
    assert scripts[0] == scripts[1]
    assert any(script != scripts[0] for script in scripts[2:]) or fault == "no text"
    Script(scripts[0])


async def test_chaos_is_set_by_name(claude: Claude, sdk: Any) -> None:
    """One line, also from another process."""
    await claude.chaos("529", "before headers", 3, "All is well.")
    with pytest.raises(anthropic.APIStatusError):
        await read(sdk)
    with pytest.raises(KeyError):
        await claude.chaos("no such fault", "middle", 3, "text")


async def test_many_streams_run_side_by_side(claude: Claude, sdk: Any) -> None:
    """A hundred streams with a pause between deltas all come through whole."""
    await claude.script([0.005, "word "] * 50)
    texts = await asyncio.gather(*(read(sdk) for _ in range(100)))
    assert set(texts) == {"word " * 50}


async def test_all_emulators_run_in_a_process_of_their_own() -> None:
    """One line tells where they are; they are driven over HTTP and gone at the end."""
    async with spawned() as world:
        assert len({world.slack.url, world.discord.url, world.claude.url}) == 3
        await world.claude.script(steps=["far away"])
        _, text = await post(world.claude, **body())
        assert "far away" in text
        assert (await world.claude.find(question="hi"))["state"] == "finished"
        with pytest.raises(LookupError, match="nobody asked"):
            await world.claude.find(question="bye")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(world.claude.url)


async def test_emulators_that_cannot_start_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies at its start is an error, not a wait."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="exit code 1"):
        async with spawned():
            pass


def recorded(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every recorded event: SSE bodies and files with one JSON object a line."""
    for path in sorted(Path(folder, "anthropic").glob("*.txt")):
        for line in path.read_text().splitlines():
            data = line.removeprefix("data:").strip()
            if data.startswith("{"):
                yield path.name, json.loads(data)


def shapes(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Where each key is, with its JSON type; typed objects are told apart by their type."""
    if isinstance(value, dict):
        here = f"{path}<{value['type']}>" if "type" in value else path
        for key, inner in value.items():
            if path.endswith(".input"):
                continue
            yield f"{here}.{key}", "null" if inner is None else type(inner).__name__
            yield from shapes(inner, f"{here}.{key}")
    if isinstance(value, list):
        for inner in value:
            yield from shapes(inner, path + "[]")


@pytest.mark.skipif("RECORDED_PAYLOADS" not in os.environ, reason="RECORDED_PAYLOADS names no folder")
async def test_every_recorded_key_exists_in_ours(claude: Claude) -> None:
    """Whatever real events of our kinds have, ours have, with the same JSON type."""
    await claude.script(EVERYTHING)
    ours: dict[str, set[str]] = {}
    for event in await wire(claude):
        for where, kind in shapes(event, ""):
            ours.setdefault(where, set()).add(kind)
    compared = set()
    for name, event in recorded(os.environ["RECORDED_PAYLOADS"]):
        if "mcp" in str((event.get("content_block") or {}).get("type")):
            continue  # the emulator has no MCP blocks
        for where, kind in shapes(event, ""):
            assert where in ours, f"{name}: {where} is missing"
            assert kind == "null" or ours[where] & {kind, "null"}, f"{name}: {where} is a {kind}"
            compared.add(where)
    assert len(compared) > 40
