"""Every fault on the model's wire, at every moment: the bench's cases, one seed of each."""

from __future__ import annotations

import pytest

from tests.bench.faults import HOPS, Case, Failure, cases, hop_of, played


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("moment", range(4))
def test_an_answer_is_whole_or_says_that_it_is_not(name, moment):
    """And nothing is stuck, unhandled or never retrieved."""
    chosen = [case for case in cases([7], [name]) if case.moment == hop_of(name).MOMENTS[moment]]
    assert [failure.line for failure in played(chosen)] == []


def test_a_case_is_a_line_to_see_again():
    [*_, case] = cases([3], ["claude"])
    assert Case.of(str(case)) == case
    assert str(case) in Failure(case, "text: none").line
