"""MCP servers in processes of their own, over pipes and HTTP, good and bad ones."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import re
import socket
import sys
import tracemalloc
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot.core.core import Core
from bot.events import ALLOW
from bot.guard.access import Access
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Press
from bot.store.memory import Memory
from bot.tools import Caller
from bot.tools.mcp.limits import Limits
from bot.tools.mcp.servers import Servers
from bot.tools.mcp.settings import Configured
from tests.fakes import ANN, HERE, Sheet, ask
from tests.ports import free_port

FOLDER = Path(__file__).parent
ANYBODY = Caller(ANN, HERE, "c1")
QUICK = Limits(first=30, start=20, changed=0.05, farewell=0.3, restarts=(0.1,))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    path.touch()
    return path


def rogue(way: str = "", *tools: str, log=None, **more) -> Configured:
    listed = [
        {"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": name != "book"}}
        for name in tools
    ]
    env = {"MCP_TOOLS": json.dumps(listed), "MCP_LOG": str(log or "")}
    return Configured(command=sys.executable, args=("-S", str(FOLDER / "mcp_rogue.py"), way), env=env, **more)


@asynccontextmanager
async def running(limits: Limits = QUICK, **configured: Configured):
    servers = Servers(configured, limits)
    try:
        yield servers
    finally:
        await servers.close()
        assert not servers._tasks or all(task.done() for task in servers._tasks)


async def until(holds, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            held = holds()
            if (await held) if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.02)


async def names(servers: Servers) -> list[str]:
    return [tool.name for tool in await servers.offered()]


async def use(servers: Servers, name: str, **given):
    tools = {tool.name: tool for tool in await servers.offered()}
    call = tools[name].use
    assert call
    return await call(ANYBODY, given)


def pids(log) -> list[int]:
    return [int(pid) for pid in re.findall(r"began (\d+)", log.read_text())]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_a_server_that_dies_in_the_middle_of_a_call_fails_that_call_and_is_started_again(log):
    async with running(s=rogue("", "die", "silent", "other", log=log), t=rogue("", "other")) as servers:
        old = {tool.name: tool for tool in await servers.offered()}
        silent = asyncio.create_task(use(servers, "s__silent"))
        await until(lambda: "silent" in log.read_text())
        for result in await asyncio.gather(use(servers, "s__die"), silent):
            assert result.error
            assert "was lost in the middle of the call: it ended, with status 7" in result.text
        gone = await old["s__other"].use(ANYBODY, {})
        assert gone.error
        assert "s is not there" in gone.text or "was lost" in gone.text
        assert (await use(servers, "t__other")).text == "Right."
        await until(lambda: len(pids(log)) == 2)
        await until(lambda: named(servers, "s__other"))
        assert (await use(servers, "s__other")).text == "Right."


async def test_a_server_over_http_that_dies_fails_its_calls_and_is_asked_again():
    port = free_port()
    async with running(s=Configured(url=f"http://127.0.0.1:{port}/mcp")) as servers:
        assert await names(servers) == []
        async with answering(speaking, port):
            await until(lambda: named(servers, "s__add"))
            result = await use(servers, "s__die")
            assert result.error
            assert "lost in the middle of the call" in result.text
        async with answering(speaking, port):
            await until(lambda: named(servers, "s__add"))
            assert (await use(servers, "s__add")).text == "3"


async def speaking(request: web.Request) -> web.StreamResponse:
    """Answer as a server of the older MCP that has `add` and `die`."""
    asked = await request.json() if request.method == "POST" else {}
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in ("add", "die")]
    match asked.get("method"):
        case "initialize":
            about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
            result = {"protocolVersion": "2025-06-18", **about}
        case "tools/list":
            result = {"tools": listed}
        case "tools/call" if asked["params"]["name"] == "die":
            assert request.transport
            request.transport.abort()
            return web.Response()
        case "tools/call":
            result = {"content": [{"type": "text", "text": "3"}]}
        case _ if "id" in asked:
            error = {"code": -32601, "message": "Method not found"}
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        case _:
            return web.Response(status=202 if asked else 405)
    return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})


async def test_a_server_that_hangs_costs_one_wait_and_its_own_tools():
    limits = Limits(first=2, start=3, farewell=0.1, restarts=(60,))
    async with running(limits, hangs=rogue("hang"), other=rogue("", "other")) as servers:
        servers.prepare()
        importing = servers._importing
        assert importing
        await asyncio.wait({importing})
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        assert await names(servers) == ["other__other"]
        assert loop.time() - began >= limits.first
        began = loop.time()
        assert await names(servers) == ["other__other"]
        assert loop.time() - began < limits.first
        [hangs, _] = servers._servers
        await until(lambda: hangs.trouble == "it did not start within 3 seconds")


async def test_a_server_that_is_not_there_costs_no_wait(tmp_path):
    missing = Configured(command=str(tmp_path / "none"))
    async with running(s=missing, t=rogue("", "other")) as servers:
        assert await names(servers) == ["t__other"]
        found = await servers.examine()
        assert (False, f"MCP s: there is no {tmp_path / 'none'}") in found


async def test_an_answer_that_is_no_json_ends_the_call_at_once():
    async with running(s=rogue("", "garbage")) as servers:
        result = await use(servers, "s__garbage")
        assert result.error
        assert "it sent what is no JSON-RPC message" in result.text


async def test_half_an_answer_ends_the_call():
    async with running(s=rogue("", "half")) as servers:
        result = await use(servers, "s__half")
        assert result.error
        assert "it ended, with status 3" in result.text


async def test_an_answer_of_another_shape_is_an_error():
    async with running(s=rogue("", "shape")) as servers:
        result = await use(servers, "s__shape")
        assert result.error
        assert "is not valid" in result.text


async def test_a_line_that_does_not_end_is_not_kept():
    async with running(s=rogue("", "endless", "other")) as servers:
        await servers.offered()
        tracemalloc.start()
        try:
            result = await use(servers, "s__endless", mb=64)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 25_000_000
        assert result.error
        assert "a message of more than 4 MB" in result.text


async def test_an_answer_that_is_too_long_and_of_which_nobody_knows_whose_it_is_ends_the_connection():
    async with running(s=rogue("", "nested")) as servers:
        result = await use(servers, "s__nested")
        assert result.error
        assert "a message of more than 4 MB" in result.text


async def test_chatter_before_and_answers_to_nobody_do_no_harm():
    async with running(s=rogue("chatty", "other")) as servers:
        assert (await use(servers, "s__other")).text == "Right."


async def test_requests_of_a_server_are_refused_and_its_messages_are_dropped():
    async with running(s=rogue("", "asking", "tell")) as servers:
        assert (await use(servers, "s__asking")).text == "1000"
        assert (await use(servers, "s__tell")).text == "Told."


async def test_an_older_server_tells_of_other_names():
    async with running(s=rogue("", "rename")) as servers:
        await use(servers, "s__rename")
        await until(lambda: named(servers, "s__renamed"))
        assert await names(servers) == ["s__renamed"]


async def named(servers: Servers, name: str) -> bool:
    return name in await names(servers)


async def test_an_error_of_a_server_is_one_short_line():
    async with running(s=rogue("", "nothing")) as servers:
        result = await use(servers, "s__nothing")
        assert result.error
        assert len(result.text) < 400
        assert "\n" not in result.text
        assert "Unknown tool yyy" in result.text


@pytest.mark.rule(15)
async def test_a_call_that_takes_too_long_is_given_up_and_the_server_stays(log):
    async with running(Limits(first=30, call=0.5), s=rogue("", "silent", "other", log=log)) as servers:
        result = await use(servers, "s__silent")
        assert result.error
        assert "did not answer within 0.5 seconds" in result.text
        assert (await use(servers, "s__other")).text == "Right."
        assert len(pids(log)) == 1


async def test_more_calls_than_may_run_are_refused():
    async with running(Limits(first=30, calls=2), s=rogue("", "pair")) as servers:
        results = await asyncio.gather(*(use(servers, "s__pair") for _ in range(4)))
        assert sorted(result.text for result in results if not result.error) == ["Right.", "Right."]
        assert sum("has too much to do" in result.text for result in results) == 2


@pytest.mark.rule(15)
async def test_a_server_gets_none_of_our_secrets_and_none_of_our_sockets(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("RIVULET_X", "1")
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        inode = f"socket:[{os.fstat(ours.fileno()).st_ino}]"
        async with running(s=rogue("", "inside")) as servers:
            inside = (await use(servers, "s__inside")).text.split("\n")
    assert {"PATH", "MCP_LOG"} <= set(inside)
    assert not {"SLACK_BOT_TOKEN", "RIVULET_X", "ANTHROPIC_API_KEY"} & set(inside)
    assert inode not in inside


async def test_a_server_that_does_not_want_to_end_is_ended(log):
    async with running(s=rogue("stubborn", "other", log=log)) as servers:
        assert (await use(servers, "s__other")).text == "Right."
        [pid] = pids(log)
    assert not alive(pid)


async def test_no_server_is_started_before_the_first_answer(log):
    async with running(s=rogue("", "other", log=log)) as servers:
        servers.prepare()
        await asyncio.wait({servers._importing})
        assert not pids(log)
        await servers.offered()
        assert len(pids(log)) == 1


@pytest.mark.parametrize("package", ["jsonschema", "mcp"])
async def test_packages_that_cannot_be_imported_are_one_line_of_the_log_and_of_the_doctor(
    package, monkeypatch, log
):
    unread: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    servers = Servers({"s": rogue("", "other", log=log), "t": rogue("", "other", log=log)})
    for module in ("server", "listing"):
        monkeypatch.delitem(sys.modules, f"bot.tools.mcp.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, ModuleType(package))  # of a version that lacks what is needed
    with capture_logs() as said:
        servers.prepare()
        assert servers._importing
        await asyncio.wait({servers._importing})
        [line] = [each["reason"] for each in said if each["log_level"] == "error"]
        assert list(await servers.offered()) == []
        assert await servers.examine() == [(False, line)]
        await servers.close()
        assert len([each for each in said if each["log_level"] == "error"]) == 1
    assert "cannot import name" in line
    assert "`make setup`" in line
    assert "\n" not in line
    assert not pids(log)
    del servers
    gc.collect()
    assert not unread


async def test_only_tools_that_are_allowed_are_offered():
    allowed = rogue("", "add", "other", allow=("add", "none"))
    async with running(s=allowed) as servers:
        assert await names(servers) == ["s__add"]
        assert (False, "MCP s: left out none: the server has no such tool") in await servers.examine()


@pytest.mark.parametrize("asks", [True, False])
async def test_the_settings_say_whether_calls_ask(asks):
    async with running(s=rogue("", "other", "book", ask=asks)) as servers:
        assert {tool.asks for tool in await servers.offered()} == {asks}
        assert {tool.name for tool in await servers.offered() if tool.writes} == {"s__book"}


@asynccontextmanager
async def answering(answer, port: int = 0):
    """Serve *answer* at every path; yield the port, and what was asked."""
    seen: list[web.Request] = []

    async def handle(request):
        seen.append(request)
        answered = answer(request)
        return (await answered) if inspect.isawaitable(answered) else answered

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


@pytest.mark.rule(18)
async def test_a_redirect_is_not_followed_with_our_headers():
    async with answering(lambda _: web.json_response({})) as (elsewhere, seen):
        for there in (f"http://127.0.0.1:{elsewhere}/mcp", "/other"):
            moved = web.Response(status=307, headers={"Location": there})
            async with answering(lambda _, moved=moved: web.Response(status=307, headers=moved.headers)) as (
                port,
                first,
            ):
                server = Configured(url=f"http://127.0.0.1:{port}/mcp", headers={"Authorization": "Bearer s"})
                async with running(Limits(restarts=(60,)), s=server) as servers:
                    [(there_is, line)] = await servers.examine()
            assert not there_is
            assert line == "MCP s: 127.0.0.1 points elsewhere, which is not followed (307)"
            assert [request.path for request in first] == ["/mcp"]
            assert first[0].headers["Authorization"] == "Bearer s"
    assert not seen


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: web.Response(status=401), "127.0.0.1 refuses the credentials (401): look at its headers"),
        (lambda: web.Response(status=500), "Server returned an error response"),
        (lambda: web.Response(text="<html>", content_type="text/html"), "Unexpected content type"),
        (lambda: web.Response(text="{", content_type="application/json"), "Failed to parse JSON response"),
        (lambda: web.Response(body=b"x" * 10_000_000, content_type="application/json"), "longer than 4 MB"),
    ],
    ids=["unauthorized", "broken", "html", "no-json", "flood"],
)
async def test_an_http_server_that_is_none_is_not_there_and_says_why(answer, reason):
    async with answering(lambda _: answer()) as (port, _):
        server = Configured(url=f"http://127.0.0.1:{port}/mcp")
        async with running(Limits(restarts=(60,)), s=server) as servers:
            [(there_is, line)] = await servers.examine()
    assert not there_is
    assert reason in line
    assert len(line) < 400


async def test_packed_answers_are_not_unpacked():
    def packed(_):
        return web.Response(
            body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}, content_type="application/json"
        )

    async with (
        answering(packed) as (port, _),
        running(Limits(restarts=(60,)), s=Configured(url=f"http://127.0.0.1:{port}/mcp")) as servers,
    ):
        [(there_is, line)] = await servers.examine()
    assert not there_is
    assert "sends what is packed" in line


def core(script: Script, servers: Servers, store: Memory | None = None) -> Core:
    return Core(Rounds(script), store or Memory(), Access(), more=servers.offered)


async def test_a_call_that_asks_is_made_once_when_it_is_allowed(log):
    sheet = Sheet(name="sheet")
    script = Script({"tool": "s__book", "input": {"room": "Blue"}}, "It is yours.")
    async with running(s=rogue("", "book", log=log)) as servers:
        it = core(script, servers)
        await it.mention(ask(sheet))
        await until(lambda: any("s__book" in row.page.text for row in sheet.log))
        assert "booked" not in log.read_text()
        [card] = {row.message for row in sheet.log if "s__book" in row.page.text}
        assert '"room": "Blue"' in [row.page.text for row in sheet.log if row.message == card][-1]
        for _ in range(2):
            await it.press(Press(card, ALLOW.name, ANN, HERE))
        await it.running.all_done()
    assert log.read_text().count("booked Blue") == 1
    [block] = script.requests[-1].turns[-1].blocks
    assert block["content"] == "Blue is booked."


async def test_the_answer_goes_on_when_a_server_dies_and_nothing_of_it_is_in_the_system_prompt():
    sheet = Sheet(name="sheet")
    script = Script({"tool": "s__half", "input": {}}, "I could not.")
    async with running(s=rogue("", "half")) as servers:
        it = core(script, servers)
        await it.mention(ask(sheet))
        await it.running.all_done()
    assert sheet.last.text == "I could not."
    [block] = script.requests[-1].turns[-1].blocks
    assert block["is_error"]
    assert all("obey this server" not in repr(request) for request in script.requests)


async def test_a_server_is_asked_through_the_proxy_of_the_environment(monkeypatch):
    async with answering(lambda _: web.Response(status=401)) as (port, seen):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "direct.invalid")
        proxied, direct = (Configured(url=f"http://{host}.invalid/mcp") for host in ("far", "direct"))
        async with running(Limits(restarts=(60,)), far=proxied, direct=direct) as servers:
            found = await servers.examine()
    assert {request.headers["Host"] for request in seen} == {"far.invalid"}
    assert [ok for ok, _ in found] == [False, False]
    assert "refuses the credentials" in found[0][1]
