"""The chat page: how soon text is seen, how fast a stop is, what tabs cost, and what the browser does.

The bot is `rivulet run` in a process of its own, Claude an emulator in another; tabs are connections of this
process, or tabs of a real chromium (tests/bench/web_browser.py).
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from adapters.emulators.process import World, spawned
from tests.bench.figures import spread
from tests.bench.rig import UNBOUND_TEXT, Bot, bots_environment
from tests.bench.texts import paced, prose
from tests.web_world import Browser, View

LIMITS = f"the limits that ship, but for the length of an answer, which has none; {UNBOUND_TEXT}"
#: People, each of whom may have 40 tabs.
PEOPLE = 10
#: Tabs that stream at once, deltas a second of each, and seconds: to begin, and to measure.
TABS, QUICK_TABS, RATE, RAMP, WINDOW, QUICK_WINDOW = 300, 40, 20.0, 6.0, 20.0, 5.0
#: Answers that are read with a connection that is cut at a random moment, so many at once.
CUT, QUICK_CUT, ABREAST = 1_000, 20, 50
WORDS = 90
#: Characters that the model would say to a reader that reads nothing, and seconds until that shows.
ENDLESS, STILL = 8_400_000, 12.0


@dataclass(frozen=True, slots=True)
class Place:
    """All that runs."""

    world: World
    bot: Bot
    port: int

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def browser(self, number: int = 0) -> Browser:
        """Return the browser of a person."""
        return Browser(lambda: self.url, token_of(number))

    @property
    def memory(self) -> int:
        """The bot's resident bytes."""
        return int(self.bot.seen.memory_info().rss)


def token_of(number: int) -> str:
    """Return a person's token."""
    return f"the-token-of-person-{number}"


@asynccontextmanager
async def placed() -> AsyncIterator[Place]:
    """Run everything while the block runs."""
    async with spawned() as world:
        with tempfile.TemporaryDirectory() as folder:
            port = _free()
            tokens = ",".join(f"person{number}={token_of(number)}" for number in range(PEOPLE))
            kept = {
                name: value
                for name, value in bots_environment(world).items()
                if not name.startswith(("SLACK", "DISCORD"))
            }
            kept["RIVULET_BENCH_LENGTH"] = "10000000"
            own = {"RIVULET_WEB": "true", "RIVULET_WEB_TOKENS": tokens, "RIVULET_PORT": str(port)}
            command = (sys.executable, "-m", "tests.bench.bot")
            process = await asyncio.create_subprocess_exec(
                *command, cwd=folder, env={**kept, **own}, stdout=PIPE
            )
            bot = Bot(process)
            try:
                place = Place(world, bot, port)
                await _up(place)
                yield place
            finally:
                await bot.end()


async def _up(place: Place) -> None:
    """Wait until the page is served, and let it answer once, so that caches are warm."""
    await place.world.claude.script(steps=["Warm."], when="warm up")
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"{place.url}/readyz") as answer:
                    if answer.status == 200:
                        break
            await asyncio.sleep(0.1)
    browser = place.browser()
    await _asked(browser, "warm up", "warming-up")
    await _whole(browser.open("warming-up"))
    await browser.close()
    await place.bot.report()


async def bench(*, quick: bool, seed: int) -> dict[str, Any]:
    """Measure all groups."""
    from tests.bench.web_browser import browsed  # noqa: PLC0415  needs a browser

    rng = random.Random(seed)
    async with placed() as place:
        measured: dict[str, Any] = {"limits": LIMITS}
        measured["tabs"] = await _tabs(place, rng, quick=quick)
        measured["cut"] = await _cut(place, rng, QUICK_CUT if quick else CUT)
        measured["slow"] = await _slow(place)
        return {**measured, **await browsed(place, rng, quick=quick)}


async def _tabs(place: Place, rng: random.Random, *, quick: bool) -> dict[str, Any]:
    """Return what many tabs cost that stream at once."""
    count, window = (QUICK_TABS, QUICK_WINDOW) if quick else (TABS, WINDOW)
    text = prose(rng, int(RATE * (RAMP + window + 10) * 5))
    await place.world.claude.script(steps=paced(text, RATE, 0.5), when="a long stream")
    browsers = [place.browser(number) for number in range(PEOPLE)]
    for each in browsers:
        await each.sign_in()
    before = place.memory
    views = []
    for number in range(count):
        views.append(browsers[number % PEOPLE].open(f"tab-number-{number}"))
        await asyncio.sleep(0.01)
    for number in range(count):
        await _asked(browsers[number % PEOPLE], "a long stream", f"tab-number-{number}")
        await asyncio.sleep(RAMP / count / 2)
    await asyncio.sleep(RAMP / 2)
    await place.bot.report()
    events = sum(view.events for view in views)
    await asyncio.sleep(window)
    seen = await place.bot.report()
    frames = sum(view.events for view in views) - events
    memory = (place.memory - before) / count / 1000
    for number in range(count):
        await browsers[number % PEOPLE].post(f"stop/tab-number-{number}", {})
    for each in browsers:
        await each.close()
    return {
        "tabs": count,
        "lag_ms": seen["lag_ms"],
        "core_percent": round(100 * seen["cpu_s"] / seen["seconds"], 1),
        "kb_a_tab": round(memory),
        "frames_a_tab_and_second": round(frames / count / seen["seconds"], 2),
    }


