"""A Chromium without a window, that shows one page and films it; by the DevTools protocol.

It loads nothing but the page it is given, and its profile is gone with it.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.unavailable import Unavailable

#: What it is called: on Debian, on others, from Google.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "There is no Chromium here: install one (Debian: apt-get install chromium), or set CHROMIUM to its path."
)
WRONG = "There is no program {named!r}, which CHROMIUM names: set it to Chromium's path, or unset it."
SILENT = "Chromium does not start; does `{path} --headless about:blank` run?"
GONE = "Chromium has ended before the film did."
FLAGS = (
    *("--headless", "--remote-debugging-port=0", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
#: Seconds between two pictures of a film.
FRAME = 0.2
#: Seconds that it may take to start, and to answer.
PATIENCE = 30.0


def found() -> str:
    """Return where Chromium is: what the variable CHROMIUM says, else the usual names.

    Raises:
        Unavailable: There is none, or the variable names no program.
    """
    named = os.environ.get("CHROMIUM", "")
    path = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    if not path:
        raise Unavailable(WRONG.format(named=named) if named else MISSING)
    return path


class Tab:
    """One page.

    Args:
        socket: The connection to the browser.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session = ""

    async def open(self, url: str, width: int, height: int) -> None:
        """Show *url* in a window of so many pixels."""
        target = await self.call("Target.createTarget", url="about:blank")
        session = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = session["sessionId"]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        await self.call("Page.navigate", url=url)

    async def picture(self) -> bytes:
        """Return what it shows now, as PNG."""
        taken = await self.call("Page.captureScreenshot", format="png", optimizeForSpeed=True)
        return base64.b64decode(taken["data"])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result.

        Raises:
            Unavailable: The browser has ended, or does not answer.
        """
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._socket.send_json(
                    {"id": number, "method": method, "params": parameters, **session}
                )
                while (told := json.loads(await self._heard())).get("id") != number:
                    pass
        except (ConnectionError, TimeoutError) as error:
            raise Unavailable(GONE) from error
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']}")
        return dict(told["result"])

    async def _heard(self) -> str:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError
        return str(message.data)


@dataclass(slots=True)
class Film:
    """Pictures, and how long each is shown.

    Attributes:
        tab: What is filmed.
        pictures: All so far, as PNG.
        times: How long each is shown, in ms.
        holds: Whether nothing is filmed for now, because nothing can be seen to happen.
    """

    tab: Tab
    pictures: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    holds: bool = False

    @asynccontextmanager
    async def rolling(self) -> AsyncIterator[None]:
        """Film while the block runs."""
        filming = asyncio.create_task(self._film())
        try:
            yield
        finally:
            filming.cancel()
            await asyncio.wait([filming])
        if not filming.cancelled():
            filming.result()

    async def _film(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self.holds:
                await asyncio.sleep(FRAME)
                continue
            picture = await self.tab.picture()
            await asyncio.sleep(began + FRAME - loop.time())
            self.pictures.append(picture)
            self.times.append(round((loop.time() - began) * 1000))


@asynccontextmanager
async def showing(url: str, width: int, height: int) -> AsyncIterator[Tab]:
    """Run a Chromium that shows *url* while the block runs.

    Raises:
        Unavailable: There is none, or it does not start.
    """
    path = found()
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium refuses to have one as root
    with tempfile.TemporaryDirectory(prefix="rivulet-chromium-", ignore_cleanup_errors=True) as profile:
        command = (path, *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank")
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, process_group=0
            )
        except OSError as error:
            raise Unavailable(SILENT.format(path=path)) from error
        try:
            async with aiohttp.ClientSession() as session:
                address = await _address(process, path)
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    await tab.open(url, width, height)
                    yield tab
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _address(process: Process, path: str) -> str:
    """Return the address that it says it listens on."""
    try:
        async with asyncio.timeout(PATIENCE):
            while process.stderr and (line := await process.stderr.readline()):
                if listening := re.search(rb"DevTools listening on (ws://\S+)", line):
                    return listening[1].decode()
    except TimeoutError:
        pass
    raise Unavailable(SILENT.format(path=path))
