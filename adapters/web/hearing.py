"""What the page asks for, request by request.  Each has a person, a host and an origin before it is looked at."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from aiohttp import web

from adapters.web import records
from adapters.web.pages import files, page
from adapters.web.people import Refusal
from adapters.web.streams import stream
from adapters.web.talks import Message, Talk
from adapters.web.uploads import PIECE
from bot.events import CONTINUE, RETRY, File
from bot.platform import Actor, Deleted, Edited, Gone, Mention, Outcome, Press, Rating, Stop, Unavailable

if TYPE_CHECKING:
    from adapters.web.platform import Web

log = structlog.get_logger(__name__)

#: Ids that pages make up.
ID = re.compile(r"[A-Za-z0-9_-]{8,40}")
#: Characters of a question; more is for a file.  Bytes of a body, and seconds that it may take.
LONGEST, BODY, SLOW = 100_000, 600 * 1024, 10.0
#: Files with a question; characters of a title; conversations that are listed.
ATTACHED, TITLE, LISTED = 10, 60, 200
#: A question of nothing but one of these stops; so does one as a reaction.
STOPS = {"🛑", "⏹", "❌", "✋"}
BUTTONS = {"🔁": RETRY.name, "🔄": RETRY.name, "▶": CONTINUE.name}
THUMBS = {"👍": "up", "👎": "down"}
#: What makes an emoji look another way: U+FE0F and the skin tones.
LOOKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])
#: Pictures that a browser may show in the page; all else it saves.
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}

Json = dict[str, Any]
Answer = Callable[["Web", web.Request, Actor], Awaitable[web.StreamResponse]]


def routes(platform: Web) -> list[web.RouteDef]:
    """Return all that is served for *platform*."""

    def heard(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                platform.people.expect_host(request)
                platform.people.expect_origin(request)
                return await answer(platform, request, platform.people.of(request))
            except Refusal as refusal:
                return refused(refusal.status, refusal.why)
            except Gone:
                return refused(404, "There is no such conversation.")
            except Unavailable:
                return refused(503, "The bot is about to restart; try again in a moment.")
            except OSError as error:
                log.warning("the chat page was not served", error=str(error))
                return refused(503, "That can't be read or written now; try again in a moment.")

        return handle

    return [
        *files(platform, refused),
        web.get("/", page(platform)),
        web.get("/web/talks", heard(_talks)),
        web.get("/web/events/{talk}", heard(_events)),
        web.post("/web/ask/{talk}", heard(_ask)),
        web.post("/web/stop/{talk}", heard(_stop)),
        web.post("/web/press/{talk}", heard(_press)),
        web.post("/web/react/{talk}", heard(_react)),
        web.post("/web/edit/{talk}", heard(_edit)),
        web.post("/web/delete/{talk}", heard(_delete)),
        web.post("/web/files/{talk}/{file}", heard(_upload)),
        web.get("/web/files/{talk}/{file}", heard(_download)),
    ]


def refused(status: int, why: str) -> web.Response:
    """Return what a request that is not heeded gets."""
    return web.json_response({"error": why}, status=status, headers={"Cache-Control": "no-store"})


async def _talks(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """List a person's conversations, newest first."""
    platform.inbox  # noqa: B018  raises until the bot listens
    posts = [*await platform.shelf.posts(records.LIST, actor.id)][-LISTED:]
    told = [{"id": _id(post.key), "title": records.title_of(post), "at": post.at} for post in reversed(posts)]
    return _json({"me": actor.name, "open": platform.people.open, "most": platform.uploads.most, "talks": told})


