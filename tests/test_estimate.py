"""Estimates of tokens, and whether a request is close to its model's window."""

from __future__ import annotations

import pytest

from bot.events import Usage
from bot.model.estimate import LEAST, MOST, TELLING, Estimate, size
from bot.model.room import PICTURE, WINDOW, Room, weight


def test_an_estimate_comes_close_to_what_is_counted():
    estimate = Estimate()
    for _ in range(20):
        estimate.learn(10_000, 2_000)
    assert estimate.tokens(10_000) == pytest.approx(2_000, rel=0.05)
    assert estimate.room(2_000) == pytest.approx(10_000, rel=0.05)


def test_one_count_changes_little_and_an_absurd_one_no_more():
    estimate = Estimate()
    before = estimate.rate
    estimate.learn(10_000, 10**9)
    assert before < estimate.rate <= before + 0.2 * (MOST - before) + 1e-9
    for _ in range(100):
        estimate.learn(10**9, 1)
    assert LEAST <= estimate.rate < LEAST + 0.01


@pytest.mark.parametrize(("count", "tokens"), [(TELLING - 1, 900), (0, 0), (10_000, 0), (10_000, -5)])
def test_what_says_nothing_changes_nothing(count: int, tokens: int):
    estimate = Estimate()
    before = estimate.rate
    estimate.learn(count, tokens)
    assert estimate.rate == before


def test_size_is_counted_in_bytes_and_lone_surrogates_break_nothing():
    assert [size(text) for text in ("ab", "é", "水", "😀", "\ud83d")] == [2, 2, 3, 4, 3]


def test_pictures_and_documents_are_no_text():
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 10**6}}
    text, more = weight({"model": "m", "messages": [{"role": "user", "content": [picture]}]})
    assert (text < 100, more) == (True, PICTURE)
    pdf = {"source": {"type": "base64", "media_type": "application/pdf", "data": "A" * 10**6}}
    assert weight({"messages": [pdf]})[1] == 75_000


def test_a_model_of_which_nothing_is_known_has_a_usual_window():
    room = Room()
    for nonsense in (None, "many", -1, 0):
        room.told("m", nonsense)
    assert room.window("m") == WINDOW
    room.told("m", 5_000)
    assert room.window("m") == 5_000


def test_room_learns_from_counts():
    room = Room()
    room.told("m", 10_000)
    wanted = {"model": "m", "messages": [{"role": "user", "content": "x" * 30_000}]}
    assert room.is_close(wanted)
    for _ in range(10):
        room.learn(wanted, Usage(input=1_000, cache_read=3_000))
    assert not room.is_close(wanted)
