"""`rivulet run`, from good settings to service.

It listens first and imports the SDKs then, in a thread: they take a second, in which `/healthz` says already
that the process lives.  Claude's comes last, while platforms connect.  Must never import one of them, an
adapter or the core before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from bot.config import Settings
from bot.config.rules import Written
from bot.guard.metered import Metered
from bot.guard.spend import Spend
from bot.platform import Platform
from bot.run import logs
from bot.run.configured import ConfigFile, Toolsets, stamp
from bot.run.connections import widen
from bot.run.money import spend_of
from bot.run.orders import obeying
from bot.run.secrets import exposed, known
from bot.run.server import listening
from bot.run.sources import Watched
from bot.store import Store
from bot.store.folder import Folder
from bot.store.sqlite import Sqlite
from bot.tally import Tally
from bot.tools.mcp.servers import Servers
from bot.tools.mcp.settings import read

if TYPE_CHECKING:
    from bot.model.patient import Patient
    from bot.tools import Offered

T = TypeVar("T")
Makes = Sequence[Callable[[], Platform]]

log = structlog.get_logger(__name__)

#: Seconds from the first signal to the end of the process at the latest, beside those of RIVULET_DRAIN:
#: Docker kills after 10.
LAST = 7.5
#: Seconds that the start waits for Claude to say whether the key is good; then it goes on without.
ASKING = 3.0
#: Characters of a value that is too short to be a secret: no log could be read without it.
SHORT = 6
#: Seconds between two looks for what the ledger need not keep.
PRUNE = 600.0


async def start(
    settings: Settings,
    makes: Makes,
    tools: Sequence[Offered] = (),
    config: ConfigFile | None = None,
    *,
    content: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT, then end every answer with a last edit; a second signal ends at once.

    Args:
        settings: The operator's.
        makes: What makes each platform; see `adapters.find`.
        tools: What the model may use beside the tools that *settings* and *config* name.
        config: What holds where; without it there is no such file.
        content: Whether questions and answers are logged.

    Raises:
        Unavailable: When another process has the data, the port is taken, Claude refuses the key, no
            platform can be served as it is set up, or the file of MCP servers or `config.toml` is wrong.
    """
    logs.configure(settings.log, [settings.anthropic_api_key.get_secret_value()], content=content)
    servers = mcp_of(settings)
    given = config or ConfigFile(settings)
    before = stamp(given.path)
    book = given.book(given.read() if config else Written())
    if warning := exposed():
        log.warning(warning)
    ended, watched = _signalled(LAST + settings.drain), Watched()
    widen()
    async with (
        ledger(settings.data, watched, settings.store.get_secret_value()) as (folder, store),
        listening(settings.host, settings.port, settings.events_port) as front,
        AsyncExitStack() as stack,
    ):
        log.info("listening", health=f"http://{settings.host}:{front.port}/healthz")
        spend = spend_of(settings, book, store.accounts, watched.tally) if config else None
        toolsets = partial(given.toolsets, book.written)
        if parts := await _unless(ended, _parts(settings, makes, stack, toolsets, spend, watched.tally)):
            from bot.run.places import Places  # noqa: PLC0415  imported by now
            from bot.run.supervise import supervise  # noqa: PLC0415  the same
            from bot.run.watch import watching  # noqa: PLC0415  the same

            platforms, model, loaded = parts
            for platform in platforms:
                platform.data = folder.path if folder.usable else None
            places = Places(settings, book, loaded, servers, tools, spend)
            async with watching(config, places, before, lambda text: places.tell(text, None)):
                await supervise(settings, platforms, model, store, front, ended, places, servers, watched)
    return 0


def mcp_of(settings: Settings) -> Servers:
    """Return the MCP servers of *settings*, none of them started; no log shows their secrets.

    Raises:
        Unavailable: Their file is wrong.
    """
    said = read(settings.mcp, known())
    logs.hide([secret for secret in said.secrets if len(secret) >= SHORT])
    return Servers(said.named)


