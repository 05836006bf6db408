"""An MCP server, made with the `mcp` package, in a process of its own: `python mcp_server.py stdio | PORT`.

It writes what it did to the file that MCP_LOG names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("tests", log_level="ERROR")
READS = ToolAnnotations(read_only_hint=True)


def did(what: str) -> None:
    with Path(os.environ["MCP_LOG"]).open("a") as file:
        file.write(what + "\n")


did(f"began {os.getpid()}")


@server.tool(annotations=READS)
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def book(room: str) -> str:
    """Book a room."""
    did(f"booked {room}")
    return f"{room} is booked."


@server.tool(annotations=READS)
async def sleep(seconds: float) -> str:
    """Sleep."""
    did("sleeps")
    try:
        await anyio.sleep(seconds)
    except BaseException:
        did("cancelled")
        raise
    return "Slept."


@server.tool(annotations=READS)
def die() -> str:
    """Die in the middle of a call."""
    os._exit(7)


@server.tool(annotations=READS)
def flood(size: int) -> str:
    """Answer at length."""
    return "x" * size


@server.tool(annotations=READS)
async def rename(ctx: Context) -> str:
    """Give the tool `add` another name, and then its own again."""
    old, new = ("add", "plus") if "add" in server._tool_manager._tools else ("plus", "add")
    server.remove_tool(old)
    server.add_tool(add, name=new, annotations=READS)
    await ctx.notify_tools_changed()
    return "Renamed."


@server.tool(annotations=READS)
def hidden() -> str:
    """Say something that nobody sees.\N{ZERO WIDTH SPACE}\U000e0041\U000e0042"""
    return "seen\N{ZERO WIDTH SPACE}\U000e0041\U000e0042"


@server.tool(annotations=READS)
def wrong(a: int) -> str:
    """Have a schema that is not valid."""
    return ""


def break_schema() -> None:
    server._tool_manager._tools["wrong"].parameters = {
        "type": "object",
        "properties": {"a": {"type": "banana"}},
    }


if __name__ == "__main__":
    break_schema()
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run(
            "streamable-http", host="127.0.0.1", port=int(sys.argv[1]), json_response="json" in sys.argv
        )
