"""The Discord emulator's ways to fail, seen by plain HTTP and WebSocket clients: each is as it is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from adapters.emulators.discord import Discord, chaos
from adapters.emulators.discord.chaos import FAULTS, HARMS

CODES = [int(name.split()[1]) for name in HARMS if name.startswith("closed")]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Discord]:
    monkeypatch.setattr(chaos, "LATE", 0.05)
    emulator = Discord()
    await emulator.start()
    yield emulator
    await emulator.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bot token"}) as session:
        yield session


async def post(world: Discord, session: aiohttp.ClientSession, **body: Any) -> tuple[int, str, Any]:
    """Post a message; return status, body and headers, with status 0 for a cut connection."""
    url = f"{world.url}/api/v10/channels/200/messages"
    try:
        async with session.post(url, json={"content": "hello", **body}) as response:
            return response.status, await response.text(), response.headers
    except aiohttp.ClientError:
        return 0, "", {}


async def connected(world: Discord, session: aiohttp.ClientSession, **op: Any) -> Any:
    """Connect to the gateway and log in."""
    socket = await session.ws_connect(f"{world.url}/gw/", autoclose=False)
    assert (await socket.receive_json())["op"] == 10
    login = {"op": 2, "d": {"token": "token", "intents": 1 << 9, "shard": [0, 1]}}
    await socket.send_json(op or login)
    return socket


async def ready(world: Discord, session: aiohttp.ClientSession) -> tuple[Any, str]:
    """Log in; return the socket and the session's id."""
    socket = await connected(world, session)
    frame = await asyncio.wait_for(socket.receive_json(), 5)
    assert frame["t"] == "READY"
    return socket, frame["d"]["session_id"]


async def resumes(world: Discord, session: aiohttp.ClientSession, id_: str) -> bool:
    """Whether the session *id_* can be resumed."""
    socket = await connected(world, session, op=6, d={"token": "token", "session_id": id_, "seq": 1})
    while (frame := await asyncio.wait_for(socket.receive_json(), 5))["op"] == 0:
        if frame["t"] == "RESUMED":
            return True
    assert (frame["op"], frame["d"]) == (9, False)
    return False


@pytest.mark.parametrize("name", [name for name in FAULTS if name[0].isdigit()])
async def test_a_fault_has_the_status_and_the_code_of_its_name(world, session, name):
    await world.strike(name, "POST messages")
    status, text, headers = await post(world, session)
    assert status == int(name[:3])
    assert ("Via" in headers) == (not any(word in name for word in ("cloudflare", "text", "proxy", "52")))
    if name[4:].isdigit():
        assert json.loads(text)["code"] == int(name[4:])
    applied = [each for each in await world.events(kinds=["post"]) if each["channel"] == "200"]
    assert len(applied) == ("applied" in name)
    assert (await post(world, session))[0] == 200


@pytest.mark.parametrize(("name", "status", "posts"), [("reset", 0, 0), ("reset applied", 0, 1)])
async def test_a_reset_comes_before_or_after_the_request_is_applied(world, session, name, status, posts):
    await world.strike(name, "POST messages")
    assert (await post(world, session))[0] == status
    assert len(await world.events(kinds=["post"])) == posts


async def test_a_fault_waits_for_the_requests_before_it_and_for_its_route(world, session):
    await world.strike("503", "POST messages", after=1, times=2)
    await world.strike("500", "PATCH messages")
    assert [(await post(world, session))[0] for _ in range(4)] == [200, 503, 503, 200]
    with pytest.raises(LookupError):
        await world.strike("no such fault", "*")


