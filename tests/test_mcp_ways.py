"""A good MCP server, over each way: one process for all tests of a way, since starting it takes seconds."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tracemalloc
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio

from bot.tools.mcp.settings import Configured
from tests.ports import free_port
from tests.test_mcp import ANYBODY, FOLDER, named, names, running, until, use

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATHS = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def good(log, **more) -> Configured:
    arguments = (str(FOLDER / "mcp_server.py"), "stdio")
    return Configured(command=sys.executable, args=arguments, env={**PATHS, "MCP_LOG": str(log)}, **more)


@asynccontextmanager
async def serving(log, *how: str):
    """Run the good server over HTTP; yield what the settings say of it."""
    port = free_port()
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


@pytest.fixture(scope="module", params=["stdio", "http", "json"])
def way(request):
    return request.param


@pytest.fixture(scope="module")
def log(way, tmp_path_factory):
    path = tmp_path_factory.mktemp(way) / "log"
    path.touch()
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(way, log):
    if way == "stdio":
        async with running(s=good(log)) as servers:
            yield servers
        return
    async with serving(log, way) as configured, running(s=configured) as servers:
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
    assert (True, "MCP s: 7 tools, 6 of them only read") in found
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


async def test_who_stops_waiting_ends_that_call_alone(there, log, way):
    waiting = asyncio.create_task(use(there, "s__sleep", seconds=60))
    staying = asyncio.create_task(use(there, "s__sleep", seconds=1))
    await until(lambda: log.read_text().count("sleeps") == 2)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    if way != "json":  # there the server can't hear that nobody waits
        await until(lambda: "cancelled" in log.read_text())
    assert (await staying).text == "Slept."
    assert (await use(there, "s__add", a=1, b=2)).text == "3"


async def test_tools_that_get_other_names_are_known_by_them_and_the_old_name_is_an_error(there):
    old = {tool.name: tool for tool in await there.offered()}
    await use(there, "s__rename")
    await until(lambda: named(there, "s__plus"))
    assert "s__add" not in await names(there)
    assert (await old["s__add"].use(ANYBODY, {"a": 1, "b": 2})).error
    await use(there, "s__rename")  # for the other tests
    await until(lambda: named(there, "s__add"))
