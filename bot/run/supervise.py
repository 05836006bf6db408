"""Runs all platforms on one core until told to end; a platform that fails is started again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from pydantic import ValidationError

from bot.config import Settings, expect_readable, explain
from bot.core.core import Core
from bot.core.intake import Caps
from bot.guard.access import Access
from bot.model import Asking, Model
from bot.model.claude import Claude
from bot.model.course import Patience
from bot.model.patient import Patient
from bot.platform import Platform, Unavailable
from bot.run.orders import obeying
from bot.run.server import serving
from bot.show.answer import Showing
from bot.store import Store
from bot.store.folder import Folder
from bot.store.memory import Memory
from bot.store.sqlite import Sqlite

log = structlog.get_logger(__name__)

#: Seconds before a platform that failed is started again; the last one repeats.
RESTARTS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
#: Seconds for the last edits, for the platforms' farewell after them, and to the end of the process at the
#: latest: Docker kills after 10.
GRACE = 4.5
PARTING = 2.0
LAST = 7.5
#: Seconds between two looks for what the ledger need not keep.
PRUNE = 600.0
#: Seconds that a platform may take to end when it is told to.
FAREWELL = 5.0
#: A platform that ran this long had recovered.
STEADY = 300.0


def build(
    settings: Settings, platforms: Collection[Platform], model: Model, store: Store | None = None
) -> Core:
    """Return the core for *platforms*; without a *store* it forgets everything on restart."""
    admits = {workspace for platform in platforms for workspace in platform.admits}
    asking = Asking(settings.system, settings.model, settings.effort, settings.max_tokens, settings.ahead)
    showing = Showing(settings.links, settings.pages, settings.code_file)
    caps = Caps(
        settings.intake,
        settings.turns,
        settings.user_turns,
        settings.user_per_minute,
        settings.user_per_hour,
    )
    return Core(model, store or Memory(), Access(admits, settings.stop), asking, showing, caps=caps)


@asynccontextmanager
async def claude_of(settings: Settings) -> AsyncIterator[Claude]:
    """Yield the model that *settings* describe."""
    patience = Patience()
    claude = Claude(
        settings.anthropic_api_key.get_secret_value(),
        settings.anthropic_base_url,
        settings.model,
        silence=patience.byte_idle,
        event=patience.event,
    )
    try:
        yield claude
    finally:
        await claude.close()


def patient_of(settings: Settings, model: Model) -> Patient:
    """Return *model* with the patience that *settings* describe."""
    return Patient(model, Patience(streams=settings.turns), settings.fallback_model)


def rekey_on_hangup(claude: Claude, patient: Patient) -> None:
    """Take a new API key from `.env` on SIGHUP, so that a rotation needs no restart."""

    def rekey() -> None:
        try:
            expect_readable()
            claude.rekey(Settings().anthropic_api_key.get_secret_value())
        except (ValidationError, Unavailable) as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            log.error("the settings can't be read again", reason=reason)  # noqa: TRY400 - hides values
        else:
            patient.forgive()
            log.info("took the API key anew")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rekey)


async def supervise(settings: Settings, platforms: Collection[Platform], model: Model) -> None:
    """Serve until SIGTERM or SIGINT, then end every answer with a last edit; a second signal ends at once.

    Raises:
        Unavailable: When no platform can be served as it is set up, or another process has its data.
    """
    ended = _signalled()
    async with ledger(settings.data) as (folder, store):
        core = build(settings, platforms, model, store)
        for platform in platforms:
            platform.data = folder.path if folder.usable else None
        _settle_memory()
        async with serving(settings.host, settings.port, platforms, core) as port:
            log.info(
                "serving",
                platforms=[platform.name for platform in platforms],
                health=f"http://{settings.host}:{port}/healthz",
            )
            tasks = [asyncio.create_task(keep(platform, core)) for platform in platforms]
            waiting = asyncio.create_task(ended.wait())
            try:
                await _until(waiting, tasks)
            finally:
                log.info("ending")
                await core.drain(GRACE)
                for task in (waiting, *tasks):
                    task.cancel()
                await asyncio.wait([waiting, *tasks], timeout=PARTING)


def _signalled() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        if ended.is_set():
            os._exit(128 + number)  # the ledger is whole at every moment
        ended.set()
        # Whatever hangs, the process is gone before Docker kills it; what is left is there for a repair.
        last = threading.Timer(LAST, os._exit, (0,))
        last.daemon = True
        last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    return ended


@asynccontextmanager
async def ledger(path: Path) -> AsyncIterator[tuple[Folder, Store]]:
    """Yield the data folder and the store in it, which is pruned now and then and takes orders.

    Raises:
        Unavailable: When another process has the folder.
    """
    folder = Folder(path)
    folder.hold()
    store = Sqlite(path)
    await store.open()
    pruning = asyncio.create_task(_prune(store))
    try:
        async with obeying(path, store):
            yield folder, store
    finally:
        pruning.cancel()
        await asyncio.wait({pruning})
        await store.close()
        folder.release()


async def _prune(store: Store) -> None:
    while True:
        await store.prune(time.time())
        await asyncio.sleep(PRUNE)


def _settle_memory() -> None:
    """Keep the garbage collector off what the imports made: walking it stops the loop for 150 ms."""
    gc.collect()
    gc.freeze()


async def _until(ended: asyncio.Task[bool], tasks: Collection[asyncio.Task[None]]) -> None:
    """Wait for the end, or for the last platform to prove hopeless."""
    left = set(tasks)
    reasons: list[str] = []
    while left:
        done, _ = await asyncio.wait({ended, *left}, return_when=asyncio.FIRST_COMPLETED)
        if ended in done:
            return
        for task in done & left:
            left.discard(task)
            error = task.exception()
            reasons.append(str(error))
            if left:
                log.error("a platform is switched off", reason=str(error))
    raise Unavailable(" ".join(reasons))


async def keep(platform: Platform, core: Core) -> None:
    """Run *platform*, again and again; only `Unavailable` ends it."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        try:
            await _run(platform, core)
            log.warning("a platform ended", platform=platform.name)
        except Unavailable:
            raise
        except OSError as error:
            log.warning("a platform was not reached", platform=platform.name, error=str(error))
        except Exception:
            log.exception("a platform failed", platform=platform.name)
        finally:
            platform.health = "down"
        failures = 1 if loop.time() - began > STEADY else failures + 1
        await asyncio.sleep(RESTARTS[min(failures, len(RESTARTS)) - 1])


async def _run(platform: Platform, core: Core) -> None:
    """Run *platform* once, in a task of its own: what it makes of a cancellation is no concern of ours.

    An SDK that ends itself by cancelling would else end us, and one that won't be cancelled would keep us.
    """
    running = asyncio.create_task(platform.run(core), name=platform.name)
    try:
        await asyncio.wait({running})
    finally:
        if not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=FAREWELL)
        if not running.done():
            log.warning("a platform does not end; left to itself", platform=platform.name)
            running.add_done_callback(_heard)
    if running.cancelled():
        log.warning("a platform cancelled itself", platform=platform.name)
        return
    running.result()


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how *task* ended, which nobody waits for any more."""
    if not task.cancelled() and (error := task.exception()):
        log.warning("a platform ended late", platform=task.get_name(), error=repr(error))
