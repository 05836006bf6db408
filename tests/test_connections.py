"""What anybody may do to the HTTP port: connect, be slow, send much, and never end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from bot.run import connections
from bot.run.connections import Connections
from bot.run.logs import OFTEN, QUIET, Seldom
from bot.run.server import Front, listening
from bot.unavailable import Unavailable
from tests.test_supervise import Odd

HALF = b"POST /hook HTTP/1.1\r\nHost: x\r\nX-A: "
BODY = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Hooked(Odd):
    """A platform with a route that reads all it gets."""

    def __init__(self):
        super().__init__()
        self.health = "up"
        self.routes = [web.post("/hook", self.hear)]

    async def hear(self, request):
        return web.Response(text=str(len(await request.read())))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def fronting(host: str = "127.0.0.1", events: int = 0) -> AsyncIterator[Front]:
    async with AsyncExitStack() as stack:
        front = None
        while front is None:  # the port after a free one may be taken
            tried = await stack.enter_async_context(AsyncExitStack())
            try:
                found = await tried.enter_async_context(listening(host, 0, events))
                await found.open([Hooked()])
                front = found
            except Unavailable:
                await tried.aclose()
                if events or host == "127.0.0.1":
                    raise
        yield front


OPEN: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def _all_hang_up_in_the_end() -> AsyncIterator[None]:
    yield
    while OPEN:
        writer = OPEN.pop()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def client(port: int, sent: bytes = HALF) -> Client:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    OPEN.append(writer)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def is_hung_up(of: Client, within: float = 5.0) -> bool:
    """Whether the client is hung up on, without an answer."""
    try:
        async with asyncio.timeout(within):
            return await of[0].read() == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


async def got(port: int, path: str) -> int:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(f"http://127.0.0.1:{port}/{path}") as response,
    ):
        return response.status


async def posted(port: int) -> str:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.post(f"http://127.0.0.1:{port}/hook", data=b"abc") as response,
    ):
        return await response.text()


@pytest.mark.parametrize("sent", [b"", b"P", HALF, b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_headers_that_do_not_end_are_hung_up_on(sent, monkeypatch):
    monkeypatch.setattr(connections, "HEADERS", 0.2)
    async with fronting() as front:
        assert await is_hung_up(await client(front.port, sent))
        assert await got(front.port, "healthz") == 200


async def test_headers_that_drip_are_hung_up_on_too(monkeypatch):
    monkeypatch.setattr(connections, "HEADERS", 0.3)
    async with fronting() as front:
        reader, writer = await client(front.port)

        async def drip():
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await is_hung_up((reader, writer))
        dripping.cancel()
        await asyncio.wait({dripping})


async def test_headers_after_a_good_answer_have_no_more_time_than_the_first(monkeypatch):
    monkeypatch.setattr(connections, "HEADERS", 0.3)
    async with fronting() as front:
        good = await client(front.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await good[0].read(4096)
        good[1].write(HALF)
        assert await is_hung_up(good)


async def test_who_is_idle_after_a_good_answer_stays_connected(monkeypatch):
    monkeypatch.setattr(connections, "HEADERS", 0.2)
    async with fronting() as front:
        good = await client(front.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await good[0].read(4096)
        assert not await is_hung_up(good, 0.6)


async def test_a_body_that_does_not_end_is_hung_up_on_whatever_reads_it(monkeypatch):
    monkeypatch.setattr(connections, "ANSWERING", 0.2)
    async with fronting() as front:
        assert await is_hung_up(await client(front.port, BODY + b"abc"))


async def test_who_is_slow_makes_room_for_who_comes_and_a_request_is_answered(monkeypatch):
    monkeypatch.setattr(connections, "MOST", 8)
    monkeypatch.setattr(connections, "EACH", 4)
    async with fronting() as front:
        slow = [await client(front.port, HALF if number % 2 else BODY) for number in range(20)]
        assert await posted(front.port) == "3"
        gone = await asyncio.gather(*(is_hung_up(each, 0.5) for each in slow))
    assert gone.count(False) <= 4
    assert all(gone[:15])


async def test_who_has_had_a_good_answer_is_hung_up_on_last(monkeypatch):
    monkeypatch.setattr(connections, "MOST", 8)
    monkeypatch.setattr(connections, "EACH", 4)
    async with fronting() as front:
        good = await client(front.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await good[0].read(4096)
        for _ in range(20):
            await client(front.port)
        good[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await good[0].read(4096)


@pytest.mark.rule(25)
async def test_bodies_that_are_not_whole_have_a_bound_in_sum_and_who_sent_most_goes_first(monkeypatch):
    monkeypatch.setattr(connections, "HELD", 300_000)
    async with fronting() as front:
        small = await client(front.port, BODY + b"abc")
        large = [await client(front.port, BODY + b"x" * 200_000) for _ in range(3)]
        assert sum(await asyncio.gather(*(is_hung_up(each, 0.5) for each in large))) == 2
        assert not await is_hung_up(small, 0.2)
        assert front._health._clients.held <= 300_000
        assert await posted(front.port) == "3"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
        b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 2**16,
    ],
    ids=["chunks", "requests in a row", "a header"],
)
async def test_what_one_client_sends_has_a_bound(sent, monkeypatch):
    monkeypatch.setattr(connections, "LARGEST", 10_000)
    async with fronting() as front:
        reader, writer = await client(front.port, sent)
        try:
            async with asyncio.timeout(5):
                while await reader.read(2**16):
                    writer.write(sent)
        except ConnectionError:
            pass
        assert await got(front.port, "healthz") == 200


async def test_what_the_clients_hold_is_none_once_they_are_gone():
    async with fronting() as front:
        clients = front._health._clients
        many = [await client(front.port, BODY + b"x" * number) for number in range(30)]
        await until(lambda: clients.held > 0)
        for _, writer in many:
            writer.close()
        assert await posted(front.port) == "3"
        await until(lambda: (clients.held, len(clients._all)) == (0, 0))


async def test_few_descriptors_leave_few_for_clients(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _which: (256, 256))
    assert Connections()._most == 256 // connections.SHARE


@pytest.mark.rule(26)
async def test_on_a_public_address_events_have_a_port_of_their_own_and_it_does_not_tell_the_state():
    async with fronting("0.0.0.0") as front:
        assert front._events
        events = front._events.port
        assert [await got(front.port, path) for path in ("healthz", "readyz")] == [200, 200]
        assert [await got(events, path) for path in ("healthz", "readyz")] == [200, 404]
        assert await posted(events) == "3"
        assert await posted(front.port) == "404: Not Found"


@pytest.mark.rule(26)
async def test_on_a_loopback_address_there_is_one_port_unless_another_is_set(unused_tcp_port):
    async with fronting() as front:
        assert front._events is None
        assert await posted(front.port) == "3"
    async with fronting(events=unused_tcp_port) as front:
        assert await posted(unused_tcp_port) == "3"
        assert await posted(front.port) == "404: Not Found"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("10.0.0.1", 1), ("10.0.0.1", 2), True),
        (("10.0.0.1", 1), ("10.0.0.2", 1), False),
        (("2001:db8::1", 1, 0, 0), ("2001:db8::ffff:2", 1, 0, 0), True),
        (("2001:db8:0:1::1", 1, 0, 0), ("2001:db8:0:2::1", 1, 0, 0), False),
        (("::ffff:10.0.0.1", 1, 0, 0), ("::ffff:10.0.0.2", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 0), ("fe80::2%eth0", 1, 0, 0), True),
        ("", "", True),
    ],
)
def test_addresses_of_one_network_count_as_one(one, other, same):
    assert (connections._network(one) == connections._network(other)) is same


def record(name: str, line: int, created: float) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "x.py", line, "no %s", ("room",), None)
    made.created = created
    return made


def test_a_library_that_says_the_same_again_and_again_is_heard_now_and_then():
    seldom = Seldom()
    assert sum(seldom.filter(record("asyncio", 1, second / 10)) for second in range(599)) == OFTEN
    assert seldom.filter(record("asyncio", 2, 59.0))
    assert seldom.filter(record("asyncio", 1, QUIET + 1))
    assert sum(seldom.filter(record("bot.core", 1, 0.0)) for _ in range(99)) == 99
