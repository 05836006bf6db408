"""Where an answer that broke off goes on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.model.seam import LEAST, TAIL, Seam, overlap

WORD = st.sampled_from(["one", "two", "three", "four", "fünf", "六", "\n", "seven", "eight."])
WORDS = st.lists(WORD, max_size=80).map(" ".join)


def joined(said: str, head: str, sizes: list[int]) -> str:
    """What people have, when *head* comes in pieces of these sizes."""
    seam, out, at = Seam(said), [said], 0
    for size in sizes:
        out.append(seam.feed(head[at : at + size]))
        at += size
    out.extend([seam.feed(head[at:]), seam.end()])
    return "".join(out)


@given(WORDS, WORDS, st.integers(0, 600), st.lists(st.integers(1, 50)))
def test_what_is_repeated_at_the_seam_is_taken_away_whatever_the_pieces(said, rest, back, sizes):
    """Never a character more than the longest repetition, and the same for every way to cut it up."""
    repeated = said[max(0, len(said) - back) :]
    out = joined(said, repeated + rest, sizes)
    longest = overlap(said[-TAIL:], repeated + rest)
    assert out == said + (repeated + rest)[longest:]
    assert longest >= len(repeated) or len(repeated) > TAIL or len(repeated) < LEAST or len(set(repeated)) < 3


@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.integers(1, 9)))
def test_nothing_but_a_repetition_is_ever_taken_away(said, head, sizes):
    """What is missing stands at the end of the old text."""
    out = joined(said, head, sizes)
    assert out.startswith(said)
    gone = head[: len(head) - len(out.removeprefix(said))]
    assert head == gone + out.removeprefix(said)
    assert said.endswith(gone)
    assert not gone or len(gone) >= LEAST


def test_a_letter_or_two_in_common_are_chance():
    """'hel' and 'lo' are one word."""
    assert joined("He said hel", "lo to her.", []) == "He said hello to her."


def test_a_rule_of_dashes_is_no_repetition():
    """A table's second line goes on."""
    assert joined("|" + "-" * 20, "-" * 20 + "|", []) == "|" + "-" * 40 + "|"


def test_what_can_be_no_repetition_is_passed_on_at_once():
    """A reader must not wait for 400 characters."""
    seam = Seam("The quick brown fox")
    assert seam.feed("x") + seam.feed(" jumps") == "x jumps"
    assert seam.feed(" over") == " over"
