"""Runs all platforms on one core until told to end; a platform that fails is started again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Sequence

import structlog

from bot.config import Settings, address_of
from bot.core.core import Core
from bot.core.intake import Caps
from bot.core.replicas import Replicas
from bot.files import Bounds
from bot.guard.access import Access
from bot.model import Model
from bot.model.rounds import Rounds
from bot.platform import Inbox, Platform, Unavailable
from bot.run.exporter import exporting
from bot.run.lag import measured
from bot.run.places import Places
from bot.run.server import Front
from bot.run.sources import Sources, Watched
from bot.store import Store
from bot.store.memory import Memory
from bot.tally import Tally
from bot.tools import Offered
from bot.tools.mcp.servers import Servers

log = structlog.get_logger(__name__)

#: Seconds before a platform that failed is started again; the last one repeats.
RESTARTS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
#: Seconds for the last edits, and for the platforms' farewell after them; `bot.run.start.LAST` is longer.
GRACE = 4.5
PARTING = 2.0
#: Seconds that a platform may take to end when it is told to.
FAREWELL = 5.0
#: A platform that ran this long had recovered.
STEADY = 300.0


def build(
    settings: Settings,
    platforms: Collection[Platform],
    model: Model,
    store: Store | None = None,
    tools: Sequence[Offered] = (),
    places: Places | None = None,
    tally: Tally | None = None,
) -> Core:
    """Return the core for *platforms*.

    Args:
        settings: The operator's.
        platforms: Those that it answers on.
        model: Who answers.
        store: The ledger; without one it forgets everything on restart.
        tools: What the model may use, where there are no *places*.
        places: What holds where; without them, what *settings* say holds everywhere.
        tally: Where it is counted what happens.
    """
    admits = {workspace for platform in platforms for workspace in platform.admits}
    places = places or Places.alike(settings, tools)
    caps = Caps(
        settings.intake,
        settings.turns,
        settings.user_turns,
        settings.user_per_minute,
        settings.user_per_hour,
        replaces=settings.when_busy == "replace",
    )
    core = Core(
        Rounds(model, settings.tool_rounds),
        store or Memory(),
        Access(admits, who=places.who, named=lambda: places.book.named),
        caps=caps,
        follow_ups=places.follow_ups,
        terms=places.terms,
        spend=places.spend,
        bounds=Bounds(settings.file_bytes, settings.files, settings.pixels),
        tally=tally,
    )
    places.tell = core.tell_admins
    if places.spend:
        places.spend.tell = core.tell_admins
    return core


async def supervise(
    settings: Settings,
    platforms: Collection[Platform],
    model: Model,
    store: Store,
    front: Front,
    ended: asyncio.Event,
    places: Places,
    servers: Servers,
    watched: Watched,
) -> None:
    """Serve until *ended* is set, then end every answer with a last edit.

    Raises:
        Unavailable: When no platform can be served as it is set up.
    """
    core = build(settings, platforms, model, store, places=places, tally=watched.tally)
    replicas = Replicas(core)
    _settle_memory()
    async with measured() as lag:
        watched.sources = Sources(core, platforms, lag, settings.data)
        async with exporting(address_of(settings.metrics), watched.sources):
            await front.open(platforms, core, lag)
            log.info("serving", platforms=[platform.name for platform in platforms])
            servers.prepare()
            await _serve(platforms, core, replicas, servers, ended, settings.drain)


async def _serve(
    platforms: Collection[Platform],
    core: Core,
    replicas: Replicas,
    servers: Servers,
    ended: asyncio.Event,
    drain: float,
) -> None:
    """Run *platforms* until *ended* is set, and then for *drain* seconds if answers need them."""
    tasks = [asyncio.create_task(keep(platform, replicas)) for platform in platforms]
    serving = asyncio.create_task(replicas.run())
    waiting = asyncio.create_task(ended.wait())
    try:
        await _until(waiting, tasks)
    finally:
        log.info("ending", answers=core.state["running"], drain=drain)
        await core.drain(GRACE, drain)
        for task in (waiting, serving, *tasks):
            task.cancel()
        leaving = asyncio.create_task(servers.close())
        await asyncio.wait([waiting, serving, leaving, *tasks], timeout=PARTING)


def _settle_memory() -> None:
    """Keep the garbage collector off what the imports made: walking it stops the loop for 150 ms."""
    gc.collect()
    gc.freeze()
    gc.enable()


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


async def keep(platform: Platform, inbox: Inbox) -> None:
    """Run *platform*, again and again; only `Unavailable` ends it."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        try:
            await _run(platform, inbox)
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


async def _run(platform: Platform, inbox: Inbox) -> None:
    """Run *platform* once, in a task of its own: what it makes of a cancellation is no concern of ours.

    An SDK that ends itself by cancelling would else end us, and one that won't be cancelled would keep us.
    """
    running = asyncio.create_task(platform.run(inbox), name=platform.name)
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
