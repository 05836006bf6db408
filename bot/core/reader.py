"""Reading one answer: feeds the model's events to its draft.

It never waits for a write, so a slow platform never slows a stop; only when the draft is far ahead of what is
shown, it stops reading until the writer has caught up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import structlog

from bot.core import conversation
from bot.core.approvals import Card
from bot.core.conversation import Past
from bot.core.draft import Draft
from bot.events import CONTINUE, RETRY, Event, Finished, Text
from bot.guard.access import Access, Action
from bot.model import Asking, Model, ModelError, Request, Tool
from bot.platform import Gone, Mention, Said, SlowDown, listed
from bot.show.answer import Ending

log = structlog.get_logger(__name__)

#: Seconds that reading what was said before may take; then it is answered without.
READING = 10.0

BROKEN = "Something broke on our side; the operator's log says what."


class Reader:
    """Reads one answer from the model.

    Args:
        draft: What to add to.
        model: Who answers.
        asking: What every request has in common.
        access: Says whose words in the history are more than data.
        past: What came before the question.
        tools: Says what the model may use.
        saying: What to answer without asking the model; "" to ask it; or what to ask a person.
    """

    def __init__(
        self,
        draft: Draft,
        model: Model,
        asking: Asking,
        access: Access,
        past: Past,
        tools: Callable[[Mention], Awaitable[Sequence[Tool]]] | None = None,
        saying: str | Card = "",
    ) -> None:
        self._draft = draft
        self._model = model
        self._access = access
        self._asking = asking
        self._past = past
        self._tools = tools
        self._saying = saying
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
        """Wait for what becomes of the question of *card*, which shows already."""
        await asyncio.wait({card.decided})
        self._draft.end(Ending.FINISHED, card.note)

    async def _ask(self, mention: Mention) -> None:
        draft, asking = self._draft, self._asking
        if self._past.read is None:
            self._past = replace(self._past, read=await self._history(mention))
        said = [*(self._past.read or ()), *self._past.said]
        may_ask = await self._who_may_ask(said, mention)
        turns = conversation.turns(said, mention, may_ask, secrets.token_hex(4))
        tools = await self._tools(mention) if self._tools else ()
        request = Request(
            turns,
            asking.system,
            asking.model,
            asking.effort,
            asking.max_tokens,
            tools,
            thinking=asking.thinking,
        )
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                draft.take(_with_files(event, mention))
                while draft.answer.unshown > asking.ahead and draft.open:
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


def _with_files(event: Event, mention: Mention) -> Event:
    """Return *event*; at the end with a note of the files that came with *mention*, and were not read."""
    if not (isinstance(event, Finished) and mention.files):
        return event
    unread = f"Files are not read yet: {listed([file.name for file in mention.files])}."
    return replace(event, note=" ".join(filter(None, [event.note, unread])))
