"""What requests of the page say, and what they get: JSON both ways, within bounds."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from adapters.web.people import Refusal
from adapters.web.talks import Message, Talk
from bot.platform import Actor, Gone, Outcome

if TYPE_CHECKING:
    from adapters.web.platform import Web

#: Ids that pages make up.
ID = re.compile(r"[A-Za-z0-9_-]{8,40}")
#: A number in an address; of more digits, Python would make none.
COUNT = re.compile(r"[0-9]{1,15}")
#: Bytes of a body, and seconds that it may take.
BODY, SLOW = 600 * 1024, 10.0

Json = dict[str, Any]


def refused(status: int, why: str) -> web.Response:
    """Return what a request that is not heeded gets."""
    return web.json_response({"error": why}, status=status, headers={"Cache-Control": "no-store"})


async def talk_of(platform: Web, request: web.Request, actor: Actor) -> Talk:
    """Return the conversation that *request* is about; another person's is not there."""
    platform.inbox  # noqa: B018  raises until the bot listens
    name = request.match_info["talk"]
    if not ID.fullmatch(name):
        raise Gone
    return await platform.talk_of(name, actor.id)


async def told_by(request: web.Request) -> Json:
    """Return what *request* says, a JSON object."""
    if request.content_type != "application/json":
        raise Refusal(415, "Only JSON is understood here.")
    try:
        told = json.loads(await body_of(request, BODY))
    except (ValueError, RecursionError):
        raise Refusal(400, "That is no JSON.") from None
    if not isinstance(told, dict):
        raise Refusal(400, "That is no JSON object.")
    return told


async def body_of(request: web.Request, most: int) -> bytes:
    """Return the body of *request*."""
    if (request.content_length or 0) > most:
        raise Refusal(413, "That is too much at once.")
    found = bytearray()
    try:
        async with asyncio.timeout(SLOW):
            async for piece in request.content.iter_any():
                found += piece
                if len(found) > most:
                    raise Refusal(413, "That is too much at once.")
    except TimeoutError:
        raise Refusal(408, "That took too long.") from None
    return bytes(found)


def message_of(talk: Talk, told: Json) -> Message:
    """Return the message that *told* names."""
    message = talk.messages.get(text_of(told, "message"))
    if message is None:
        raise Refusal(404, "That message is gone.")
    return message


def text_of(told: Json, name: str) -> str:
    """Return the text *name* of what was told; "" if there is none."""
    text = told.get(name, "")
    if not isinstance(text, str):
        raise Refusal(400, f"{name} is no text.")
    return whole(text)


def whole(text: str) -> str:
    """Return *text* with a question mark for each half of a character, which nothing could keep."""
    return text.encode(errors="replace").decode()


def outcome_of(outcome: Outcome) -> web.Response:
    """Return what became of a stop or a press."""
    return answer({"outcome": outcome.name.lower()})


def answer(told: Json, status: int = 200) -> web.Response:
    """Return *told* as JSON, which no cache keeps."""
    return web.json_response(told, status=status, headers={"Cache-Control": "no-store"})
