"""What the page asks for, request by request: each has a person, a host and an origin before it is heeded."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from adapters.web import records
from adapters.web.attachments import attached, download, upload
from adapters.web.pages import doors, files, page
from adapters.web.people import Refusal
from adapters.web.requests import ID, answer, message_of, outcome_of, refused, talk_of, text_of, told_by
from adapters.web.streams import stream
from adapters.web.talks import Message, Talk
from bot.events import CONTINUE, RETRY, STOP
from bot.platform import Actor, Deleted, Edited, Gone, Mention, Outcome, Press, Rating, Stop, Unavailable

if TYPE_CHECKING:
    from adapters.web.platform import Web

log = structlog.get_logger(__name__)

#: Characters of a question; more is for a file.  Characters of a title; conversations that are listed.
LONGEST, TITLE, LISTED = 100_000, 60, 200
#: A question of nothing but one of these stops; so does one as a reaction.
STOPS = {"🛑", "⏹", "❌", "✋"}
BUTTONS = {"🔁": RETRY.name, "🔄": RETRY.name, "▶": CONTINUE.name}
THUMBS = {"👍": "up", "👎": "down"}
#: What makes an emoji look another way: U+FE0F and the skin tones.
LOOKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])
Answer = Callable[["Web", web.Request, Actor], Awaitable[web.StreamResponse]]


def routes(platform: Web) -> list[web.RouteDef]:
    """Return all that is served for *platform*."""

    def heard(does: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                platform.people.expect_host(request)
                platform.people.expect_origin(request)
                platform.expect_serving()
                return await does(platform, request, platform.people.of(request))
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
        *files(platform),
        *doors(platform),
        web.get("/", page(platform)),
        web.get("/web/talks", heard(_talks)),
        web.get("/web/events/{talk}", heard(_events)),
        web.post("/web/ask/{talk}", heard(_ask)),
        web.post("/web/stop/{talk}", heard(_stop)),
        web.post("/web/press/{talk}", heard(_press)),
        web.post("/web/react/{talk}", heard(_react)),
        web.post("/web/edit/{talk}", heard(_edit)),
        web.post("/web/delete/{talk}", heard(_delete)),
        web.post("/web/files/{talk}/{file}", heard(upload)),
        web.get("/web/files/{talk}/{file}", heard(download)),
    ]


async def _talks(platform: Web, _request: web.Request, actor: Actor) -> web.StreamResponse:
    """List a person's conversations, newest first."""
    platform.inbox  # noqa: B018  raises until the bot listens
    posts = [*await platform.shelf.posts(records.LIST, actor.id)][-LISTED:]
    told = [
        {"id": post.key.partition("/")[2], "title": records.title_of(post), "at": post.at}
        for post in reversed(posts)
    ]
    return answer(
        {"me": actor.name, "open": platform.people.open, "most": platform.uploads.most, "talks": told}
    )


