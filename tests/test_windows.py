"""What a platform allows, counted; time is an argument."""

from __future__ import annotations

import random

import pytest

from bot.platform import Bucket, BucketState
from bot.show.windows import MARGIN, OVERDUE, Sliding, Told
from bot.show.writes import Rank

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


def test_what_went_through_before_a_429_is_believed_and_more_is_tried_within_minutes():
    window = Sliding(SLACK)
    for _ in range(40):
        window.sent(Rank.FINAL, 0.0)
        window.answered(None, 0.0)
    window.sent(Rank.FINAL, 1.0)
    window.refused(10.0, 1.0)
    assert window.left(1.0) == 0
    assert window.left(60.5) == 40
    assert 40 < window.left(300.0) < 50
    assert window.left(2_000.0) == 50


@pytest.mark.parametrize("bucket", [SLACK, Bucket("slack/T1/C1/chat.postMessage", 0.8, 8)])
def test_of_a_burst_that_is_not_allowed_only_the_calls_under_way_are_refused(bucket):
    window = Sliding(bucket)
    for _ in range(2):
        assert window.opens(0.0) == 0.0
        window.sent(Rank.FINAL, 0.0)
    assert window.opens(0.1) == OVERDUE
    window.answered(None, 0.2)
    assert window.opens(0.2) == 0.2


def test_what_the_adapter_holds_back_itself_may_be_under_way_all_at_once():
    window = Sliding(Bucket("discord/global", 40.0, 40, held=True))
    for _ in range(40):
        assert window.opens(0.0) == 0.0
        window.sent(Rank.FINAL, 0.0)


class Burst:
    """A limiter that gives *most* calls at once and one more every *each* seconds."""

    def __init__(self, most: int, each: float) -> None:
        self.most, self.each = most, each
        self._paid = 0.0

    def take(self, now: float) -> bool:
        if max(self._paid, now) - now > (self.most - 1) * self.each + 1e-9:
            return False
        self._paid = max(self._paid, now) + self.each
        return True


def played(window: Sliding, server: Burst, wishes: list[float], end: float) -> tuple[list[float], int]:
    """Return when calls went through that were wished for at *wishes*, and how many were refused."""
    through: list[float] = []
    refused, blocked, now = 0, 0.0, 0.0
    waiting = sorted(wishes)
    while waiting and now < end:
        while waiting and waiting[0] <= now and max(blocked, window.opens(now)) <= now:
            window.sent(Rank.FINAL, now)
            if server.take(now):
                through.append(now)
                waiting.pop(0)
                window.answered(None, now)
            else:
                refused += 1
                window.refused(1.0, now)
                blocked = now + 1.0
        now += 0.05
    return through, refused


POSTS = Bucket("slack/T1/C1/chat.postMessage", 1.0, 20)


def test_a_burst_that_is_refused_lowers_the_burst_and_not_the_rate():
    through, refused = played(Sliding(POSTS), Burst(3, 1.0), [0.0] * 16, 60.0)
    assert refused <= 2
    assert len(through) == 16
    assert through[-1] <= 16  # three at once, then one a second, but for a pause behind each refusal


def test_a_burst_is_tried_again_seldom_and_seldomer():
    wishes = [at for minute in range(60) for at in [minute * 60.0] * 5]
    through, refused = played(Sliding(POSTS), Burst(3, 1.0), wishes, 4_000.0)
    assert len(through) == len(wishes)
    assert refused <= 12


def test_a_burst_that_is_allowed_again_is_found_within_minutes():
    window, server = Sliding(POSTS), Burst(3, 1.0)
    played(window, server, [0.0] * 6, 30.0)
    assert window.opens(31.0) == 31.0
    for now in (1_000.0, 1_500.0, 2_000.0):
        window.left(now)
    for _ in range(POSTS.burst):
        assert window.opens(2_500.0) == 2_500.0
        window.sent(Rank.FINAL, 2_500.0)
        window.answered(None, 2_500.0)


def test_a_rate_that_is_lower_than_told_is_learned_once_calls_come_one_by_one():
    window = Sliding(POSTS)
    through, refused = played(window, Burst(1, 2.0), [0.0] * 20, 120.0)
    assert len(through) == 20
    assert refused <= 8


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


def test_calls_of_other_processes_count_like_our_own():
    window = Sliding(SLACK)
    window.others([10.0] * 49, 100.0)
    assert window.left(100.0) == 1
    window.sent(Rank.FINAL, 100.0)
    assert window.opens(100.0) >= 150.0
    assert window.left(150.1) == 49


def test_who_has_made_no_call_waits_for_a_window_that_others_have_filled():
    window = Sliding(SLACK)
    window.others([10.0] * 50, 100.0)
    assert window.opens(100.0) == 150.0


def test_what_others_do_is_told_anew_each_time():
    window = Sliding(SLACK)
    window.others([10.0] * 30, 100.0)
    window.others([11.0] * 20, 101.0)
    assert window.left(101.0) == 30
    window.others([], 102.0)
    assert window.left(102.0) == 50


def test_a_part_of_a_window_is_believed_in_until_others_are_heard_of():
    window = Sliding(SLACK)
    window.others([1.0] * 40, 0.0)
    window.part(1 / 4)
    assert window.left(0.0) == 12
    window.others([], 1.0)
    assert window.left(1.0) == 50


def test_a_call_that_was_not_granted_does_not_count():
    window = Sliding(SLACK)
    window.sent(Rank.FINAL, 0.0)
    window.unsent(0.0)
    assert window.left(0.0) == 50
    held = Sliding(Bucket("discord/all", 45.0, 45, held=True))
    held.sent(Rank.FINAL, 0.0)
    held.unsent(0.0)
    assert held.left(0.0) == 45
    held.sent(Rank.FINAL, 0.0)
    assert held.left(2.0) == 45  # its second is over
    held.unsent(2.0)
    assert held.left(2.0) == 45


def test_the_calls_that_the_window_holds_are_told_to_others():
    window = Sliding(SLACK)
    for at in (0.0, 10.0):
        window.sent(Rank.FINAL, at)
        window.answered(None, at)
    assert window.past(15.0) == [15.0, 5.0]
    assert window.past(65.0) == [55.0]
