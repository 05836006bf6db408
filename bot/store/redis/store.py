"""A store in Redis: `Memory`, written there as it changes, by several processes that are one bot.

Questions that this process works on are also in memory: while Redis is away or full answers go on from there,
and are written when that is possible again.  Questions that are done are in Redis alone.

Safe against loss of power is here what Redis is: with `appendfsync always` all that it has confirmed, with
`everysec` (the usual) all but the last second; see `bot.store.redis.questions` for what is written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from bot.platform import Asked, Unavailable
from bot.store import OK, ROWS_KEPT, Entry, Part
from bot.store.alone import Alone
from bot.store.peers import LEASE, Taken
from bot.store.redis import entries, scripts
from bot.store.redis.checks import SETTING, claim, expect_bot, expect_ours, expect_safe
from bot.store.redis.keys import Names
from bot.store.redis.peers import RedisPeers
from bot.store.redis.purge import forget
from bot.store.redis.questions import Questions
from bot.store.redis.reading import Reading
from bot.store.redis.rights import refusal
from bot.store.redis.scripts import AT_ONCE
from bot.store.redis.wire import Away, Refusal, Script, Wire

log = structlog.get_logger(__name__)

#: Seconds between two tries to write what Redis has refused, and between two looks at what others changed.
RETRY = 5.0
#: Members of which one is another replica than this.
SEVERAL = 2


class RedisStore(Reading):
    """Entries in Redis, and in memory until they are done; see `Store`.

    Args:
        wire: The connection, not opened yet.
        names: What keys are called.
        peers: The other replicas, not opened yet; without them nobody is asked to take this one for alive.
    """

    def __init__(self, wire: Wire, names: Names, peers: RedisPeers | None = None) -> None:
        alone = Alone()
        super().__init__(wire, names, peers.name if peers else alone.name)
        self._peers = peers or alone
        self._joined = peers
        self._questions = Questions(
            *(wire, names, self._peers.name, self._entries.get, self._let_go),
            expect_held=lambda: self._joined.expect_held() if self._joined else None,
            orphaned=lambda: self._joined.orphaned() if self._joined else None,
            lost=lambda key: self.lost(key),  # noqa: PLW0108  it is set later
        )
        self._forgets: list[str | None] = []  # whom Redis still knows; None for all
        self._settling = asyncio.Lock()  # what is told twice at once would take something off that was not
        self._tending: asyncio.Task[None] | None = None
        self._identities: set[str] = set()  # on each platform that it serves
        self._closed = False

    async def open(self) -> None:
        """Connect, and look whether this Redis is fit and ours.

        Raises:
            Unavailable: It can't be reached, lets nobody in, or is not; the message says what to do.
        """
        self._wire.scripts += scripts.LEDGER
        await expect_safe(self._wire, self._names)
        await expect_ours(self._wire, self._names)
        try:
            await self._begin()
        except Away as error:
            raise Unavailable(f"{SETTING}: Redis can't be reached ({error}).") from None
        except Refusal as error:
            raise Unavailable(f"{SETTING}: {refusal(error, self._names)}.") from None

    async def _begin(self) -> None:
        self._choices = await self._beside.choices()
        self._wire.back.insert(0, self._claim)
        self._wire.back += [self._back, self._money.back, self._posts.back]
        if self._joined:
            self._joined.left.append(self._leave)
            await self._joined.open(lambda: len(self._open))
        self._tending = asyncio.create_task(self._tend())

    async def expect_bot(self, identity: str) -> None:
        """See `bot.store.redis.checks.expect_bot`."""
        with suppress(Away):  # it is claimed when Redis is back
            await expect_bot(self._wire, self._names, identity)
        self._identities.add(identity)

    @property
    def health(self) -> str:
        """See `Store.health`."""
        if self._closed:
            return "degraded: closed"
        if amiss := self._wire.state:
            return f"degraded: {amiss}"
        if refused := self._questions.refused or self._beside.refused or self._money.trouble:
            return f"degraded: Redis refuses to write ({refused})"
        return "degraded: Redis lacks what it is being told" if self._owes else OK

    async def accept(self, asked: Asked) -> bool:
        """See `Store.accept`; waits for a Redis that is away, or goes on without if no other replica lives.

        Raises:
            Unavailable: There is, and Redis went away and was for half a minute.
        """
        if self._knows(asked.key):
            return False
        alone = len(self._peers.members) < SEVERAL
        first = await self._questions.claim(entry := Entry(asked), alone=alone)
        if first is False or self._knows(asked.key):
            return False
        self._put(entry)
        return True

    async def reword(self, key: str, question: str) -> None:
        """See `Store.reword`."""
        with suppress(Taken):
            await super().reword(key, question)
            await self._say(key, "question", question)

    def held(self, key: str) -> bool:
        """See `Store.held`."""
        return self._joined is None or self._joined.held or self._questions.is_new(key)

    async def intend(self, key: str, part: Part, text: str) -> None:
        """See `Store.intend`; waits for a Redis that is away, ten minutes at most."""
        await super().intend(key, part, text)
        if entry := self._going(key):
            number = [each.nonce for each in entry.parts].index(part.nonce)
            told = entries.part_field(part.nonce), entries.part_text(part, number)
            await self._write(key, scripts.INTEND, (), text, *told, first=True)

    async def posted(self, key: str, nonce: str, message: str) -> None:
        """See `Store.posted`."""
        await super().posted(key, nonce, message)
        if entry := self._going(key):
            told = entries.message_field(nonce), message, entry.asked.at, key, int(ROWS_KEPT)
            await self._write(key, scripts.POSTED, (self._names.of("shown", message),), *told)

    async def save(self, key: str, text: str) -> None:
        """See `Store.save`."""
        await super().save(key, text)
        await self._say(key, "text", text)

    async def call(self, key: str, calling: str) -> None:
        """See `Store.call`; waits as `intend`."""
        await super().call(key, calling)
        await self._say(key, "calling", calling, first=bool(calling))

    async def end(self, key: str, text: str, note: str, controls: tuple[str, ...] = ()) -> None:
        """See `Store.end`."""
        await super().end(key, text, note, controls)
        await self._say(key, "text", text, "note", note, "controls", " ".join(controls))

    async def done(self, key: str, at: float) -> None:
        """See `Store.done`."""
        if (before := self._going(key)) is None or self._closed:
            return
        await super().done(key, at)
        await self._questions.done(before, self._entries[key])

    async def again(self, key: str) -> None:
        """See `Store.again`."""
        await super().again(key)
        if entry := self._going(key):
            await self._write(key, scripts.RUN, (), entry.runs)

    async def unfinished(self, platform: str) -> Sequence[Entry]:
        """See `Store.unfinished`; while Redis is away those alone that are here already."""
        with suppress(OSError):
            while await self._claimed(platform) == AT_ONCE:
                pass
            if self._settled:
                await self._settle_dead({self._peers.name, *(each.name for each in self._peers.members)})
        return sorted(await super().unfinished(platform), key=lambda entry: entry.asked.at)

    async def _claimed(self, platform: str) -> int:
        """Take over some questions that nobody has; return how many."""
        keys = [self._names.of("open"), self._names.of("members")]
        more = [f"{platform}/", self._joined.lease if self._joined else LEASE, int(self._settled), AT_ONCE]
        told = await self._wire.call(scripts.CLAIM, keys, [self._peers.name, *self._begins, *more])
        for entry in filter(None, [self._read(*each) for each in told]):
            self._questions.take(entry.asked.key)
            self._put(entry)
        return len(told)

    async def prune(self, now: float) -> None:
        """See `Store.prune`; questions go by themselves, by the clock of Redis."""
        await super().prune(now)
        with suppress(OSError):
            await self._prune_kept(now)

    async def forget(self, actor: str) -> int:
        """See `Store.forget`."""
        known = [key for key, entry in self._entries.items() if entry.asked.actor.id == actor]
        here = sum(map(self._questions.is_new, known))
        await super().forget(actor)
        for key in known:
            self._questions.owe(key)
        try:
            async with self._settling:
                await self._beside.settle()
                return here + await self._forget(actor)
        except OSError:
            self._forgets.append(actor)
            raise

    async def purge(self) -> int:
        """See `Store.purge`."""
        here = sum(map(self._questions.is_new, self._entries))
        await super().purge()
        self._questions.clear()
        self._beside.clear()
        try:
            async with self._settling:
                return here + await self._purge_all()
        except OSError:
            self._forgets.append(None)
            raise

    async def close(self) -> None:
        """See `Store.close`; what is not done may be taken up by others at once."""
        if self._closed:
            return
        if self._tending:  # it was opened
            self._tending.cancel()
            await asyncio.wait({self._tending})
            with suppress(OSError):
                await self._settle()
                await self._questions.release([*self._open])
        if self._joined:  # also where it had no time for more than to say that it is there
            await self._joined.close()
        self._closed = True
        await self._wire.close()

    async def _forget(self, actor: str) -> int:
        count = await forget(self._wire, self._names, actor)
        await self._forget_kept(actor)
        await self._rewrite()
        return count

    @property
    def _owes(self) -> bool:
        """Whether Redis lacks something."""
        refused = self._questions.refused or self._beside.refused
        return bool(refused or self._questions.owes or self._beside.owes or self._forgets)

    async def _settle(self) -> None:
        """Tell Redis all that it lacks; raises `Away`, and `Refusal` where some of it is refused."""
        async with self._settling:
            await self._rewrite()
            await self._beside.settle()
            while self._forgets:
                actor = self._forgets[0]
                await (self._purge_all() if actor is None else self._forget(actor))
                del self._forgets[0]
        self._questions.refused = self._beside.refused = ""

    async def _rewrite(self) -> None:
        await self._questions.rewrite([self._entries[key] for key in self._open])

    async def _claim(self) -> None:
        """Say whose the prefix is to a Redis that may have forgotten; that it is ours, before all else."""
        with suppress(Refusal):
            await claim(self._wire, self._names, self._identities)

    async def _leave(self) -> None:
        """Let others have what waits here."""
        with suppress(OSError):
            await self._questions.release([key for key in self._open if not self._entries[key].parts])

    @property
    def _settled(self) -> bool:
        """Whether the end of another's lease may be believed."""
        return self._joined is None or self._joined.settled()

    async def _back(self) -> None:
        """Write anew what may be lost; what is refused is tried again soon."""
        try:
            await self._settle()
        except Refusal as error:
            self._questions.refused = str(error)

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(RETRY)
            await asyncio.gather(self._money.refresh(), self._refresh())
            if self._owes and not self._wire.trouble:
                with suppress(Away):
                    await self._back()

    async def _say(self, key: str, *fields: str, first: bool = False) -> None:
        if self._going(key):
            await self._write(key, scripts.SAY, (), *fields, first=first)

    async def _write(
        self, key: str, script: Script, keys: Sequence[str], *args: object, first: bool = False
    ) -> None:
        """Let Redis do what was done in memory; *first*: before anything else is, where others may follow."""
        if not self._closed:
            write = self._questions.write_first if first and self._joined else self._questions.write
            await write(key, script, keys, *args)

    def _going(self, key: str) -> Entry | None:
        """See `Memory`; raises `Taken` if the question is another replica's."""
        self._questions.expect_ours(key)
        return super()._going(key)

    def _let_go(self, key: str) -> None:
        self._entries.pop(key, None)
        self._open.pop(key, None)
