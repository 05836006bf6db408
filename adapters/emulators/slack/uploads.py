"""Files that an app uploads: a ticket, the bytes, and the share that makes a message of them.

As documented at files.getUploadURLExternal and files.completeUploadExternal; the message is the
workspace's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from adapters.emulators.slack import shapes
from adapters.emulators.slack.arguments import Arguments, Refused, channel_of
from adapters.emulators.slack.files import Stored
from adapters.emulators.slack.shapes import Json, Message
from adapters.emulators.slack.workspace import Workspace

#: What both methods need [docs].
SCOPE = "files:write"
#: "Description for the image is longer than the limit of 1000 character" [docs].
ALT_TEXT = 1_000


@dataclass
class Ticket:
    """One upload that was asked for.

    Attributes:
        length: Bytes that were announced.
        data: What came, once it has.
    """

    file: str
    name: str
    length: int
    data: bytes | None = None


class Uploads:
    """The methods that upload files, and the address that takes their bytes.

    Args:
        workspace: Where files are shared.
        record: Adds an entry to the emulator's log.
        scopes: Returns the app's scopes, with commas.
        url: Returns where the emulator listens.
    """

    def __init__(
        self,
        workspace: Workspace,
        record: Callable[..., None],
        scopes: Callable[[], str],
        url: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._record = record
        self._scopes = scopes
        self._url = url
        self._tickets: dict[str, Ticket] = {}

    def ask(self, arguments: Arguments) -> Json:
        """Hand out an address to upload to, as files.getUploadURLExternal."""
        self._admit()
        name, length = str(arguments.get("filename") or ""), str(arguments.get("length") or "")
        if not name or not length:
            raise Refused("missing_argument")
        if not length.isdigit() or int(length) == 0:
            raise Refused("invalid_arguments")
        if len(str(arguments.get("alt_txt") or "")) > ALT_TEXT:
            raise Refused("alt_txt_too_large")
        ticket = Ticket(shapes.token("F"), name, int(length))
        key = secrets.token_urlsafe(32)
        self._tickets[key] = ticket
        return {"upload_url": f"{self._url()}/upload/v1/{key}", "file_id": ticket.file}

    async def receive(self, request: web.Request) -> web.Response:
        """Take the bytes, raw or as a form; "a non-200 response indicates a failure" [docs]."""
        ticket = self._tickets.get(request.match_info["ticket"])
        data = await _body(request)
        if ticket is None or ticket.data is not None or len(data) != ticket.length:
            return web.Response(status=400, text="ERROR - bad upload")
        ticket.data = data
        self._record("upload", file=ticket.file, size=len(data))
        return web.Response(text=f"OK - {len(data)}")

    def complete(self, arguments: Arguments) -> Json:
        """Share what was uploaded, as files.completeUploadExternal: "can only be called once" [docs]."""
        self._admit()
        wanted = arguments.get("files")
        if not wanted:
            raise Refused("missing_argument")
        if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
            raise Refused("invalid_arguments")
        channel = channel_of({"channel": arguments["channel_id"]}) if arguments.get("channel_id") else ""
        found = [self._uploaded(str(each.get("id") or "")) for each in wanted]
        if len(set(found)) < len(found):
            raise Refused("invalid_arguments")
        files = [self._stored(key, each) for key, each in zip(found, wanted, strict=True)]
        if channel:
            self._share(channel, files, arguments)
        return {"files": [{"id": each.id, "title": each.title} for each in files]}

    def _admit(self) -> None:
        provided = self._scopes()
        if SCOPE not in provided.split(","):
            raise Refused("missing_scope", needed=SCOPE, provided=provided)

    def _uploaded(self, file: str) -> str:
        """Return the ticket of an upload that is there and not yet shared."""
        for key, ticket in self._tickets.items():
            if ticket.file == file and ticket.data is not None:
                return key
        raise Refused("file_not_found")  # "Could not find the file from the upload ticket" [docs]

    def _stored(self, key: str, wanted: Json) -> Stored:
        ticket = self._tickets.pop(key)
        title = str(wanted.get("title") or ticket.name)
        return Stored(
            ticket.file, ticket.name, title, ticket.data or b"", self._workspace.team.bot_user, self._url()
        )

    def _share(self, channel: str, files: Iterable[Stored], arguments: Arguments) -> None:
        comment = str(arguments.get("initial_comment") or "")
        kept = Message(
            channel=channel,
            ts=self._workspace.ts(),
            user=self._workspace.team.bot_user,
            text=comment,
            thread_ts=str(arguments.get("thread_ts") or ""),
            bot_id=self._workspace.team.bot_id,
            app_id=shapes.APP,
            subtype="file_share",
            files=list(files),
        )
        self._workspace.post(kept)
        self._workspace.judge(kept, linked=False, unfurled=True)


async def _body(request: web.Request) -> bytes:
    """Return the file in a form, or else the whole body."""
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    parts: list[Any] = [part for _, part in (await request.post()).items()]
    for part in parts:
        if isinstance(part, web.FileField):
            with part.file:
                return part.file.read()
    return b""