async def _events(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    platform.inbox  # noqa: B018  as above
    return await stream(platform, await talk_of(platform, request, actor), request)


async def _ask(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a question, or the sign to stop."""
    told = await told_by(request)
    talk = await talk_of(platform, request, actor)
    text, name = text_of(told, "text"), text_of(told, "id")
    if len(text) > LONGEST:
        raise Refusal(413, f"A message may have {LONGEST:,} characters; attach longer texts as a file.")
    if not ID.fullmatch(name):
        raise Refusal(400, "That question has no id.")
    if text.strip().translate(LOOKS) in STOPS:
        return await _stopped(platform, talk, actor)
    sent = await attached(platform, talk, told.get("files", []))
    key = f"{talk.key}/{name}"
    inbox, fresh = platform.inbox, key not in talk.messages
    if not fresh and talk.messages[key].role != "person":
        raise Refusal(400, "That question has the id of an answer.")
    if fresh:
        await platform.weights.expect_room(actor.id, len(text))
        await _put(platform, talk, Message(key, "person", actor.name, text=text, files=sent))
    try:
        platform.expect_serving(asks=True)
        surface, place = platform.surface(talk, key), platform.place(talk)
        await inbox.mention(Mention(key, talk.key, actor, place, text, surface, sent))
    except (Refusal, Unavailable):
        if fresh and talk.remove(key):
            await platform.shelf.drop(key)
        raise
    talk.open = {**{each: None for each in talk.open if inbox.knows(each)}, key: None}
    platform.watch(talk)
    return answer({"message": key}, 202)


async def _put(platform: Web, talk: Talk, message: Message) -> None:
    """Put a question into *talk*."""
    message.at = talk.at(time.time())
    talk.messages[message.key] = message
    talk.stopped = False
    talk.title = talk.title or " ".join(message.text.split())[:TITLE] or "Files"
    message.since = talk.change()
    await platform.put(records.message_post(talk, message))
    await platform.keep_title(talk)


async def _stop(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _stopped(platform, await talk_of(platform, request, actor), actor)


async def _stopped(platform: Web, talk: Talk, actor: Actor) -> web.StreamResponse:
    """Stop what is answered in *talk*."""
    talk.stopped = True
    outcome = await platform.inbox.stop(Stop("", actor, platform.place(talk), talk.key))
    for message in [each for each in talk.messages.values() if each.live]:
        await _bare(platform, talk, message)  # what a restart has left
    return outcome_of(outcome)


async def _press(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Press a button."""
    told = await told_by(request)
    talk = await talk_of(platform, request, actor)
    message = message_of(talk, told)
    return await _pressed(platform, talk, message, text_of(told, "control"), actor)


async def _pressed(
    platform: Web, talk: Talk, message: Message, control: str, actor: Actor
) -> web.StreamResponse:
    """Press *control*; what is pressed, or is for nothing any more, goes."""
    talk.stopped = control == STOP.name
    outcome = await platform.inbox.press(Press(message.key, control, actor, platform.place(talk)))
    if outcome in {Outcome.TAKEN, Outcome.UNKNOWN, Outcome.LAPSED}:
        await _bare(platform, talk, message)
    return outcome_of(outcome)


async def _bare(platform: Web, talk: Talk, message: Message) -> None:
    """Take the buttons of *message* away, unless an answer that goes on shows them."""
    if message.controls and not platform.inbox.knows(message.key):
        message.controls, message.live = (), False
        message.since = talk.change()
        await platform.keep(talk, message)


async def _react(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Take a reaction: one that stops, one that means a button, or a thumb."""
    told = await told_by(request)
    talk = await talk_of(platform, request, actor)
    message, emoji = message_of(talk, told), text_of(told, "emoji").translate(LOOKS)
    on, place, inbox = told.get("on") is not False, platform.place(talk), platform.inbox
    if emoji in STOPS and on:
        talk.stopped = True
        return outcome_of(await inbox.stop(Stop(message.key, actor, place)))
    known = message.role == "bot" and (emoji in BUTTONS or emoji in THUMBS)
    if not known or not await inbox.owns(message.key, actor.id):
        return outcome_of(Outcome.UNKNOWN)
    if emoji in BUTTONS:
        if not on or BUTTONS[emoji] not in {control.name for control in message.controls}:
            return outcome_of(Outcome.UNKNOWN)
        return await _pressed(platform, talk, message, BUTTONS[emoji], actor)
    await inbox.rated(Rating(message.key, actor, place, good=THUMBS[emoji] == "up", on=on))
    if on or message.thumb == THUMBS[emoji]:
        message.thumb = THUMBS[emoji] if on else ""
        message.since = talk.change()
        await platform.keep(talk, message)
    return outcome_of(Outcome.TAKEN)


async def _edit(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Change a question that nothing was said to yet; of another, the page makes a new one."""
    told = await told_by(request)
    talk = await talk_of(platform, request, actor)
    message, text = message_of(talk, told), text_of(told, "text")
    if message.role != "person" or len(text) > LONGEST:
        raise Refusal(400, f"Only questions can be changed, to {LONGEST:,} characters at most.")
    if talk.begun(message.key) or not platform.inbox.knows(message.key):
        return answer({"late": True})
    message.text, message.since = text, talk.change()
    await platform.keep(talk, message)
    await platform.inbox.edited(Edited(message.key, text, actor, platform.place(talk)))
    return answer({"late": False})


async def _delete(platform: Web, request: web.Request, actor: Actor) -> web.StreamResponse:
    """Delete a message; or, where none is named, the conversation."""
    told = await told_by(request)
    talk = await talk_of(platform, request, actor)
    if "message" not in told:
        await platform.drop(talk)
        return answer({})
    message, inbox = message_of(talk, told), platform.inbox
    talk.remove(message.key)
    await platform.shelf.drop(message.key)
    await inbox.deleted(Deleted(message.key))
    return answer({})
