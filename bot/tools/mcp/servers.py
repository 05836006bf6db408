"""Tools of MCP servers: programs of other people, which the settings name.

The servers are started when an answer first asks for their tools, so no start of the bot waits for them, and
so only then the `mcp` package is imported, which takes a second.  One that hangs, dies or talks nonsense
costs its own tools and nothing else.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from bot.tools import Offered
from bot.tools.mcp.limits import Limits
from bot.tools.mcp.settings import Configured
from bot.unavailable import Unavailable

if TYPE_CHECKING:
    from bot.tools.mcp.server import Server

log = structlog.get_logger(__name__)

#: What imports the packages that servers need.
SERVER = "bot.tools.mcp.server"
UNFIT = (
    "RIVULET_MCP: the package mcp, or one that it needs, can't be imported ({reason}): install the versions"
    " of requirements.lock (`make setup`). No MCP server is started until then."
)


class Servers:
    """All servers of the settings.

    Args:
        configured: Them, by their names.
        limits: How long they may take.

    Raises:
        Unavailable: The `mcp` package is missing, and there is a server.
    """

    def __init__(
        self, configured: Mapping[str, Configured] | None = None, limits: Limits | None = None
    ) -> None:
        self._configured = dict(configured or {})
        self._limits = limits or Limits()
        self._servers: list[Server] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._trouble = ""
        self._importing: asyncio.Task[str] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._until = 0.0
        if self._configured and find_spec("mcp") is None:
            raise Unavailable(
                "RIVULET_MCP needs the package mcp, which requirements.lock has: run `make setup`."
            )

    def prepare(self) -> None:
        """Import what takes a second, in a thread, so that no answer waits for it."""
        if self._configured and self._importing is None:
            # In a context of its own: what is logged of a server is not of the question that came first.
            create = asyncio.get_running_loop().create_task
            self._importing = create(_import(), context=contextvars.Context())

    async def offered(self, names: Collection[str] | None = None) -> Sequence[Offered]:
        """Return the tools that can be used now; the first call starts the servers and waits a little.

        Args:
            names: The servers whose tools are wanted; None for all.
        """
        if not self._configured or (names is not None and not names):
            return ()
        now = asyncio.get_running_loop().time()
        if self._starting is None:
            self._until = now + self._limits.first
            self.start()
        if now < self._until:
            await self.settle(self._until - now)
        wanted = [server for server in self._servers if names is None or server.name in names]
        return [tool for server in wanted for tool in server.offered]

    def start(self) -> None:
        """Start all servers."""
        self.prepare()
        create = asyncio.get_running_loop().create_task
        self._starting = create(self._start(), context=contextvars.Context())

    async def settle(self, seconds: float) -> None:
        """Wait until every server has told its tools, or has not; at most *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                if self._starting:
                    await asyncio.wait({self._starting})
                for server in self._servers:
                    await server.settled.wait()
        except TimeoutError:
            late = [server.name for server in self._servers if not server.settled.is_set()]
            log.info("answering without MCP servers that are not there yet", servers=late)

    async def close(self) -> None:
        """End all servers; returns once they are gone."""
        if not self._starting:
            return
        await asyncio.wait({self._starting})
        for server in self._servers:
            server.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def examine(self) -> list[tuple[bool, str]]:
        """Start all servers; return for each whether it is there, and a line about it and its tools.

        Where none can be started, there is one line, which says why.
        """
        if not self._configured:
            return []
        if self._starting is None:
            self.start()
        await self.settle(self._limits.start + 10)
        found = [(False, self._trouble)] if self._trouble else []
        for each in self._servers:
            reads = sum(not tool.writes for tool in each.offered)
            there = f"{len(each.offered)} tools, {reads} of them only read"
            found.append((not each.trouble, f"MCP {each.name}: {each.trouble or there}"))
            found += [(False, f"MCP {each.name}: left out {line}") for line in each.listing.left_out]
        return found

    async def _start(self) -> None:
        if self._importing:
            self._trouble = await self._importing
        if self._trouble:
            return
        from bot.tools.mcp.server import Server  # noqa: PLC0415  imported by now

        self._servers = [Server(name, each, self._limits) for name, each in self._configured.items()]
        self._tasks = [asyncio.create_task(server.run()) for server in self._servers]


async def _import() -> str:
    """Import what servers need; return why that can't be done, in one line, or ""."""
    try:
        await asyncio.to_thread(import_module, SERVER)
    except Exception as error:  # noqa: BLE001  packages that do not fit together raise anything
        trouble = UNFIT.format(reason=" ".join(f"{type(error).__name__}: {error}".split())[:200])
        log.error("MCP servers can't be used", reason=trouble)  # noqa: TRY400  one line says it all
        return trouble
    gc.freeze()  # walking what it made would stop the loop for a moment, again and again
    return ""
