"""One page that looks on: it is told what has changed, as it is when its turn comes.

What is still to be told is a set: a page that reads slowly is told less often, never later and later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from .views import View

Json = dict[str, Any]
#: A message: platform, channel, id.
Key = tuple[str, str, str]

#: Seconds between two messages to a page.
PAUSE = 0.05
#: Ephemeral messages and notices that wait for a page.
MOST = 200


class Viewer:
    """A page.

    Args:
        socket: Its connection.
        views: The platforms.
    """

    def __init__(self, socket: web.WebSocketResponse, views: Mapping[str, View]) -> None:
        self._socket = socket
        self._views = views
        self._messages: dict[Key, None] = {}
        self._places: set[str] = set()
        self._said: list[Json] = []
        self._figures: Json | None = None
        self._changed = asyncio.Event()

    def message(self, key: Key) -> None:
        """Tell of the message *key*."""
        self._messages[key] = None
        self._changed.set()

    def places(self, platform: str) -> None:
        """Tell of the channels and people of *platform*."""
        self._places.add(platform)
        self._changed.set()

    def figures(self, told: Json) -> None:
        """Tell of figures; only the newest count."""
        self._figures = told
        self._changed.set()

    def say(self, told: Json) -> None:
        """Tell *told* as it is."""
        self._said = [*self._said, told][-MOST:]
        self._changed.set()

    async def run(self) -> None:
        """Tell what there is to tell, until cancelled or the page is gone."""
        with suppress(ConnectionError):
            await self._run()

    async def _run(self) -> None:
        for name, view in self._views.items():
            await self._send({"kind": "places", "platform": name, **await view.places()})
            messages = await view.everything()
            await self._send({"kind": "messages", "platform": name, "messages": messages})
        while not self._socket.closed:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()
            await asyncio.sleep(PAUSE)

    async def _tell(self) -> None:
        places, self._places = self._places, set()
        for name in places:
            await self._send({"kind": "places", "platform": name, **await self._views[name].places()})
        keys, self._messages = self._messages, {}
        for name in {key[0] for key in keys}:
            found = [await self._views[name].message(*key[1:]) for key in keys if key[0] == name]
            await self._send({"kind": "messages", "platform": name, "messages": found})
        said, self._said = self._said, []
        for each in said:
            await self._send(each)
        figures, self._figures = self._figures, None
        if figures:
            await self._send({"kind": "figures", **figures})

    async def _send(self, told: Json) -> None:
        await self._socket.send_json(told)
