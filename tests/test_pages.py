"""Cutting growing markdown into pages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.dialect import DiscordDialect
from adapters.slack.dialect import SlackDialect
from bot.platform import Limits
from bot.show.pages import Pages as Growing
from bot.show.pages import join, paginate
from bot.text.dialect import Dialect


def utf8(text: str) -> int:
    return len(text.encode())


BITS = st.sampled_from(
    [
        *("a", "word ", "longer word ", "\n", "\n\n", "   ", "x" * 50, "<&>", "é", "日本語", "👩‍👩‍👧 "),
        *("```\n", "```python\n", "~~~\n", "````\n", "`tick` ", "    code\n"),
        *("| a | b |\n", "**bold** ", "- item\n", "# head\n"),
    ]
)
TEXTS = st.lists(BITS, max_size=150)
DIALECTS = st.sampled_from([Dialect(), SlackDialect(), DiscordDialect()])
#: `python -m tests.bench fuzz`, which CI runs too, asks the same and more of ten times as many.
EXAMPLES = 100
LIMITS = st.builds(Limits, st.sampled_from([60, 100, 200]), st.sampled_from([len, utf8]), DIALECTS)


def open_fences(page: str) -> bool:
    """Whether a reader sees the end of *page* as code; told without the code under test."""
    fence = ""
    for line in page.split("\n"):
        body = line[:3].lstrip(" ") + line[3:]
        if not fence and (body.startswith("~~~") or (body.startswith("```") and "`" not in body.lstrip("`"))):
            fence = body[: len(body) - len(body.lstrip(body[0]))]
        elif fence and body.startswith(fence) and not body.strip(fence[0] + " \t"):
            fence = ""
    return bool(fence)


@given(TEXTS, LIMITS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_joining_the_pages_gives_the_text(bits, limits):
    text = "".join(bits)
    assert join(paginate(text, limits)) == text


@given(TEXTS, LIMITS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_pages_fit_are_not_empty_and_balance_their_fences(bits, limits):
    pages = paginate("".join(bits), limits)
    assert all(limits.measure(piece.shown) <= limits.size for piece in pages)
    assert all(piece.shown.strip() for piece in pages[:-1])
    assert not any(open_fences(piece.shown) for piece in pages[:-1])


@given(TEXTS, LIMITS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_growing_gives_the_pages_of_the_whole_and_never_changes_one(bits, limits):
    growing = Growing(limits)
    for bit in bits:
        before = list(growing.closed)
        growing.feed(bit)
        assert list(growing.closed[: len(before)]) == before
        assert limits.measure(growing.last.shown) <= limits.size
    growing.end()
    assert [*growing.closed, growing.last] == paginate("".join(bits), limits)


def test_a_code_block_that_crosses_a_cut_is_closed_and_opened_again():
    text = "Look:\n```python\n" + "print(1)\n" * 20 + "```\nDone."
    pages = [piece.shown for piece in paginate(text, Limits(100))]
    assert pages[0].startswith("Look:\n```python\n")
    assert all(page.endswith("```") for page in pages[:-1])
    assert all(page.startswith("```python\n") for page in pages[1:])
    assert pages[-1].endswith("```\nDone.")


def test_an_unfinished_code_block_is_closed_in_what_is_shown():
    assert paginate("```\nx", Limits(100))[-1].shown == "```\nx\n```"


def test_paragraphs_are_cut_before_lines_and_words():
    text = "one two three four\n\nfive six seven\neight nine"
    assert [piece.shown for piece in paginate(text, Limits(40))] == [
        "one two three four",
        "five six seven\neight nine",
    ]


def test_a_text_without_a_space_is_cut_all_the_same():
    pages = paginate("x" * 100_000, Limits(2000))
    assert join(pages) == "x" * 100_000
    assert all(len(piece.shown) <= 2000 for piece in pages)


def test_blank_space_makes_no_page_of_its_own():
    pages = paginate("a" + "\n" * 5000 + "b", Limits(100))
    assert [piece.shown for piece in pages] == ["a\n\nb"]


def filed(text: str, limits: Limits, code: int, most: int) -> Growing:
    """Return *text* as pages with files, all read."""
    pages = Growing(limits, most=most, code=code)
    pages.feed(text)
    pages.end()
    return pages


@given(TEXTS, LIMITS, st.sampled_from([0, 10, 30]), st.integers(0, 3), st.integers(0, 20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_without_files_pages_up_to_a_place_stay_and_all_text_follows(bits, limits, code, most, place):
    text = "".join(bits)
    pages = filed(text, limits, code, most)
    before = [*pages.closed, *([] if pages.overflowing else [pages.last])]
    index = min(place, len(before) - 1)
    pages.unfile(index)
    after = [*pages.closed, pages.last]
    assert join(after) == text
    assert [piece.shown for piece in after[: index + 1]] == [piece.shown for piece in before[: index + 1]]
    assert not any(piece.files for piece in after[index:])
    assert not pages.overflowing
    assert all(limits.measure(piece.shown) <= limits.size for piece in after)


def test_the_code_of_a_file_that_is_refused_follows_its_page_as_text():
    lines = "\n".join(f"line {number}" for number in range(40))
    pages = filed(f"Before.\n\n```python\n{lines}\n```\n\nAfter.", Limits(200), 50, 0)
    [whole] = [pages.last]
    assert [file.name for file in whole.files] == ["code-1.py"]
    pages.unfile(0)
    first, *rest = [*pages.closed, pages.last]
    assert (first.shown, first.files) == (whole.shown, ())
    shown = "\n".join(piece.shown for piece in rest)
    assert [line for line in shown.split("\n") if line.startswith("line ")] == lines.split("\n")
    assert not any(open_fences(piece.shown) for piece in rest)
    assert "python" not in shown
    assert "```py\n" in shown


def test_text_that_still_comes_goes_on_behind_the_code_of_a_file_that_is_refused():
    pages = Growing(Limits(200), code=50)
    pages.feed("Before.\n\n```\n" + "x" * 80 + "\n```\n\n" + "word " * 60)
    assert pages.closed[0].files
    pages.unfile(0)
    pages.feed("end.")
    pages.end()
    pieces = [*pages.closed, pages.last]
    shown = [piece.shown for piece in pieces]
    assert "x" * 80 in shown[1]
    assert shown[-1].endswith("end.")
    assert " ".join(shown).count("word") == 60


def test_no_page_has_only_the_head_of_a_table_that_a_cut_has_repeated():
    text = "text/html,x) [x](data:text/html,x) [x](data:text/html,x) * ** c*http://\n|---|"
    pages = paginate(text, Limits(69, dialect=DiscordDialect()))
    assert join(pages) == text
    assert all(piece.text and piece.shown for piece in pages)