async def _parts(
    settings: Settings,
    makes: Makes,
    stack: AsyncExitStack,
    toolsets: Callable[[], Toolsets],
    spend: Spend | None,
    tally: Tally,
) -> tuple[list[Platform], Patient, Toolsets]:
    """Import all that is slow; return platforms, model and tools, once Claude was asked about its key."""
    tools = await asyncio.to_thread(toolsets)
    await asyncio.to_thread(import_module, "bot.run.model")
    from bot.run.model import claude_of, patient_of, rotate_key  # noqa: PLC0415  imported by now

    claude = await stack.enter_async_context(claude_of(settings))
    making = asyncio.to_thread(lambda: [make() for make in makes])
    checking = asyncio.create_task(claude.check())
    stack.push_async_callback(_given_up, checking)
    platforms = await making
    await asyncio.to_thread(import_module, "bot.run.supervise")
    await asyncio.wait({checking}, timeout=ASKING)
    if checking.done():
        _tell(checking.result())
    else:
        checking.add_done_callback(_told_late)
    logs.hide([secret for platform in platforms for secret in platform.secrets])
    patient = patient_of(settings, Metered(claude, spend) if spend else claude, tally)
    rotate_key(claude, patient)
    claude.prepare()
    return platforms, patient, tools


def _tell(trouble: str) -> None:
    if trouble:
        sys.stderr.write(f"rivulet: {trouble} Starting all the same.\n")


def _told_late(checking: asyncio.Task[str]) -> None:
    """Log what is wrong at Claude, now that platforms are served."""
    if checking.cancelled():
        return
    if trouble := checking.exception() or checking.result():
        log.error("Claude can't be asked as it is set up", reason=str(trouble))


async def _given_up(checking: asyncio.Task[str]) -> None:
    checking.cancel()
    await asyncio.wait({checking})


async def _unless(ended: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what *work* returns, or None where it was given up because *ended* came first."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(ended.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
    return None if working.cancelled() else working.result()


def _signalled(within: float) -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second one ends the process at once.

    It is gone *within* so many seconds of the first.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        if ended.is_set():
            os._exit(128 + number)  # the ledger is whole at every moment
        ended.set()
        # Whatever hangs, the process is gone before Docker kills it; what is left is there for a repair.
        last = threading.Timer(within, os._exit, (0,))
        last.daemon = True
        last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    return ended


@asynccontextmanager
async def ledger(
    path: Path, watched: Watched | None = None, url: str = ""
) -> AsyncIterator[tuple[Folder, Store]]:
    """Yield the data folder and the store, which is pruned now and then and takes orders.

    Args:
        path: The folder; the store is in it, unless *url* says otherwise.
        watched: What orders may ask for beside the store.
        url: Where Redis is; see `RIVULET_STORE`.

    Raises:
        Unavailable: When another process has the folder, or Redis can't be used.
    """
    folder, watched = Folder(path), watched or Watched()
    folder.hold()
    try:
        store = await _opened(folder, url, watched)
    except BaseException:
        folder.release()
        raise
    pruning = asyncio.create_task(_prune(store))
    try:
        async with obeying(path, store, watched):
            yield folder, store
    finally:
        pruning.cancel()
        await asyncio.wait({pruning})
        await store.close()
        folder.release()


async def _opened(folder: Folder, url: str, watched: Watched) -> Store:
    """Return the store at *url*, or in *folder*; of an address no log shows the password."""
    if not url:
        file = Sqlite(folder.path, folder.expect_held)
        await file.open()
        return file
    from bot.store.redis.address import secrets_of  # noqa: PLC0415  most bots need no Redis
    from bot.store.redis.opening import store_at  # noqa: PLC0415  the same

    store = store_at(url, joins=True, took=watched.tally.trips.took)
    logs.hide([secret for secret in secrets_of(url) if len(secret) >= SHORT])
    try:
        await store.open()
    except BaseException:
        await store.close()
        raise
    return store


async def _prune(store: Store) -> None:
    while True:
        await store.prune(time.time())
        await asyncio.sleep(PRUNE)
