"""What was spent: who paid, where, when, for which model; and what is held back for requests that run.

All money is in micro-dollars: a dollar a million tokens is one for each token.  A request holds back what it
may cost at most before it is made, and what it did cost takes the place of that.  What is held is checked and
taken in one step, so that no two requests are let through on the same money.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, Protocol

#: Days after which what was spent on one is forgotten.
SPENT_KEPT = 400
#: Micro-dollars that may be spent in all while the ledger can't be written, from when that began.
ALLOWANCE = 1_000_000
#: Stands before what a person who is forgotten is called until the month is over.
FORGOTTEN = "forgotten-"
#: 1 January 1970, as `date` counts days.
EPOCH = date(1970, 1, 1).toordinal()

#: A day after all.
LAST = 10**6

Scope = Literal["person", "channel", "workspace", "all", "ledger"]
Span = Literal["day", "month", "trouble"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one person spent on one day in one channel for one model.

    Attributes:
        day: Days since 1970, UTC.
        platform: Its name.
        workspace: The Slack workspace or the Discord guild; "" in a direct message outside any.
        channel: The platform's id of the channel, for a thread that of the channel that it is in.
        actor: The id of who asked; "" for those who are forgotten.
        model: Who answered.
        turns: Answers.
        input: Tokens that were read, beside those that the cache had or took.
        output: Tokens that were written.
        cache_read: Tokens that the cache had.
        cache_write: Tokens that the cache took.
        searches: Searches of the web.
        tools: Calls of tools.
        cost: Micro-dollars.
        estimated: Those of `cost` that the API has not counted.
    """

    day: int
    platform: str = ""
    workspace: str = ""
    channel: str = ""
    actor: str = ""
    model: str = ""
    turns: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    searches: int = 0
    tools: int = 0
    cost: int = 0
    estimated: int = 0

    @property
    def key(self) -> tuple[int, str, str, str, str, str]:
        """Who, where, when and for what."""
        return self.day, self.platform, self.workspace, self.channel, self.actor, self.model

    def __add__(self, other: Spent) -> Spent:
        """Return this and what *other* has more of it."""
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in NUMBERS})


#: The fields of `Spent` that say who, where, when and for what; and those that are counted.
NAMES = ("day", "platform", "workspace", "channel", "actor", "model")
NUMBERS = (
    *("turns", "input", "output", "cache_read", "cache_write", "searches", "tools"),
    *("cost", "estimated"),
)


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held back for a request that runs.

    Attributes:
        key: Its own.
        reserved: Micro-dollars that it may cost.
        noted: What it counts as should the process die now; its names say who pays.
    """

    key: str
    reserved: int
    noted: Spent

    @property
    def held(self) -> int:
        """Micro-dollars that nobody else may spend."""
        return max(self.reserved, self.noted.cost)


@dataclass(frozen=True, slots=True)
class Cap:
    """How much may be spent.

    Attributes:
        scope: By whom; "ledger": by all while the ledger can't be written.
        span: In which time.
        most: Micro-dollars.
    """

    scope: Scope
    span: Span
    most: int


@dataclass(frozen=True, slots=True)
class Sum:
    """What counts for a cap, in micro-dollars: what is spent, and what is held for requests that run."""

    spent: int = 0
    held: int = 0


#: What is told of a cap that is reached: the cap, and what is spent by then.
Reached = Callable[[Cap, int], None]


def nobody(_cap: Cap, _spent: int) -> None:
    """Tell nobody; see `Accounts.settle`."""


class Accounts(Protocol):
    """Keeps what was spent, by all processes that serve the bot together; every method is atomic.

    A request is let through while less than a cap is spent and held, so at the end a cap is exceeded by no
    more than the reserve of one request.
    """

    def forbids(self, who: Spent, caps: Sequence[Cap]) -> Cap | None:
        """Return the first of *caps* that lets *who* begin nothing, as far as is known here; costs no I/O."""
        ...

    def sum(self, who: Spent, cap: Cap) -> Sum:
        """Return what counts for *cap* as *who* meets it, as far as is known here; costs no I/O."""
        ...

    async def reserve(self, hold: Hold, caps: Sequence[Cap]) -> Cap | None:
        """Keep *hold*, unless one of *caps* is used up, which is returned then.

        When this returns None, the hold outlives the process; whatever else happens, `settle` ends it.
        """
        ...

    def note(self, key: str, noted: Spent) -> None:
        """Keep that the hold *key* counts as *noted* should the process die; written soon."""
        ...

    async def look(self, who: Spent) -> None:
        """Let `sum` know what counts for *who* now, where other processes may have spent; never raises."""
        ...

    def settle(
        self, key: str, spent: Spent | None, nearly: Sequence[Cap] = (), reached: Reached = nobody
    ) -> None:
        """End the hold *key*, and count *spent* in its place: at once for caps, written soon.

        Of a person who was forgotten meanwhile, the name does not come back.

        Args:
            key: See `Hold.key`; what was not held, or is settled already, is passed over.
            spent: What it has cost; None for nothing.
            nearly: Caps that *reached* is called with, soon, if this is what their sum was reached with;
                so it is called once, whichever process that is in.
            reached: See there.
        """
        ...

    async def usage(self, since: int, by: Sequence[str], until: int = LAST) -> Sequence[Spent]:
        """Return what was spent from day *since* to before *until*, for each combination of the fields *by*.

        The other names are "", and 0 for the day; oldest first.

        Raises:
            OSError: It can't be read now.
        """
        ...


def called(spent: Spent, actor: str) -> Spent:
    """Return *spent* as that of *actor*."""
    return spent if spent.actor == actor else replace(spent, actor=actor)


def grouped(rows: Sequence[Spent], by: Sequence[str]) -> list[Spent]:
    """Return the sums of *rows*, as `Accounts.usage` returns them."""
    sums: dict[tuple[object, ...], Spent] = {}
    for row in rows:
        names: dict[str, Any] = {name: 0 if name == "day" else "" for name in NAMES if name not in by}
        bare = replace(row, **names)
        sums[bare.key] = sums[bare.key] + bare if bare.key in sums else bare
    return sorted(sums.values(), key=lambda each: each.day)


@lru_cache(maxsize=4096)
def pseudonym(actor: str) -> str:
    """Return what *actor* is called after they are forgotten, until the month is over: always the same."""
    if actor.startswith(FORGOTTEN):
        return actor
    return FORGOTTEN + sha256(actor.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@lru_cache(maxsize=64)
def month(day: int) -> int:
    """Return the month that *day* is in, counted from the year 0."""
    found = date.fromordinal(EPOCH + day)
    return found.year * 12 + found.month - 1


@lru_cache(maxsize=64)
def first_of_month(day: int) -> int:
    """Return the first day of the month that *day* is in."""
    return date.fromordinal(EPOCH + day).replace(day=1).toordinal() - EPOCH
