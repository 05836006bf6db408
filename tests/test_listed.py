"""The doctor asks the API without its SDK, and must judge as the bot does, which asks with it."""

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
from bot.model.claude import Claude
from bot.model.listed import Listed, listed, models_of
from bot.platform import Unavailable

MODEL = "claude-sonnet-5-5"
#: What an API, a gateway or anything else may answer: status, body, headers.
ANSWERS: dict[str, tuple[int, Any, dict[str, str]]] = {
    "the model": (200, {"type": "model", "id": MODEL}, {}),
    "a retired one": (200, {"type": "model", "id": MODEL, "lifecycle": "retired"}, {}),
    "something else": (200, {"hello": "world"}, {}),
    "a web page": (200, "<html>sign in</html>", {"Content-Type": "text/html"}),
    "a list": (200, [1], {}),
    "a redirect": (302, "", {"Location": "http://127.0.0.1:9/"}),
    "bytes that are no text": (200, b"\xff\xfe", {}),
    **{
        f"{status} {kind}": (status, {"type": "error", "error": {"type": kind, "message": "no"}}, {})
        for status, kind in (
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (529, "overloaded_error"),
        )
    },
    **{
        f"a bare {status}": (status, "no", {})
        for status in (400, 401, 403, 404, 405, 429, 500, 501, 502, 503)
    },
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def by_sdk(key: str, url: str) -> tuple[str, bool]:
    claude = Claude(key, url, MODEL)
    try:
        return await claude.check(), False
    except Unavailable as error:
        return str(error), True
    finally:
        await claude.close()


@pytest.mark.parametrize("own", [True, False], ids=["Anthropic", "a gateway"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_both_judge_an_answer_alike(answer, own, session, monkeypatch):
    status, body, headers = ANSWERS[answer]

    async def said(_request: web.BaseRequest) -> web.Response:
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status)

    for module in ("claude", "listed"):
        monkeypatch.setattr(f"bot.model.{module}.is_own", lambda _host: own)
    runner = web.ServerRunner(web.Server(said))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        found = await listed(session, "sk-test", url, MODEL)
        assert (found.trouble, found.final) == await by_sdk("sk-test", url)
        assert found.date is not None
        assert abs(found.date - time.time()) < 5
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("key", ["", "sk-é", "sk-a\nb"])
async def test_a_key_that_can_not_be_sent_is_told_by_both(key, session):
    found = await listed(session, key, "http://127.0.0.1:9", MODEL)
    assert (found.trouble, found.final) == await by_sdk(key, "http://127.0.0.1:9")
    assert found.final


async def test_nobody_there_is_no_fault_of_the_key(session):
    found = await listed(session, "sk-test", "http://127.0.0.1:9", MODEL)
    told, final = await by_sdk("sk-test", "http://127.0.0.1:9")
    assert found.trouble.startswith(told)
    assert (found.final, final, found.date) == (False, False, None)


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
