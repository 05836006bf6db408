"""What became of earlier requests, as far as it changes the next one.  Pure; forgotten on restart.

It holds numbers that stand for texts, and never a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.events import Turn
from bot.model import Request

#: Questions of each kind that are remembered.
MOST = 1000
#: So many times the room is given to a question whose answer was all thought, up to so many tokens.
MORE, ROOM = 2, 64_000


class Earlier:
    """Remembers questions by their words: asked again, they are the same."""

    def __init__(self) -> None:
        self._turned_away: dict[int, None] = {}
        self._thought: dict[int, None] = {}
        self._refused: dict[int, None] = {}

    def turned_away(self, request: Request) -> bool:
        """Return whether this question was turned away before, and take note that it is now."""
        return _met(self._turned_away, request)

    def thought(self, request: Request) -> None:
        """Take note that thinking took all the room of the answer to *request*."""
        _keep(self._thought, request)

    def refused(self, request: Request) -> None:
        """Take note that the model declined to answer *request*."""
        _keep(self._refused, request)

    def fitted(self, request: Request) -> Request:
        """Return *request* without what was declined before, and with more room if that was too little."""
        if _number(request) in self._thought:
            request = replace(
                request, max_tokens=max(request.max_tokens, min(MORE * request.max_tokens, ROOM))
            )
        return replace(request, turns=self._without_refused(request.turns)) if self._refused else request

    def _without_refused(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """Leave out questions that were declined and what was said to them; the last question stays."""
        kept: list[Turn] = []
        declined = False
        for turn in turns[:-1]:
            declined = hash(turn.text.strip()) in self._refused if turn.role == "user" else declined
            if not declined:
                kept.append(turn)
        return [*kept, *turns[-1:]]


def _number(request: Request) -> int:
    """Return what stands for the question; what tools have answered comes after it."""
    asked = (turn.text for turn in reversed(request.turns) if turn.role == "user" and not turn.blocks)
    return hash(next(asked, "").strip())


def _keep(where: dict[int, None], request: Request) -> None:
    where[_number(request)] = None
    if len(where) > MOST:
        del where[next(iter(where))]


def _met(where: dict[int, None], request: Request) -> bool:
    known = _number(request) in where
    _keep(where, request)
    return known
