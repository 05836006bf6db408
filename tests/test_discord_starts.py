"""How often the bot starts and logs in to Discord, over days and over crashes."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.incoming.starts import DAILY, DAY, GAP, LONGEST, LOOP, NAME, SLOW_GAP, Book, Starts

NOON = 1_800_000_000.0
HOUR = 3600.0


def most_in_a_day(logins: list[float]) -> int:
    """The most log-ins in any 24 hours."""
    return max(sum(one <= other < one + DAY for other in logins) for one in logins)


def test_the_first_log_in_is_at_once_and_the_next_a_minute_later():
    starts = Starts()
    assert starts.wait(NOON) == 0
    starts.login(NOON)
    assert starts.wait(NOON) == GAP
    assert starts.wait(NOON + GAP) == 0


def test_a_first_start_never_waits_and_a_crash_loop_waits_longer_and_longer():
    starts, now, waits = Starts(), NOON, []
    for _ in range(12):
        waits.append(starts.start(now))
        now += 1
    assert waits == [0, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST, LONGEST, LONGEST]
    assert starts.start(now + LOOP) == 0


@pytest.mark.parametrize("crashing", [False, True])
def test_days_of_a_hundred_disconnects_an_hour_stay_within_the_budget(crashing):
    """Every disconnect costs the session; in the crash loop every one costs the process too."""
    starts, now, quiet = Starts(), NOON, 0.0
    made: list[float] = []
    for number in range(3 * 24 * 100):
        now = max(now, NOON + number * HOUR / 100)
        if now > NOON + 3 * DAY:
            break
        if crashing:
            starts = Starts(list(starts.starts), list(starts.logins))  # all that the disk has
            now += starts.start(now)
        now += starts.wait(now)
        starts.login(now)
        quiet = max(quiet, now - made[-1]) if made else 0.0
        made.append(now)
    assert most_in_a_day(made) <= DAILY
    assert min(after - before for before, after in pairwise(made)) >= GAP
    assert quiet <= LONGEST + SLOW_GAP  # never dark for hours
    assert len(made) >= 300


@given(st.lists(st.floats(0, 3 * HOUR), max_size=300))
def test_no_pattern_of_disconnects_exceeds_the_budget(pauses):
    starts, now, made = Starts(), NOON, []
    for pause in pauses:
        now += pause
        now += starts.wait(now)
        assert starts.wait(now) == 0
        starts.login(now)
        made.append(now)
    assert not made or most_in_a_day(made) <= DAILY


def test_a_clock_that_is_set_back_makes_a_log_in_wait_a_minute_and_not_an_hour():
    starts = Starts()
    starts.login(NOON)
    assert starts.wait(NOON - HOUR) == GAP


def test_what_was_counted_survives_the_process(tmp_path):
    book = Book(tmp_path / "data", lambda: NOON)
    book.start()
    book.login()
    again = Book(tmp_path / "data", lambda: NOON + 1)
    assert again.wait() == pytest.approx(GAP - 1)
    assert again.start() == 4
    assert [path.name for path in (tmp_path / "data").iterdir()] == [NAME]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"starts": []}',
        b'{"starts": [], "logins": 5}',
        b'{"starts": [NaN], "logins": []}',
        b'{"starts": ["x"], "logins": [null]}',
        b'{"starts": [{}], "logins": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_book_is_begun_anew(tmp_path, damage):
    (tmp_path / NAME).write_bytes(damage)
    book = Book(tmp_path, lambda: NOON)
    assert book.wait() == 0
    assert book.start() == 0
    book.login()
    assert json.loads((tmp_path / NAME).read_text()) == {"starts": [NOON], "logins": [NOON]}


def test_where_nothing_can_be_written_the_count_is_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    told = []
    monkeypatch.setattr("adapters.discord.incoming.starts.log.warning", lambda *_, **more: told.append(more))
    book = Book(tmp_path / "file", lambda: NOON)
    book.start()
    book.login()
    assert book.wait() == GAP
    assert len(told) == 1


def test_each_of_several_shards_logs_in_once_a_minute_and_all_together_within_the_budget():
    starts, now, made = Starts(), NOON, []
    for _ in range(400):
        now += starts.wait(now, 4)
        starts.login(now)
        made.append(now)
    assert made[1] - made[0] == GAP / 4
    assert most_in_a_day(made) <= DAILY
