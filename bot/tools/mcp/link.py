"""The connection to a server, over pipes or HTTP, without what nobody asked the server for.

A server may ask its client for a person's input or for text of a model.  We offer neither, so each request of
a server is refused here, one at a time: however many it sends, none is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream  # the types of public functions
from mcp.shared.message import SessionMessage
from mcp_types import (
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from bot.tools.mcp import web
from bot.tools.mcp.limits import MESSAGE, Limits
from bot.tools.mcp.pipes import Lost, piped
from bot.tools.mcp.settings import Configured

#: What a server may tell unasked.
TOLD = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/subscriptions/acknowledged",
        "notifications/cancelled",
    }
)


@asynccontextmanager
async def linked(
    name: str, server: Configured, limits: Limits, lost: Lost
) -> AsyncIterator[tuple[Filtered, WriteStream[SessionMessage]]]:
    """Yield streams of what the server *name* says, and of what it is told.

    Raises:
        OSError: It can't be started.
        ValueError: It can't be, with what the settings say.
    """
    if server.command:
        async with piped(name, server, limits, lost) as (hears, says):
            yield Filtered(hears, says), says
        return
    async with (
        web.client(server, limits) as http,
        streamable_http_client(server.url, http_client=http, max_sse_event_size=MESSAGE) as (hears, says),
    ):
        yield Filtered(hears, says), says


class Filtered:
    """What a server says, without what it was not asked for."""

    def __init__(
        self, hears: ReadStream[SessionMessage | Exception], says: WriteStream[SessionMessage]
    ) -> None:
        self._hears = hears
        self._says = says

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message; raise as the stream does."""
        while True:
            heard = await self._hears.receive()
            if isinstance(heard, Exception):
                return heard
            message = heard.message
            if isinstance(message, JSONRPCRequest):
                await self._says.send(SessionMessage(_answer(message)))
            elif not isinstance(message, JSONRPCNotification) or message.method in TOLD:
                return heard

    async def aclose(self) -> None:
        """Close it."""
        await self._hears.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _answer(request: JSONRPCRequest) -> JSONRPCResponse | JSONRPCError:
    if request.method == "ping":
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result={})
    error = ErrorData(code=METHOD_NOT_FOUND, message="This client offers nothing to servers.")
    return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
