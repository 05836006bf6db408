"""Other processes that serve the same bot from the same store: who they are, and what they tell each other.

One such process is a *replica*.  It holds a lease, which it renews every second; whoever has not for `LEASE`
seconds counts as dead, and others take over its questions.  Its own clock tells a replica when that may have
happened: from then on it writes nothing to an answer that the store has as its own (`Taken`).  Pure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.platform import Leases

#: Seconds without a sign of life after which a replica is dead; and how many fewer it trusts its own lease.
LEASE = 8.0
CAUTION = 1.0
#: Seconds between two signs of life.
BEAT = 1.0
#: Seconds after which a call counts as answered although nobody has said so: no platform takes longer.
FLIGHT = 10.0
#: Seconds that a question to another replica may take.
REPLY = 2.0


class Taken(Exception):
    """Another replica has the question, or may have it by now: nothing is written to its answer here."""


class Unreached(OSError):
    """A replica did not reply."""


@dataclass(frozen=True, slots=True)
class Member:
    """A replica.

    Attributes:
        name: Unique, and new with each start.
        since: When it joined, in seconds of the wall clock.
        live: Answers that it writes.
        leaving: Whether it is shutting down, and takes nothing new.
    """

    name: str
    since: float
    live: int = 0
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """How this replica uses a bucket, and perhaps a claim: that a call is about to be made.

    Attributes:
        burst: Calls that may be made in any `seconds`.
        seconds: How long that window is.
        live: Answers here that want edits of it.
        answered: For each claim that was answered since it was last told, its id and how many seconds ago.
        blocked: Seconds for which a 429 still blocks it.
        claim: The id of a claim, unique over all replicas; "" for none.
        kept: Calls that the claim is to leave to others, which are more urgent.
    """

    burst: int
    seconds: float
    live: int = 0
    answered: tuple[tuple[str, float], ...] = ()
    blocked: float = 0.0
    claim: str = ""
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Others:
    """How all other replicas use a bucket.

    Attributes:
        granted: Whether the call that was claimed may be made.
        live: Answers of theirs that want edits of it.
        calls: For each call of theirs that the window holds still, how many seconds ago it was answered; a
            negative number for one that is under way.
        blocked: Seconds for which a 429 that one of them got still blocks it.
    """

    granted: bool = True
    live: int = 0
    calls: tuple[float, ...] = ()
    blocked: float = 0.0


class Peers(Protocol):
    """The replicas, as one of them sees them."""

    @property
    def name(self) -> str:
        """What this replica is called."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """The replicas that live, as last seen, this one among them.  Costs nothing."""
        ...

    @property
    def away(self) -> float:
        """Seconds since the store was last heard; 0.0 where it is well, and where there is one process."""
        ...

    @property
    def leases(self) -> Leases:
        """Shares out what a platform's processes do."""
        ...

    async def home(self, channel: str) -> str:
        """Return which replica answers in *channel*: the one that does, if it lives; else this one, from now.

        A home is kept for an hour after it was last asked for.  While the store is away: this one.
        """
        ...

    async def ask(self, name: str, text: str) -> str:
        """Give *text* to the replica *name*; return what it replies.

        Raises:
            Unreached: It is gone, or did not reply within `REPLY` seconds.
        """
        ...

    def tell(self, text: str) -> None:
        """Give *text* to all other replicas, in order; soon.  One that joins later does not get it."""
        ...

    async def listen(self, heard: Callable[[str, str], Awaitable[str]]) -> None:
        """Call *heard* with the sender and the text of all that is given to this replica; until cancelled.

        What it returns is the reply to `ask`.  Calls of one sender begin in order and are not awaited one by
        one; a failure of one is logged.
        """
        ...

    async def orphans(self) -> None:
        """Wait until a replica has died or left since the last call; `Store.unfinished` has its questions."""
        ...

    async def share(self, uses: Mapping[str, Use]) -> Mapping[str, Others]:
        """Tell how buckets, by key, are used here; return how the others use them, and grant what is claimed.

        A claim is granted if the calls of all replicas in the window, those under way too, leave room for it
        and `Use.kept` more.  It counts from its answer, once that is told.

        Raises:
            OSError: The store is away.
        """
        ...

    async def leave(self) -> None:
        """Take nothing new from now on: homes and parts go to others, and so do questions that wait."""
        ...
