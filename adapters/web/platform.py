"""The chat page as a platform: it has the conversations, and tells the core what people do in them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import aclosing

import structlog

from adapters.web import records
from adapters.web.colours import Colours
from adapters.web.drawing import Block
from adapters.web.people import LASTS, ME, WORKSPACE, People, Refusal, Session
from adapters.web.surface import WebSurface
from adapters.web.talks import Message, Talk, uncoloured
from adapters.web.uploads import Uploads
from adapters.web.weights import Weights
from bot.events import File
from bot.platform import (
    Actor,
    Asked,
    Finding,
    Gone,
    Inbox,
    Place,
    Platform,
    Post,
    Remains,
    Shelf,
    Stop,
    Surface,
)

log = structlog.get_logger(__name__)

#: Seconds after the last reader of a conversation has left until its answer ends; a reload takes less.
GRACE = 20.0
#: Conversations that are kept in memory though nobody reads them.
IDLE = 200
#: Seconds between two signs of life.
BEAT = 30.0
#: Seconds after which another process is taken to serve the page: who serves it is settled sooner.
STANDBY = 12.0
#: Seconds between two looks whether all is answered.
LOOK = 0.1
STARTING = "The bot is starting; try again in a moment."
ELSEWHERE = "The bot can't serve this page right now; try again in a moment."


class Web(Platform):
    """The chat page.

    Args:
        tokens: Each person's token; see `People`.
        origin: See `People`.
        most: Bytes of a file that people attach.

    Attributes:
        run_id: In the ids of its events, whose numbers begin anew whenever it begins to serve the page.
    """

    name = "web"
    single = True

    def __init__(self, tokens: Mapping[str, str], origin: str, most: int) -> None:
        self.people = People(tokens, origin, lambda session: self._beside(self.end(session)))
        self.run_id = secrets.token_hex(4)
        self.uploads = Uploads(most)
        self.weights = Weights(self._weigh)
        self.secrets = list(tokens.values())
        self.admits = (WORKSPACE,)
        self._talks: OrderedDict[str, Talk] = OrderedDict()
        self._loading: dict[str, asyncio.Lock] = {}
        self._inbox: Inbox | None = None
        self._serves = self._ending = False
        self._colours = Colours()
        self._errands: set[asyncio.Task[None]] = set()

    async def run(self, inbox: Inbox) -> None:
        """See `Platform.run`."""
        self._inbox, self._colours = inbox, Colours()
        living = asyncio.create_task(self._live())
        try:
            async with aclosing(inbox.leases.parts(self.name, 1)) as parts:
                async for part in parts:
                    if part.held:
                        await self._begin(inbox)
                    else:
                        await self._end(inbox, answers=not part.lapsed)
        finally:
            living.cancel()
            self.health = "down"
            self._leave(inbox)
            await self._colours.close()
            await inbox.leases.leave(self.name, 0)

    async def _live(self) -> None:
        """Say that all is well, also while another process serves the page."""
        await asyncio.sleep(STANDBY)
        while True:
            self.health, self.heard_at = "up", asyncio.get_running_loop().time()
            await asyncio.sleep(BEAT)

    async def _begin(self, inbox: Inbox) -> None:
        """Serve the page, with what the process before has left."""
        self._talks.clear()
        self.run_id = secrets.token_hex(4)
        for owner, session in await records.ended(inbox.shelf, time.time() - LASTS):
            self.people.remember(owner, session)
        await inbox.repair(self)
        self._serves, self._ending = True, False
        self.health, self.heard_at = "up", asyncio.get_running_loop().time()

    async def _end(self, inbox: Inbox, *, answers: bool) -> None:
        """Let another process serve the page; if it *answers*, once all that was asked here is answered."""
        self._ending = True
        while answers and inbox.busy(self.name):  # noqa: ASYNC110  many things end that
            await asyncio.sleep(LOOK)
        self._leave(inbox)
        await inbox.leases.leave(self.name, 0)

    def _leave(self, inbox: Inbox) -> None:
        """Serve the page no more."""
        self._serves = False
        inbox.released(self)
        for talk in self._talks.values():
            self._let_go(talk)
            for reader in talk.readers:
                reader.end()

    async def check(self) -> Sequence[Finding]:
        """See `Platform.check`."""
        who = "this machine's user" if self.people.open else f"{len(self.secrets)} people, with tokens"
        return [Finding(ok=True, text=f"the chat page is for {who}")]

    async def strangers(self, ids: Collection[str]) -> Collection[str]:
        """See `Platform.strangers`."""
        return [id_ for id_ in ids if not self.people.has(id_)]

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        """See `Platform.reopen`."""
        name, talk, question, *_ = asked.key.split("/")
        if name != self.name:
            return None
        return WebSurface(self, talk, asked.actor.id, f"web/{talk}/{question}")

    def readers(self, owner: str) -> int:
        """Return how many connections *owner* reads over."""
        return sum(len(talk.readers) for talk in self._talks.values() if talk.owner == owner)

    async def end(self, session: Session) -> None:
        """End *session* for good, with what is read by it."""
        self.people.end(session)
        for reader in [each for talk in self._talks.values() for each in talk.readers]:
            if reader.session == session:
                reader.end()
        if self._inbox:
            await self.shelf.put(records.ended_post(session, time.time()))

    @property
    def inbox(self) -> Inbox:
        """Who is told what people do; raises `Refusal` unless this process serves the page."""
        self.expect_serving()
        assert self._inbox  # noqa: S101  nobody serves without
        return self._inbox

    def expect_serving(self, *, asks: bool = False) -> None:
        """Raise `Refusal` unless this process serves the page; for what *asks* anew, also while it ends."""
        if not self._serves or (asks and self._ending):
            raise Refusal(503, ELSEWHERE if self.health == "up" else STARTING)

    @property
    def shelf(self) -> Shelf:
        """Where messages are kept; there is one as soon as there is an inbox."""
        assert self._inbox  # noqa: S101  nothing is read or written before
        return self._inbox.shelf

    def surface(self, talk: Talk, question: str) -> Surface:
        """Return where the answer to *question* goes."""
        return WebSurface(self, talk.id, talk.owner, question)

    def place(self, talk: Talk) -> Place:
        """Return where something in *talk* is done."""
        return Place(talk.id, WORKSPACE, WORKSPACE, platform=self.name)

    async def talk_of(self, id: str, owner: str) -> Talk:  # noqa: A002  it is one
        """See `Keeper.talk_of`; a conversation that is new is empty."""
        talk = self._talks.get(id) or await self._load(id, owner)
        if talk.deleted or talk.owner != owner:
            raise Gone("there is no such conversation")
        self._talks.move_to_end(id)
        return talk

    async def put(self, post: Post) -> None:
        """Put *post* on the shelf."""
        await self.shelf.put(post)
        self.weights.add(post)

    async def keep(self, talk: Talk, message: Message) -> None:
        """See `Keeper.keep`."""
        await self.put(records.message_post(talk, message))
        self.watch(talk)

    async def forget(self, key: str) -> None:
        """See `Keeper.forget`."""
        await self.shelf.drop(key)

    async def keep_title(self, talk: Talk) -> None:
        """Keep that there is *talk*, and when something was last said in it."""
        await self.put(records.talk_post(talk, time.time()))

    async def keep_file(self, talk: Talk, file: File) -> None:
        """See `Keeper.keep_file`."""
        await self.put(records.file_post(talk, file, time.time()))

    async def content(self, key: str) -> bytes | None:
        """See `Keeper.content`."""
        post = await self.stored(key)
        return post.data if post else None

    async def stored(self, key: str) -> Post | None:
        """Return what the shelf has of *key*."""
        return await self.shelf.find(key)

    async def drop(self, talk: Talk) -> None:
        """Delete *talk* with all that is in it."""
        for question in list(talk.open):
            await self.inbox.stop(Stop(question, _closer(talk), self.place(talk), talk.key))
        talk.deleted = True
        empty = self._talks[talk.id] = Talk(talk.id, talk.owner)
        empty.gone = dict.fromkeys(talk.messages, 0)  # what is still to be written to it is not
        for key in (talk.key, f"{talk.key}/files"):
            await self.shelf.drop(key)
        self.weights.forget(talk.owner)
        for reader in talk.readers:
            reader.end()

    def watch(self, talk: Talk) -> None:
        """End the answers of *talk* after a while if nobody reads it; leave them if somebody does."""
        if self._talks.get(talk.id) is not talk or not self._serves:
            return  # this is the conversation as it was before the page was handed over
        if talk.readers:
            self._let_go(talk)
        elif talk.closing is None and (talk.live or talk.open):
            loop = asyncio.get_running_loop()
            talk.closing = loop.call_later(GRACE, lambda: self._close(talk))

    def _let_go(self, talk: Talk) -> None:
        if talk.closing:
            talk.closing.cancel()
            talk.closing = None

    def _close(self, talk: Talk) -> None:
        talk.closing = None
        if not talk.readers and self._inbox and self._serves:
            self._beside(self._stop_unread(talk, self._inbox))

    async def _stop_unread(self, talk: Talk, inbox: Inbox) -> None:
        talk.stopped = True
        for question in list(talk.open):
            if inbox.knows(question):
                await inbox.stop(Stop(question, _closer(talk), self.place(talk)))
            talk.open.pop(question, None)
        await inbox.stop(Stop("", _closer(talk), self.place(talk), talk.key))

    async def _weigh(self, owner: str) -> int:
        return await self.shelf.weight(owner)

    def colour(self, talk: Talk, message: Message) -> None:
        """See `Keeper.colour`."""
        if found := uncoloured(message):
            self._beside(self._colour(talk, message, found))

    async def _colour(self, talk: Talk, message: Message, found: Sequence[tuple[int, Block]]) -> None:
        for index, block in found:
            html = await self._colours.of(block.html)
            if html != block.html:
                message.colour(index, block, html, talk.change())

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        """Do *work* beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _load(self, id: str, owner: str) -> Talk:  # noqa: A002  it is one
        """Return a conversation as the shelf has it."""
        async with self._loading.setdefault(id, asyncio.Lock()):
            if known := self._talks.get(id):
                return known
            post = await self.stored(f"web/{id}")
            talk = Talk(id, post.owner if post else owner)
            if post:
                talk.title = records.title_of(post)
                await records.load(self.shelf, talk)
            self._talks[id] = talk
            self._loading.pop(id, None)
        for message in talk.messages.values():
            if not message.live:
                self.colour(talk, message)
        self._forget_idle()
        return talk

    def _answers(self, talk: Talk) -> bool:
        """Tell whether a question that was asked in *talk* is not answered yet."""
        return self._inbox is not None and any(map(self._inbox.knows, talk.open))

    def _forget_idle(self) -> None:
        """Keep no more conversations in memory than may be that nobody reads."""
        idle = [
            each for each in self._talks.values() if not (each.readers or each.live or self._answers(each))
        ]
        for talk in idle[: max(0, len(idle) - IDLE)]:
            del self._talks[talk.id]


def _closer(talk: Talk) -> Actor:
    """Return who ends an answer by closing the page on it; rights hang on the id."""
    return Actor(talk.owner, "closing the page", workspace=WORKSPACE, owner=talk.owner == ME.id)
