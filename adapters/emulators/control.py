"""What the three emulators share: a loopback server, a log, and a way to be driven.

An emulator is one aiohttp application.  Methods marked `@control` drive or question it, from
the same process as plain coroutines, and from another one through `Remote` (JSON over
`POST /_emulator/<method>`).  Times are `time.monotonic()`, which on Linux all processes of a
machine share, so a log can be compared with another process's clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

Call = TypeVar("Call", bound=Callable[..., Awaitable[Any]])

#: A test that reads no log for a whole soak must not eat the machine.
LOG_LIMIT = 1_000_000


def control(method: Call) -> Call:
    """Mark an async method of an emulator as callable from another process."""
    method.__dict__["control"] = True
    return method


class Emulator:
    """A stand-in for one service on a loopback port.

    Attributes:
        middlewares: What every request passes first.
        host: The address that it listens on.
        url: Where it listens, without a trailing slash; set by `start`.
        log: Everything that happened, oldest first: {"n", "t", "kind", ...}.
    """

    middlewares: Sequence[Middleware] = ()
    host = "127.0.0.1"

    def __init__(self) -> None:
        self.url = ""
        self.log: list[dict[str, Any]] = []
        self._grown = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the service's own routes."""
        raise NotImplementedError

    async def start(self, port: int = 0) -> None:
        """Listen on *port*; 0 takes a free one."""
        app = web.Application(client_max_size=64 * 2**20, middlewares=self.middlewares)
        app.add_routes([web.post("/_emulator/{method}", self._control), *self.routes()])
        # handler_cancellation: a streaming handler sees the client hang up at once, not at its next write.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Hang up on everybody and free the port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()

    def spawn(self, work: Any) -> None:
        """Run the coroutine *work* in the background, until `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def record(self, kind: str, **data: Any) -> None:
        """Add an entry to the log."""
        if len(self.log) < LOG_LIMIT:
            self.log.append({"n": len(self.log), "t": time.monotonic(), "kind": kind, **data})
            self._grown.set()

    @control
    async def events(
        self, since: int = 0, wait: float = 0.0, kinds: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the log from entry *since* on, waiting up to *wait* seconds for the first.

        Args:
            since: The number `n` of the first entry wanted.
            wait: Seconds to wait if there is none yet.
            kinds: Only entries of these kinds, if any are named.
        """
        found: list[dict[str, Any]] = []
        looked = since  # a storm writes thousands of entries: none is looked at twice

        def look() -> bool:
            nonlocal looked
            found.extend(entry for entry in self.log[looked:] if not kinds or entry["kind"] in kinds)
            looked = max(looked, len(self.log))
            return bool(found)

        try:
            async with asyncio.timeout(wait):
                while not look():
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            look()
        return found

    @control
    async def many(self, method: str, calls: Sequence[Mapping[str, Any]], seconds: float = 0.0) -> list[Any]:
        """Call the control *method* with each of *calls*, spread over *seconds*; return what they did.

        A bench that called so often from its own process would measure its own requests.
        """
        loop, did = asyncio.get_running_loop(), []
        began = loop.time()
        for number, arguments in enumerate(calls):
            await asyncio.sleep(max(0.0, began + seconds * number / len(calls) - loop.time()))
            did.append(await getattr(self, method)(**arguments))
        return did

    async def _control(self, request: web.Request) -> web.Response:
        method = getattr(self, request.match_info["method"], None)
        if method is None or not getattr(method, "control", False):
            return web.json_response({"error": "no such control"}, status=404)
        try:
            return web.json_response({"result": await method(**await request.json())})
        except (KeyError, LookupError, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)


class Remote:
    """An emulator in another process: the same control methods, by keyword.

    Args:
        session: What to call with.
        url: The emulator's `url`.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(**arguments: Any) -> Any:
            async with self._session.post(f"{self.url}/_emulator/{name}", json=arguments) as response:
                body = await response.json()
            if "error" in body:
                raise LookupError(f"{name}: {body['error']}")
            return body["result"]

        return call
