"""The theatre's server: a page, its connection, and what it follows of the emulators' logs.

It must never decide what people see or what a limit allows: that is the emulators'.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from adapters.emulators.claude import Claude
from adapters.emulators.control import Emulator, control
from adapters.emulators.discord import Discord
from adapters.emulators.slack import Slack

from .acts import NAMES, Acts
from .audience import Viewer
from .door import PICTURES, guarded
from .figures import Figures
from .naive import naive
from .views import CHANGES, DiscordView, SlackView, View

Json = dict[str, Any]

PAGE = Path(__file__).parent / "page"
#: Bytes of what a page may send at once: a few files.
LARGEST = 16 * 2**20
#: Pages that may look on at once.
VIEWERS = 16
#: Seconds between two looks at the figures.
LOOK = 0.1


class Theatre(Emulator):
    """Serves the page.  Log kinds: "viewer" (a page has come), "kill" (the bot is to be killed).

    Args:
        slack: The emulators that it shows.
        discord: See there.
        claude: See there.
    """

    middlewares = (guarded,)

    def __init__(self, slack: Slack, discord: Discord, claude: Claude, host: str = "127.0.0.1") -> None:
        super().__init__()
        self.host = host
        self.naive = Slack()
        self._sources: Mapping[str, Slack | Discord] = {
            "slack": slack,
            "discord": discord,
            "naive": self.naive,
        }
        self._claude = claude
        self._views: Mapping[str, View] = {
            "slack": SlackView(slack),
            "discord": DiscordView(discord),
            "naive": SlackView(self.naive),
        }
        self._acts = Acts({"slack": slack, "naive": self.naive}, discord, claude)
        self._figures = Figures()
        self._viewers: set[Viewer] = set()
        self._state: Json = {"bot": "starting", "real": False, "crowd": len(NAMES)}
        self._knobs: Json = {"speed": 1.0, "latency": 0.0, "limits": "documented"}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `Emulator.routes`."""
        return [
            web.get("/", self._index),
            web.get("/page/{name}", self._part),
            web.get("/stage", self._stage),
            web.get("/file/{platform}/{channel}/{message}/{number}", self._file),
        ]

    async def start(self, port: int = 0) -> None:
        """Listen on *port*, or on a free one where it is taken, and follow the emulators."""
        await self.naive.start()
        try:
            await super().start(port)
        except OSError:
            await super().stop()
            await super().start(0)
        for view in self._views.values():
            await view.open()
        for name, source in self._sources.items():
            self.spawn(self._follow(name, source))
        self.spawn(self._follow_model())
        self.spawn(self._figure())
        self.spawn(self._be_naive())

    async def stop(self) -> None:
        """See `Emulator.stop`."""
        await super().stop()
        await self.naive.stop()

    @control
    async def tell(
        self,
        bot: str = "",
        *,
        real: bool | None = None,
        questions: Sequence[str] = (),
        caption: str | None = None,
        beside: bool | None = None,
    ) -> None:
        """Show what is given.

        Args:
            bot: "starting", "up" or "down".
            real: Whether Claude itself answers, of whom nothing is seen here.
            questions: What people may want to ask.
            caption: What is said about the scene; "" for nothing.
            beside: Whether a naive bot is shown in Discord's place.
        """
        self._state |= {"bot": bot} if bot else {}
        given = {"real": real, "questions": questions or None, "caption": caption, "beside": beside}
        self._state |= {name: value for name, value in given.items() if value is not None}
        self._say({"kind": "state", **self._state})

    @control
    async def act(self, act: Json) -> Json:
        """Do what a page may ask for; see `Acts.do`, and "kill"."""
        return await self._do(act)

    @control
    async def figures(self) -> Json:
        """Return the figures that the page shows, and the bot's state."""
        self._figures.look(time.monotonic())
        return self._told() | {"bot": self._state["bot"]}

    async def _index(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _part(self, request: web.Request) -> web.StreamResponse:
        names = {path.name: path for path in PAGE.iterdir() if path.suffix in {".js", ".css", ".svg"}}
        path = names.get(request.match_info["name"])
        return web.FileResponse(path) if path else web.Response(status=404)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Give out a file of a message: a picture to be shown, all else to be saved."""
        asked = request.match_info
        try:
            view, number = self._views[asked["platform"]], int(asked["number"])
            data = view.content(asked["channel"], asked["message"], number)
            seen = await view.message(asked["channel"], asked["message"])
            name = seen["files"][number]["name"]
        except (LookupError, ValueError):
            return web.Response(status=404)
        kind = mimetypes.guess_type(name)[0] or ""
        if kind in PICTURES:
            return web.Response(body=data, content_type=kind)
        saved = {"Content-Disposition": "attachment"}
        return web.Response(body=data, content_type="application/octet-stream", headers=saved)

    async def _stage(self, request: web.Request) -> web.StreamResponse:
        """Tell a page what happens, and do what it asks for."""
        if request.headers.get("Origin") is None or len(self._viewers) >= VIEWERS:
            return web.Response(status=403, text="Only the page itself, and not too often.\n")
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=LARGEST)
        await socket.prepare(request)
        viewer = Viewer(socket, self._views)
        viewer.say({"kind": "state", **self._state})
        viewer.say({"kind": "knobs", **self._knobs})
        self._viewers.add(viewer)
        self.record("viewer")
        telling = asyncio.create_task(viewer.run())
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    viewer.say(await self._did(message.data))
        finally:
            self._viewers.discard(viewer)
            telling.cancel()
            await asyncio.wait([telling])
        return socket

    async def _did(self, data: str) -> Json:
        """Do what a page has asked for; return what it is told."""
        act: Any = None
        try:
            act = json.loads(data)
            did = await self._do(act)
        except (LookupError, TypeError, ValueError) as error:
            why = str(error.args[0]) if error.args else type(error).__name__
            number = act.get("n") if isinstance(act, dict) else None
            return {"kind": "notice", "n": number, "text": f"That did not work: {why}."}
        return {"kind": "did", "n": act.get("n"), **did}

    async def _do(self, act: Json) -> Json:
        if act["do"] == "kill":
            self.record("kill")
            return {}
        did = await self._acts.do(act)
        if act["do"] == "knob":
            self._knobs[act["name"]] = act["value"]
            self._say({"kind": "knobs", **self._knobs})
        for name in act.get("on", [act.get("platform")]) if act["do"] in {"crowd", "dm"} else ():
            self._placed(name)
        if act["do"] == "edit":
            self._change((act["platform"], act["channel"], act["id"]))
        return did

    async def _follow(self, name: str, source: Slack | Discord) -> None:
        since = 0
        while True:
            for entry in await source.events(since=since, wait=60.0):
                since = entry["n"] + 1
                await self._heard(name, entry)

    async def _heard(self, name: str, entry: Json) -> None:
        id_ = entry.get("ts") or entry.get("message")
        if entry["kind"] in CHANGES and id_:
            try:
                message = await self._views[name].message(entry["channel"], id_)
            except LookupError:
                return
            if entry["kind"] == "say":
                self._figures.asked(name, message)
            elif message["own"] and entry["kind"] not in {"react", "unreact", "delete"}:
                self._figures.wrote(name, entry, message)
            self._change((name, entry["channel"], id_))
        elif entry["kind"] == "ephemeral":
            self._say({**entry, "kind": "ephemeral", "platform": name})
        elif entry["kind"] == "status":
            self._say({**entry, "kind": "status", "platform": name})
        self._figures.heard(name, entry)
        if name == "discord" and entry["kind"] == "post":
            self._placed(name)  # it may be the first in a thread

    async def _follow_model(self) -> None:
        since = 0
        while True:
            for entry in await self._claude.events(since=since, wait=60.0):
                since = entry["n"] + 1
                with suppress(LookupError):
                    self._figures.modelled(entry, self._claude.play(entry["id"]))

    async def _figure(self) -> None:
        """Look at the figures, and show them."""
        while True:
            await asyncio.sleep(LOOK)
            self._figures.look(time.monotonic())
            told = self._told() if self._viewers else {}
            for viewer in self._viewers:
                viewer.figures(told)

    def _told(self) -> Json:
        told = self._figures.told(time.monotonic())
        budgets = {
            name: [vars_of(each) for each in source.budgets()] for name, source in self._sources.items()
        }
        return told | {"budgets": budgets}

    async def _be_naive(self) -> None:
        """Let a naive bot answer in a workspace of its own, whatever becomes of its connections."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            while True:
                with suppress(aiohttp.ClientError, OSError, ValueError, KeyError):
                    await naive(session, self.naive.url, self._claude.url)
                await asyncio.sleep(1.0)

    def _change(self, key: tuple[str, str, str]) -> None:
        for viewer in self._viewers:
            viewer.message(key)

    def _placed(self, name: str) -> None:
        for viewer in self._viewers:
            viewer.places(name)

    def _say(self, told: Json) -> None:
        for viewer in self._viewers:
            viewer.say(told)


def vars_of(budget: Any) -> Json:
    """Return a budget as JSON."""
    return {name: getattr(budget, name) for name in budget.__slots__}
