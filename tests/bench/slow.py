"""Slow clients at the HTTP port: a thousand that never end their headers, then some that never end a body.

Nobody has signed anything yet, so all this is open to the whole network.  What must hold: little memory, and
whoever comes quickly gets an answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from adapters.emulators.process import spawned
from adapters.emulators.slack.http_sender import signed
from tests.bench.rig import PATIENCE, Bot, bots_environment

LIMITS = "the limits that ship; all clients on one address, which is also the signed sender's"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
#: Clients with headers and with bodies that do not end; in a quick run fewer of the second.
HEADERS, BODIES, FEW = 1000, 400, 150
#: Bytes of a body that come; one more is promised.
BODY = 2**20 - 1
#: Seconds for which the clients stay, and between two looks at the bot.
STAY, LOOK = 4.0, 0.2

HALF = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nX-A: "
BEGUN = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BODY + 1)


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Let the slow clients come, and look at the bot meanwhile."""
    measured: dict[str, Any] = {"limits": LIMITS, "seed": seed}
    async with _running() as (bot, port):
        for name, many, sent in (
            ("headers", HEADERS, HALF),
            ("bodies", FEW if quick else BODIES, BEGUN + b"x" * BODY),
        ):
            measured[name] = await _besieged(bot, port, many, sent)
    return measured


@asynccontextmanager
async def _running() -> AsyncIterator[tuple[Bot, int]]:
    """Run the bot in HTTP mode while the block runs; yield it and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    async with spawned() as world:
        own = {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": SECRET, "DISCORD_BOT_TOKEN": ""}
        env = {**bots_environment(world), **own, "RIVULET_PORT": str(port), "RIVULET_LOG": "error"}
        with tempfile.TemporaryDirectory() as empty:
            command = (sys.executable, "-m", "bot", "run")
            bot = Bot(await asyncio.create_subprocess_exec(*command, cwd=empty, env=env, stdout=DEVNULL))
            try:
                async with asyncio.timeout(PATIENCE):
                    while await _took(port, "readyz") is None:
                        await asyncio.sleep(0.1)
                yield bot, port
            finally:
                await bot.end()


async def _besieged(bot: Bot, port: int, many: int, sent: bytes) -> dict[str, Any]:
    """Return what the bot took and how fast it was while *many* clients sent *sent* and no more."""
    before = bot.seen.memory_info().rss
    clients = [asyncio.create_task(_client(port, sent)) for _ in range(many)]
    until = time.monotonic() + STAY
    more, files, events, healths = [], [], [], []
    while time.monotonic() < until:
        await asyncio.sleep(LOOK)
        events.append(await _event(port))
        healths.append(await _took(port, "healthz"))
        more.append((bot.seen.memory_info().rss - before) / 1e6)
        files.append(bot.seen.num_fds())
    for client in clients:
        client.cancel()
    await asyncio.wait(clients)
    await asyncio.sleep(1.0)
    well = [seconds for seconds in (*events, *healths) if seconds is not None]
    return {
        "clients": many,
        "more_mb": round(max(more), 1),
        "left_mb": round((bot.seen.memory_info().rss - before) / 1e6, 1),
        "descriptors": max(files),
        "event_s": round(max((each for each in events if each is not None), default=PATIENCE), 3),
        "health_s": round(max((each for each in healths if each is not None), default=PATIENCE), 3),
        "unanswered": len(events) + len(healths) - len(well),
    }


async def _client(port: int, sent: bytes) -> None:
    """Connect, send, and wait to be hung up on; then again, as who means harm does."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(LOOK)
            continue
        try:
            writer.write(sent)
            await writer.drain()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()
        await asyncio.sleep(STAY / 2)


async def _event(port: int) -> float | None:
    """Return the seconds in which a signed event is acknowledged; None if it is not."""
    body = json.dumps({"type": "event_callback", "event": {"type": "emoji_changed"}}).encode()
    headers = {"Content-Type": "application/json", **signed(SECRET, body, time.time())}
    return await _took(port, "slack/events", data=body, headers=headers)


async def _took(port: int, path: str, **more: Any) -> float | None:
    """Return the seconds in which *path* is answered well; None if it is not."""
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request("POST" if more else "GET", f"http://127.0.0.1:{port}/{path}", **more) as response,
        ):
            return time.monotonic() - began if response.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("what does not end", "what", "measured")]
    for name in ("headers", "bodies"):
        table += [(name, key, str(value)) for key, value in measured[name].items()]
    return table
