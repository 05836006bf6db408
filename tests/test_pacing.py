"""Budgets: who writes next, and when; time is an argument."""

from __future__ import annotations

import itertools
import random

import pytest

from bot.answer import Rank
from bot.pacing import KEPT, MARGIN, Pacing, Ticket
from bot.platform import Bucket, BucketState

SLACK = Bucket("slack/T1/chat.update", 45 / 60, 5)
CHANNEL = Bucket("discord/PATCH/1", 1.0, 5)
EVERYTHING = Bucket("discord/global", 40.0, 10)


def ticket(rank: Rank, since: float = 0.0, *buckets: Bucket) -> Ticket:
    return Ticket(buckets or (SLACK,), rank, since)


def drive(pacing: Pacing, until: float, now: float = 0.0) -> list[tuple[float, Ticket]]:
    """Let time pass; return who was admitted when."""
    admitted = []
    while True:
        admitted += [(now, one) for one in pacing.admit(now)]
        wakes = pacing.wakes(now)
        if wakes is None or wakes > until:
            return admitted
        assert wakes > now, "a wake-up that admits nobody is a busy loop"
        now = wakes


def test_a_rested_budget_admits_at_once():
    pacing = Pacing()
    pacing.wait(one := ticket(Rank.FIRST), 0.0)
    assert pacing.admit(0.0) == [one]
    assert pacing.wakes(0.0) is None


def test_finals_go_first_then_first_paint_then_the_longest_wait():
    pacing = Pacing()
    waiting = [
        ticket(Rank.PREVIEW, 2.0),
        ticket(Rank.PREVIEW, 1.0),
        ticket(Rank.FIRST, 3.0),
        ticket(Rank.FINAL, 4.0),
    ]
    for one in waiting:
        pacing.wait(one, 4.0)
    order = [one for _, one in drive(pacing, 100.0, 4.0)]
    assert order == [waiting[3], waiting[2], waiting[1], waiting[0]]


@pytest.mark.parametrize("seed", range(5))
def test_a_token_bucket_never_exceeds_its_quota_in_any_minute(seed):
    rng = random.Random(seed)
    pacing, times, now = Pacing(), [], 0.0
    while now < 600:
        for _ in range(rng.choice([0, 1, 1, 8])):
            pacing.wait(ticket(rng.choice(list(Rank)), now), now)
        now += rng.expovariate(0.7)
        times += [now] * len(pacing.admit(now))
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= 50


def test_previews_leave_a_token_for_a_final():
    pacing = Pacing()
    for i in range(20):
        pacing.wait(ticket(Rank.PREVIEW, i), 0.0)
    admitted = drive(pacing, 30.0)
    last = admitted[-1][0]
    pacing.wait(final := ticket(Rank.FINAL, last), last)
    assert final in pacing.admit(last)


def test_previews_are_spread_evenly():
    pacing = Pacing()
    for i in range(40):
        pacing.wait(ticket(Rank.PREVIEW, i), 0.0)
    times = [time for time, _ in drive(pacing, 30.0)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 0.9
    assert max(gaps) <= 1.5


def test_a_429_stops_the_bucket_for_as_long_as_it_says_and_slows_it_down():
    pacing = Pacing()
    pacing.wait(ticket(Rank.FIRST), 0.0)
    pacing.admit(0.0)
    pacing.refused([SLACK], "", 10.0, 0.0)
    for i in range(10):
        pacing.wait(ticket(Rank.FINAL, i), 0.0)
    times = [time for time, _ in drive(pacing, 40.0)]
    assert times[0] >= 10.0
    slow = times[-1] - times[-2]
    assert slow > 1 / SLACK.rate


def test_a_429_of_one_bucket_leaves_the_others_alone():
    pacing = Pacing()
    for bucket in (SLACK, CHANNEL):
        pacing.wait(ticket(Rank.FIRST, 0.0, bucket), 0.0)
    pacing.admit(0.0)
    pacing.refused([SLACK, CHANNEL], SLACK.key, 60.0, 0.0)
    pacing.wait(other := ticket(Rank.FINAL, 0.0, CHANNEL), 0.0)
    pacing.wait(ticket(Rank.FINAL, 0.0, SLACK), 0.0)
    assert pacing.admit(1.0) == [other]


def test_the_platforms_own_word_decides():
    """Three calls left for four seconds: two previews at most go, and a final has one."""
    pacing = Pacing()
    pacing.wait(ticket(Rank.FIRST, 0.0, CHANNEL), 0.0)
    pacing.admit(0.0)
    pacing.accepted([CHANNEL], [BucketState(CHANNEL.key, 3, 4.0)], 0.1)
    for i in range(10):
        pacing.wait(ticket(Rank.PREVIEW, i, CHANNEL), 0.1)
    admitted = drive(pacing, 4.0, 0.1)
    assert len(admitted) == 2
    pacing.wait(final := ticket(Rank.FINAL, 4.0, CHANNEL), 4.0)
    assert pacing.admit(4.0) == [final]
    assert drive(pacing, 4.1 + MARGIN + 0.01, 4.0), "a new window opens when the platform said"


class FixedWindow:
    """Discord's limiter: so many calls a window, which begins with its first call."""

    def __init__(self, calls: int, seconds: float) -> None:
        self.calls, self.seconds = calls, seconds
        self.start, self.used = -1e9, 0

    def take(self, now: float) -> BucketState | None:
        if now >= self.start + self.seconds:
            self.start, self.used = now, 0
        self.used += 1
        left = self.calls - self.used
        return BucketState(CHANNEL.key, left, self.start + self.seconds - now) if left >= 0 else None


@pytest.mark.parametrize("seed", range(5))
def test_a_bucket_with_headers_draws_no_429(seed):
    rng = random.Random(seed)
    pacing, server, now = Pacing(), FixedWindow(5, 5.0), 0.0
    for _ in range(500):
        if rng.random() < 0.6:
            pacing.wait(ticket(rng.choice(list(Rank)), now, CHANNEL, EVERYTHING), now)
        for _ in pacing.admit(now):
            state = server.take(now + 0.05)
            assert state, f"refused at {now}"
            pacing.accepted([CHANNEL, EVERYTHING], [state], now + 0.1)
        now += rng.uniform(0.1, 1.0)


def test_a_ticket_that_is_withdrawn_costs_nothing():
    pacing = Pacing()
    tickets = [ticket(Rank.FIRST, i) for i in range(6)]
    for one in tickets:
        pacing.wait(one, 0.0)
    pacing.withdraw(tickets[0])
    assert pacing.admit(0.0) == tickets[1:]


def test_budgets_at_rest_are_forgotten():
    pacing = Pacing()
    for i in range(3 * KEPT):
        bucket = Bucket(f"discord/PATCH/{i}", 1.0, 5)
        pacing.wait(ticket(Rank.FINAL, 0.0, bucket), float(i))
        pacing.admit(float(i))
        pacing.accepted([bucket], [], float(i))
    assert len(pacing._budgets) <= KEPT + 1
    assert len(pacing._queues) <= KEPT + 1


def test_a_write_needs_all_its_buckets():
    pacing = Pacing()
    narrow = [Bucket(f"discord/PATCH/{i}", 1.0, 5) for i in range(30)]
    for bucket in narrow:
        pacing.wait(ticket(Rank.FINAL, 0.0, bucket, EVERYTHING), 0.0)
    times = [time for time, _ in drive(pacing, 5.0)]
    assert len(times) == 30
    assert times.count(0.0) == EVERYTHING.burst
