"""One MCP server: started, watched and started again in one task; calls come from any other.

The `mcp` package binds a session to the task that opened it.  So `run` alone opens and closes it, and a call
only sends a request over it and waits: who stops waiting ends no more than that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from typing import Any

import anyio
import structlog
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    PaginatedRequestParams,
    Tool,
)

from bot.model import Result
from bot.text.heard import heard
from bot.tools import Offered
from bot.tools.mcp.limits import Limits
from bot.tools.mcp.link import linked
from bot.tools.mcp.listing import MOST, PAGES, Listing, listing
from bot.tools.mcp.settings import Configured

log = structlog.get_logger(__name__)

# It logs what strangers send, with tracebacks; what matters of it is in our own lines and results.
logging.getLogger("mcp").setLevel(logging.CRITICAL)

#: Characters of what a server says of an error.
ERROR = 300
UNSURE = "It may have done its work or not."
AWAY = "The MCP server {name} is not there: {reason}. Its tools can't be used now; go on without them."
BUSY = "The MCP server {name} has too much to do; go on without it, or try again later."
LATE = "The MCP server {name} did not answer within {seconds:g} seconds. " + UNSURE
ENDED = "The MCP server {name} was lost in the middle of the call: {reason}. " + UNSURE
INVALID = "What the MCP server {name} answered is not valid. " + UNSURE
FAILED = "The call failed at the MCP server {name}: {reason}"


class Server:
    """One server, which `run` keeps there.

    Args:
        name: As in the settings.
        configured: What the settings say.
        limits: How long it may take.

    Attributes:
        listing: Its tools; none while it is not there.
        trouble: Why it is not there; "" if it is.
        settled: Set once it has told its tools, or has not for the first time.
    """

    def __init__(self, name: str, configured: Configured, limits: Limits) -> None:
        self.name = name
        self.listing = Listing()
        self.trouble = "it is being started"
        self.settled = asyncio.Event()
        self._configured = configured
        self._limits = limits
        self._client: Client | None = None
        self._calls = 0
        self._lost = ""
        self._changed = False
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def offered(self) -> tuple[Offered, ...]:
        """The tools that can be used now."""
        return self.listing.offered

    def close(self) -> None:
        """Let `run` end."""
        self._closed.set()
        self._wake.set()

    async def run(self) -> None:
        """Keep the server there until `close`; returns once nothing of it is left."""
        failures, told = 0, ""
        while not self._closed.is_set():
            began = anyio.current_time()
            await self._serve()
            if self._closed.is_set():
                break
            if self.trouble != told:
                log.warning("an MCP server is not there", server=self.name, reason=self.trouble)
            told = self.trouble
            steady = anyio.current_time() - began > self._limits.steady
            failures = 0 if steady else min(failures, len(self._limits.restarts) - 1)
            with anyio.move_on_after(self._limits.restarts[failures]):
                await self._closed.wait()
            failures += 1

    async def call(self, tool: str, given: Mapping[str, Any]) -> Result:
        """Call *tool* once; whatever goes wrong is the result."""
        client = self._client
        if client is None:
            return self._failed(AWAY, reason=self.trouble)
        if self._calls >= self._limits.calls:
            return self._failed(BUSY)
        self._calls += 1
        try:
            return _result(await self._answer(client, tool, given))
        except MCPError as error:
            return self._explained(error)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, RuntimeError) as error:
            return self._failed(ENDED, reason=self._lost or self.trouble or reason_of(error))
        except ValueError:  # pydantic's, too
            return self._failed(INVALID)
        finally:
            self._calls -= 1

    async def _answer(self, client: Client, tool: str, given: Mapping[str, Any]) -> CallToolResult:
        """Return what the server answers; not by `call_tool`, which also runs its own schemas."""
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=dict(given)))
        answer = await client.session.send_request(
            request, CallToolResult, request_read_timeout_seconds=self._limits.call
        )
        if answer.is_error:
            self._look_again()  # a tool may have another name by now
        return answer

    def _explained(self, error: MCPError) -> Result:
        """Return what the model reads of *error*."""
        if error.code == REQUEST_TIMEOUT:
            return self._failed(LATE, seconds=self._limits.call)
        if error.code == CONNECTION_CLOSED:
            return self._failed(ENDED, reason=self._lost or self.trouble or reason_of(error))
        if "Session terminated" in str(error):
            self._lose("it has forgotten the session")
        self._look_again()
        return self._failed(FAILED, reason=reason_of(error))

    def _failed(self, text: str, **said: Any) -> Result:
        return Result(text.format(name=self.name, **said), error=True)

    async def _serve(self) -> None:
        """Start the server and stay with it; afterwards `trouble` says why that is over."""
        self._lost = ""
        patience = anyio.CancelScope(deadline=anyio.current_time() + self._limits.start)
        try:
            with patience:
                await self._stay(patience)
        except Exception as error:  # noqa: BLE001  whatever a server causes is its own trouble
            self._lost = self._lost or reason_of(error)
        finally:
            self._client, self.listing = None, Listing()
        late = f"it did not start within {self._limits.start:g} seconds" if patience.cancelled_caught else ""
        self.trouble = self._lost or late or "it ended"
        self.settled.set()

    async def _stay(self, patience: anyio.CancelScope) -> None:
        link = linked(self.name, self._configured, self._limits, self._lose)
        client = Client(
            link, cache=None, message_handler=self._heard, read_timeout_seconds=self._limits.start
        )
        async with client, anyio.create_task_group() as group:
            await self._list(client)
            patience.deadline = math.inf
            self._client, self.trouble = client, ""
            self.settled.set()
            log.info("an MCP server is there", server=self.name, tools=len(self.offered))
            if (tools := client.server_capabilities.tools) and tools.list_changed:
                group.start_soon(self._listen, client)
            await self._watch(client)
            patience.deadline = anyio.current_time() + 2 * self._limits.farewell
            group.cancel_scope.cancel()

    async def _watch(self, client: Client) -> None:
        """Ask for the tools anew whenever they have changed, until the server is lost or not wanted."""
        while not (self._lost or self._closed.is_set()):
            await self._wake.wait()
            self._wake.clear()
            if self._changed and not (self._lost or self._closed.is_set()):
                self._changed = False
                with anyio.fail_after(self._limits.listing):
                    await self._list(client)
                await self._rest()

    async def _rest(self) -> None:
        """Let a while pass, in which the server may say as often as it likes that its tools have changed."""
        with anyio.move_on_after(self._limits.changed):
            while not (self._lost or self._closed.is_set()):
                await self._wake.wait()
                self._wake.clear()
        self._wake.set()

    async def _list(self, client: Client) -> None:
        """Ask for the tools."""
        told: list[Tool] = []
        cursor: str | None = None
        for _ in range(PAGES):
            page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            told += page.tools
            cursor = page.next_cursor
            if cursor is None or len(told) > MOST:
                break
        made = await anyio.to_thread.run_sync(
            listing, self.name, self._configured, told, self.call, self._limits.call + 5
        )
        if made.left_out and made.left_out != self.listing.left_out:
            log.warning("tools of an MCP server are left out", server=self.name, tools=made.left_out[:20])
        self.listing = made

    async def _listen(self, client: Client) -> None:
        """Hear from a server of the newer protocol that its tools have changed; older ones tell unasked."""
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._look_again()
            except ListenNotSupportedError:
                return
            except (MCPError, SubscriptionLost, TimeoutError) as error:
                log.debug("an MCP server does not tell of changes", server=self.name, reason=reason_of(error))
            await anyio.sleep(self._limits.listen)
            self._look_again()

    async def _heard(self, message: object) -> None:
        """Take what the server tells unasked: that its tools have changed; see `bot.tools.mcp.link`."""
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._look_again()

    def _look_again(self) -> None:
        self._changed = True
        self._wake.set()

    def _lose(self, reason: str) -> None:
        """Take it that the server is gone."""
        self._lost = self._lost or reason
        self._wake.set()


def reason_of(error: BaseException) -> str:
    """Return what *error* says, on one line; of several, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return f"there is no {error.filename}"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ValueError) and hasattr(error, "errors"):
        return "what it answers is not valid"
    said = " ".join(heard(str(error)[: 4 * ERROR]).split())[:ERROR]
    return said or type(error).__name__


def _result(answer: CallToolResult) -> Result:
    """Return what the model reads of *answer*."""
    parts = [_part(block) for block in answer.content]
    if not any(parts) and answer.structured_content is not None:
        parts = [json.dumps(answer.structured_content, ensure_ascii=False)]
    return Result("\n".join(filter(None, parts)), error=bool(answer.is_error))


def _part(block: Any) -> str:
    match block.type:
        case "text":
            return str(block.text)
        case "resource":
            return str(getattr(block.resource, "text", f"[{block.resource.uri}: not a text]"))
        case "resource_link":
            return f"[{block.name}: {block.uri}]"
        case other:
            return f"[{other}: not a text]"
