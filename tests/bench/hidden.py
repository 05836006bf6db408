"""Limits that nobody tells of: what the policy gets below them, beside what it gets where it is told them."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Mapping, Sequence

from adapters.discord.surface import CHANNEL, EVERYTHING
from adapters.discord.wire.traffic import RATE
from adapters.slack.surface import POSTS
from bot.platform import Bucket
from bot.show.budget import Ticket
from bot.show.learned import Learned
from bot.show.windows import Sliding
from bot.show.writes import Rank
from tests.bench.policies import Ours
from tests.bench.scenario import LOADS, Spoken, summary
from tests.bench.servers import Channel, Gate, Window
from tests.bench.virtual import Play, Servers

#: Calls at once and calls a second, from a second of the run on.
Limit = Sequence[tuple[float, int, float]]
#: When the true limit changes: within the second wave.
MIDWAY = 60.0
#: Seconds between two waves, and by what share of their 5 s the questions of one come sooner.
WAVE, AT_ONCE = 45.0, 0.9
SLACK: Limit = ((0.0, 3, 1.0),)
DISCORD: Limit = ((0.0, 1, 1.0),)
CHANGES: Mapping[str, Limit] = {
    "slack_posts_up": (*SLACK, (MIDWAY, 8, 1.0)),
    "slack_posts_down": ((0.0, 8, 1.0), (MIDWAY, 3, 1.0)),
    "discord_all_up": (*DISCORD, (MIDWAY, 1000, 1000.0)),
    "discord_all_down": ((0.0, 1000, 1000.0), (MIDWAY, 1, 1.0)),
}


class Tokens(Window):
    """A token bucket whose size and rate change in the course of a run."""

    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self._limit = limit
        self._tokens, self._filled = float(limit[0][1]), 0.0

    def take(self, now: float) -> tuple[float, None]:
        """Return the Retry-After in whole seconds, 0 for a call that is let through."""
        _, burst, rate = next(one for one in reversed(self._limit) if one[0] <= now)
        self._tokens = min(burst, self._tokens + rate * (now - self._filled))
        self._filled = now
        if self._tokens < 1:
            return float(math.ceil((1 - self._tokens) / rate)), None
        self._tokens -= 1
        return 0.0, None


class Under(Channel):
    """A channel's own limit, which is told, below one of all channels, which is not."""

    def __init__(self, everything: deque[float], tokens: Tokens) -> None:
        super().__init__(everything)
        self._hidden = tokens

    def take(self, now: float) -> tuple[float, tuple[int, float] | None]:
        """See `Channel`."""
        wait, _ = self._hidden.take(now)
        return (wait, None) if wait else super().take(now)


class Posts(Ours):
    """Each answer makes two posts and no edits: its placeholder when it begins, all of it when it ends.

    Args:
        burst: How many posts at once it is told are allowed; None for what the documents say.
    """

    def __init__(self, bucket: Bucket, burst: int | None) -> None:
        super().__init__(lambda _one: [bucket])
        allows = self.pacing._budget(bucket, 0.0).allows
        if burst is not None and isinstance(allows, Sliding):
            allows._burst = Fixed(burst)

    def begin(self, one: Spoken, now: float) -> None:
        """See `Policy`."""
        super().begin(one, now)
        self.fresh(one, now)

    def _ticket(self, one: Spoken, now: float) -> Ticket | None:
        ticket = super()._ticket(one, now)
        if ticket and ticket.rank is Rank.FIRST:
            return Ticket(ticket.buckets, Rank.PLACEHOLDER, ticket.since)
        return ticket if ticket and ticket.rank is Rank.FINAL else None


class Fixed(Learned):
    """What is allowed, told and not learned."""

    def at(self, _now: float) -> int:
        """See `Learned`."""
        return self._nominal

    def lower(self, _value: int, _retry_after: float, _now: float) -> None:
        """Teach nothing."""


def _servers(kind: str, limit: Limit) -> Servers:
    """Return the limiters of a run."""
    tokens, everything, channels = Tokens(limit), deque[float](), dict[int, Channel]()
    if kind.startswith("slack"):
        return lambda _one, _call: tokens
    return lambda one, _call: channels.setdefault(one.number, Under(everything, tokens))


def _policy(kind: str, limit: Limit, *, known: bool) -> Ours:
    """Return the policy for *kind*, told the true *limit* where it is *known*."""
    _, burst, rate = limit[0]
    if kind.startswith("slack"):
        return Posts(Bucket("slack/T1/chat.postMessage/C0", *POSTS), burst if known else None)
    if known:
        return Ours(lambda _one: [Bucket("discord/PATCH/all", rate, burst), EVERYTHING])
    return Ours(lambda one: [Bucket(f"discord/PATCH/{one.number}", *CHANNEL, told=True), EVERYTHING])


def played(kind: str, limit: Limit, n: int, seeds: Sequence[int], *, known: bool = False) -> dict[str, float]:
    """Play three waves of *n* answers below *limit* for each seed.

    Returns:
        `scenario.summary`; for Slack's posts `first` is the mean wait for the placeholder, and staleness
        says nothing, since no text is shown before the end.
    """
    spoken: list[Spoken] = []
    refused = 0
    slack = kind.startswith("slack")
    for seed in seeds:
        rng = random.Random(seed)
        answers = LOADS["waves"](n, rng)
        if slack:
            for one in answers:
                one.start -= AT_ONCE * (one.start % WAVE)
        policy = _policy(kind, limit, known=known)
        gate = Gate(len(answers) if slack else RATE)
        refused += Play(answers, policy, _servers(kind, limit), rng, gate.leaves).run()
        spoken += answers
    found = summary(spoken, refused, len(seeds))
    if slack:
        found["first"] = round(sum(one.seen[0][0] - one.start for one in spoken) / len(spoken), 3)
    return found


def _beside(cell: dict[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Return *cell* with what its staleness and finals are, times those where the limit is *known*."""
    return {**cell, **{f"{key}_to_known": round(cell[key] / known[key], 3) for key in ("mean", "final")}}


def measured(seeds: Sequence[int]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of each hidden limit, of the same known, and of those that change."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, limit in (("slack_posts", SLACK), ("discord_all", DISCORD)):
        known = {str(n): played(kind, limit, n, seeds, known=True) for n in (4, 16)}
        found[f"{kind}_known"] = known
        found[kind] = {n: _beside(played(kind, limit, int(n), seeds), told) for n, told in known.items()}
    for kind, limit in CHANGES.items():
        found[kind] = {str(n): played(kind, limit, n, seeds) for n in (4, 16)}
    return found
