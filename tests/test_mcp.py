"""MCP servers in processes of their own, over pipes and HTTP, good and bad ones."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import socket
import sys
import tracemalloc
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from bot.core.core import Core
from bot.events import ALLOW
from bot.guard.access import Access
from bot.model.rounds import Rounds
from bot.model.script import Script
from bot.platform import Press
from bot.store.memory import Memory
from bot.tools import Caller
from bot.tools.mcp import Servers
from bot.tools.mcp.limits import Limits
from bot.tools.mcp.settings import Configured
from tests.fakes import ANN, HERE, Sheet, ask

FOLDER = Path(__file__).parent
ANYBODY = Caller(ANN, HERE, "c1")
QUICK = Limits(first=30, start=20, changed=0.05, farewell=0.3, restarts=(0.1,))
PATHS = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log"
    path.touch()
    return path


def good(log, **more) -> Configured:
    arguments = (str(FOLDER / "mcp_server.py"), "stdio")
    return Configured(command=sys.executable, args=arguments, env={**PATHS, "MCP_LOG": str(log)}, **more)


def rogue(way: str = "", *tools: str, log=None, **more) -> Configured:
    listed = [
        {"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
        for name in tools
    ]
    env = {"MCP_TOOLS": json.dumps(listed), "MCP_LOG": str(log or "")}
    return Configured(command=sys.executable, args=("-S", str(FOLDER / "mcp_rogue.py"), way), env=env, **more)


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


@asynccontextmanager
async def serving(log, *how: str, port: int = 0):
    """Run the good server over HTTP; yield what the settings say of it."""
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(FOLDER / "mcp_server.py"),
        str(port),
        *how,
        env={**os.environ, **PATHS, "MCP_LOG": str(log)},
    )
    try:
        await until(lambda: answers(port))
        yield Configured(url=f"http://127.0.0.1:{port}/mcp")
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def answers(port: int) -> bool:
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", port)) == 0


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


@pytest.fixture(params=["stdio", "http", "json"])
async def there(request, log):
    """The good server, over each way."""
    if request.param == "stdio":
        async with running(s=good(log)) as servers:
            yield servers
        return
    async with serving(log, request.param) as configured, running(s=configured) as servers:
        yield servers


async def test_a_tool_that_only_reads_is_called_and_others_ask_first(there):
    offered = {tool.name: tool for tool in await there.offered()}
    assert (await offered["s__add"].use(ANYBODY, {"a": 1, "b": 2})).text == "3"
    assert (offered["s__add"].asks, offered["s__add"].writes) == (False, False)
    assert (offered["s__book"].asks, offered["s__book"].writes) == (True, True)


async def test_an_error_of_a_tool_is_a_result(there):
    result = await use(there, "s__add", a="one")
    assert result.error
    assert "valid integer" in result.text


async def test_a_tool_with_a_schema_that_is_not_valid_is_left_out_and_the_doctor_says_so(there):
    assert "s__wrong" not in await names(there)
    found = await there.examine()
    assert (True, "MCP s: 10 tools, 9 of them only read") in found
    assert (False, "MCP s: left out wrong: its schema is not valid, at properties/a/type") in found


async def test_a_result_that_is_too_long_is_an_error_and_the_next_call_works(there):
    tracemalloc.start()
    try:
        result = await use(there, "s__flood", size=10_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.error
    assert "longer than 4 MB" in result.text
    assert peak < 25_000_000
    assert (await use(there, "s__add", a=1, b=2)).text == "3"


async def test_what_nobody_sees_is_taken_out_of_descriptions(there):
    described = next(tool.described for tool in await there.offered() if tool.name == "s__hidden")
    assert described["description"].endswith("Say something that nobody sees.")


async def test_who_stops_waiting_ends_that_call_alone(there, log, request):
    waiting = asyncio.create_task(use(there, "s__sleep", seconds=60))
    staying = asyncio.create_task(use(there, "s__sleep", seconds=1))
    await until(lambda: log.read_text().count("sleeps") == 2)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    if "json" not in request.node.name:  # there the server can't hear that nobody waits
        await until(lambda: "cancelled" in log.read_text())
    assert (await staying).text == "Slept."
    assert (await use(there, "s__add", a=1, b=2)).text == "3"


async def test_tools_that_get_other_names_are_known_by_them_and_the_old_name_is_an_error(there):
    old = {tool.name: tool for tool in await there.offered()}
    await use(there, "s__rename")
    await until(lambda: renamed(there))
    assert "s__add" not in await names(there)
    assert (await old["s__add"].use(ANYBODY, {"a": 1, "b": 2})).error


async def renamed(servers: Servers) -> bool:
    return "s__plus" in await names(servers)


async def test_a_server_that_dies_in_the_middle_of_a_call_fails_that_call_and_is_started_again(log):
    async with running(s=good(log), other=rogue("", "other")) as servers:
        old = {tool.name: tool for tool in await servers.offered()}
        died, slept = await asyncio.gather(use(servers, "s__die"), use(servers, "s__sleep", seconds=60))
        for result in (died, slept):
            assert result.error
            assert "was lost in the middle of the call: it ended, with status 7" in result.text
        gone = await old["s__add"].use(ANYBODY, {"a": 1, "b": 2})
        assert gone.error
        assert "s is not there" in gone.text or "was lost" in gone.text
        assert (await use(servers, "other__other")).text == "Right."
        await until(lambda: len(pids(log)) == 2)
        await until(lambda: there_again(servers))
        assert (await use(servers, "s__add", a=1, b=2)).text == "3"


async def there_again(servers: Servers) -> bool:
    return "s__add" in await names(servers)


async def test_a_server_over_http_that_dies_fails_its_calls_and_is_asked_again(log):
    port = free_port()
    async with running(s=Configured(url=f"http://127.0.0.1:{port}/mcp")) as servers:
        assert await names(servers) == []
        async with serving(log, port=port):
            await until(lambda: there_again(servers))
            result = await use(servers, "s__die")
            assert result.error
            assert "lost in the middle of the call" in result.text
        async with serving(log, port=port):
            await until(lambda: there_again(servers))
            assert (await use(servers, "s__add", a=1, b=2)).text == "3"


async def test_a_server_that_hangs_costs_one_wait_and_its_own_tools():
    limits = Limits(first=2, start=3, farewell=0.1, restarts=(60,))
    async with running(limits, hangs=rogue("hang"), other=rogue("", "other")) as servers:
        servers.prepare()
        await asyncio.wait({servers._importing})
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        assert await names(servers) == ["other__other"]
        assert 2 <= loop.time() - began < 3
        began = loop.time()
        assert await names(servers) == ["other__other"]
        assert loop.time() - began < 0.2
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
        assert (await use(servers, "s__asking")).text == "2000"
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


async def test_a_call_that_takes_too_long_is_given_up_and_the_server_stays(log):
    async with running(Limits(first=30, call=0.5), s=good(log)) as servers:
        result = await use(servers, "s__sleep", seconds=60)
        assert result.error
        assert "did not answer within 0.5 seconds" in result.text
        assert (await use(servers, "s__add", a=1, b=2)).text == "3"
        assert len(pids(log)) == 1


async def test_more_calls_than_may_run_are_refused(log):
    async with running(Limits(first=30, calls=2), s=good(log)) as servers:
        calls = [asyncio.create_task(use(servers, "s__sleep", seconds=1)) for _ in range(4)]
        results = await asyncio.gather(*calls)
        assert sum(result.error for result in results) == 2


async def test_a_server_gets_none_of_our_secrets_and_none_of_our_sockets(log, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("RIVULET_X", "1")
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        inode = f"socket:[{os.fstat(ours.fileno()).st_ino}]"
        async with running(s=good(log)) as servers:
            inside = (await use(servers, "s__inside")).text.split("\n")
    assert {"PATH", "MCP_LOG"} <= set(inside)
    assert not {"SLACK_BOT_TOKEN", "RIVULET_X", "ANTHROPIC_API_KEY"} & set(inside)
    assert inode not in inside


async def test_a_server_that_does_not_want_to_end_is_ended(log):
    async with running(s=rogue("stubborn", "other", log=log)) as servers:
        assert (await use(servers, "s__other")).text == "Right."
        [pid] = pids(log)
    assert not alive(pid)


async def test_a_server_ends_with_a_bot_that_is_killed(log):
    code = (
        "import asyncio, json, sys\n"
        "from bot.tools.mcp import Servers\n"
        "from bot.tools.mcp.settings import Configured\n"
        "async def main():\n"
        "    servers = Servers({'s': Configured.model_validate_json(sys.argv[1])})\n"
        "    await servers.offered()\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    settings = rogue("", "other", log=log).model_dump_json()
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, settings, cwd=FOLDER.parent, env={**os.environ, **PATHS}
    )
    await until(lambda: pids(log))
    [pid] = pids(log)
    assert alive(pid)
    bot.kill()
    await bot.wait()
    await until(lambda: not alive(pid))


async def test_no_server_is_started_before_the_first_answer(log):
    async with running(s=good(log)) as servers:
        servers.prepare()
        await asyncio.wait({servers._importing})
        assert not pids(log)
        await servers.offered()
        assert len(pids(log)) == 1


async def test_only_tools_that_are_allowed_are_offered(log):
    allowed = good(log, allow=("add", "none"))
    async with running(s=allowed) as servers:
        assert await names(servers) == ["s__add"]
        assert (False, "MCP s: left out none: the server has no such tool") in await servers.examine()


@pytest.mark.parametrize("asks", [True, False])
async def test_the_settings_say_whether_calls_ask(log, asks):
    async with running(s=good(log, ask=asks)) as servers:
        assert {tool.asks for tool in await servers.offered()} == {asks}
        assert {tool.name for tool in await servers.offered() if tool.writes} == {"s__book"}


@asynccontextmanager
async def answering(answer):
    """Serve *answer* at every path; yield the port, and what was asked."""
    seen: list[web.Request] = []

    async def handle(request):
        seen.append(request)
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


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
    async with running(s=good(log)) as servers:
        it = core(script, servers)
        await it.mention(ask(sheet))
        await until(lambda: any("s__book" in row.page.text for row in sheet.log))
        assert "booked" not in log.read_text()
        [card] = {row.message for row in sheet.log if "s__book" in row.page.text}
        assert '"room": "Blue"' in [row.page.text for row in sheet.log if row.message == card][-1]
        for _ in range(2):
            await it.press(Press(card, ALLOW.name, ANN, HERE))
        await it._running.all_done()
    assert log.read_text().count("booked Blue") == 1
    [block] = script.requests[-1].turns[-1].blocks
    assert block["content"] == "Blue is booked."


async def test_the_answer_goes_on_when_a_server_dies_and_nothing_of_it_is_in_the_system_prompt(log):
    sheet = Sheet(name="sheet")
    script = Script({"tool": "s__half", "input": {}}, "I could not.")
    async with running(s=rogue("", "half")) as servers:
        it = core(script, servers)
        await it.mention(ask(sheet))
        await it._running.all_done()
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
