"""Reading one answer: feeds the model's events to its draft.

It never waits for a write, so a slow platform never slows a stop; only when the draft is far ahead of what is
shown, it stops reading until the writer has caught up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog

from bot.core import conversation, files
from bot.core.approvals import Card
from bot.core.conversation import Past
from bot.core.draft import Draft
from bot.core.gathering import Desk, Gathering
from bot.events import CONTINUE, RETRY, Event, File, Finished, Text, Turn, Waiting
from bot.guard.access import Access, Action
from bot.model import Asking, Kind, Model, ModelError, Request, Tool
from bot.platform import Gone, Mention, Said, SlowDown
from bot.show.answer import Ending

log = structlog.get_logger(__name__)

#: Seconds that reading what was said before may take; then it is answered without.
READING = 10.0

#: Seconds after which people are told that files are still being read.
SOON = 1.0
LOOKING = "reading files …"
UNTAKEN = "Claude did not take the files, so this is without them."
#: What the model reads then.
UNSEEN = "(They could not be read.)"

BROKEN = "Something broke on our side; the operator's log says what."


class Reader:
    """Reads one answer from the model.

    Args:
        draft: What to add to.
        model: Who answers.
        asking: What every request has in common.
        access: Says whose words in the history are more than data.
        past: What came before the question.
        desk: Where files are read.
        tools: Says what the model may use, in a conversation with these files.
        saying: What to answer without asking the model; "" to ask it; or what to ask a person.
    """

    def __init__(
        self,
        draft: Draft,
        model: Model,
        asking: Asking,
        access: Access,
        past: Past,
        desk: Desk,
        tools: Callable[[Mention, Sequence[File]], Sequence[Tool]] = lambda _mention, _files: (),
        saying: str | Card = "",
    ) -> None:
        self._draft = draft
        self._model = model
        self._access = access
        self._asking = asking
        self._past = past
        self._desk = desk
        self._tools = tools
        self._saying = saying
        self._heard = False  # whether the model has done anything about this request
        self._task: asyncio.Task[None] | None = None

    def begin(self, mention: Mention) -> None:
        """Begin to read the answer to *mention*."""
        self._task = asyncio.get_running_loop().create_task(self._read(mention))

    def again(self, mention: Mention) -> None:
        """Ask anew with *mention* if reading has begun."""
        if self._task:
            self._task.cancel()
            self.begin(mention)

    def hang_up(self) -> None:
        """Close the model's stream."""
        if self._task:
            self._task.cancel()

    async def close(self) -> None:
        """Close the model's stream, and wait until it is."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _read(self, mention: Mention) -> None:
        try:
            if isinstance(self._saying, Card):
                await self._put(self._saying)
            elif self._saying:
                self._draft.take(Text(self._saying))
            else:
                await self._ask(mention)
        except ModelError as error:
            control = CONTINUE if self._draft.answer.received else RETRY
            self._draft.end(Ending.FAILED, str(error), (control,))
        except Exception:
            log.exception("reading an answer failed", question=mention.key)
            self._draft.end(Ending.FAILED, BROKEN)
        else:
            self._draft.end(Ending.FINISHED)

    async def _put(self, card: Card) -> None:
        """Put the question of *card*, and end with what became of it."""
        self._draft.take(Text(card.text))
        await asyncio.wait({card.decided})
        self._draft.end(Ending.FINISHED, card.note)

    async def _ask(self, mention: Mention) -> None:
        asking = self._asking
        mention = await self._recalled(mention)
        async with Gathering(self._desk, mention.surface.fetch) as gathering:
            gathering.add(mention.files)
            if self._past.read is None:
                self._past = replace(self._past, read=await self._history(mention))
            said = [*(self._past.read or ()), *self._past.said]
            older = files.earlier(said)
            gathering.add(older)
            may_ask = await self._who_may_ask(said, mention)
            found = await self._found(gathering)
        tools = self._tools(mention, list(dict.fromkeys((*mention.files, *older))))
        told = [files.given(each, found) for each in said]
        turns = conversation.turns(told, files.asked(mention, found), may_ask, secrets.token_hex(4))
        request = Request(
            turns,
            asking.system,
            asking.model,
            asking.effort,
            asking.max_tokens,
            tools,
            thinking=asking.thinking,
        )
        note = files.note(mention, said, found)
        if not any(turn.files for turn in turns):
            await self._stream(request, note)
        elif not await self._took(request, note):
            await self._stream(replace(request, turns=[*map(_fileless, turns)]), UNTAKEN)

    async def _recalled(self, mention: Mention) -> Mention:
        """Return *mention*; with its files, or those it goes on from, where the ledger has but names."""
        first, *later = [*self._past.said, Said(mention.text, mention.actor)]
        if mention.files or not files.forgotten(first.text):
            return mention
        try:
            async with asyncio.timeout(READING):
                known = tuple(await (self._past.surface or mention.surface).attached())
        except (SlowDown, Gone, OSError) as error:
            log.warning("answering without files", question=mention.key, error=repr(error))
            return mention
        text = files.again(first.text, known)
        if not later:
            return replace(mention, text=text, files=known)
        told = (replace(first, text=text, files=known), *self._past.said[1:])
        self._past = replace(self._past, said=told)
        return mention

    async def _found(self, gathering: Gathering) -> files.Found:
        """Return what became of the files; say that they are being read where that takes long."""
        await gathering.wait(SOON)
        if gathering.busy:
            self._draft.take(Waiting(LOOKING))
            await gathering.wait()
        return gathering.found

    async def _took(self, request: Request, note: str) -> bool:
        """Stream the answer to *request*; False if the model took none of it, which may be for its files."""
        self._heard = False
        try:
            await self._stream(request, note)
        except ModelError as error:
            if error.kind not in {Kind.OTHER, Kind.LONG} or self._heard:
                raise
            log.warning("the model did not take files", error=str(error))
            return False
        return True

    async def _stream(self, request: Request, note: str) -> None:
        draft = self._draft
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                self._heard = self._heard or not isinstance(event, Waiting)
                draft.take(_noted(event, note))
                while draft.answer.unshown > self._asking.ahead and draft.open:
                    draft.shown.clear()
                    await draft.shown.wait()

    async def _who_may_ask(self, said: Sequence[Said], mention: Mention) -> conversation.MayAsk:
        """Ask for everybody in *said* whether they may ask where *mention* was asked."""
        actors = {each.actor for each in said if each.actor}
        allowed = {
            actor for actor in actors if await self._access.authorize(actor, mention.place, Action.ASK)
        }
        return allowed.__contains__

    async def _history(self, mention: Mention) -> Sequence[Said]:
        try:
            async with asyncio.timeout(READING):
                return await (self._past.surface or mention.surface).history(conversation.HISTORY)
        except (SlowDown, Gone, OSError) as error:
            log.warning("answering without history", question=mention.key, error=repr(error))
            return ()


def _noted(event: Event, note: str) -> Event:
    """Return *event*; at the end with *note*."""
    if not (isinstance(event, Finished) and note):
        return event
    return replace(event, note=" ".join(filter(None, [event.note, note])))


def _fileless(turn: Turn) -> Turn:
    """Return *turn* without its files, whose names stay."""
    return replace(turn, text=f"{turn.text}\n{UNSEEN}", files=()) if turn.files else turn
