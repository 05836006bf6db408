"""Which shards this process runs: those that the leases give it, on whichever client there is.

A shard is handed over with its session: its connection is closed so that the session lives on, the session is
noted, and only then the part is let go.  One process has all shards, and nobody to hand one to.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any

import structlog

from adapters.discord.incoming.sessions import Session, read
from adapters.discord.incoming.shards import Shards
from bot.platform import Handed, Inbox

log = structlog.get_logger(__name__)

#: Seconds between two notes of a session that goes on: so much is told again after a crash.
NOTE = 5.0
#: Seconds after which a session is noted although nothing was heard: a quiet one is no old one.
QUIET = 60.0
#: Seconds without a shard after which the process is well without one; the others have them.
STANDBY = 2.0
#: Seconds between two agreements on how many shards there are, so that no two processes make one.
AGREE = 0.25
#: Seconds that handing over at the end may take.
LEAVING = 8.0
#: Seconds before the leases are asked again that have failed.
AGAIN = 1.0
#: Seconds between two IDENTIFYs with one key: 5 (events/gateway.mdx, Max Concurrency), and what the way to
#: Discord may differ by.
IDENTIFY = 5.25
NUMBER = re.compile("[1-9][0-9]{0,4}")


class Leased:
    """Runs the shards that are this process's.

    Args:
        inbox: Has the leases, and the vault in which all processes find how many shards there are.
        wanted: How many there are, where the operator says so; 0 for as many as Discord recommends.
        gateway: Where Discord's gateway is.

    Attributes:
        total: How many there are in all; 0 before `agree`.
        shared: Whether other processes have been seen to run shards too.
    """

    def __init__(self, inbox: Inbox, wanted: int, gateway: str) -> None:
        self._leases, self._vault = inbox.leases, inbox.vault
        self._wanted = wanted
        self._gateway = gateway
        self._name = self._agreement = ""
        self._held: dict[int, Session | None] = {}  # with what the next client may go on
        self._noted: dict[int, Session] = {}
        self._client: Shards | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving: dict[int, asyncio.Task[None]] = {}
        self.total = 0
        self.shared = False

    @property
    def resumable(self) -> bool:
        """Whether the next client has a session to go on with."""
        return any(self._held.values())

    @property
    def idle(self) -> bool:
        """Whether there is no shard to run."""
        return not self._held

    async def turn(self, shard: int, concurrency: int) -> None:
        """Wait until *shard* may IDENTIFY as far as those of all processes go."""
        await self._leases.turn(f"discord/identify/{shard % concurrency}", IDENTIFY)

    async def agree(self, application: int, recommended: int) -> int:
        """Return how many shards there are: what the other processes have found, if any has."""
        self._agreement = f"discord/{application}/shards"
        if not self.total:
            self.total = self._wanted or await self._agreed(recommended)
        self._name = f"discord/{application}/{self.total}"  # with another number the shards are others
        if self.total != recommended and not self._wanted:
            log.info(
                "Discord recommends another number of shards; it is taken once all processes have ended",
                shards=self.total,
                recommended=recommended,
            )
        return self.total

    async def _agreed(self, recommended: int) -> int:
        name = self._agreement
        try:
            if not (kept := await self._vault.kept(name)):
                await self._leases.turn(name, AGREE)
                if not (kept := await self._vault.kept(name)):
                    await self._vault.keep(name, str(recommended))
        except OSError as error:
            log.warning("the number of Discord's shards can't be agreed on", error=repr(error))
            return recommended
        return int(kept) if kept and NUMBER.fullmatch(kept) else recommended

    async def disagree(self) -> None:
        """End, and forget how many there are: Discord does not let so few serve so many servers."""
        await self.end()
        self.total = 0
        with suppress(OSError):
            await self._vault.drop(self._agreement)

    def attach(self, client: Shards) -> None:
        """Run the shards on *client*, which has logged in."""
        self._client = client
        for number, session in self._held.items():
            client.take(number, self._fitting(session))
        if not self._tasks:
            self._spawn(self._lead())
            self._spawn(self._note())
        self._spawn(self._stand_by(client))

    def detach(self, client: Shards) -> None:
        """Run them no more on *client*, which is closed, and has `kept` sessions."""
        if self._client is client:
            self._client = None
        for number, before in self._held.items():
            self._held[number] = client.kept.get(number) or (
                before if number in (client.keep or ()) else None
            )

    async def end(self) -> None:
        """Let all parts go, with what was kept of their sessions; of those that fail it is told alone."""
        alone = len(self._held) == self.total
        for task in self._tasks:  # first: who asks for no parts gets none that it lets go
            task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=AGAIN)
            async with asyncio.timeout(LEAVING):
                if await self._let_all_go() and alone and self._agreement and not self._wanted:
                    await self._vault.drop(self._agreement)
        except (OSError, TimeoutError) as error:
            log.warning("Discord's shards could not be handed over in time", error=repr(error))
        finally:
            for task in self._giving.values():
                task.cancel()

    async def _let_all_go(self) -> bool:
        """Let go of each part, also where another one fails; tell whether all did."""
        left = [number for number in self._held if number not in self._giving]
        ways = [*self._giving.values(), *map(self._let_go, left)]
        failures = [*filter(None, await asyncio.gather(*ways, return_exceptions=True))]
        for failure in failures:
            log.error("a shard of Discord could not be handed over", exc_info=failure)
        return not failures

    async def _lead(self) -> None:
        """Take and give what the leases say."""
        while True:
            try:
                async with aclosing(self._leases.parts(self._name, self.total)) as parts:
                    async for part in parts:
                        await self._handed(part)
            except Exception:
                log.exception("the leases of Discord's shards failed")
            await asyncio.sleep(AGAIN)

    async def _handed(self, part: Handed) -> None:
        number = part.number
        if not part.held:
            self.shared = True
            if number not in self._giving:
                self._giving[number] = task = asyncio.create_task(self._let_go(number))
                task.add_done_callback(lambda _: self._giving.pop(number))
            return
        if giving := self._giving.get(number):
            await asyncio.wait({giving})
        if number not in self._held:
            self.shared |= bool(part.note)
            self._held[number] = session = self._fitting(read(part.note))
            if self._client:
                self._client.take(number, session)

    def _fitting(self, session: Session | None) -> Session | None:
        intents = self._client.intents.value if self._client else 0
        if session and self._client and not session.fits(self.total, intents, self._gateway, time.time()):
            return None
        return session

    async def _let_go(self, number: int) -> None:
        """Hand a shard over, or close it if nobody takes it."""
        session = self._held.get(number)  # which it may not have got as far as to resume
        if self._client:
            session = await self._client.give(number) or session
        self._held.pop(number, None)
        self._noted.pop(number, None)
        await self._leases.note(self._name, number, session.note() if session else "")
        await self._leases.leave(self._name, number)

    async def _note(self) -> None:
        """Note the sessions now and then."""
        while True:
            await asyncio.sleep(NOTE / 5)
            for number in self._held.keys() - self._giving.keys():
                session = self._client.session(number) if self._client else None
                if session and _news(session, self._noted.get(number)):
                    self._noted[number] = session
                    await self._leases.note(self._name, number, session.note())

    async def _stand_by(self, client: Shards) -> None:
        await asyncio.sleep(STANDBY)
        self.shared |= len(self._held) < self.total
        if client is self._client:
            client.begun()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _news(session: Session, noted: Session | None) -> bool:
    """Tell whether *session* is to be noted: a new one soon, for without a note nobody can go on with it."""
    if noted is None or session.id != noted.id:
        return True
    return abs(session.at - noted.at) >= (QUIET if session.heard == noted.heard else NOTE)
