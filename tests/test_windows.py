"""What a platform allows, counted; time is an argument."""

from __future__ import annotations

import random

import pytest

from bot.platform import Bucket, BucketState
from bot.show.answer import Rank
from bot.show.windows import LEARNED, MARGIN, Sliding, Told

SLACK = Bucket("slack/T1/chat.update", 50 / 60, 50, spacing=1.0)
CHANNEL = Bucket("discord/PATCH/1", 1.0, 5, told=True)


@pytest.mark.parametrize("seed", range(5))
def test_no_minute_holds_more_than_the_limit_whenever_in_between_the_platform_counts(seed):
    """Round trips of up to 10 s, counted anywhere in them."""
    rng = random.Random(seed)
    window, now = Sliding(SLACK), 0.0
    under_way: list[float] = []
    counted: list[float] = []
    while now < 600:
        for back in [back for back in under_way if back <= now]:
            under_way.remove(back)
            window.answered(None, back)
        if window.opens(now) <= now:
            window.sent(Rank.FINAL, now)
            back = now + rng.uniform(0.1, 10)
            under_way.append(back)
            counted.append(rng.uniform(now, back))
        now += rng.uniform(0.0, 0.5)
    for start in counted:
        assert sum(start <= time < start + 60 for time in counted) <= 50


def test_previews_are_a_second_apart_and_finals_need_not_be():
    window = Sliding(SLACK)
    window.sent(Rank.PREVIEW, 0.0)
    assert window.opens_preview(0.5, 0.0) == 1.0
    assert window.opens(0.5) == 0.5


def test_previews_leave_calls_to_the_finals_that_are_expected():
    window = Sliding(SLACK)
    for _ in range(45):
        window.sent(Rank.FINAL, 0.0)
        window.answered(None, 0.0)
    assert window.opens_preview(10.0, 0.0) == 10.0
    assert window.opens_preview(10.0, 1.0) == 60.0
    assert window.opens(10.0) == 10.0


def test_what_went_through_before_a_429_is_believed_for_an_hour():
    window = Sliding(SLACK)
    for _ in range(40):
        window.sent(Rank.FINAL, 0.0)
        window.answered(None, 0.0)
    window.sent(Rank.FINAL, 1.0)
    window.refused(10.0, 1.0)
    assert window.left(1.0) == 0
    assert window.left(70.0) == 40
    assert window.left(1.0 + LEARNED + 1) == 50


def test_a_platform_that_refuses_early_is_spared_bursts():
    window = Sliding(SLACK)
    for _ in range(10):
        window.sent(Rank.FINAL, 0.0)
        window.answered(None, 0.0)
    window.sent(Rank.FINAL, 1.0)
    window.refused(10.0, 1.0)
    window.sent(Rank.FINAL, 100.0)
    assert window.opens(100.0) > 101.0


class Server:
    """Discord's limiter: so many calls a window, which begins with its first call."""

    def __init__(self) -> None:
        self.ends, self.left = -1e9, 5

    def take(self, now: float) -> BucketState | None:
        if now >= self.ends:
            self.ends, self.left = now + 5.0, 5
        self.left -= 1
        return BucketState(CHANNEL.key, self.left, self.ends - now) if self.left >= 0 else None


@pytest.mark.parametrize("seed", range(5))
def test_a_window_that_is_told_draws_no_429(seed):
    rng = random.Random(seed)
    window, server, now, sent = Told(CHANNEL), Server(), 0.0, 0
    while now < 300:
        preview = rng.random() < 0.7
        if (window.opens_preview(now, 0.1) if preview else window.opens(now)) <= now:
            window.sent(Rank.PREVIEW if preview else Rank.FINAL, now)
            trip = rng.uniform(0.1, 0.4)
            state = server.take(now + trip / 2)
            assert state, f"refused at {now}"
            now += trip
            window.answered(BucketState(state.key, state.remaining, state.reset_after - trip / 2), now)
            sent += 1
        now += rng.uniform(0.0, 0.3)
    assert sent > 200


def test_what_the_platform_says_is_believed():
    window = Told(CHANNEL)
    window.sent(Rank.FINAL, 0.0)
    window.answered(BucketState(CHANNEL.key, 0, 3.0), 0.2)
    assert window.opens(1.0) == pytest.approx(3.2)
    window.sent(Rank.FINAL, 3.2)
    window.refused(7.0, 3.3)
    assert window.opens(4.0) == pytest.approx(3.3 + 7.0 + MARGIN)


def test_no_second_call_opens_a_window_while_the_first_is_under_way():
    """Its answer will say in which window it fell."""
    window = Told(CHANNEL)
    window.sent(Rank.FINAL, 0.0)
    assert window.opens(0.1) == 0.1
    assert window.opens(60.0) == float("inf")
    window.answered(None, 61.0)
    assert window.opens(61.0) == 61.0
