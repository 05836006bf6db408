"""What replicas tell and ask each other: for each there is a stream in Redis, which it alone reads.

A letter is JSON of who wrote it, its number, what kind it is, an id for the reply, and the text.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from bot.store.peers import REPLY, Unreached
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.pulse import LETTERS_KEPT, Pulse
from bot.store.redis.wire import FAILED, LOOK, PATIENCE, Wire

log = structlog.get_logger(__name__)

#: Letters that wait for Redis, and that wait in it to be read.
MOST = 10_000
#: Letters that go out, or are read, together.
TOGETHER = 200
#: What is done at once with letters that were read.
AT_ONCE = 1000
#: Seconds that Redis may keep a reader waiting before it says that there is nothing.
BLOCK = 10.0
#: Seconds that what is told to all waits for more, since every replica reads once for each batch.  After that
#: it goes out with the next request, or by itself after as long again; with an `ask` or a beat at once.
LINGER = 0.2

TELL, ASK, REPLIED = "tell", "ask", "reply"


@dataclass(frozen=True, slots=True)
class _Letter:
    to: str  # "" for all others
    number: int
    kind: str
    id: str
    text: str


class Letters:
    """Letters, both ways.

    Attributes:
        read: The id up to which ours were read; "" for none.
    """

    def __init__(self, wire: Wire, names: Names, name: str, pulse: Pulse) -> None:
        self.read = ""
        self._wire, self._names, self._name, self._pulse = wire, names, name, pulse
        self._out: deque[_Letter] = deque()
        self._written = 0
        self._dropped = False
        self._sending: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._heard: dict[str, int] = {}  # by sender the number of the last letter
        self._doing: set[asyncio.Task[None]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._since = 0.0  # when what lingers began to
        wire.boarding.append(self._board)

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

    async def open(self) -> None:
        """See that this replica may read letters; raises as `Wire.ask`."""
        key = self._names.of("to", self._name)
        await self._wire.ask("XREVRANGE", key, "+", "-", "COUNT", 1)
        await self._wire.ask("XREAD", "COUNT", 1, "STREAMS", key, "0")

    async def listen(self, heard: Callable[[str, str], Awaitable[str]]) -> None:
        """See `Peers.listen`; `ask` gets its replies from here."""
        try:
            while True:
                self._reading = asyncio.create_task(self._read(heard))
                await asyncio.wait({self._reading})
                if not self._reading.cancelled() and (error := self._reading.exception()):
                    if not isinstance(error, FAILED):
                        raise error
                    await asyncio.sleep(LOOK)
        finally:
            await self._end()

    async def _end(self) -> None:
        """Cancel all; the reader again and again: a redis client that connects takes it for a failure."""
        for task in self._doing:
            task.cancel()
        while self._reading and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait({self._reading}, timeout=0.1)
        if self._doing:
            await asyncio.wait(self._doing, timeout=PATIENCE)

    async def again(self) -> None:
        """Go on with what waits, as Redis is there again; the reader's connection may be a dead one."""
        if self._reading:
            self._reading.cancel()
        self.flush()

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

    def _board(self) -> None:
        """Send what waits along with another request, unless it has not waited for long enough."""
        if asyncio.get_running_loop().time() - self._since >= LINGER:
            self.flush()

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
                log.warning(
                    "Redis is away for so long that other replicas are not told everything", kept=MOST
                )
            self._dropped = True
        if kind != TELL:
            self.flush()
        elif self._lingering is None:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._lingering = loop.call_later(2 * LINGER, self.flush)

    async def _send(self) -> None:
        """Send until nothing waits, or Redis is away: then tells are kept, and the rest has failed."""
        try:
            while self._out:
                batch = [self._out.popleft() for _ in range(min(TOGETHER, len(self._out)))]
                try:
                    await self._deliver(batch)
                except OSError as error:
                    self._out.extendleft(letter for letter in reversed(batch) if letter.kind == TELL)
                    for letter in batch:
                        self._fail(letter, str(error))
                    return
            self._dropped = False
        finally:
            self._sending = None

    async def _deliver(self, batch: list[_Letter]) -> None:
        """Put letters into the streams of those who live: also of one that this replica has not seen yet."""
        seen = {member.name for member in self._pulse.members}  # Redis may have lost some of them
        told = {*self._pulse.known, *seen, *(letter.to for letter in batch if letter.to)}
        lacked = await self._hand(batch, sorted(told))
        tells = [letter for letter in batch if letter.kind == TELL]
        while tells and (new := set(lacked) - told):
            told |= new
            lacked = await self._hand(tells, sorted(new))

    async def _hand(self, batch: list[_Letter], names: list[str]) -> list[str]:
        """Put letters into the streams of *names*; return who else should get those that are for all."""
        keys = [self._pulse.members_key, *(self._names.of("to", name) for name in names)]
        args = [self._name, self._pulse.believed, LETTERS_KEPT, MOST, *names]
        for letter in batch:
            words = [self._name, letter.number, letter.kind, letter.id, letter.text]
            args += [letter.to, json.dumps(words)]
        lacked, dead = await self._wire.call(scripts.SEND, keys, args)
        for number in dead:
            self._fail(batch[number - 1], "it is gone")
        return [name.decode() for name in lacked]

    def _fail(self, letter: _Letter, why: str) -> None:
        replied = self._asked.get(letter.id) if letter.kind == ASK else None
        if replied and not replied.done():
            replied.set_exception(Unreached(f"replica {letter.to} can't be asked: {why}"))

    async def _read(self, heard: Callable[[str, str], Awaitable[str]]) -> None:
        """Read until the connection fails."""
        key = self._names.of("to", self._name)
        client: Any = self._wire.client(BLOCK + PATIENCE)
        try:
            await self._find_place(await client.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1))
            while True:
                words = ["COUNT", TOGETHER, "BLOCK", int(BLOCK * 1000), "STREAMS", key, self.read or "0"]
                said: Any = await client.execute_command("XREAD", *words)
                for ident, fields in said[0][1] if said else ():
                    self.read = ident.decode()
                    self._open(ident.decode(), fields.get(b"m", b""), heard)
                if len(self._doing) > AT_ONCE:
                    await asyncio.wait(self._doing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with suppress(*FAILED):
                await client.aclose()

    async def _find_place(self, newest: list[tuple[bytes, Any]]) -> None:
        """Begin anew where Redis has forgotten the stream: its ids may be older then."""
        if not newest or _order(newest[0][0].decode()) < _order(self.read or "0-0"):
            self.read = ""

    def _open(self, ident: str, text: bytes, heard: Callable[[str, str], Awaitable[str]]) -> None:
        if (words := _words(text)) is None:
            log.warning("what is no letter was left out", bytes=len(text))
            return
        sender, number, kind, about, said = words
        if number <= self._heard.get(sender, 0):
            return  # sent twice, as nobody knew whether it had got through
        if sender not in self._heard:
            self._heard = {name: last for name, last in self._heard.items() if name in self._pulse.known}
        self._heard[sender] = number
        if kind == REPLIED:
            replied = self._asked.get(about)
            if replied and not replied.done():
                replied.set_result(said)
        elif kind == TELL or not self._pulse.clock - _order(ident)[0] / 1000 > REPLY:
            task = asyncio.create_task(self._do(heard, sender, about, said))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    async def _do(
        self, heard: Callable[[str, str], Awaitable[str]], sender: str, about: str, text: str
    ) -> None:
        try:
            reply = await heard(sender, text)
        except OSError as error:
            log.warning("what another replica said could not be done", sender=sender, reason=str(error))
            return
        except Exception:
            log.exception("What another replica said could not be done", sender=sender)
            return
        if about:
            self._put(sender, REPLIED, about, reply)


def _words(text: bytes) -> tuple[str, int, str, str, str] | None:
    """Return what `_hand` has made a letter of; None if that is none."""
    try:
        sender, number, kind, about, said = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    if type(number) is not int or not all(isinstance(word, str) for word in (sender, kind, about, said)):
        return None
    return sender, number, kind, about, said


def _order(ident: str) -> tuple[int, int]:
    """Return what ids of a stream are ordered by; the first is milliseconds of Redis's clock."""
    at, _, rank = ident.partition("-")
    return int(at), int(rank or 0)
