"""The API is asked about the key without its SDK, by the start and by the doctor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.emulators.claude import Claude as Emulated
from bot.guard.prices import prices
from bot.model.failures import (
    BUSY,
    CHECKS,
    EMPTY_KEY,
    FAILED,
    FAILURES,
    NO_KEY,
    NO_STREAM,
    RETIRED,
    UNKNOWN,
    is_own,
)
from bot.model.listed import Listed, listed, models_of

MODEL = "claude-sonnet-5-5"
FINE = ""
REFUSED = CHECKS["authentication_error"]
FORBIDDEN = CHECKS["permission_error"]
MISSING = CHECKS["not_found_error"]
UNFIT = FAILURES["invalid_request_error"].sentence
LIMITED = FAILURES["rate_limit_error"].sentence
#: What only the operator can help with.
FINAL = {REFUSED, FORBIDDEN, MISSING, RETIRED}


def error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "no"}}


#: What anything at that address may answer, and what is made of it from Anthropic's host and from a gateway.
ANSWERS: dict[str, tuple[int, Any, dict[str, str], str, str]] = {
    "the model": (200, {"type": "model", "id": MODEL}, {}, FINE, FINE),
    "a retired one": (200, {"type": "model", "id": MODEL, "lifecycle": "retired"}, {}, RETIRED, RETIRED),
    "something else": (200, {"hello": "world"}, {}, NO_STREAM, NO_STREAM),
    "a web page": (200, "<html>sign in</html>", {"Content-Type": "text/html"}, NO_STREAM, NO_STREAM),
    "a list": (200, [1], {}, NO_STREAM, NO_STREAM),
    "a redirect": (302, "", {"Location": "http://127.0.0.1:9/"}, NO_STREAM, NO_STREAM),
    "bytes that are no text": (200, b"\xff\xfe", {}, NO_STREAM, NO_STREAM),
    **{
        f"{status} {kind}": (status, error(kind), {}, own, gateway)
        for status, kind, own, gateway in (
            (400, "invalid_request_error", UNFIT, UNKNOWN),
            (401, "authentication_error", REFUSED, REFUSED),
            (402, "billing_error", FAILURES["billing_error"].sentence, FAILURES["billing_error"].sentence),
            (403, "permission_error", FORBIDDEN, UNKNOWN),
            (404, "not_found_error", MISSING, UNKNOWN),
            (429, "rate_limit_error", LIMITED, LIMITED),
            (500, "api_error", FAILED, FAILED),
            (529, "overloaded_error", BUSY, BUSY),
        )
    },
    **{
        f"a bare {status}": (status, "no", {}, own, gateway)
        for status, own, gateway in (
            (400, UNFIT, UNKNOWN),
            (401, REFUSED, UNKNOWN),
            (403, FORBIDDEN, UNKNOWN),
            (404, MISSING, UNKNOWN),
            (405, FAILED, UNKNOWN),
            (429, LIMITED, LIMITED),
            (500, FAILED, FAILED),
            (501, FAILED, UNKNOWN),
            (502, FAILED, FAILED),
            (503, FAILED, FAILED),
        )
    },
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("own", [True, False], ids=["Anthropic", "a gateway"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_each_answer_is_told_in_one_line_and_ends_the_start_only_where_it_is_clear(
    answer, own, session, monkeypatch
):
    status, body, headers, *wanted = ANSWERS[answer]

    async def said(_request: web.BaseRequest) -> web.Response:
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status)

    monkeypatch.setattr("bot.model.listed.is_own", lambda _host: own)
    runner = web.ServerRunner(web.Server(said))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        found = await listed(session, "sk-test", url, MODEL)
        told = wanted[0] if own else wanted[1]
        assert (found.trouble, found.final) == (told.format(model=MODEL, host="127.0.0.1"), told in FINAL)
        assert "\n" not in found.trouble
        assert found.date is not None
        assert abs(found.date - time.time()) < 5
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("key", "said"), [("", NO_KEY), ("sk-é", EMPTY_KEY), ("sk-a\nb", EMPTY_KEY)])
async def test_a_key_that_can_not_be_sent_is_told(key, said, session):
    assert await listed(session, key, "http://127.0.0.1:9", MODEL) == Listed(said, final=True)


async def test_nobody_there_is_no_fault_of_the_key(session):
    found = await listed(session, "sk-test", "http://127.0.0.1:9", MODEL)
    assert found.trouble.startswith("127.0.0.1 can't be reached (ClientConnectorError): see whether")
    assert (found.final, found.date) == (False, None)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("api.anthropic.com", True),
        ("anthropic.com", True),
        ("notanthropic.com", False),
        ("anthropic.com.example", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
def test_hosts_that_are_anthropics(host, own):
    assert is_own(host) is own


async def test_an_answer_that_never_comes_ends_with_the_session(unused_tcp_port):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(hang, "127.0.0.1", unused_tcp_port)
    timeout = aiohttp.ClientTimeout(total=0.2)
    async with server:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            found = await listed(session, "sk-test", f"http://127.0.0.1:{unused_tcp_port}", MODEL)
        await ended.wait()
    assert found == Listed(found.trouble)
    assert "can't be reached" in found.trouble


@pytest.fixture
async def emulator() -> AsyncIterator[Emulated]:
    emulator = Emulated()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.mark.parametrize(
    ("key", "model", "wanted"),
    [
        ("sk-good", MODEL, ""),
        ("sk-good", "claude-haiku-5-5", ""),
        ("bad", MODEL, "refuses ANTHROPIC_API_KEY"),
        ("denied", MODEL, f"does not say whether there is a model {MODEL}"),
        ("sk-good", "claude-1", "127.0.0.1 does not say whether there is a model claude-1"),
    ],
)
async def test_keys_and_models_are_looked_up(emulator, session, key, model, wanted):
    found = await listed(session, key, emulator.url, model)
    assert wanted in found.trouble
    assert bool(found.trouble) == bool(wanted)


async def test_how_much_the_model_reads_is_told(emulator, session):
    await emulator.configure(window=5_000)
    assert (await listed(session, "sk-good", emulator.url, MODEL)).window == 5_000


async def test_all_models_of_the_api_are_told_and_have_a_price(emulator, session):
    found = await models_of(session, "sk-good", emulator.url)
    assert MODEL in found
    assert prices().unpriced(found) == []


@pytest.mark.parametrize("said", ["<html>", "[]", '{"data": 1}', '{"data": [1, {}, {"id": 2}]}'])
async def test_an_api_that_tells_of_no_models_is_no_fault(said):
    async def models(_request: web.Request) -> web.Response:
        return web.Response(text=said)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        assert await models_of(session, "sk-good", str(server.make_url(""))) == []


@pytest.mark.parametrize("key", ["", "sk-good"])
async def test_where_nobody_is_or_no_key_no_models_are_told(session, key):
    assert await models_of(session, key, "http://127.0.0.1:9") == []
