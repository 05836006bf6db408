"""What replicas tell and ask each other, on its way out; `Ear` hears it.

A letter is JSON of who wrote it, its number, what kind it is, an id for the reply, and the text.  What is for
all is written once, into a stream that all read; what is for one replica into one that it alone reads.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass

import structlog

from bot.store.peers import REPLY, Unreached
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.ear import ASK, REPLIED, TELL
from bot.store.redis.peers.pulse import LETTERS_KEPT, Pulse
from bot.store.redis.wire import PATIENCE, Refusal, Wire

log = structlog.get_logger(__name__)

#: Letters that wait for Redis, and that wait in it to be read.
MOST = 10_000
#: Letters that go out together.
TOGETHER = 200
#: Seconds after which what is told goes out by itself, if no other request did before, nor a letter to one.
LINGER = 0.2
#: What is said where Redis refuses letters; they are tried again with each beat.
REFUSED = "Redis refuses what this replica tells and asks others: what is told waits"


@dataclass(frozen=True, slots=True)
class _Letter:
    to: str  # "" for all others
    number: int
    kind: str
    id: str
    text: str


class Letters:
    """Letters that this replica writes.

    Args:
        wire: To Redis.
        names: Of the keys.
        name: Of this replica.
        pulse: Its beats.
    """

    def __init__(self, wire: Wire, names: Names, name: str, pulse: Pulse) -> None:
        self._wire, self._names, self._name, self._pulse = wire, names, name, pulse
        self._out: deque[_Letter] = deque()
        self._written = 0
        self._dropped = False
        self._refused = ""  # what Redis said when it last refused; "" if it took letters since
        self._sending: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._lingering: asyncio.TimerHandle | None = None
        wire.boarding.append(self.flush)

    def tell(self, text: str) -> None:
        """See `Peers.tell`."""
        self._put("", TELL, "", text)

    async def ask(self, name: str, text: str) -> str:
        """See `Peers.ask`; a replica that was too slow for a reply does not hear of it later."""
        if self._wire.trouble:
            raise Unreached(f"replica {name} can't be asked: {self._wire.trouble}")
        ident = secrets.token_hex(6)
        replied: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[ident] = replied
        self._put(name, ASK, ident, text)
        try:
            async with asyncio.timeout(REPLY):
                return await replied
        except TimeoutError:
            raise Unreached(f"replica {name} has not replied within {REPLY:g} s") from None
        finally:
            del self._asked[ident]

    def reply(self, to: str, about: str, text: str) -> None:
        """Write what the replica *to* is replied to its letter *about*."""
        self._put(to, REPLIED, about, text)

    def replied(self, about: str, text: str) -> None:
        """Hear the reply to the letter *about*."""
        asked = self._asked.get(about)
        if asked and not asked.done():
            asked.set_result(text)

    async def ride(self) -> None:
        """Try again to send what Redis has refused."""
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._lingering:
            self._lingering.cancel()
            self._lingering = None
        if self._out and self._sending is None and not self._wire.trouble:
            self._sending = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Send what waits, if Redis is there."""
        self.flush()
        if self._sending:
            await asyncio.wait({self._sending}, timeout=PATIENCE)

    def _put(self, to: str, kind: str, ident: str, text: str) -> None:
        self._written += 1
        self._out.append(_Letter(to, self._written, kind, ident, text))
        if len(self._out) > MOST:
            self._out.popleft()
            if not self._dropped:
                why = self._refused or self._wire.state
                log.warning("other replicas are not told everything", reason=why, kept=MOST)
            self._dropped = True
        if kind != TELL:
            self.flush()
        elif self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER, self.flush)

    async def _send(self) -> None:
        """Send until nothing waits, or Redis takes nothing: tells are kept then, and the rest has failed."""
        try:
            while self._out:
                batch = [self._out.popleft() for _ in range(min(TOGETHER, len(self._out)))]
                try:
                    await self._deliver(batch)
                except OSError as error:
                    self._keep(batch, error)
                    return
                self._refused = ""
                self._pulse.refusals.over(REFUSED)
            self._dropped = False
        finally:
            self._sending = None

    def _keep(self, batch: list[_Letter], error: OSError) -> None:
        """Keep what is told, and let the rest fail."""
        if isinstance(error, Refusal):
            self._refused = f"Redis refuses: {error}"
            names = sorted({letter.to for letter in batch} - {""})
            keys = [self._names.of("news"), *(self._names.of("to", name) for name in names)]
            self._pulse.refusals.say(REFUSED, str(error), keys)
        self._out.extendleft(letter for letter in reversed(batch) if letter.kind == TELL)
        for letter in batch:
            self._fail(letter, str(error))

    async def _deliver(self, batch: list[_Letter]) -> None:
        """Put letters where they are read, unless who is to read one is dead."""
        names = sorted({letter.to for letter in batch} - {""})
        streams = [self._names.of("news"), *(self._names.of("to", name) for name in names)]
        args = [self._pulse.believed, LETTERS_KEPT, MOST, *names]
        for letter in batch:
            words = [self._name, letter.number, letter.kind, letter.id, letter.text]
            args += [letter.to, json.dumps(words)]
        for number in await self._wire.call(scripts.SEND, [self._pulse.members_key, *streams], args):
            self._fail(batch[number - 1], "it is gone")

    def _fail(self, letter: _Letter, why: str) -> None:
        replied = self._asked.get(letter.id) if letter.kind == ASK else None
        if replied and not replied.done():
            replied.set_exception(Unreached(f"replica {letter.to} can't be asked: {why}"))
