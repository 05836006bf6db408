"""What the benches of reliability conclude from what they saw: their own instruments must be able to fail."""

from __future__ import annotations

import random

import pytest

from bot.events import Page
from bot.platform import Outcome
from tests.bench.soak import fitted
from tests.bench.stops import STOPPED, TEXT, WHOLE, Case, Watched, judged
from tests.fakes import ANN, Row, Sheet


def case(*pages: Page, ends: frozenset[str] = STOPPED, closed: int = 1) -> Case:
    sheet = Sheet(log=[Row(0.0, "sheet/1", page) for page in pages])
    return Case(Watched((), closed=[0.0] * closed, asked=1), sheet, [(0.0, "q1", ANN)], ends)


LIVE, FINAL, STOP = Page("w0"), Page(TEXT, live=False), Page("w0", "Stopped by ann.", live=False)


@pytest.mark.parametrize("good", [case(LIVE, STOP), case(LIVE, FINAL, ends=WHOLE)])
def test_a_run_with_one_right_end_is_right(good):
    assert judged(good) == []


@pytest.mark.parametrize(
    "bad",
    [
        case(),
        case(LIVE),
        case(LIVE, STOP, STOP),
        case(LIVE, STOP, LIVE),
        case(LIVE, FINAL),
        case(LIVE, STOP, ends=WHOLE),
        case(LIVE, STOP, closed=0),
        case(LIVE, Page("other", "Stopped by ann.", live=False)),
        case(LIVE, Page("w0", live=False), ends=WHOLE),
    ],
)
def test_a_run_that_is_stuck_or_ends_twice_or_wrongly_is_wrong(bad):
    assert judged(bad)


def test_a_stop_that_was_taken_must_have_stopped():
    lied = case(LIVE, FINAL, ends=STOPPED | WHOLE)
    lied.outcomes = [Outcome.STOPPED]
    assert judged(lied)
    lied.was_over = True
    assert judged(lied) == []


def test_a_leak_is_beyond_the_error_of_the_slope_and_noise_is_not():
    rng = random.Random(1)
    leaks = [(second / 3600, 120 + 30 * second / 3600 + rng.gauss(0, 0.2)) for second in range(1200)]
    noise = [(second / 3600, 120 + rng.gauss(0, 0.2)) for second in range(1200)]
    slope, error = fitted(leaks)
    assert abs(slope - 30) < 3 * error < 3
    slope, error = fitted(noise)
    assert abs(slope) < 3 * error < 3


def test_memory_that_moves_in_steps_has_a_wider_error_than_noise_of_the_same_width():
    rng, level, steps = random.Random(1), 120.0, []
    for second in range(1200):
        level = rng.gauss(120, 1.0) if second % 100 == 0 else level
        steps.append((second / 3600, level))
    noise = [(second / 3600, rng.gauss(120, 1.0)) for second in range(1200)]
    assert fitted(steps)[1] > 5 * fitted(noise)[1]
