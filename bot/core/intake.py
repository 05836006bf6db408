"""How much is taken on, and whose turn it is.  Pure: callers bring the time.

There are bounds on the questions that are taken and not answered yet, on those answered at once, on those of
a conversation, and on those of a person in a channel; how often a person may ask is counted in the store,
for all processes (`bot.store.limits`).  Of the questions that may begin, the oldest is next;
one whose conversation or asker is busy does not hold up the others.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

#: Questions that may wait behind the running one in a conversation.
WAITING = 1
#: Seconds within which one person is told the same thing only once.
TOLD = 60.0
#: People whose notices are remembered; of more, the oldest are forgotten and may be told again.
REMEMBERED = 10_000

Run = TypeVar("Run")


@dataclass(frozen=True, slots=True)
class Caps:
    """What the operator allows; 0 means any number where it is about one person.

    Attributes:
        accepted: Questions taken and not yet answered, the running ones among them.
        turns: Answers running at once.
        user_turns: Answers running at once for one person in one channel; as many more may wait.
        per_minute: Questions taken from one person in any minute.
        per_hour: Questions taken from one person in any hour.
        replaces: Whether a newer question ends what is answered in its conversation, and does not wait.
    """

    accepted: int = 200
    turns: int = 32
    user_turns: int = 1
    per_minute: int = 8
    per_hour: int = 60
    replaces: bool = False


#: No bounds on single people.
ANYBODY = Caps(user_turns=0, per_minute=0, per_hour=0)


class Refusal(Enum):
    """Why a question is not taken; the value is its name where refusals are counted."""

    CONVERSATION = "conversation"
    USER = "user"
    RATE = "rate"
    FULL = "full"


@dataclass(eq=False, slots=True)
class Ticket(Generic[Run]):
    """A question's place in the intake.

    Attributes:
        user: Who asked: one name over all platforms.
        channel: Where.
        conversation: The unit of order.
        run: The answer.
        idle: Whether it asks no model and only ends an answer that exists: it waits for its conversation, and
            counts against no other bound.
        begun: Whether it may run.
    """

    user: str
    channel: str
    conversation: str
    run: Run
    idle: bool = False
    begun: bool = False


@dataclass(slots=True)
class _Crowd(Generic[Run]):
    """The tickets of one conversation, or of one person in one channel, oldest first."""

    tickets: list[Ticket[Run]] = field(default_factory=list)
    running: int = 0


class Intake(Generic[Run]):
    """All questions that are taken and not yet answered.

    Attributes:
        counts: How many were "taken" and "refused", and of the refusals how many for each reason, were "told"
            to their askers and passed over in "silence".
    """

    def __init__(self, caps: Caps = ANYBODY) -> None:
        self._caps = caps
        self._tickets: dict[Ticket[Run], None] = {}
        self._running = 0
        self._busy = 0
        self._most = 0
        self._talks: dict[str, _Crowd[Run]] = {}
        self._users: dict[tuple[str, str], _Crowd[Run]] = {}
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def take(self, ticket: Ticket[Run]) -> Refusal | None:
        """Take *ticket* if the bounds allow it; it may run at once if it is then `begun`."""
        if refusal := self.refuse(ticket.user, ticket.channel, ticket.conversation):
            return refusal
        self.counts["taken"] += 1
        self.owe(ticket)
        return None

    def count(self, refusal: Refusal) -> None:
        """Count that a question was refused because of *refusal*."""
        self.counts.update(("refused", refusal.value))

    def refuse(
        self, user: str, channel: str, conversation: str, but: Collection[Ticket[Run]] = ()
    ) -> Refusal | None:
        """Return why a question would not be taken now, and count it as refused; None if it would be.

        *but*: the tickets of its conversation that are to leave for it.
        """
        refusal = self._refusal(user, channel, conversation, but)
        if refusal:
            self.count(refusal)
        return refusal

    def owe(self, ticket: Ticket[Run]) -> None:
        """Take *ticket* whatever the bounds say: an earlier run took its question.  It may have to wait."""
        self._tickets[ticket] = None
        self._busy += not ticket.idle
        self._most = max(self._most, self._busy)
        for crowd in self._crowds(ticket):
            crowd.tickets.append(ticket)
        if self._may_begin(ticket):
            self._begin(ticket)

    def leave(self, ticket: Ticket[Run]) -> list[Ticket[Run]]:
        """Let *ticket* be over; return those that begin now."""
        if ticket in self._tickets:
            del self._tickets[ticket]
            self._busy -= not ticket.idle
            self._running -= ticket.begun and not ticket.idle
            for crowd in self._crowds(ticket):
                crowd.tickets.remove(ticket)
                crowd.running -= ticket.begun
            self._forget_empty(ticket)
        begun = []
        for each in self._tickets:
            if not each.begun and self._may_begin(each):
                self._begin(each)
                begun.append(each)
        return begun

    def outdated(self, conversation: str) -> list[Ticket[Run]]:
        """Return the tickets of a conversation that a newer question may replace; () if it has to wait."""
        crowd = self._talks.get(conversation) if self._caps.replaces else None
        return [each for each in crowd.tickets if not each.idle] if crowd else []

    def newest(self, conversation: str) -> Ticket[Run] | None:
        """Return the newest ticket of a conversation."""
        crowd = self._talks.get(conversation)
        return crowd.tickets[-1] if crowd else None

    def current(self, conversation: str) -> Ticket[Run] | None:
        """Return the ticket that runs in a conversation, or is the next to."""
        crowd = self._talks.get(conversation)
        return next((each for each in crowd.tickets if not each.idle), None) if crowd else None

    def tell(self, user: str, what: str, now: float, *, free: bool = True) -> bool:
        """Return whether *user* is to be told *what*: once a minute, and only if *free*."""
        key = user, what
        if not free or now - self._told.get(key, -TOLD) < TOLD:
            self.counts["silence"] += 1
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self.counts["told"] += 1
        return True

    @property
    def state(self) -> Mapping[str, int]:
        """What runs and waits now, the most that did so at once, and what was counted since the start."""
        waiting = self._busy - self._running
        return {"running": self._running, "waiting": waiting, "most": self._most, **self.counts}

    def _refusal(
        self, user: str, channel: str, conversation: str, but: Collection[Ticket[Run]]
    ) -> Refusal | None:
        caps, talk = self._caps, self._talks.get(conversation, _Crowd())
        mine = self._users.get((user, channel), _Crowd())
        if sum(not each.idle and each not in but for each in talk.tickets) > WAITING:
            return Refusal.CONVERSATION
        if caps.user_turns and sum(each not in but for each in mine.tickets) >= 2 * caps.user_turns:
            return Refusal.USER
        return Refusal.FULL if self._busy - len(but) >= caps.accepted else None

    def _may_begin(self, ticket: Ticket[Run]) -> bool:
        talk, *mine = self._crowds(ticket)
        most, turns = self._caps.turns, self._caps.user_turns
        free = ticket.idle or (self._running < most and (not turns or mine[0].running < turns))
        return free and talk.tickets[0] is ticket

    def _begin(self, ticket: Ticket[Run]) -> None:
        ticket.begun = True
        self._running += not ticket.idle
        for crowd in self._crowds(ticket):
            crowd.running += 1

    def _crowds(self, ticket: Ticket[Run]) -> list[_Crowd[Run]]:
        """Return the conversation, and the person where that counts."""
        talk = self._talks.setdefault(ticket.conversation, _Crowd())
        if ticket.idle:
            return [talk]
        return [talk, self._users.setdefault((ticket.user, ticket.channel), _Crowd())]

    def _forget_empty(self, ticket: Ticket[Run]) -> None:
        talk, *mine = self._crowds(ticket)
        if not talk.tickets:
            del self._talks[ticket.conversation]
        if mine and not mine[0].tickets:
            del self._users[ticket.user, ticket.channel]
