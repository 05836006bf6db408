"""The chat page with a real server and core behind it, and a model that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import adapters
from bot.config import Settings
from bot.core.core import Core
from bot.core.replicas import Replicas
from bot.events import Event, Finished, Text
from bot.model import Ask, Request, nobody
from bot.model.script import Script
from bot.run.server import serving
from bot.run.supervise import build, keep
from bot.store import Store
from bot.store.memory import Memory
from bot.tools import Offered
from tests.contract import UNBOUND, until
from tests.ports import free_port

#: What a page that people sign in to is set up with.
TOKENS = "ann=ann-has-this-token,bob=bob-has-that-token"


class Typist(Script):
    """A model that says what `say` yields, whatever it is asked; a number is a pause in seconds.

    Attributes:
        say: Says it.
        running: How many streams are open.
        go: Lets a `None` go on.
    """

    def __init__(self, *steps: str | float | Event | None) -> None:
        super().__init__()
        self.say: Sequence[str | float | Event | None] = steps or ("Yes.",)
        self.running = 0
        self.go = asyncio.Event()
        self.closed = asyncio.Event()

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        self.requests.append(request)
        self.running += 1
        self.closed.clear()
        try:
            for step in self.say:
                match step:
                    case None:
                        await self.go.wait()
                    case str():
                        yield Text(step)
                    case float() | int():
                        await asyncio.sleep(step)
                    case _:
                        yield step
            if not isinstance(self.say[-1], Finished):
                yield Finished()
        finally:
            self.running -= 1
            self.closed.set()


class Site:
    """One bot with a chat page.

    Attributes:
        model: What answers.
        url: Where the page is.
    """

    def __init__(self, model: Any, settings: dict[str, str], core: dict[str, str | int]) -> None:
        self.model = model
        self.store: Store = Memory()
        self.tools: Sequence[Offered] = ()
        self.port = free_port()
        self.settings = {"RIVULET_WEB": "true", **settings}
        self.core_settings = {**UNBOUND, "RIVULET_TURNS": 2000, "RIVULET_INTAKE": 2000, **core}
        self.platform: Any
        self.core: Core
        self._stack = AsyncExitStack()
        self._running: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve, on the same port as before."""
        found = adapters.load("web", **self.settings)
        assert found
        self.platform = found
        self.core = build(
            Settings.model_validate(self.core_settings), [found], self.model, self.store, self.tools
        )
        self.port = await self._stack.enter_async_context(serving("127.0.0.1", self.port, [found]))
        replicas = Replicas(self.core)
        self._running = [
            asyncio.create_task(keep(found, replicas)),
            asyncio.create_task(replicas.run()),
        ]

        async def up() -> bool:
            return found.health == "up"

        await until(up)

    async def crash(self) -> None:
        """End everything without a word."""
        await self._end()
        lives = dict(self.core._lives)
        for task in lives:
            task.cancel()
        await asyncio.gather(*lives, return_exceptions=True)

    async def stop(self) -> None:
        """End as a shutdown does."""
        await self.core.drain()
        await self._end()

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        self._running = []
        await self._stack.aclose()


@asynccontextmanager
async def site(
    model: Any = None, prepare: Callable[[Site], None] = lambda _: None, **settings: Any
) -> AsyncIterator[Site]:
    """Serve a chat page while the block runs; *settings* are the page's and the core's."""
    web = {name: str(value) for name, value in settings.items() if name.startswith("RIVULET_WEB")}
    made = Site(model or Typist(), web, {name: value for name, value in settings.items() if name not in web})
    prepare(made)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
