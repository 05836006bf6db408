"""The sums in Redis, as a replica changes and reads them; and the requests of a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.store.accounts import Cap, Hold, Reached, Spent
from bot.store.redis.known import Known
from bot.store.redis.money import Field, Keys, fields, ordered, packed
from bot.store.redis.money_scripts import MONEY
from bot.store.redis.wire import Wire


@dataclass(slots=True)
class Running:
    """A request of this replica.

    Attributes:
        hold: What is held for it.
        began: The loop's time.
        kept: Whether it was let through.
        risky: Whether Redis was not there to hold anything.
    """

    hold: Hold
    began: float
    kept: bool = False
    risky: bool = False


@dataclass(slots=True)
class Settled:
    """A request that is over, until Redis has counted it."""

    running: Running
    spent: Spent
    nearly: Sequence[Cap]
    reached: Reached
    counted: bool = False


class Sums:
    """Has `MONEY` done, and takes what that says of the sums.

    Args:
        wire: The connection.
        keys: What keys are called.
        name: What this replica is called.

    Attributes:
        known: The sums, as they are known here.
        trouble: Why Redis has counted nothing; "" since it let the next request through, or `RedisAccounts`
            has told it all.
    """

    def __init__(self, wire: Wire, keys: Keys, name: str) -> None:
        self.known = Known()
        self.trouble = ""
        self._wire = wire
        self._keys = keys
        self._name = name

    def post(self, verb: str, hold: Hold, row: Spent, *limits: int, age: float = 0.0) -> asyncio.Future[Any]:
        """Have `MONEY` done; take what it says of the sums.  What is but noted waits for another request."""
        words = (verb, hold.key, self._name, packed(row), hold.held, int(age) + 1, *limits)
        said = self._wire.post(MONEY, self._keys.money(hold.key, row), words, soon=verb != "note")
        found = ordered(row)

        def take(done: asyncio.Future[Any]) -> None:
            if not done.cancelled() and (error := done.exception()):
                self.trouble = str(error)
            elif not done.cancelled():
                self.trouble = "" if verb == "reserve" else self.trouble
                _, _, days, months, held = done.result()
                spent = map(number_of, [*days, *months])
                self.known.see(zip(found, spent, map(number_of, held), strict=True), _now())

        said.add_done_callback(take)
        return said

    async def read(self, wanted: Sequence[Field]) -> None:
        """Read sums; what can't be read stays as it is known."""
        by: dict[tuple[str, int], list[Field]] = {}
        for each in wanted:
            by.setdefault((each.span, each.period), []).append(each)
        asked = [
            ("HMGET", self._keys.sums(*which), *(one.text for one in some)) for which, some in by.items()
        ]
        found = [one for some in by.values() for one in some]
        asked.append(("HMGET", self._keys.held, *(one.text for one in found)))
        try:
            *spent, held = await asyncio.gather(*(self._wire.ask(*words) for words in asked))
        except OSError:
            return
        sums = map(number_of, [one for some in spent for one in some])
        self.known.see(zip(found, sums, map(number_of, held), strict=True), _now())


def places_of(who: Spent) -> list[tuple[str, str]]:
    """Return scope and span of each of the sums that *who* counts for, as the script has them."""
    of = {field: which for which, field in fields(who).items()}
    return [of[field] for field in ordered(who)]


def number_of(said: bytes | None) -> int:
    """Return a sum as Redis says it; what is none counts as nothing."""
    return int(said) if said and said.lstrip(b"-").isdigit() else 0


def _now() -> float:
    return asyncio.get_running_loop().time()