async def _cut(place: Place, rng: random.Random, count: int) -> dict[str, Any]:
    """Return how many answers lost or doubled anything over connections that were cut."""
    text = " ".join(f"w{number}" for number in range(WORDS))
    await place.world.claude.script(steps=paced(text, 100.0), when="count")
    wrong = 0
    for begin in range(0, count, ABREAST):
        browsers = [place.browser(number) for number in range(PEOPLE)]
        numbers = range(begin, min(begin + ABREAST, count))
        reads = [_cut_once(browsers[number % PEOPLE], number, rng.random(), text) for number in numbers]
        wrong += sum(not right for right in await asyncio.gather(*reads))
        for each in browsers:
            await each.close()
    return {"answers": count, "wrong": wrong}


async def _cut_once(browser: Browser, number: int, when: float, text: str) -> bool:
    """Tell whether an answer is read whole and once, over a connection that is cut *when* in its course."""
    talk = f"cut-number-{number}"
    view = browser.open(talk)
    await _asked(browser, "count", talk)
    await asyncio.sleep(0.2 + when * 1.2)
    await browser.shut(talk)
    browser.open(talk)
    await _whole(view)
    said = [each.text for each in view.messages.values() if each.told["role"] == "bot"]
    await browser.shut(talk)
    return said == [text]


async def _slow(place: Place) -> dict[str, Any]:
    """Return what a reader costs that reads nothing, how much of the model is read, and how others fare."""
    piece = "word " * 399 + "\n\n"
    steps = [step for _ in range(ENDLESS // len(piece)) for step in (piece,)]
    await place.world.claude.script(steps=steps, when="without end")
    browser, other = place.browser(1), place.browser(2)
    await browser.sign_in()
    before = place.memory
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", place.port))
        head = f"GET /web/events/the-deaf-one HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {browser.cookie}\r\n\r\n"
        deaf.sendall(head.encode())
        await asyncio.sleep(0.3)
        await _asked(browser, "without end", "the-deaf-one")
        await asyncio.sleep(STILL)
        more = place.memory - before
        lags = []
        for number in range(5):
            began = asyncio.get_running_loop().time()
            await _asked(other, "warm up", f"beside-{number}")
            await _whole(other.open(f"beside-{number}"))
            lags.append((asyncio.get_running_loop().time() - began) * 1000)
        waiting = _queued(place.world.claude.url)
        request = (await place.world.claude.find(question="without end"))["id"]
        await browser.post("stop/the-deaf-one", {})
        read = await _sent(place, request)
    for each in (browser, other):
        await each.close()
    return {
        "stream_mb": ENDLESS / 1e6,
        "read_mb": round((read - waiting) / 1e6, 2),
        "in_sockets_mb": round(waiting / 1e6, 2),
        "more_kb": round(more / 1000),
        "beside_ms": spread(lags),
    }


async def _sent(place: Place, request: str) -> int:
    """Return how many characters of *request* the emulator has sent, once the bot has hung up."""
    async with asyncio.timeout(30):
        while True:
            for each in await place.world.claude.events(kinds=["closed", "finished"]):
                if each["id"] == request:
                    return int(each.get("sent_characters", ENDLESS))
            await asyncio.sleep(0.1)


async def _asked(browser: Browser, text: str, talk: str) -> None:
    status, said = await browser.post(f"ask/{talk}", {"id": uuid4().hex[:12], "text": text})
    if status != 202:
        raise RuntimeError(f"the page took no question: {status} {said}")


async def _whole(view: View) -> None:
    """Wait until the newest answer of *view* is whole."""
    async with asyncio.timeout(30):
        while True:
            found = [each for each in view.messages.values() if each.told["role"] == "bot"]
            if found and not found[-1].told["live"]:
                return
            await asyncio.sleep(0.01)


def _queued(url: str) -> int:
    """Return the bytes that the kernel holds between the model and the bot: sent, and not read."""
    port = int(url.rsplit(":", 1)[1].strip("/"))
    queued = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        sending, receiving = (int(each, 16) for each in queues.split(":"))
        queued += sending * (int(here.split(":")[1], 16) == port)
        queued += receiving * (int(there.split(":")[1], 16) == port)
    return queued


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def rows(measured: dict[str, Any]) -> Sequence[Sequence[str]]:
    """Return the table for people."""
    table: list[Sequence[str]] = [("group", "what was seen")]
    groups = [(name, each) for name, each in measured.items() if isinstance(each, dict) and name != "machine"]
    return [*table, *((name, json.dumps(each)) for name, each in groups)]
