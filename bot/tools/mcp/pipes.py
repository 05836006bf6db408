"""A server in a process of its own, which speaks over its standard input and output.

The `mcp` package has this too, but keeps whatever a server writes until a line ends.  Here a message has a
longest size, the process gets no more of the environment than it needs, and it ends with its standard input:
so also when this process is killed.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

from bot.text.heard import heard
from bot.tools.mcp.limits import MESSAGE, Limits
from bot.tools.mcp.lines import Line, Lines
from bot.tools.mcp.settings import Configured

log = structlog.get_logger(__name__)

#: What a server gets of our environment; the rest is for the settings to say.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
#: Bytes that are read at once.
CHUNK = 64 * 1024
#: Lines of its standard error that are logged, and the characters of each.
TOLD, LENGTH = 200, 500
#: Seconds between asking a process to end and ending it.
MERCY = 0.4

TOO_LONG = f"The result is longer than {MESSAGE // 2**20} MB, which is more than is read."
#: A message that begins as an answer to one of our requests does.
_ANSWER = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,9})\s*,\s*"(?:result|error)"'
)

#: Told why a server is gone.
Lost = Callable[[str], None]
Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def piped(
    name: str, server: Configured, limits: Limits, lost: Lost
) -> AsyncIterator[
    tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
]:
    """Yield streams of what the server *name* says, and of what it is told; it ends when they do.

    Raises:
        OSError: There is no such program, or it can't be started.
        ValueError: A NUL in an argument or the environment.
    """
    inherited = {key: value for key in INHERITED if (value := os.environ.get(key))}
    process = await create_subprocess_exec(
        server.command,
        *server.args,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**inherited, **server.env},
        cwd=server.cwd or None,
        limit=CHUNK,
        start_new_session=True,
    )
    # No await before the task group: a cancellation there would leave the process behind.
    heard_of, hears = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    says, said = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as group:
        group.start_soon(_read, process, heard_of, lost)
        group.start_soon(_write, process, said, limits, lost)
        group.start_soon(_tell, process, name)
        try:
            yield hears, says
        finally:
            with anyio.CancelScope(shield=True):
                hears.close()
                says.close()
                await end(process, limits.farewell)
            group.cancel_scope.cancel()


async def _read(process: Process, heard_of: Incoming, lost: Lost) -> None:
    """Hand on what *process* says; once nobody listens, read on, so that it can end."""
    lines = Lines(MESSAGE)
    assert process.stdout  # noqa: S101  it was asked for
    async with heard_of:
        try:
            while data := await process.stdout.read(CHUNK):
                for line in lines.feed(data):
                    if message := message_of(line):
                        await heard_of.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            while await process.stdout.read(CHUNK):
                pass
            return
        except ValueError as broken:
            lost(str(broken))
            return
        with anyio.move_on_after(MERCY):
            await process.wait()
        lost("it ended" if process.returncode is None else f"it ended, with status {process.returncode}")


def message_of(line: Line) -> JSONRPCMessage | None:
    """Return the message in *line*; None for chatter, which some servers print at their start.

    Raises:
        ValueError: It is no message, and none that could be done without.
    """
    if not line.whole:
        if not (found := _ANSWER.match(line.content)):
            raise ValueError(f"it sent a message of more than {MESSAGE // 2**20} MB")
        return JSONRPCError(
            jsonrpc="2.0", id=int(found[1]), error=ErrorData(code=INTERNAL_ERROR, message=TOO_LONG)
        )
    content = line.content.strip()
    if not content.startswith((b"{", b"[")):
        return None
    try:
        return jsonrpc_message_adapter.validate_json(content, by_name=False)
    except ValueError:
        raise ValueError("it sent what is no JSON-RPC message") from None


async def _write(process: Process, said: Outgoing, limits: Limits, lost: Lost) -> None:
    assert process.stdin  # noqa: S101  it was asked for
    async with said:
        try:
            async for each in said:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                with anyio.fail_after(limits.write):
                    await process.stdin.drain()
        except TimeoutError:
            lost("it reads nothing")
        except OSError:
            pass  # it has ended, as `_read` will say


async def _tell(process: Process, name: str) -> None:
    """Log what *process* writes to its standard error, the first lines of it."""
    lines, told = Lines(CHUNK), 0
    assert process.stderr  # noqa: S101  it was asked for
    while data := await process.stderr.read(CHUNK):
        for line in lines.feed(data):
            told += 1
            if told <= TOLD:
                text = heard(line.content[: 4 * LENGTH].decode(errors="replace"))[:LENGTH]
                log.debug("an MCP server writes", server=name, line=text)


async def end(process: Process, seconds: float) -> None:
    """End *process* and all that it has started: ask it by closing its input, wait, and then end it."""
    assert process.stdin  # noqa: S101  it was asked for
    process.stdin.close()
    with anyio.move_on_after(seconds):
        await process.wait()
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)  # it leads a group of its own, which may outlive it
        except (ProcessLookupError, PermissionError):
            break
        with anyio.move_on_after(MERCY):
            await process.wait()
            await _gone(process.pid)
    with anyio.move_on_after(MERCY):
        await process.wait()
    with suppress(AttributeError):
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  a child may hold the pipes


async def _gone(group: int) -> None:
    """Wait until no process of *group* is left."""
    with suppress(ProcessLookupError, PermissionError):
        while True:
            os.killpg(group, 0)
            await asyncio.sleep(0.01)
