"""The virtual bench on Discord: who gets a thread."""

from __future__ import annotations

from adapters.discord.outgoing.threads import BUDGET
from tests.bench.pacing import played


def test_the_first_answer_of_a_wave_stays_in_its_channel_and_the_others_get_threads():
    assert played("discord_auto", 4, [0])["threads"] == 0.75


def test_answers_past_the_budget_of_threads_are_shown_in_the_channel():
    found = played("discord_crowd", 32, [0])
    assert found["threads"] == round(BUDGET[0] / 96, 3)
    assert (found["n429"], found["unshown"]) == (0, 0)


def test_where_no_threads_are_opened_all_stay_in_the_channel():
    assert played("discord_channel", 4, [0])["threads"] == 0
