"""What a replica hears: letters to it alone, and news for all; each is a stream in Redis.

What is added to a stream is pushed to all that listen, and costs them no round trip.  A push may be lost, the
stream is not: with each beat is read what was not pushed.  Where Redis lets its user listen to no channel, a
connection of its own reads both streams, and waits in Redis for what comes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import structlog

from bot.store.peers import REPLY
from bot.store.redis.keys import Names
from bot.store.redis.peers import scripts
from bot.store.redis.peers.pulse import Pulse
from bot.store.redis.wire import DENIED, FAILED, LOOK, LOST, PATIENCE, Refusal, Wire, why

log = structlog.get_logger(__name__)

#: Letters of a stream that are read together.
TOGETHER = 200
#: What is done at once with letters that were read.
AT_ONCE = 1000
#: Seconds of silence after which Redis is to say that there is nothing.
BLOCK = 10.0
#: What is said where Redis refuses to tell a replica what others say: with beats, as it comes, and in time.
UNREAD = "Redis refuses to tell what other replicas say"
UNPUSHED = "Redis pushes nothing to this user: what other replicas say is read more often"
UNHEARD = "Redis pushes nothing and lets nobody wait: what other replicas say is read with each beat"

TELL, ASK, REPLIED = "tell", "ask", "reply"

Heard = Callable[[str, str], Awaitable[str]]


class Stream:
    """One stream, as far as it was read.

    Attributes:
        key: What it is called in Redis; the channel, too, on which its letters are pushed.
        read: The id up to which it was read.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.read = "0-0"
        self._numbers: dict[str, int] = {}  # by sender that of the last letter

    def follows(self, before: str, last: str) -> bool | None:
        """Tell whether what was added between these ids is all that is new; None if nothing is."""
        if _order(last) <= _order(self.read):
            return None
        return before in {self.read, "0-0"}

    def came(self, asked: str, ids: Sequence[str]) -> None:
        """Take note that *ids* were read, which came after *asked*."""
        if ids and (self.read == asked or _order(ids[-1]) > _order(self.read)):
            self.read = ids[-1]

    def new(self, sender: str, number: int, known: Collection[str]) -> bool:
        """Tell whether a letter was not read before: it is sent twice where nobody knew how that had gone."""
        if number <= self._numbers.get(sender, 0):
            return False
        if sender not in self._numbers:
            self._numbers = {name: last for name, last in self._numbers.items() if name in known}
        self._numbers[sender] = number
        return True


