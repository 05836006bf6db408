"""Files that people attach, and those that they get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from adapters.web.people import Refusal
from adapters.web.requests import COUNT, ID, answer, body_of, talk_of, whole
from adapters.web.talks import Talk
from adapters.web.uploads import PIECE
from bot.events import File
from bot.platform import Actor
from bot.text.safe import line

if TYPE_CHECKING:
    from adapters.web.platform import Web

#: Files with a question.
ATTACHED = 10
#: Pictures that a browser may show in the page; all else it saves.
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}


async def upload(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a piece of a file."""
    talk, name = await talk_of(platform, request, actor), request.match_info["file"]
    if not ID.fullmatch(name):
        raise Refusal(400, "That file has no id.")
    asked = request.query
    if not all(COUNT.fullmatch(asked.get(each, "")) for each in ("size", "offset")):
        raise Refusal(400, "That is no piece of a file.")
    piece = await body_of(request, PIECE)
    called = line(asked.get("name", "")) or "file"
    told = called, asked.get("type", ""), int(asked["size"])
    await platform.weights.expect_room(actor.id, told[2])
    key = f"{talk.key}/files/{name}"
    file = platform.uploads.take(key, actor.id, told, int(asked["offset"]), piece)
    if file:
        await platform.keep_file(talk, file)
    return answer({"key": key, "whole": file is not None})


async def download(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Send a file, as something to save unless it is a picture."""
    talk = await talk_of(platform, request, actor)
    post = await platform.stored(f"{talk.key}/files/{request.match_info['file']}")
    if post is None or post.owner != actor.id:
        raise Refusal(404, "That file is gone.")
    body = json.loads(post.body)
    shown = body["type"] in PICTURES
    way = "inline" if shown else "attachment"
    return web.Response(
        body=post.data,
        content_type=body["type"] if shown else "application/octet-stream",
        headers={
            "Content-Disposition": f"{way}; filename*=UTF-8''{quote(body['name'], safe='')}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=3600",
            "Vary": "Cookie",  # who signs in next with this browser gets it from here, or not at all
        },
    )


async def attached(platform: Web, talk: Talk, keys: object) -> tuple[File, ...]:
    """Return the files that were sent before under *keys*."""
    if not isinstance(keys, list) or len(keys) > ATTACHED:
        raise Refusal(400, f"A question may have {ATTACHED} files.")
    found = []
    for key in keys:
        post = await platform.stored(whole(key)) if isinstance(key, str) else None
        if post is None or not post.key.startswith(f"{talk.key}/files/"):
            raise Refusal(400, "A file of that question is not there; attach it again.")
        body = json.loads(post.body)
        found.append(File(body["name"], body["type"], len(post.data), post.key))
    return tuple(found)
