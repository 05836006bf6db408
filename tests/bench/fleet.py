"""Our policy in several replicas that share one budget, on a virtual clock; see `Ours`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.show.budget import Ticket
from bot.store.peers import BEAT, FLIGHT, Others, Use
from tests.bench.policies import Ours
from tests.bench.scenario import Spoken
from tests.bench.virtual import Call, Told


@dataclass(slots=True)
class _Known:
    """What is known of one bucket: calls by the time at which they count as answered."""

    calls: dict[str, float] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, float] = field(default_factory=dict)


class Bank:
    """Grants claims to replicas, as the script in Redis does; see `Peers.share`.

    Attributes:
        claims: How many were made, and how many of them were denied.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self.claims = self.denied = 0

    def share(self, name: str, uses: Mapping[str, Use], now: float) -> dict[str, Others]:
        """See `Peers.share`."""
        known = {key: self._known.setdefault(key, _Known()) for key in uses}
        return {key: self._one(known[key], name, use, now) for key, use in uses.items()}

    def _one(self, known: _Known, name: str, use: Use, now: float) -> Others:
        for claim, age in use.answered:
            known.calls[claim] = now - age
        known.calls = {claim: at for claim, at in known.calls.items() if at > now - use.seconds}
        known.live[name], known.blocked[name] = use.live, now + use.blocked
        granted = not use.claim or len(known.calls) + use.kept < use.burst
        if use.claim:
            self.claims += 1
            self.denied += not granted
        others = [now - at for claim, at in known.calls.items() if not claim.startswith(f"{name}/")]
        if use.claim and granted:
            known.calls[use.claim] = now + FLIGHT
        return Others(
            granted,
            sum(live for other, live in known.live.items() if other != name),
            tuple(others),
            max([0.0, *(until - now for other, until in known.blocked.items() if other != name)]),
        )


class Replica(Ours):
    """One of them: asks the bank before each call, and every `BEAT` seconds."""

    def __init__(self, ours: Callable[[], Ours], bank: Bank, name: str) -> None:
        made = ours()
        super().__init__(made._buckets_of, made._escape_of)
        self._bank, self._name = bank, name
        self._count = 0
        self._claims: dict[int, str] = {}
        self._answered: dict[str, list[tuple[str, float]]] = {}

    def beat(self, now: float) -> None:
        """Tell and hear."""
        self._share(self.pacing.uses(now), now)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        ticket, _ = self._flying[one.number]
        for bucket in ticket.escape if ticket.escaped else ticket.buckets:
            self._answered.setdefault(bucket.key, []).append((self._claims[one.number], now))
        super().answered(one, wait, told, now)

    def _go(self, one: Spoken, ticket: Ticket, now: float) -> Sequence[tuple[Spoken, Call]]:
        self._count += 1
        claim = self._claims[one.number] = f"{self._name}/{self._count}"
        others = self._share(self.pacing.claims(ticket, claim, now), now)
        if all(each.granted for each in others.values()):
            return super()._go(one, ticket, now)
        self.pacing.denied(ticket.escape if ticket.escaped else ticket.buckets, now)
        self._want(one, now)
        return ()

    def _share(self, uses: Mapping[str, Use], now: float) -> Mapping[str, Others]:
        told = {}
        for key, use in uses.items():
            answered = tuple((claim, now - at) for claim, at in self._answered.pop(key, ()))
            told[key] = Use(use.burst, use.seconds, use.live, answered, use.blocked, use.claim, use.kept)
        others = self._bank.share(self._name, told, now)
        self.pacing.others(others, now)
        return others


class Fleet:
    """*size* replicas of `Ours`, answers in turn."""

    thinks = 0.0

    def __init__(self, ours: Callable[[], Ours], size: int) -> None:
        self.bank = Bank()
        self._replicas = [Replica(ours, self.bank, str(number)) for number in range(size)]
        self._beats = [BEAT * number / size for number in range(size)]

    def begin(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._of(one).begin(one, now)

    def fresh(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._of(one).fresh(one, now)

    def end(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._of(one).end(one, now)

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """See `Policy`."""
        self._of(one).answered(one, wait, told, now)

    def done(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        self._of(one).done(one, now)

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """See `Policy`."""
        going: list[tuple[Spoken, Call]] = []
        for number, replica in enumerate(self._replicas):
            if self._beats[number] <= now:
                self._beats[number] = now + BEAT
                replica.beat(now)
            going += replica.due(now)
        return going

    def wakes(self, now: float) -> float | None:
        """See `Policy`."""
        wakes = [replica.wakes(now) for replica in self._replicas]
        return min([*filter(None, wakes), min(self._beats)]) if any(wakes) else None

    def _of(self, one: Spoken) -> Replica:
        return self._replicas[one.number % len(self._replicas)]
