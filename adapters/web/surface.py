"""Writing one answer to a conversation of the chat page, and reading what was said there before."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from adapters.web.drawing import DIALECT, said
from adapters.web.people import WORKSPACE
from adapters.web.talks import Message, Talk
from bot.events import File, Page
from bot.platform import (
    Actor,
    Bucket,
    Gone,
    Limits,
    Op,
    Receipt,
    Said,
    SlowDown,
    Surface,
    Unreadable,
    Whereabouts,
)
from bot.text.filenames import safe

#: Characters of a message; readers see those of one answer as one text.  It bounds what one frame costs.
SIZE = 12_000
#: Bytes of a file that is made for people.
ATTACH = 20 * 2**20
#: Frames per second of one answer: what eyes take for flowing.
FRAMES = 30
#: Frames per second of all answers together: one takes a millisecond, most of it for its markdown.
TOGETHER = 150
#: Seconds that a write to a connection may take until its reader counts as one that does not read, and
#: seconds after which the next frame is tried then.
STALLED, AGAIN = 0.5, 0.5
#: Seconds between two times that a growing message is kept: for who opens the page just after a crash.
KEPT = 2.0
NAME = "Rivulet"


class Keeper(Protocol):
    """What a surface needs of the platform."""

    async def talk_of(self, id: str, owner: str) -> Talk:  # noqa: A002  it is one
        """Return the conversation; raises `Gone`, and OSError where it can't be read now."""

    async def keep(self, talk: Talk, message: Message) -> None:
        """Keep *message* as it is."""

    def colour(self, talk: Talk, message: Message) -> None:
        """Give the blocks of code in *message* that are whole their colours, after a while."""

    async def forget(self, key: str) -> None:
        """Delete the message *key*, which is shown no more."""

    async def keep_file(self, talk: Talk, file: File) -> None:
        """Keep a file's content."""

    async def content(self, key: str) -> bytes | None:
        """Return a file's content."""


class WebSurface(Surface):
    """One conversation, from a question on.

    Args:
        keeper: Has the conversations.
        talk: The conversation's id.
        asker: Whose it is: an `Actor.id`.
        question: The question's key.
    """

    limits = Limits(SIZE, len, DIALECT, ATTACH, endless=True, steps=True)

    def __init__(self, keeper: Keeper, talk: str, asker: str, question: str) -> None:
        self._keeper = keeper
        self._talk = talk
        self._asker = asker
        self._question = question
        self.address = talk

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`: no platform limits anything, but eyes and this machine do."""
        return [
            Bucket(f"web/{self._talk}", FRAMES, FRAMES, 1 / FRAMES),
            Bucket("web", TOGETHER, TOGETHER),
        ]

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`: a message is known by its nonce, so that there is one."""
        talk = await self._here()
        key = f"{talk.key}/{nonce}"
        if not talk.gone.keys().isdisjoint({key, self._question}):  # a nonce is no other post's
            raise Gone("the message was deleted")
        self._expect_readers(talk)
        if key not in talk.messages:
            message = Message(key, "bot", NAME, self._question, talk.at(time.time()))
            talk.messages[key] = message
        return await self._show(talk, talk.messages[key], page, new=True)

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`."""
        talk = await self._here()
        known = talk.messages.get(message)
        if known is None:
            raise Gone("the message was deleted")
        self._expect_readers(talk)
        return await self._show(talk, known, page)

    def _expect_readers(self, talk: Talk) -> None:
        """Put writes off where nobody who has the page open reads on, unless the answer was stopped.

        The core then stops reading the model once it is far enough ahead.
        """
        if not talk.stopped and talk.stalled(asyncio.get_running_loop().time(), STALLED):
            raise SlowDown(AGAIN, f"web/{self._talk}")

    async def _show(self, talk: Talk, message: Message, page: Page, *, new: bool = False) -> Receipt:
        if page.files:
            files = [_named(talk, file) for file in page.files]
            for file in files:
                await self._keeper.keep_file(talk, file)
            message.files = tuple(replace(file, data=b"") for file in files)
        buttons = page.controls != message.controls
        message.show(page, talk.change(len(page.text) - len(message.text)))
        self._keeper.colour(talk, message)
        now = time.time()
        if new or buttons or not page.live or now - message.kept >= KEPT:
            message.kept = now
            await self._keeper.keep(talk, message)
        return Receipt(message.key)

    async def remove(self, message: str) -> None:
        """See `Surface.remove`."""
        try:
            talk = await self._here()
        except (Gone, OSError):
            return
        if talk.remove(message):
            await self._keeper.forget(message)

    async def status(self, on: bool) -> None:
        """See `Surface.status`: a mark below the question."""
        try:
            talk = await self._here()
        except (Gone, OSError):
            return
        if question := talk.messages.get(self._question):
            question.waits, question.since = on, talk.change()

    async def history(self, limit: int) -> Sequence[Said]:
        """See `Surface.history`."""
        talk = await self._here()
        before: list[Message] = []
        for message in talk.messages.values():
            if message.key == self._question:
                break
            before.append(message)
        told = [_said(message, self._asker) for message in before if message.text or message.files]
        if len(told) <= limit:
            return told
        newest = told[-(limit - 1) :] if limit > 1 else []
        return [told[0], *(replace(each, skipped=not at) for at, each in enumerate(newest))][:limit]

    async def whereabouts(self) -> Whereabouts:
        """See `Surface.whereabouts`."""
        return Whereabouts(bot=NAME)

    async def attached(self) -> Sequence[File]:
        """See `Surface.attached`."""
        question = (await self._here()).messages.get(self._question)
        return question.files if question else ()

    async def fetch(self, file: File, most: int) -> bytes:
        """See `Surface.fetch`."""
        if not file.key.startswith(f"web/{self._talk}/files/"):
            raise Unreadable("it is not of this conversation")
        data = await self._keeper.content(file.key)
        if data is None:
            raise Unreadable("it is gone")
        if len(data) > most:
            raise Unreadable("it is too large")
        return data

    async def _here(self) -> Talk:
        return await self._keeper.talk_of(self._talk, self._asker)


def _named(talk: Talk, file: File) -> File:
    """Return *file* under a key that is the same however often it is attached."""
    digest = hashlib.sha256(file.name.encode() + b"\0" + file.data).hexdigest()[:24]
    return replace(file, name=safe(file.name), key=f"{talk.key}/files/{digest}", size=len(file.data))


def _said(message: Message, asker: str) -> Said:
    if message.role == "bot":
        return Said(said(message.text), None)
    return Said(message.text, Actor(asker, message.who, workspace=WORKSPACE), files=message.files)
