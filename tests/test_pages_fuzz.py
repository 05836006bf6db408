"""Pages of nasty markdown, drawn by Hypothesis from the bits that `python -m tests.bench fuzz` draws from."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.platform import Limits
from bot.show.pages import Pages, Piece, paginate
from tests.bench.fuzz import Case, complaints, failing, shrunk
from tests.bench.nasty import ALL, BITS, GIANTS, WRAPS, chunked, nasty
from tests.bench.oracles import CONTROL, SIDES, allowed, blank, lost, open_commonmark, open_discord, torn

PARTS = st.recursive(
    st.sampled_from(ALL),
    lambda parts: st.builds(
        lambda wrap, text: wrap(text), st.sampled_from(WRAPS), st.lists(parts).map("".join)
    ),
    max_leaves=8,
)
CASES = st.builds(
    lambda side, size, linked, chunks: Case(side, size, linked, tuple(chunks)),
    st.sampled_from(sorted(SIDES)),
    st.integers(60, 300),
    st.booleans(),
    st.lists(PARTS, max_size=30),
)


@given(CASES)
@settings(max_examples=100, deadline=None)  # the bench, in CI too, has ten times as many
def test_pages_of_any_text_hold_what_is_asked_of_them(case):
    assert list(complaints(case)) == []


@pytest.mark.parametrize("side", sorted(SIDES))
@pytest.mark.parametrize("text", GIANTS, ids=lambda text: text[:12].strip().encode("unicode_escape").decode())
def test_pages_of_giants_hold_what_is_asked_of_them(side, text):
    chunks = tuple(text[start : start + 2_000] for start in range(0, len(text), 2_000))
    assert list(complaints(Case(side, 200, linked=False, chunks=chunks))) == []


#: Shrunk, from long runs: (platform, size of a page, text).
ONCE_WRONG = [
    ("discord", 90, ">nace](https://evil.example/i)\\```   indented\n`<@1><?php ?> 3.14     @EVERYONE $"),
    ("discord", 71, "``" + "A" * 30 + "--||  |\n`\t!lto:a@evil.example 日本語の文"),
    ("discord", 80, "- >```\n~~`\n`ttps:/\n| 👩\u200d👩\u200d👧 | 🇨🇭 |\n~ps://evixample) `<!chann"),
    ("discord", 262, "*[l.ex](http://ok.example) "),
    ("slack", 70, "- &#10;\n  ~~~"),
    ("slack", 125, "7.\n\n   here\n1. ~~~"),
]


@pytest.mark.parametrize(("side", "size", "text"), ONCE_WRONG)
def test_what_was_wrong_once_is_right(side, size, text):
    assert list(complaints(Case(side, size, linked=True, chunks=(text,)))) == []


# The judges, and what they judge.


def test_a_seed_is_a_case():
    assert Case.of("1.17") == Case.of("1.17")
    assert len({Case.of(f"1.{number}") for number in range(100)}) == 100
    assert {Case.of(f"1.{number}").side for number in range(2)} == set(SIDES)


def test_chunks_are_the_text_and_texts_have_every_kind_of_bit():
    texts = [nasty(random.Random(number)) for number in range(2_000)]
    assert all("".join(chunked(random.Random(1), text)) == text for text in texts)
    assert all(any(bit in text for bit in bits for text in texts) for bits in BITS.values())


def test_an_open_fence_is_seen_as_the_platform_sees_it():
    assert open_commonmark("```\nx")
    assert open_commonmark("x\n~~~ py\nx\n```")
    assert open_commonmark("> - ```")
    assert not open_commonmark("```\nx\n```\ny")
    assert not open_commonmark("> ```\n> x\n> ```")
    assert not open_commonmark("``` ```")
    assert open_discord("x\n```py\nx")
    assert not open_discord("~~~\n```py\nx\n```\n\\`\\`\\`")


def test_what_cannot_be_seen_is_blank():
    assert all(map(blank, ("", " \n", "\u200b", "\u2060\u202e")))
    assert not any(map(blank, ("x", "\u0301", "\u200b.")))


@pytest.mark.rule(10)
def test_control_characters_are_found_and_the_others_are_not():
    assert all(
        map(CONTROL.search, ("\x00", "\x1b", "\r", "\x7f", "\u202e", "\u2066", "\ud800", "\U000e0041"))
    )
    assert not any(map(CONTROL.search, ("a\tb\nc", "\u200d", "\u200f", "\U0001f600", "é")))


@pytest.mark.rule(9)
def test_only_what_was_listed_is_allowed():
    assert all(map(allowed, ("https://ok.example", "http://www.ok.example/x?y", "https://one.example/only")))
    for url in (
        "https://one.example/other",
        "https://ok.example@evil.example",
        "https://ok.example.evil.example",
    ):
        assert not allowed(url)


def test_a_failure_is_shrunk_to_no_more_than_what_fails(monkeypatch):
    monkeypatch.setattr(
        "tests.bench.fuzz.complaints", lambda case, **_: iter(["ping: x"] * ("<!" in case.text))
    )
    found = next(case for number in range(500) if failing(case := Case.of(f"1.{number}")))
    assert shrunk(found, "ping").text == "<!"


#: What somebody could do to every page by mistake, and what the fuzz finds of it, among others.
PLANTED: Mapping[str, tuple[Callable[[Piece], Piece], set[str]]] = {
    "no dialect": (
        lambda piece: replace(piece, shown=piece.text),
        {"ping", "link", "image", "control", "fence", "deceit"},
    ),
    "too long": (lambda piece: replace(piece, shown=piece.shown + "x" * 300), {"size"}),
    "half": (lambda piece: replace(piece, shown=piece.shown[: len(piece.shown) // 2]), {"lost"}),
    "empty": (lambda piece: replace(piece, shown=""), {"empty", "lost"}),
    "another slice": (lambda piece: replace(piece, text=piece.text[:-1]), {"join"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_that_is_planted_is_found(name, monkeypatch):
    mistake, found = PLANTED[name]

    class Mistaken(Pages):
        @property
        def closed(self):
            return [mistake(piece) for piece in super().closed]

        @property
        def last(self):
            return mistake(super().last)

    monkeypatch.setattr("tests.bench.fuzz.Pages", Mistaken)
    missing = set(found)
    for number in range(300):
        missing -= {each.partition(":")[0] for each in complaints(Case.of(f"1.{number}"))}
        if not missing:
            return
    pytest.fail(f"not found: {missing}")


def test_a_word_ends_at_a_letter_that_nobody_sees():
    assert not list(lost([Piece("\u3164words", "words")], "\u3164words"))
    assert list(lost([Piece("\u3164words", "word")], "\u3164words"))


def test_cuts_through_what_is_one_character_are_found():
    limits = Limits(100)
    assert list(torn([Piece("e"), Piece("\u0301x")], "e\u0301x", limits))
    assert list(torn([Piece("\r"), Piece("\n")], "\r\n", limits))
    assert not list(torn([Piece("e"), Piece("x")], "ex", limits))


def test_pages_of_nothing_are_one_empty_page():
    assert [(piece.text, piece.shown) for piece in paginate("", SIDES["slack"].limits)] == [("", "")]
