"""The bench of texts that cost more than they look finds what it is for."""

from __future__ import annotations

import random
import time
from functools import partial

import pytest

from bot.show.pages import Pages
from tests.bench import bombs
from tests.bench.bombs import GivenUp, Patience, grown, play
from tests.bench.oracles import SIDES
from tests.bench.shapes import LINEAR, NASTY, SHAPES, SIZE, USUAL, mutated


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_there_are_many_shapes_and_each_has_its_size():
    assert len(SHAPES) == len(USUAL) + len(NASTY) >= 60
    assert all(1_000 < len(text) <= SIZE + 3_100 for text in SHAPES.values())
    assert all(
        make(size)[-1:] and len(make(size)) <= size for make in LINEAR.values() for size in (200, 5_000)
    )


def test_a_search_finds_units_that_are_made_of_others():
    rng = random.Random(1)
    units = [mutated(rng, ["ab\n", "[x](y)"]) for _ in range(200)]
    assert len(set(units)) > 50


@pytest.mark.parametrize("side", sorted(SIDES))
async def test_an_answer_is_played_to_its_end_in_parts_of_any_size(side):
    text = "a **b** `c`\n\n- d\n- e\n" * 60
    for part in (1, 30, 4_000):
        played = await play(text, SIDES[side].limits, part)
        assert not played.given_up
        assert len(played.steps) > len(text) / part


async def test_a_step_that_holds_the_loop_is_found(monkeypatch):
    feed = Pages.feed

    def slow(self, text):
        burn(0.05)
        feed(self, text)

    monkeypatch.setattr(Pages, "feed", slow)
    assert (await play("word " * 300, SIDES["slack"].limits, 30)).worst >= 50


async def test_what_never_ends_is_given_up_and_told(monkeypatch):
    monkeypatch.setattr(Pages, "feed", lambda *_: burn(30))
    assert (await play("word " * 300, SIDES["slack"].limits, 30, patience=0.1)).given_up


def test_only_a_step_is_given_up_and_never_what_runs_beside_it():
    with Patience(0.02) as waiting:
        burn(0.1)
        with pytest.raises(GivenUp):
            waiting.take(partial(burn, 10))


def test_a_cost_that_grows_is_growth_and_one_that_falls_is_none():
    assert grown([1.0, 0.5, 0.6]) == 1.2
    assert grown([3.0, 2.0, 1.0]) == 1.0
    assert grown([1.0, 10.0]) == 10.0


async def test_the_quick_form_measures_every_shape_and_growth(monkeypatch):
    monkeypatch.setattr(bombs, "SHAPES", {name: SHAPES[name] for name in ("sections", "words")})
    monkeypatch.setattr(bombs, "LINEAR", {"words": LINEAR["words"]})
    monkeypatch.setattr(bombs, "QUICK", 1_000)
    measured = await bombs.bench(quick=True, seed=1)
    assert set(measured["shapes"]) == {"sections", "words"}
    assert set(measured["growth"]) == {"words", "deceives"}
    assert measured["late_ms"]["n"] > 0
    assert measured["p100_ms"] > 0
    assert len(bombs.rows(measured)) == 4
