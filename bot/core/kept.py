"""What the ledger is told of one answer: before and after each write, and at its end.

The order is the one that `bot.store` asks for.  Must never write anything to a platform but what it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256

import structlog

from bot.events import Page
from bot.platform import Receipt, Surface
from bot.show.answer import Answer
from bot.show.writes import Write
from bot.store import Entry, Part, Store
from bot.store.peers import Taken
from bot.tools import Refused

log = structlog.get_logger(__name__)

ELSEWHERE = "Another process answers this question now."
#: Characters of a nonce that all of an answer's posts share; with an "r" and a page's number at most 25.
SHARED = 18
#: Seconds after which a process that may have lost a question asks the ledger again.
MOMENT = 0.1
#: How often, and after how many seconds each, it is looked which message the new holder has posted.
LOOKS, LOOK = 15, 2.0


class Denied(Exception):
    """Other processes have taken the call that a write would have spent; it did not go out."""


class Kept:
    """One answer's way into the ledger.  Where another process has the question, `Taken` is raised.

    Args:
        store: The ledger.
        key: The question's.
        clock: Seconds of the wall clock.
        left: What an earlier run has left of the answer.

    Attributes:
        calling: See `Entry.calling`.
    """

    def __init__(self, store: Store, key: str, clock: Callable[[], float], left: Entry | None = None) -> None:
        self._store = store
        self._key = key
        self._said = left.text if left else ""
        self.calling = left.calling if left else ""
        self._clock = clock
        self._left = left.parts if left else ()
        begun = left is not None and bool(left.parts)
        self._shared = left.parts[0].nonce[:SHARED] if left and begun else first_nonce(key)[:SHARED]
        self._replaced = left.replaced if left else {}
        self._moved: dict[str, str] = {}  # to which message an edit has gone in place of another

    async def adopt(self) -> None:
        """Keep the messages that this answer takes over, before it changes them; again does nothing."""
        for part in self._left:
            if part.message:
                await self._store.intend(self._key, part, self._said)

    async def put(
        self,
        surface: Surface,
        write: Write,
        text: str,
        seen: Callable[[str, bool], object],
        *,
        escaped: bool = False,
        claim: Awaitable[bool] | None = None,
    ) -> Receipt:
        """Make *write*, which may show all of *text*, on *surface*.

        A message that an earlier run had begun to replace is replaced again with the same nonce, so that only
        one of the two is there in the end.

        Args:
            surface: Where.
            write: What.
            text: All that was said.
            seen: Told a new message before the ledger is, as people may see it; False if it is not to stay.
            escaped: Whether it is made by a new message.
            claim: Tells whether the write may go out; asked in one go with what the ledger is told.

        Raises:
            Denied: It may not, and did not.
            SlowDown, Gone, OSError: As `Surface.post`.
        """
        before = write.message or ""
        if before and not escaped and before not in self._replaced:
            await _both(self._store.save(self._key, text), claim)
            await self._sure(text)
            return await self._edit(surface, before, write.page)
        nonce = self._replaced.get(before) or f"{self._shared}{'r' if before else ''}{write.index:x}"
        part = Part(nonce, write.index, surface.address, replaces=before)
        await _both(self._store.intend(self._key, part, text), claim)
        await self._sure(text)
        if before:
            receipt = await surface.replace(before, write.page, nonce)
        else:
            receipt = await surface.post(write.page, nonce)
        seen(receipt.message, True)
        try:
            await self._store.posted(self._key, nonce, receipt.message)
        except Taken:
            seen(receipt.message, False)
            await self._withdraw(surface, nonce, receipt.message)
            raise
        return receipt

    async def _edit(self, surface: Surface, message: str, page: Page) -> Receipt:
        """Edit *message*, and note where the page stands now, if that is another one."""
        receipt = await surface.edit(message, page)
        if receipt.message != message:
            self._moved[message] = receipt.message
        return receipt

    async def _sure(self, text: str) -> None:
        """Be sure that the question is still this process's, which may have been stopped since it asked."""
        while not self._store.held(self._key):
            await asyncio.sleep(MOMENT)
            await self._store.save(self._key, text)

    async def _withdraw(self, surface: Surface, nonce: str, message: str) -> None:
        """Take *message* away, which was posted after others had the question, unless they use it."""
        for _ in range(LOOKS):
            with suppress(OSError):
                entry = await self._store.find(self._key)
                known = [part.message for part in entry.parts if part.nonce == nonce] if entry else []
                if any(known):
                    if message not in known:
                        log.warning("a message is taken back: another process has posted it", message=message)
                        await surface.remove(message)
                    return
            await asyncio.sleep(LOOK)

    async def call(self, calling: str) -> None:
        """Keep that a tool is about to be called, or was; see `Entry.calling`.

        Raises:
            Refused: Another process has the question, so no tool may be called for it here.
        """
        self.calling = calling
        try:
            await self._store.call(self._key, calling)
        except Taken:
            raise Refused(ELSEWHERE) from None

    async def end(self, answer: Answer) -> None:
        """Keep how *answer* ends, so that a repair does not make another end of it."""
        controls = tuple(control.name for control in answer.controls)
        await self._store.end(self._key, answer.text, answer.note, controls)

    async def done(self, surface: Surface) -> None:
        """Keep that the answer is done, and where it stands, as soon as nothing on *surface* lags behind.

        Until then a repair needs the messages that were there before, to take them away.
        """
        await surface.settle()
        if self._moved:
            await self._keep_moved()
        await self._store.done(self._key, self._clock())

    async def _keep_moved(self) -> None:
        """Keep for each page the message to which its last edit has gone."""
        entry = await self._store.find(self._key)
        for part in entry.parts if entry else ():
            message = part.message
            while message in self._moved:
                message = self._moved.pop(message)
            if message != part.message:
                await self._store.posted(self._key, part.nonce, message)


def first_nonce(key: str) -> str:
    """Return what the first post of the answer to the question *key* has, whichever process makes it.

    A ledger that has forgotten the post does not know it; the platform does.
    """
    return f"{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:SHARED]}0"


async def _both(kept: Awaitable[None], claim: Awaitable[bool] | None) -> None:
    """Wait until the ledger has *kept* that, and for a *claim*, if there is one; raises `Denied`."""
    if claim is None:
        await kept
        return
    said, granted = await asyncio.gather(kept, claim, return_exceptions=True)
    if granted is False:  # first, since the call is then counted as not made
        raise Denied
    for each in (said, granted):
        if isinstance(each, BaseException):
            raise each