async def test_chance_is_repeated_by_its_seed_and_by_what_it_logs(world, session):
    await world.limits(on=False)

    async def statuses() -> list[int]:
        return [(await post(world, session))[0] for _ in range(24)]

    names = ["500", "503"]
    assert await world.chaos(seed=3, rate=0.4, names=names) == names
    first = await statuses()
    assert {200, 500, 503} == set(first)
    logged = await world.events(kinds=["chaos"])
    await world.chaos(seed=3, rate=0.4, names=names)
    assert await statuses() == first
    await world.chaos(seed=4, rate=0.4, names=names)
    assert await statuses() != first
    await world.clear_faults()
    assert [each["after"] for each in logged] == [n for n, status in enumerate(first) if status != 200]
    await world.strike(logged[0]["name"], logged[0]["route"], after=logged[0]["after"])
    assert (await statuses()).index(int(logged[0]["name"])) == logged[0]["after"]


async def test_a_nonce_is_remembered_as_long_as_asked(world, session):
    once = {"nonce": "1", "enforce_nonce": True}
    first, again = [json.loads((await post(world, session, **once))[1])["id"] for _ in range(2)]
    await world.nonces(0)
    assert json.loads((await post(world, session, **once))[1])["id"] != first == again


async def test_the_session_starts_left_are_what_was_asked(world, session):
    await world.starts(remaining=7, reset_after=5000)
    async with session.get(f"{world.url}/api/v10/gateway/bot") as response:
        limit = (await response.json())["session_start_limit"]
    assert (limit["remaining"], limit["reset_after"]) == (7, 5000)


# The gateway.


@pytest.mark.parametrize("code", CODES)
async def test_a_close_has_its_code_and_keeps_the_session_unless_it_says_otherwise(world, session, code):
    socket, id_ = await ready(world, session)
    closing = asyncio.create_task(world.harm(f"closed {code}"))
    message = await asyncio.wait_for(socket.receive(), 5)
    while message.type is aiohttp.WSMsgType.TEXT:
        message = await asyncio.wait_for(socket.receive(), 5)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, code)
    await socket.close(code=4000)
    await closing
    assert await resumes(world, session, id_) is (code not in {4007, 4009})


@pytest.mark.parametrize(("name", "op", "data"), [("op 7", 7, None), ("op 9", 9, False)])
async def test_an_operation_is_told_to_every_bot(world, session, name, op, data):
    socket, id_ = await ready(world, session)
    await world.harm(name)
    frame = await asyncio.wait_for(socket.receive_json(), 5)
    assert (frame["op"], frame["d"]) == (op, data)
    assert await resumes(world, session, id_) is (op == 7)


@pytest.mark.parametrize(("name", "left"), [("cut", True), ("refused", True), ("forgotten", False)])
async def test_a_cut_connection_may_be_refused_or_forgotten(world, session, name, left):
    socket, id_ = await ready(world, session)
    await world.harm(name)
    assert (await asyncio.wait_for(socket.receive(), 5)).type in {
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
    refusals = 0
    while name == "refused":
        try:
            assert await resumes(world, session, id_)
            break
        except aiohttp.ClientError:
            refusals += 1
    assert refusals >= (chaos.REFUSED if name == "refused" else 0)  # aiohttp repeats a GET that is cut
    assert await resumes(world, session, id_) is left


async def test_a_half_open_connection_says_and_hears_nothing_and_does_not_close(world, session):
    socket, id_ = await ready(world, session)
    await world.silence(on=True)
    await world.say("200", "300", "hello?")
    heard = len(await world.events(kinds=["heartbeat"]))
    await socket.send_json({"op": 1, "d": None})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(socket.receive(), 0.3)
    silent = await session.ws_connect(f"{world.url}/gw/")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(silent.receive(), 0.3)
    assert len(await world.events(kinds=["heartbeat"])) == heard
    await world.silence(on=False)
    assert await resumes(world, session, id_)


async def test_whoever_logs_in_can_be_turned_away(world, session):
    await world.turn_away(4013)
    socket = await connected(world, session)
    message = await asyncio.wait_for(socket.receive(), 5)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4013)
    await socket.close()
    await ready(world, session)


async def test_an_unknown_harm_is_refused(world):
    with pytest.raises(LookupError):
        await world.harm("no such harm")
