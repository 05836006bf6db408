"""Plays a load against a limiter on a virtual clock, with a policy that says who writes when.

The policy sees past events only: no durations, no limits of the server but those that it may know.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from typing import Any, Protocol

from tests.bench.scenario import Spoken, round_trip
from tests.bench.servers import Channel, Window

#: Seconds after the last answer's end at which what is not visible counts as never shown.
PATIENCE = 600.0
#: A policy that wants to be asked again at once is asked after so many seconds.
TICK = 1e-3

Told = tuple[int, float] | None


class Call(Enum):
    """What is called for an answer; all but THREAD carry what the model has said."""

    #: Opens a thread for it.
    THREAD = auto()
    #: Makes its message.
    POST = auto()
    #: Changes its message.
    EDIT = auto()
    #: Makes another message for the last time, in place of the one that was edited.
    ANEW = auto()


#: The limiter that a call for an answer counts against.
Servers = Callable[[Spoken, Call], Window | Channel]


class Policy(Protocol):
    """Who writes when.  An answer never has more than one call under way.

    Attributes:
        thinks: Seconds from `begin` until the model speaks.
    """

    thinks: float

    def begin(self, one: Spoken, now: float) -> None:
        """An answer begins; its placeholder is there, or else POST makes it."""

    def fresh(self, one: Spoken, now: float) -> None:
        """There is text of *one* that no write carries."""

    def end(self, one: Spoken, now: float) -> None:
        """The model has said all of *one*; its last write is still to come."""

    def answered(self, one: Spoken, wait: float, told: Told, now: float) -> None:
        """A call for *one* came back: *wait* 0 if it got through, else its Retry-After."""

    def done(self, one: Spoken, now: float) -> None:
        """The last write of *one* got through."""

    def due(self, now: float) -> Sequence[tuple[Spoken, Call]]:
        """Return what goes out now, and for whom."""

    def wakes(self, now: float) -> float | None:
        """Return when to ask again, if nothing happens."""


@dataclass
class _Screen:
    """What is under way and visible of one answer."""

    carried: int = 0
    visible: int = 0
    flying: bool = False
    ended: bool = False


class Play:
    """One run.

    Args:
        load: The answers.
        policy: Who writes when.
        server_of: The limiter that a call for an answer counts against.
        rng: For round trips.
        leaves: When a call that is made goes out to the server.
    """

    def __init__(
        self,
        load: Sequence[Spoken],
        policy: Policy,
        server_of: Servers,
        rng: random.Random,
        leaves: Callable[[float], float] = lambda now: now,
    ) -> None:
        self._policy = policy
        self._server_of = server_of
        self._rng = rng
        self._leaves = leaves
        self._screens = {one.number: _Screen() for one in load}
        self._events: list[tuple[float, int, str, tuple[Any, ...]]] = []
        self._order = count()
        self._wake: float | None = None
        self._refused = 0
        self._until = max(one.end for one in load) + PATIENCE
        for one in load:
            self._push(one.start - policy.thinks, "begin", one)
            self._push(one.end, "end", one)

    def run(self) -> int:
        """Play to the end; return the number of 429s."""
        while self._events and self._events[0][0] <= self._until:
            now, _, kind, what = heapq.heappop(self._events)
            if kind == "wake":
                if self._wake != now:
                    continue
                self._wake = None
            else:
                getattr(self, f"_{kind}")(now, *what)
            for one, call in self._policy.due(now):
                self._send(one, call, now)
            self._sleep(now)
        return self._refused

    def _push(self, when: float, kind: str, *what: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), kind, what))

    def _begin(self, now: float, one: Spoken) -> None:
        self._policy.begin(one, now)
        self._push(one.next_delta(0), "delta", one, 0)

    def _delta(self, now: float, one: Spoken, carried: int) -> None:
        if self._screens[one.number].carried == carried and now < one.end:
            self._policy.fresh(one, now)

    def _end(self, now: float, one: Spoken) -> None:
        self._screens[one.number].ended = True
        self._policy.end(one, now)

    def _send(self, one: Spoken, call: Call, now: float) -> None:
        screen = self._screens[one.number]
        assert not screen.flying, "two calls for one answer under way"
        text = call is not Call.THREAD
        screen.flying, screen.carried = True, one.said(now) if text else 0
        goes, trip = self._leaves(now), round_trip(self._rng)
        last = screen.ended and text
        self._push(goes + trip / 2, "arrive", one, screen.carried, call, last, goes + trip)
        if screen.carried < one.total and one.next_delta(screen.carried) < one.end:
            self._push(max(now, one.next_delta(screen.carried)), "delta", one, screen.carried)

    def _arrive(self, now: float, one: Spoken, carried: int, call: Call, last: bool, back: float) -> None:
        wait, told = (0.0, None) if call is Call.ANEW else self._server_of(one, call).take(now)
        self._refused += wait > 0
        if not wait:
            one.show(now, carried)
            one.posted = one.posted or call is Call.ANEW
            one.thread = one.thread or call is Call.THREAD
            if last and one.final is None:
                one.final = now
        self._push(back, "answer", one, carried, wait, told, last)

    def _answer(self, now: float, one: Spoken, carried: int, wait: float, told: Told, last: bool) -> None:
        screen = self._screens[one.number]
        screen.flying = False
        if wait:
            screen.carried = screen.visible
        else:
            screen.visible = max(screen.visible, carried)
        self._policy.answered(one, wait, told, now)
        if last and not wait:
            self._policy.done(one, now)

    def _sleep(self, now: float) -> None:
        wakes = self._policy.wakes(now)
        if wakes is None:
            return
        wakes = max(wakes, now + TICK)
        if self._wake is None or wakes < self._wake or self._wake <= now:
            self._wake = wakes
            self._push(wakes, "wake")
