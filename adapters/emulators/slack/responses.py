"""The addresses to which an app replies to what somebody did: response_url.

What is replied in time, in the acknowledgement of a command, comes by here too.
[docs handling user interaction]
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from adapters.emulators.slack import content, shapes
from adapters.emulators.slack.shapes import Json, Message
from adapters.emulators.slack.workspace import Workspace

#: "Up to 5 times within 30 minutes" [docs].
USES, LIFE = 5, 1800.0


@dataclass
class Address:
    """One response_url: whose, where, since when, and how often it may still be used."""

    channel: str
    user: str
    made: float
    left: int = USES


class Responses:
    """All addresses.

    Args:
        workspace: Where replies for all go.
        record: Adds an entry to the emulator's log.

    Attributes:
        aged: Seconds that are added to the age of each address.
    """

    def __init__(self, workspace: Workspace, record: Callable[..., None]) -> None:
        self.aged = 0.0
        self._workspace = workspace
        self._record = record
        self._addresses: dict[str, Address] = {}

    def path(self, kind: str, channel: str, user: str) -> str:
        """Return the path of a new address, of a *kind*: "commands" or "actions"."""
        path = f"{kind}/{self._workspace.team.id}/{secrets.randbelow(10**13)}/{shapes.token('', 24)}"
        self._addresses[path] = Address(channel, user, time.monotonic())
        return path

    async def receive(self, request: web.Request) -> web.Response:
        """Serve one reply."""
        self._record("call", method="response_url")
        address = self._addresses.get(request.path.strip("/"))
        if address is None or time.monotonic() - address.made + self.aged > LIFE:
            return _refused(404, "expired_url")
        if not address.left:
            return _refused(404, "used_url")
        try:
            given = json.loads(await request.text())
        except ValueError:
            return _refused(400, "invalid_payload")
        if error := self.show(address.channel, address.user, given, "response_url"):
            return _refused(400, error)
        address.left -= 1
        return web.Response(text="ok")

    def show(self, channel: str, user: str, given: Any, by: str) -> str:
        """Show what the app has *given* for *user*; return why it can't be shown, or ""."""
        if not isinstance(given, dict):
            return "invalid_payload"
        text, blocks = given.get("text") or "", given.get("blocks") or []
        if not isinstance(text, str) or not isinstance(blocks, list):
            return "invalid_payload"
        if error := content.refusal(text, blocks):
            return error
        if given.get("response_type") == "in_channel":
            self._post(channel, text, blocks)
            return ""
        seen = content.visible(text, blocks, self._workspace.code)
        ts = self._workspace.ts()
        self._record("ephemeral", channel=channel, ts=ts, thread_ts="", user=user, text=seen, by=by)
        return ""

    def _post(self, channel: str, text: str, blocks: list[Json]) -> None:
        kept = Message(
            channel,
            self._workspace.ts(),
            self._workspace.team.bot_user,
            text,
            blocks=shapes.blocks_kept(blocks),
        )
        kept.bot_id, kept.app_id = self._workspace.team.bot_id, shapes.APP
        self._workspace.post(kept)
        self._workspace.judge(kept, linked=False, unfurled=True)


def _refused(status: int, error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=status)
