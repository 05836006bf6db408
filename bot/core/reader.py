"""Reading one answer: feeds the model's events to its draft.

It never waits for a write, so a slow platform never slows a stop; only when the draft is far ahead of what is
shown, it stops reading until the writer has caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

import structlog

from bot.core import conversation, excerpt, files
from bot.core.account import Account, Footer, Lasting, sealed
from bot.core.approvals import Card
from bot.core.conversation import Past
from bot.core.draft import Draft
from bot.core.gathering import Desk, Gathering
from bot.core.prefix import Prefix
from bot.core.rights import who_may
from bot.core.whereabouts import instructions
from bot.events import Event, File, Finished, Text, Turn, Waiting
from bot.guard.access import Access, Action
from bot.model import Ask, Asking, Kind, Model, ModelError, Payer, Request, Tool, nobody
from bot.platform import Gone, Mention, Said, SlowDown, Whereabouts
from bot.show.writes import Ending

log = structlog.get_logger(__name__)

#: Seconds that reading what was said before may take; then it is answered without.
READING = 10.0
#: Seconds that finding out where that is may take.
WHERE = 2.0
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
        lasting: What requests have in common with earlier ones.
        clock: Seconds of the wall clock.
        desk: Where files are read.
        tools: Says what the model may use, in a conversation with these files.
        ask: Asks a person whether a tool may be called.
        saying: What to answer without asking the model; "" to ask it; or what to ask a person.
        footer: Says what stands below a complete answer; None for nothing.
    """

    def __init__(
        self,
        draft: Draft,
        model: Model,
        asking: Asking,
        access: Access,
        past: Past,
        lasting: Lasting,
        clock: Callable[[], float],
        desk: Desk,
        tools: Callable[[Mention, Sequence[File]], Awaitable[Sequence[Tool]]] | None = None,
        ask: Ask = nobody,
        saying: str | Card = "",
        footer: Footer | None = None,
    ) -> None:
        self._draft = draft
        self._model = model
        self._access = access
        self._asking = asking
        self._past = past
        self._lasting = lasting
        self._clock = clock
        self._desk = desk
        self._question = ""
        self._heard = False  # whether the model has done anything about this request
        self._tools = tools
        self._allow = ask
        self._saying = saying
        self._footer = footer
        self._task: asyncio.Task[None] | None = None

    def begin(self, mention: Mention) -> None:
        """Begin to read the answer to *mention*."""
        self._question = mention.key
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
            self._draft.end(Ending.FAILED, str(error), self._draft.rest)
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
        mention = await self._recalled(mention)
        gathering = Gathering(self._desk, mention.surface.fetch)
        try:
            await self._answer(mention, gathering)
        finally:
            gathering.give_back()

    async def _answer(self, mention: Mention, gathering: Gathering) -> None:
        async with gathering:
            gathering.add(mention.files)
            said, around, where = await self._found(mention)
            may_ask, trusted = await asyncio.gather(
                who_may(self._access, Action.ASK, [*said, *around], mention),
                who_may(self._access, Action.FILE, [each for each in said if each.files], mention),
            )
            older = files.earlier(said, trusted)
            gathering.add(older)
            found = {**files.withheld(said, trusted), **await self._gathered(gathering)}
        told, asked = [files.given(each, found) for each in said], files.asked(mention, found)
        prefix = self._prefix(asked, [*told, *around], where)
        turns = conversation.turns(told, asked, may_ask, prefix.token, prefix.window, around)
        known = list(dict.fromkeys((*mention.files, *older)))
        tools = await self._tools(mention, known) if self._tools else ()
        request = self._request(turns, mention, where, [sealed(tool, prefix.token) for tool in tools])
        note = files.note(mention, said, found)
        if not any(turn.files for turn in turns):
            await self._stream(request, prefix, note)
        elif not await self._took(request, prefix, note):
            await self._stream(replace(request, turns=[*map(_fileless, turns)]), prefix, UNTAKEN)

    def _request(
        self, turns: Sequence[Turn], mention: Mention, where: Whereabouts, tools: Sequence[Tool]
    ) -> Request:
        asking = self._asking
        return Request(
            turns,
            instructions(asking.system, _platform(mention), where, self._today()),
            asking.model,
            asking.effort,
            asking.max_tokens,
            tools,
            thinking=asking.thinking,
            payer=Payer(mention.actor, mention.place, mention.key),
        )

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

    async def _gathered(self, gathering: Gathering) -> files.Found:
        """Return what became of the files; say that they are being read where that takes long."""
        await gathering.wait(SOON)
        if gathering.busy:
            self._draft.take(Waiting(LOOKING))
            await gathering.wait()
        return gathering.found

    async def _took(self, request: Request, prefix: Prefix, note: str) -> bool:
        """Stream the answer to *request*; False if the model took none of it, which may be for its files."""
        self._heard = False
        try:
            await self._stream(request, prefix, note)
        except ModelError as error:
            if error.kind not in {Kind.OTHER, Kind.LONG} or self._heard:
                raise
            log.warning("the model did not take files", error=str(error))
            return False
        return True

    async def _stream(self, request: Request, prefix: Prefix, note: str) -> None:
        draft, question = self._draft, self._question
        account = Account(question, request, prefix, self._lasting.estimate, self._footer)
        try:
            async with aclosing(self._model.stream(request, self._allow)) as events:
                async for event in events:
                    self._heard = self._heard or not isinstance(event, Waiting)
                    draft.take(account.take(_noted(event, note)))
                    while draft.answer.unshown > self._asking.ahead and draft.open:
                        draft.shown.clear()
                        await draft.shown.wait()
        finally:
            account.close()

    async def _found(self, mention: Mention) -> tuple[Sequence[Said], Sequence[Said], Whereabouts]:
        """Return what was said before, what was said in the channel, and where that is."""
        read, around, where = await asyncio.gather(
            self._history(mention), self._around(mention), self._where(mention)
        )
        self._past = replace(self._past, read=read)
        return [*read, *self._past.said], around, where

    def _prefix(self, mention: Mention, said: Sequence[Said], where: Whereabouts) -> Prefix:
        """Return what stays the same in the conversation, fit for what is to be read now."""
        prefix = self._lasting.prefixes.of(mention.conversation)
        prefix.window.room = self._lasting.estimate.room(self._asking.context)
        names = [mention.actor.name, *(each.actor.name for each in said if each.actor)]
        texts = [mention.text, where.channel, where.topic, *(each.text for each in said)]
        prefix.keep_secret([*names, *texts, *_written([mention, *said])])
        return prefix

    async def _history(self, mention: Mention) -> Sequence[Said]:
        if self._past.read is not None:
            return self._past.read
        surface, limit = self._past.surface or mention.surface, excerpt.wanted(self._asking.context)
        return await _read(surface.history(limit), mention)

    async def _around(self, mention: Mention) -> Sequence[Said]:
        count = self._asking.around
        return await _read(mention.surface.recent(count), mention) if count else ()

    async def _where(self, mention: Mention) -> Whereabouts:
        try:
            async with asyncio.timeout(WHERE):
                return await mention.surface.whereabouts()
        except TimeoutError:
            return Whereabouts()
        except Exception:
            log.exception("it is not known where a question was asked", question=mention.key)
            return Whereabouts()

    def _today(self) -> str:
        zone = self._asking.zone
        return f"{datetime.fromtimestamp(self._clock(), zone):%A, %d %B %Y} ({zone})"


async def _read(reading: Awaitable[Sequence[Said]], mention: Mention) -> Sequence[Said]:
    """Return what *reading* finds in time; nothing where it fails."""
    try:
        async with asyncio.timeout(READING):
            return await reading
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


def _written(said: Sequence[Mention | Said]) -> list[str]:
    """Return the texts among the files of *said*; pictures and PDFs are read by the model alone."""
    return [
        file.data.decode(errors="replace")
        for each in said
        for file in each.files
        if file.type.startswith("text/")
    ]


def _platform(mention: Mention) -> str:
    """Return the name of the platform that *mention* is from, with which its key begins."""
    name, slash, _ = mention.key.partition("/")
    return name if slash else ""