class Ear:
    """Hears, and has done what it hears.

    Args:
        wire: To Redis.
        names: Of the keys.
        name: Of this replica.
        pulse: Its beats.
        reply: Writes a reply: to whom, about which letter, and what.
        replied: Told a reply: about which letter, and what.
    """

    def __init__(
        self,
        wire: Wire,
        names: Names,
        name: str,
        pulse: Pulse,
        reply: Callable[[str, str, str], None],
        replied: Callable[[str, str], None],
    ) -> None:
        self.own, self.news = Stream(names.of("to", name)), Stream(names.of("news"))
        self._wire, self._name, self._pulse = wire, name, pulse
        self._reply, self._replied = reply, replied
        self._streams = (self.news, self.own)  # so that what was told before a question is known
        self._heard: Heard | None = None
        self._listening: asyncio.Task[None] | None = None
        self._doing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """See that this replica may read; what is new begins here.  Raises as `Wire.ask`."""
        await self._wire.ask("XREAD", "COUNT", 1, "STREAMS", self.own.key, "0")
        newest = await self._wire.ask("XREVRANGE", self.news.key, "+", "-", "COUNT", 1)
        self.news.came(self.news.read, [ident.decode() for ident, _ in newest])

    async def listen(self, heard: Heard) -> None:
        """See `Peers.listen`; replies come this way as well."""
        self._heard = heard
        pause = LOOK
        try:
            while True:
                self._listening = asyncio.create_task(self._listen())
                await asyncio.wait({self._listening})
                if not self._listening.cancelled() and (error := self._listening.exception()):
                    if not isinstance(error, FAILED):
                        raise error
                    pause = min(2 * pause, BLOCK) if self._denied(error) else LOOK
                    await asyncio.sleep(pause)
        finally:
            self._heard = None
            await self._end()

    def _denied(self, error: BaseException) -> bool:
        """Tell whether Redis has refused to let this replica hear, and say so: it will again."""
        if isinstance(error, LOST) or not isinstance(error, DENIED):  # kinds of `DENIED` are `LOST`
            return False
        self._pulse.refusals.say(UNHEARD, why(error), self._keys)
        return True

    @property
    def _keys(self) -> list[str]:
        return [each.key for each in self._streams]

    def again(self) -> None:
        """Listen anew: Redis is there again, and the connection may be a dead one."""
        if self._listening:
            self._listening.cancel()

    async def ride(self) -> None:
        """Read what was not pushed."""
        if self._heard is None or len(self._doing) > AT_ONCE:
            return
        asked = [each.read for each in self._streams]
        try:
            told = await self._wire.call(scripts.READ, self._keys, [TOGETHER, *asked])
        except Refusal as error:  # no reason for what rides along to fail
            self._pulse.refusals.say(UNREAD, str(error), self._keys)
            return
        self._pulse.refusals.over(UNREAD)
        for stream, read, rows in zip(self._streams, asked, told, strict=True):
            self._take(stream, read, [(ident, _letter(fields)) for ident, fields in rows])
            if len(rows) == TOGETHER:
                self._pulse.nudge()

    async def _end(self) -> None:
        """Cancel all; the listener again and again: a redis client that connects takes it for a failure."""
        for task in self._doing:
            task.cancel()
        while self._listening and not self._listening.done():
            self._listening.cancel()
            await asyncio.wait({self._listening}, timeout=0.1)
        if self._doing:
            await asyncio.wait(self._doing, timeout=PATIENCE)

    async def _listen(self) -> None:
        """Hear until the connection fails."""
        client: Any = self._wire.client(BLOCK + PATIENCE)
        try:
            try:
                await self._subscribe(client)
            except LOST:  # kinds of `DENIED` among them
                raise
            except DENIED as error:
                self._pulse.refusals.say(UNPUSHED, why(error))
            while True:
                await self._wait(client)
                self._pulse.refusals.over(UNHEARD)
                await self._room()
        finally:
            with suppress(*FAILED):
                await client.aclose()

    async def _subscribe(self, client: Any) -> None:
        """Take what is pushed; raise `DENIED` where Redis does not allow it."""
        async with client.pubsub() as channels:
            await channels.subscribe(*self._keys)
            silent = False
            while True:
                said = await channels.get_message(timeout=PATIENCE if silent else BLOCK)
                if said is None and silent:
                    raise TimeoutError("Redis pushes nothing any more")
                if silent := said is None:
                    await channels.ping()
                elif said["type"] == "message":
                    self._pushed(said["channel"].decode(), said["data"])
                    await self._room()
                elif said["type"] == "subscribe":
                    for over in (UNPUSHED, UNHEARD):
                        self._pulse.refusals.over(over)
                    self._pulse.nudge()  # what came before is read

    def _pushed(self, key: str, data: bytes) -> None:
        """Take what was added to a stream, or read it with what came before and was not pushed."""
        stream = next(each for each in self._streams if each.key == key)
        head, *letters = data.split(b"\n")
        try:
            before, last = head.decode().split(" ")
            follows = stream.follows(before, last)
        except ValueError:
            log.warning("what is no letter was left out", bytes=len(data))
            return
        if follows:
            self._take(stream, stream.read, [(last.encode(), letter) for letter in letters])
        elif follows is False:
            self._pulse.nudge()

    async def _wait(self, client: Any) -> None:
        """Read what is there, or comes."""
        asked = [each.read for each in self._streams]
        words = ["COUNT", TOGETHER, "BLOCK", int(BLOCK * 1000), "STREAMS"]
        said: Any = await client.execute_command("XREAD", *words, *self._keys, *asked)
        told = {key.decode(): rows for key, rows in said or ()}
        for stream, read in zip(self._streams, asked, strict=True):
            rows = told.get(stream.key, ())
            self._take(stream, read, [(ident, _letter(fields)) for ident, fields in rows])

    async def _room(self) -> None:
        if len(self._doing) > AT_ONCE:
            await asyncio.wait(self._doing, return_when=asyncio.FIRST_COMPLETED)

    def _take(self, stream: Stream, asked: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Take letters with their ids, all that came after *asked*."""
        for ident, letter in rows:
            self._open(stream, ident.decode(), letter)
        stream.came(asked, [ident.decode() for ident, _ in rows])

    def _open(self, stream: Stream, ident: str, text: bytes) -> None:
        if (words := _words(text)) is None:
            log.warning("what is no letter was left out", bytes=len(text))
            return
        sender, number, kind, about, said = words
        if sender == self._name or not stream.new(sender, number, self._pulse.known):
            return
        if kind == REPLIED:
            self._replied(about, said)
        elif self._heard and (kind == TELL or not self._pulse.clock - _order(ident)[0] / 1000 > REPLY):
            task = asyncio.create_task(self._do(self._heard, sender, about, said))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    async def _do(self, heard: Heard, sender: str, about: str, text: str) -> None:
        try:
            reply = await heard(sender, text)
        except OSError as error:
            log.warning("what another replica said could not be done", sender=sender, reason=str(error))
            return
        except Exception:
            log.exception("What another replica said could not be done", sender=sender)
            return
        if about:
            self._reply(sender, about, reply)


def _letter(fields: Any) -> bytes:
    """Return the letter in a row of a stream, as a command or a script tells it."""
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    return bytes(fields.get(b"m", b""))


def _words(text: bytes) -> tuple[str, int, str, str, str] | None:
    """Return what `Letters` has made a letter of; None if that is none."""
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
