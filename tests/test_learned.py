"""What a refusal teaches, and how more is tried later; time is an argument."""

from __future__ import annotations

import random

import pytest

from bot.show.learned import LONGEST, PROBE, WORTH, Learned
from bot.show.wider import LEAST, MOST, Wider
from bot.show.windows import OVERDUE


def test_the_more_a_refusal_costs_the_later_more_is_tried():
    cheap, dear = Learned(50), Learned(50)
    cheap.lower(40, 1.0, 0.0)
    dear.lower(40, 10.0, 0.0)
    assert cheap.at(PROBE - 1) == dear.at(PROBE) == 40
    assert cheap.at(PROBE) == 41
    assert dear.at(10.0 * WORTH) == 41


def test_each_try_that_is_not_refused_is_followed_later_by_a_bolder_one_until_all_is_believed_in_again():
    learned, found = Learned(50), list[tuple[float, int]]()
    learned.lower(40, 1.0, 0.0)
    for now in range(3_600):
        if not found or learned.at(now) != found[-1][1]:
            found.append((now, learned.at(now)))
    assert found == [(0, 40), (60, 41), (180, 43), (420, 47), (900, 50)]


def test_a_try_that_is_refused_is_made_again_half_as_often_and_never_seldomer_than_allowed():
    learned, pauses, now = Learned(50), list[float](), 0.0
    for _ in range(8):
        learned.lower(40, 1.0, now)
        began = now
        while learned.at(now) == 40:
            now += 1.0
        pauses.append(now - began)
    assert pauses[:4] == [PROBE, 2 * PROBE, 4 * PROBE, 8 * PROBE]
    assert pauses[4:] == [LONGEST] * 4


def test_less_than_one_is_never_believed_in():
    learned = Learned(8)
    learned.lower(-3, 1.0, 0.0)
    assert learned.at(0.0) == 1


def learned_wider(retry_after: float = 1.0) -> Wider:
    """Return what two refusals at 0 have taught."""
    wider = Wider()
    assert not wider.refused("one", retry_after, 0.0)
    assert wider.refused("other", retry_after, 0.0)
    return wider


class One:
    """A server that lets a call through every second, and none besides."""

    def __init__(self) -> None:
        self._free = 0.0

    def take(self, now: float) -> float:
        if now >= self._free:
            self._free = now + 1.0
            return 0.0
        return self._free - now


def driven(wider: Wider, server: One, until: float) -> tuple[int, int]:
    """Call all the time, each call counted anywhere in its round trip; return how many passed and failed."""
    rng, now, passed, refused = random.Random(0), 0.0, 0, 0
    while (now := max(now, wider.opens(now))) < until:
        wider.sent(now)
        back = now + rng.uniform(0.1, 0.9)
        if wait := server.take(rng.uniform(now, back)):
            refused += 1
            wider.refused("one", wait, back)
        else:
            passed += 1
            wider.answered(back)
        now = back
    return passed, refused


def test_below_a_limit_that_is_learned_no_jitter_draws_a_refusal():
    passed, refused = driven(learned_wider(), One(), PROBE)
    assert refused == 0
    assert passed > PROBE / 2


def test_a_limit_that_holds_is_tried_seldomer_and_seldomer():
    passed, refused = driven(learned_wider(), One(), 7_200.0)
    assert refused <= 7_200.0 / LONGEST + 10
    assert passed > 7_200.0 / 2


def test_a_try_that_is_refused_leads_back_to_what_held():
    wider = learned_wider()
    now = PROBE
    wider.opens(now)
    wider.answered(now)
    tried = wider.opens(now) - now
    wider.refused("one", 0.1, now)
    wider.answered(now)
    assert tried < wider.opens(now) - now == 1.0


def test_a_refusal_of_what_was_no_try_is_believed():
    wider = learned_wider()
    wider.refused("one", 1.0, 10.0)
    wider.answered(20.0)
    assert wider.opens(20.0) > 21.0


def test_refusals_of_calls_that_were_on_their_way_teach_nothing_more():
    wider = learned_wider()
    for _ in range(5):
        assert wider.refused("third", 1.0, 0.3)
    wider.answered(5.0)
    assert wider.opens(5.0) == 6.0


def test_an_answer_ends_no_pause_that_a_refusal_asks_for():
    wider = learned_wider(4.0)
    wider.answered(0.1)
    wider.refused("third", 9.0, 0.2)
    wider.answered(0.3)
    assert wider.opens(0.3) == 9.2


def test_a_call_that_hangs_holds_up_the_others_for_a_second_only():
    wider = learned_wider()
    wider.sent(5.0)
    assert wider.opens(5.0) == 5.0 + OVERDUE + 1.0


@pytest.mark.parametrize(("retry_after", "each"), [(0.001, LEAST), (600.0, MOST)])
def test_what_is_believed_at_first_is_within_bounds(retry_after, each):
    wider = learned_wider(retry_after)
    wider.answered(retry_after)
    assert wider.opens(0.0) - retry_after == pytest.approx(each)
