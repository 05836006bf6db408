"""A conversation as the shelf keeps it: each message and file is a post with a body in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import structlog

from adapters.web.people import Session
from adapters.web.talks import Message, Talk
from bot.events import ALLOW, ALWAYS, CONTINUE, REFUSE, RETRY, STOP, File, Step
from bot.platform import Post, Shelf

log = structlog.get_logger(__name__)

CONTROLS = {each.name: each for each in (STOP, CONTINUE, RETRY, ALLOW, ALWAYS, REFUSE)}
#: What conversations are listed under, and sessions that have ended.
LIST, ENDED = "web", "web-ended"


def talk_post(talk: Talk, at: float) -> Post:
    """Return what keeps that there is *talk*, in which something was said last at *at*."""
    return Post(talk.key, LIST, talk.owner, at, json.dumps({"title": talk.title}))


def title_of(post: Post) -> str:
    """Return what the conversation that *post* keeps is called."""
    try:
        return str(json.loads(post.body)["title"])
    except (ValueError, KeyError, TypeError):
        return ""


def message_post(talk: Talk, message: Message) -> Post:
    """Return what keeps *message*."""
    body = {
        "role": message.role,
        "who": message.who,
        "under": message.under,
        "text": message.text,
        "note": message.note,
        "live": message.live,
        "controls": [control.name for control in message.controls],
        "files": [[file.name, file.type, file.size, file.key] for file in message.files],
        "thumb": message.thumb,
        "steps": [[step.id, step.title, step.state, step.note] for step in message.steps],
    }
    return Post(message.key, talk.key, talk.owner, message.at, json.dumps(body))


def file_post(talk: Talk, file: File, at: float) -> Post:
    """Return what keeps the content of *file*."""
    body = json.dumps({"role": "file", "name": file.name, "type": file.type})
    return Post(file.key, f"{talk.key}/files", talk.owner, at, body, file.data)


def ended_post(session: Session, at: float) -> Post:
    """Return what keeps that *session* has ended."""
    return Post(f"{ENDED}/{session.id}", ENDED, "", at, session.owner)


async def ended(shelf: Shelf, since: float) -> list[tuple[str, str]]:
    """Return the sessions that have ended *since* then, oldest first: `Session.owner` and id of each."""
    return [(post.body, post.key.partition("/")[2]) for post in await shelf.posts(ENDED) if post.at > since]


async def load(shelf: Shelf, talk: Talk) -> None:
    """Fill *talk* with the messages that *shelf* has of it.

    Raises:
        OSError: They can't be read now.
    """
    for post in await shelf.posts(talk.key, talk.owner):
        if message := _message(post):
            talk.messages[post.key] = message
            message.since = talk.number
            message.draw(talk.number)
            await asyncio.sleep(0)  # of a long conversation, this takes seconds in all


def _message(post: Post) -> Message | None:
    try:
        body = json.loads(post.body)
        return Message(
            post.key,
            str(body["role"]),
            str(body["who"]),
            str(body["under"]),
            post.at,
            str(body["text"]),
            str(body["note"]),
            bool(body["live"]),
            tuple(CONTROLS[name] for name in body["controls"] if name in CONTROLS),
            files_of(body["files"]),
            thumb=str(body["thumb"]),
            stale=bool(body["live"]),
            steps=tuple(Step(*map(str, step)) for step in body["steps"]),  # type: ignore[arg-type]
        )
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a message of the chat page was set aside", message=post.key, error=repr(error))
        return None


def files_of(listed: Sequence[Sequence[Any]]) -> tuple[File, ...]:
    """Return the files that a message's body lists."""
    return tuple(File(str(name), str(kind), int(size), str(key)) for name, kind, size, key in listed)
