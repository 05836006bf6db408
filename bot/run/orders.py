"""What `rivulet forget` and its kind order: done by the process that has the data, told by a socket.

A second process must never write to a ledger that is in use; where no bot runs, the
command takes the folder itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from bot.platform import Unavailable
from bot.run.sources import Watched
from bot.store import OK, Store, tables
from bot.store.accounts import NAMES, Spent
from bot.store.examine import NAME as LEDGER
from bot.store.examine import copies, trouble
from bot.store.folder import Folder
from bot.store.snapshot import snapshot, sweep
from bot.store.sqlite import Sqlite
from bot.tools.notebook import named

log = structlog.get_logger(__name__)

NAME = "socket"
#: What backs up and restores what is in Redis.
IN_REDIS = (
    "the ledger is in Redis, which has copies of its own: `redis-cli --rdb FILE` writes one. An empty Redis "
    "that starts with `--appendonly no` reads it as its dump.rdb; "
    "then say `redis-cli config set appendonly yes`."
)
#: Seconds that an order may take.
PATIENCE = 30.0
#: Days of which is read at once what was spent.
WEEK = 7
#: Orders that change nothing.
READS = frozenset({"feedback", "notes", "top", "usage"})
#: Bytes of an order, and of its answer: all notes or ratings that there may be.
LONGEST = 4096
ANSWER = 64 * 2**20


async def order(folder: Path, what: dict[str, Any], url: str = "") -> dict[str, Any]:
    """Return what came of an order to the bot whose data is in *folder*, or in the Redis at *url*.

    {"forget": user} and {"purge": true} give {"count": deleted questions, "notes": deleted notes, "copies":
    how many ledgers that lay aside are deleted, "left": names of files there that have what they had};
    {"notes": channel}, "" for all, gives {"notes": a list of `Note` as dictionaries}; {"erase": name,
    "channel": channel} gives {"notes": deleted notes}; {"feedback": true} gives {"ratings": a list with what
    `tables.rated_row` makes of each}; {"usage": day} gives {"spent": the same of `tables.spent_row`, from
    that day on}; {"backup": true} gives {"backup": the name of a copy of the ledger that lies in the folder
    now, which is the asker's}; {"top": true} gives what `Sources.report` returns.

    Raises:
        Unavailable: When a bot has the folder and takes no orders, or there is nothing there.
    """
    if url and "top" not in what:
        return await _in_redis(folder, what, url)
    if not folder.is_dir():  # noqa: ASYNC240  nothing else runs in this process
        raise Unavailable(
            f"RIVULET_DATA: there is no folder {folder}: no bot has run here yet, or its data is elsewhere."
        )
    own = Folder(folder)
    try:
        own.hold()
    except Unavailable:
        return await _told(folder, what)
    if "top" in what:
        own.release()
        raise Unavailable(f"RIVULET_DATA: no bot runs on {folder}.")
    store = Sqlite(folder)
    try:
        _expect_usable(folder, what)
        await store.open()
        return await obeyed(store, what, folder)
    except OSError as error:
        raise Unavailable(
            f"RIVULET_DATA: {_undone(what)} ({error}); mend that, and say this again."
        ) from None
    finally:
        await store.close()
        own.release()


async def _in_redis(folder: Path, what: dict[str, Any], url: str) -> dict[str, Any]:
    """Do it here, whatever else works on that Redis; see `order`."""
    from bot.store.redis.opening import store_at  # noqa: PLC0415  most bots need no Redis

    if "backup" in what:
        raise Unavailable(f"RIVULET_STORE: {IN_REDIS}")
    store = store_at(url, joins=False)
    try:
        await store.open()
        told = await obeyed(store, what, folder)
    except OSError as error:
        raise Unavailable(f"RIVULET_STORE: {_undone(what)} ({error}); say this again later.") from None
    finally:
        await store.close()
    if what.keys() & {"forget", "purge"} and (folder / LEDGER).exists():  # of before `rivulet move`
        told["left"] = [*told.get("left", ()), LEDGER]
    return told


def _expect_usable(folder: Path, what: dict[str, Any]) -> None:
    """Look at the ledger first: what can't be used is moved aside by a bot that starts, not by an order.

    Raises:
        Unavailable: It can't be used, or there is none to copy.
    """
    path = folder / LEDGER
    why = trouble(path) if path.exists() else "is not there" if "backup" in what else ""
    if why:
        raise Unavailable(f"RIVULET_DATA: {_undone(what)}: {path} {why}.")


async def obeyed(
    store: Store, what: dict[str, Any], folder: Path, watched: Watched | None = None
) -> dict[str, Any]:
    """Do what an order says; see `order`."""
    if "top" in what:
        return watched.sources.report() if watched and watched.sources else {}
    await asyncio.to_thread(sweep, folder)
    if "backup" in what:
        return {"backup": await _copied(store, folder)}
    notes = await store.notes()
    match what:
        case {"forget": str(user)}:
            return {
                "count": await store.forget(user),
                "notes": sum(note.actor == user for note in notes),
                "left": copies(folder),
            }
        case {"purge": True}:
            aside, count = copies(folder), await store.purge()
            left = copies(folder)
            return {"count": count, "notes": len(notes), "copies": len(aside) - len(left), "left": left}
        case {"notes": str(channel)}:
            return {"notes": [asdict(note) for note in notes if channel in {"", note.channel}]}
        case {"erase": str(name), "channel": str(channel)}:
            meant = [note for note in notes if note.name == named(name) and channel in {"", note.channel}]
            return {"notes": sum([await store.erase(*note.key) for note in meant])}
        case {"feedback": True}:
            return {"ratings": [*map(tables.rated_row, await store.ratings())]}
        case {"usage": int(since)}:
            return {"spent": [tables.spent_row(each) for each in await _spent(store, since)]}
    raise ValueError(f"not an order: {what}")


async def _spent(store: Store, since: int) -> list[Spent]:
    """Return all that was spent from day *since* on; a few days at once, since the ledger has other work."""
    days = await store.accounts.usage(since, ["day"])
    if not days:
        return []
    found: list[Spent] = []
    for day in range(days[0].day, days[-1].day + 1, WEEK):
        found += await store.accounts.usage(day, NAMES, day + WEEK)
    return found


async def _copied(store: Store, folder: Path) -> str:
    """Return the name of a copy of the ledger, which has all that is known.

    Raises:
        OSError: What is known is not all in the ledger, or it can't be copied.
    """
    health = str(getattr(store, "health", OK))
    if not health.startswith(OK):
        raise OSError(health)
    return (await asyncio.to_thread(snapshot, folder)).name


def _undone(what: dict[str, Any]) -> str:
    if "backup" in what:
        return "not copied"
    return "not read" if what.keys() & READS else "not deleted"


async def _answer(store: Store, what: dict[str, Any], folder: Path, watched: Watched) -> dict[str, Any]:
    try:
        return await obeyed(store, what, folder, watched)
    except OSError as error:
        return {"error": str(error)}


def _line(answer: dict[str, Any]) -> bytes:
    """Return *answer* as a line of JSON; made bit by bit, since answers go on meanwhile."""
    return "".join([*json.JSONEncoder().iterencode(answer), "\n"]).encode()


@asynccontextmanager
async def obeying(folder: Path, store: Store, watched: Watched) -> AsyncIterator[None]:
    """Take orders while the block runs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await _answer(store, json.loads(await reader.readline()), folder, watched)
                writer.write(await asyncio.to_thread(_line, answer))
                await writer.drain()
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("an order was not understood", error=str(error))
        finally:
            writer.close()

    path = folder / NAME
    try:
        path.unlink(missing_ok=True)  # of a process that was killed: the folder is ours alone
        server = await asyncio.start_unix_server(serve, path, limit=LONGEST)
        path.chmod(0o600)
    except OSError as error:  # a path of more than 107 bytes, a file system without sockets
        log.warning("no orders are taken: stop the bot to forget, purge or read ratings", error=str(error))
        yield
        return
    try:
        yield
    finally:
        server.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)


async def _told(folder: Path, what: dict[str, Any]) -> dict[str, Any]:
    """Let the bot that has the folder do it."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(folder / NAME, limit=ANSWER)
            writer.write(json.dumps(what).encode() + b"\n")
            answer: dict[str, Any] = json.loads(await reader.readline())
            writer.close()
            await writer.wait_closed()
        if not isinstance(answer, dict):
            raise ValueError  # noqa: TRY004  as any other answer that is none
    except (OSError, ValueError, TimeoutError):
        raise Unavailable(
            f"RIVULET_DATA: a bot runs on {folder} and takes no orders; stop it, and say this again."
        ) from None
    if why := answer.get("error"):
        later = (
            "say this again later"
            if what.keys() & {*READS, "backup"}
            else "the bot does it as soon as it can"
        )
        raise Unavailable(f"RIVULET_DATA: {_undone(what)} yet ({why}); {later}.")
    return answer
