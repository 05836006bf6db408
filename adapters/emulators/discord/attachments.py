"""Files of messages: those that come with a request, those that stay, and what they hold."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from mimetypes import guess_type
from urllib.parse import quote

from aiohttp import web

from adapters.emulators.discord import shapes
from adapters.emulators.discord.rules import Refusal, invalid
from adapters.emulators.discord.shapes import Json

#: 10 MiB per file for everybody without a boost, since 2024 (reference.mdx, uploading files).
SIZE_LIMIT = 10 * 2**20
#: Error 30015.
COUNT_LIMIT = 10


@dataclass(frozen=True)
class Upload:
    """A file that came with a request; `number` is the n of its `files[n]`, "" if it has none."""

    number: str
    attachment: Json


@dataclass
class Files:
    """Uploaded files, served under the emulator's own address, which is signed and ends with the signature.

    As documented at "signed attachment CDN URLs": `ex` is when it ends, `is` when it was given, `hm` the
    signature.
    """

    url: str = ""
    _stored: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _signature: str = field(default_factory=lambda: secrets.token_hex(32))

    def keep(self, id_: str, name: str, data: bytes, kind: str) -> Json:
        """Store a file; return it as a message's attachment."""
        self._stored[id_], self._names[id_] = (data, kind), name
        return shapes.attachment(id_, name, kind, len(data), self._signed(id_, name))

    def _signed(self, id_: str, name: str) -> str:
        moments = f"ex={int(time.time()) + 86_400:x}&is={int(time.time()):x}"
        return f"{self.url}/attachments/{id_}/{quote(name)}?{moments}&hm={self._signature}"

    def renew(self) -> None:
        """End all addresses."""
        self._signature = secrets.token_hex(32)

    def fresh(self, attachments: Sequence[Json]) -> list[Json]:
        """Return *attachments* with addresses that are good."""
        urls = {each["id"]: self._signed(each["id"], each["filename"]) for each in attachments}
        return [{**each, "url": urls[each["id"]], "proxy_url": urls[each["id"]]} for each in attachments]

    def lose(self, name: str) -> None:
        """Forget the content of all files of this *name*."""
        for id_ in [id_ for id_, known in self._names.items() if known == name]:
            self._stored.pop(id_, None)

    def given(self, new_id: Callable[[], str], files: Mapping[str, str]) -> list[Upload]:
        """Store files given as {name: base64}."""
        return [
            Upload("", self.keep(new_id(), name, base64.b64decode(data), _kind(name)))
            for name, data in files.items()
        ]

    async def read(self, request: web.Request, new_id: Callable[[], str]) -> tuple[bytes, list[Upload]]:
        """Return the JSON text of a request, and the files that came beside it."""
        if not request.content_type.startswith("multipart/"):
            return await request.read(), []
        raw, files = b"{}", []
        for name, part in (await request.post()).items():
            if isinstance(part, web.FileField):
                with part.file:
                    kept = self.keep(new_id(), part.filename, part.file.read(), part.content_type)
                files.append(Upload(name.removeprefix("files[").removesuffix("]"), kept))
            elif name == "payload_json":
                raw = part.encode() if isinstance(part, str) else bytes(part)
        return raw, files

    def seen(self, attachments: Sequence[Json]) -> list[Json]:
        """Return what a reader sees of files: name, size and text."""
        return [
            {
                "name": each["filename"],
                "size": each["size"],
                "text": self._stored.get(each["id"], (b"", ""))[0].decode(errors="replace"),
            }
            for each in attachments
        ]

    def content(self, attachment: Json) -> bytes:
        """Return the bytes of an attachment of a message, nothing if they are lost."""
        return self._stored.get(attachment["id"], (b"", ""))[0]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a download, as Discord's CDN does: without a token, while the signature is good."""
        data, kind = self._stored.get(request.match_info["id"], (b"", ""))
        if not kind or request.query.get("hm") != self._signature:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=data, content_type=kind)


def _kind(name: str) -> str:
    return guess_type(name)[0] or "application/octet-stream"


def attached(present: Sequence[Json], body: Json, files: Sequence[Upload]) -> list[Json]:
    """Return the attachments of a message after a request, or raise `Refusal`.

    "The attachments array must contain all attachments that should be present after edit, including retained
    and new" (resources/message.mdx, API v10); a request without the array keeps all, and adds its files.
    """
    if any(each.attachment["size"] > SIZE_LIMIT for each in files):
        raise Refusal(413, 40005, "Request entity too large")
    if "attachments" not in body:
        found = [*present, *(each.attachment for each in files)]
    else:
        known = {each["id"]: each for each in present}
        known |= {each.number: each.attachment for each in files if each.number}
        found = [_named(known, number, each) for number, each in enumerate(body["attachments"] or [])]
    if len(found) > COUNT_LIMIT:
        raise Refusal(400, 30015, f"Maximum number of attachments in a message reached ({COUNT_LIMIT})")
    return found


def _named(known: Mapping[str, Json], number: int, wanted: Json) -> Json:
    """Return the attachment that an entry of the array means, with what the entry says of it."""
    id_ = str(wanted.get("id"))
    if id_ not in known:
        raise invalid(["attachments", number, "id"], "ATTACHMENT_NOT_FOUND", "Attachment data not found")
    return known[id_] | {key: wanted[key] for key in ("filename", "description") if wanted.get(key)}
