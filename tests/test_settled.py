"""What a page that grows says will stay does stay, for texts as models write them."""

from __future__ import annotations

import pytest

from adapters.discord.dialect import DiscordDialect
from adapters.slack.dialect import SlackDialect
from adapters.slack.text import joint
from bot.events import Finished, Text
from bot.platform import Limits
from bot.show.answer import Answer
from bot.show.pages import Pages, paginate
from bot.show.writes import Showing

TEXTS = (
    "1. Do this:\n   ```sh\n   ls -l\n   ```\n2. Then that.\n",
    "> Quote\n> ```\n> code\n> ```\n",
    "A run takes $O(n \\log n)$ steps, \\(x + y_1\\) of them twice, for $5 each.\n",
)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_settled_stays_in_code_within_lists_and_quotes_and_formulas(text):
    pages, kept = Pages(Limits(10_000, dialect=SlackDialect(), appends=True)), ""
    for character in text:
        pages.feed(character)
        last = pages.last
        assert last.shown.startswith(kept)
        kept = last.shown[: joint(last.shown, last.settled)]


def test_a_formula_is_never_shown_raw_while_it_grows():
    pages = Pages(Limits(10_000, dialect=SlackDialect(), appends=True))
    shown = []
    for character in "A run takes $O(n \\log n)$ steps.":
        pages.feed(character)
        shown.append(pages.last.shown)
    assert not any("log" in each and "$" in each for each in shown)


def test_the_head_of_a_table_waits_for_the_line_below_it():
    pages = Pages(Limits(10_000, dialect=SlackDialect(), appends=True))
    shown = []
    for character in "| Region | Workers |\n|:--|--:|\n| Oslo | 8 |\n":
        pages.feed(character)
        shown.append(pages.last.shown)
    assert all("--" in each for each in shown if each)


def test_tasks_have_boxes_on_discord():
    [page] = paginate("- [x] tests\n- [ ] notes\n", Limits(1_000, dialect=DiscordDialect()))
    assert page.shown == "- ☑ tests\n- ☐ notes"


def test_a_file_of_code_says_how_many_lines_it_has():
    answer = Answer(Limits(1_000, attach=10_000), showing=Showing(code=20))
    answer.receive(Text("```python\n" + "x = 1\n" * 10 + "```\n"))
    answer.receive(Finished())
    write = answer.next_write()
    assert write
    assert "10 lines" in write.page.text


@pytest.mark.parametrize(
    "text", ["000000 000001 000002 000003", "12-34-56-78", "3.14159 and", "2\n3\n5\n7\n11\n13\n17"]
)
def test_numbers_are_shown_while_they_grow(text):
    pages = Pages(Limits(10_000, dialect=SlackDialect()))
    pages.feed(text)
    assert len(pages.last.shown) >= len(text) - 10
