"""Lets each state and each link be used once, whichever replica sees it."""

from __future__ import annotations

import asyncio

import structlog

from adapters.slack.several.seal import USED, Ticket
from bot.platform import Leases, Vault

log = structlog.get_logger(__name__)

#: Seconds between two claims, by any replica; one is made in less, or not at all.
APART, WITHIN = 0.5, 0.4
#: Seconds that one waits for its turn, and how many wait.
PATIENCE, WAITING = 10.0, 20
#: Used tickets that are remembered; past that none is taken until some have ended.
MOST = 1_000


class Claims:
    """Remembers what was used.

    Args:
        vault: Where it is kept.
        leases: Lets one replica claim at a time.
    """

    def __init__(self, vault: Vault, leases: Leases) -> None:
        self._vault = vault
        self._leases = leases
        self._one = asyncio.Lock()
        self._waiting = 0

    async def used(self, name: str) -> bool:
        """Tell whether *name* was claimed.

        Raises:
            OSError: The vault can't be read.
        """
        return await self._vault.kept(name) is not None

    async def claim(self, name: str, now: float) -> bool:
        """Claim *name*, a `Ticket.name`; False if somebody has, or it can't be told now."""
        if self._waiting >= WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), self._one:
                await self._leases.turn("slack/claims", APART)
                async with asyncio.timeout(WITHIN):
                    return await self._claimed(name, now)
        except OSError as error:  # a timeout is one
            log.warning("an installation was not taken up", error=repr(error))
            return False
        finally:
            self._waiting -= 1

    async def _claimed(self, name: str, now: float) -> bool:
        if await self.used(name):
            return False
        known = await self._vault.names(USED)
        over = [each for each in known if Ticket(each).until < now]
        if len(known) - len(over) >= MOST:
            log.warning("too many installations are begun: none is taken up for some minutes")
            return False
        await self._vault.keep(name, "used")
        for each in over:
            await self._vault.drop(each)
        return True