async def _events(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    platform.inbox  # noqa: B018  as above
    return await stream(platform, await _talk(platform, request, actor), request)


async def _ask(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a question, or the sign to stop."""
    talk, told = await _talk(platform, request, actor), await _told(request)
    text, name = _text(told, "text"), _text(told, "id")
    if len(text) > LONGEST:
        raise Refusal(413, f"A message may have {LONGEST:,} characters; attach longer texts as a file.")
    if not ID.fullmatch(name):
        raise Refusal(400, "That question has no id.")
    if text.strip().translate(LOOKS) in STOPS:
        return await _stopped(platform, talk, actor)
    attached = await _attached(platform, talk, told.get("files", []))
    key = f"{talk.key}/{name}"
    inbox, fresh = platform.inbox, key not in talk.messages
    if fresh:
        await _put(platform, talk, Message(key, "person", actor.name, text=text, files=attached))
    try:
        surface, place = platform.surface(talk, key), platform.place(talk)
        await inbox.mention(Mention(key, talk.key, actor, place, text, surface, attached))
    except Unavailable:
        if fresh and talk.remove(key):
            await platform.shelf.drop(key)
        raise
    talk.open = {each: None for each in (*talk.open, key) if inbox.knows(each)}
    platform.watch(talk)
    return _json({"message": key}, 202)


async def _put(platform: Web, talk: Talk, message: Message) -> None:
    """Put a question into *talk*."""
    message.at = talk.at(time.time())
    talk.messages[message.key] = message
    talk.title = talk.title or " ".join(message.text.split())[:TITLE] or "Files"
    message.since = talk.change()
    await platform.shelf.put(records.message_post(talk, message))
    await platform.keep_title(talk)


async def _stop(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _stopped(platform, await _talk(platform, request, actor), actor)


async def _stopped(platform: Web, talk: Talk, actor: Actor) -> web.StreamResponse:
    """Stop what is answered in *talk*."""
    outcome = await platform.inbox.stop(Stop("", actor, platform.place(talk), talk.key))
    for message in [each for each in talk.messages.values() if each.live]:
        await _bare(platform, talk, message)  # what a restart has left
    return _outcome(outcome)


async def _press(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Press a button."""
    talk, told = await _talk(platform, request, actor), await _told(request)
    message = _message(talk, told)
    return await _pressed(platform, talk, message, _text(told, "control"), actor)


async def _pressed(
    platform: Web, talk: Talk, message: Message, control: str, actor: Actor
) -> web.StreamResponse:
    """Press *control*; what is pressed, or is for nothing any more, goes."""
    outcome = await platform.inbox.press(Press(message.key, control, actor, platform.place(talk)))
    if outcome in {Outcome.TAKEN, Outcome.UNKNOWN, Outcome.LAPSED}:
        await _bare(platform, talk, message)
    return _outcome(outcome)


async def _bare(platform: Web, talk: Talk, message: Message) -> None:
    """Take the buttons of *message* away, unless an answer that goes on shows them."""
    if message.controls and not platform.inbox.knows(message.key):
        message.controls, message.live = (), False
        message.since = talk.change()
        await platform.keep(talk, message)


async def _react(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a reaction: one that stops, one that means a button, or a thumb."""
    talk, told = await _talk(platform, request, actor), await _told(request)
    message, emoji = _message(talk, told), _text(told, "emoji").translate(LOOKS)
    on, place, inbox = told.get("on") is not False, platform.place(talk), platform.inbox
    if emoji in STOPS and on:
        return _outcome(await inbox.stop(Stop(message.key, actor, place)))
    if not (emoji in BUTTONS or emoji in THUMBS) or not await inbox.owns(message.key, actor.id):
        return _outcome(Outcome.UNKNOWN)
    if emoji in BUTTONS:
        if not on or BUTTONS[emoji] not in {control.name for control in message.controls}:
            return _outcome(Outcome.UNKNOWN)
        return await _pressed(platform, talk, message, BUTTONS[emoji], actor)
    await inbox.rated(Rating(message.key, actor, place, good=THUMBS[emoji] == "up", on=on))
    if on or message.thumb == THUMBS[emoji]:
        message.thumb = THUMBS[emoji] if on else ""
        message.since = talk.change()
        await platform.keep(talk, message)
    return _outcome(Outcome.TAKEN)


async def _edit(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Change a question that nothing was said to yet; of another, the page makes a new one."""
    talk, told = await _talk(platform, request, actor), await _told(request)
    message, text = _message(talk, told), _text(told, "text")
    if message.role != "person" or len(text) > LONGEST:
        raise Refusal(400, f"Only questions can be changed, to {LONGEST:,} characters at most.")
    if talk.begun(message.key) or not platform.inbox.knows(message.key):
        return _json({"late": True})
    message.text, message.since = text, talk.change()
    await platform.keep(talk, message)
    await platform.inbox.edited(Edited(message.key, text, actor, platform.place(talk)))
    return _json({"late": False})


async def _delete(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Delete a message; or, where none is named, the conversation."""
    talk, told = await _talk(platform, request, actor), await _told(request)
    if "message" not in told:
        await platform.drop(talk)
        return _json({})
    message, inbox = _message(talk, told), platform.inbox
    talk.remove(message.key)
    await platform.shelf.drop(message.key)
    await inbox.deleted(Deleted(message.key))
    return _json({})


async def _upload(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a piece of a file."""
    talk, name = await _talk(platform, request, actor), request.match_info["file"]
    if not ID.fullmatch(name):
        raise Refusal(400, "That file has no id.")
    asked = request.query
    if not (asked.get("size", "").isdecimal() and asked.get("offset", "").isdecimal()):
        raise Refusal(400, "That is no piece of a file.")
    piece = await _body(request, PIECE)
    told = asked.get("name", ""), asked.get("type", ""), int(asked["size"])
    key = f"{talk.key}/files/{name}"
    file = platform.uploads.take(key, actor.id, told, int(asked["offset"]), piece)
    if file:
        await platform.keep_file(talk, file)
    return _json({"key": key, "whole": file is not None})


async def _download(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Send a file, as something to save unless it is a picture."""
    talk = await _talk(platform, request, actor)
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
        },
    )


async def _attached(platform: Web, talk: Talk, keys: object) -> tuple[File, ...]:
    """Return the files that were sent before under *keys*."""
    if not isinstance(keys, list) or len(keys) > ATTACHED:
        raise Refusal(400, f"A question may have {ATTACHED} files.")
    found = []
    for key in keys:
        post = await platform.stored(key) if isinstance(key, str) else None
        if post is None or not post.key.startswith(f"{talk.key}/files/"):
            raise Refusal(400, "A file of that question is not there; attach it again.")
        body = json.loads(post.body)
        found.append(File(body["name"], body["type"], len(post.data), post.key))
    return tuple(found)


async def _talk(platform: Web, request: web.Request, actor: Actor) -> Talk:
    """Return the conversation that *request* is about; another person's is not there."""
    platform.inbox  # noqa: B018  raises until the bot listens
    name = request.match_info["talk"]
    if not ID.fullmatch(name):
        raise Gone
    return await platform.talk_of(name, actor.id)


async def _told(request: web.Request) -> Json:
    """Return what *request* says, a JSON object."""
    if request.content_type != "application/json":
        raise Refusal(415, "Only JSON is understood here.")
    try:
        told = json.loads(await _body(request, BODY))
    except (ValueError, RecursionError):
        raise Refusal(400, "That is no JSON.") from None
    if not isinstance(told, dict):
        raise Refusal(400, "That is no JSON object.")
    return told


async def _body(request: web.Request, most: int) -> bytes:
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


def _message(talk: Talk, told: Json) -> Message:
    """Return the message that *told* names."""
    message = talk.messages.get(_text(told, "message"))
    if message is None:
        raise Refusal(404, "That message is gone.")
    return message


def _text(told: Json, name: str) -> str:
    text = told.get(name, "")
    if not isinstance(text, str):
        raise Refusal(400, f"{name} is no text.")
    return text.encode(errors="replace").decode()


def _id(key: str) -> str:
    return key.partition("/")[2]


def _outcome(outcome: Outcome) -> web.Response:
    return _json({"outcome": outcome.name.lower()})


def _json(told: Json, status: int = 200) -> web.Response:
    return web.json_response(told, status=status, headers={"Cache-Control": "no-store"})


__all__: Sequence[str] = ["refused", "routes"]
