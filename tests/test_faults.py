"""Every fault on the model's wire, at every moment: the bench's cases, one seed of each."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest
import structlog

from bot.events import Page
from tests.bench import faults_claude
from tests.bench.faults import HOPS, Case, Failure, Watch, cases, hop_of, played
from tests.bench.faults_claude import judged
from tests.fakes import Row, Sheet


@pytest.mark.parametrize("name", HOPS)
def test_an_answer_is_whole_or_says_that_it_is_not(name):
    """And nothing is stuck, unhandled or never retrieved; the bench has the other moments."""
    chosen = [case for case in cases([7], [name]) if case.moment == hop_of(name).MOMENTS[1]]
    assert [failure.line for failure in played(chosen)] == []


def test_a_case_is_a_line_to_see_again():
    [*_, case] = cases([3], ["claude"])
    assert Case.of(str(case)) == case
    assert str(case) in Failure(case, "text: none").line


SAID = Page("one two three", live=False)
WHOLE = ["one two", " three"]
REST = Case("claude", "closed", "middle", 1)


@pytest.mark.parametrize(
    ("page", "script", "wrong"),
    [
        (SAID, WHOLE, ""),
        (replace(SAID, live=True), WHOLE, "stuck"),
        (replace(SAID, text="one two"), WHOLE, "text"),
        (replace(SAID, text="", note=""), ["", {"finish": "end_turn"}], "text"),
        (replace(SAID, text="one two two three", note="Cut."), WHOLE, "text"),
        (replace(SAID, text="one two", note="Cut."), WHOLE, "gave up"),
        (replace(SAID, text="one two", note="Cut."), [*WHOLE, {"cut": True, "times": 9}], ""),
    ],
)
def test_the_judge_sees_what_must_not_be(page, script, wrong):
    sheet = Sheet(log=[Row(0.0, "sheet/1", page)])
    assert judged(sheet, REST, script, "", 0).partition(":")[0] == wrong


def test_the_watch_sees_what_nobody_took_care_of():
    """In the loop, and in the log."""
    watch = Watch()

    async def careless() -> None:
        watch.attach(asyncio.get_running_loop())

        async def fails() -> None:
            raise ValueError("seen")

        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()

    kept = structlog.get_config()
    try:
        asyncio.run(careless())
        assert "never retrieved" in watch.take()
        assert watch.take() == ""
        structlog.get_logger().error("oh", exc_info=ValueError("logged"))
        assert "logged" in watch.take()
    finally:
        structlog.configure(**kept)


def test_without_patience_the_bench_fails(monkeypatch):
    """The control: a model that is asked once loses what one fault takes."""
    monkeypatch.setattr(faults_claude, "Patient", lambda model, **_: model)
    chosen = [case for case in cases([7], ["claude"]) if case.fault in {"529", "closed", "stall"}]
    wrong = [failure.wrong.partition(":")[0] for failure in played(chosen)]
    assert len(wrong) >= len(chosen) / 2
    assert set(wrong) == {"gave up"}
