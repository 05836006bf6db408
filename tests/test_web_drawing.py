"""What the chat page shows of an answer: blocks that stay once they are settled, readers that catch up."""

from __future__ import annotations

import asyncio
import random
import re
from html import unescape
from itertools import pairwise

import pytest

import adapters.web.colours
from adapters.web.colours import Colours
from adapters.web.drawing import COLOURED, Drawing, WebDialect, coloured, drawn, said
from adapters.web.talks import Message, Reader, Talk, uncoloured
from bot.events import STOP, Page
from bot.text.safe import clean
from tests.bench.nasty import nasty
from tests.bench.texts import markdown, prose

TEXT = markdown(random.Random(7), 6_000)


def grown(text: str, step: int = 7) -> list[str]:
    return [text[:end] for end in range(1, len(text), step)] + [text]


def html(drawing: Drawing) -> str:
    return "\n".join(block.html for block in drawing.blocks)


def told_to(talk: Talk, readers: dict[str, list[str]], reader: Reader) -> None:
    """Do what the page does with what *reader* is told."""
    for each in talk.told(reader.known)["messages"]:
        blocks = readers.setdefault(each["key"], [])
        for index, kind, text, *_ in each["blocks"]:
            blocks += [""] * (index + 1 - len(blocks))
            blocks[index] = blocks[index] + text if kind == "more" else text
        del blocks[each["count"] :]
    reader.known = talk.number


def as_shown(message: Message) -> list[str]:
    return [each.block.html or each.block.code for each in message.shown]


@pytest.mark.parametrize("seed", range(4))
def test_a_text_that_grew_is_drawn_as_one_that_came_at_once(seed):
    text = markdown(random.Random(seed), 5_000)
    once, slowly = Drawing(), Drawing()
    for each in grown(text, 11):
        slowly.show(each, live=True)
    slowly.show(text, live=False)
    once.show(text, live=False)
    words = re.findall(r"\w+", unescape(re.sub("<[^>]*>", " ", html(once))))
    assert re.findall(r"\w+", unescape(re.sub("<[^>]*>", " ", html(slowly)))) == words
    assert re.sub(r"\s", "", html(slowly)) == re.sub(r"\s", "", html(once))


def test_a_block_that_is_settled_is_never_made_again():
    drawing = Drawing()
    settled: list[int] = []
    for each in grown(TEXT):
        drawing.show(each, live=True)
        assert [*map(id, drawing.blocks)][: len(settled)] == settled
        settled = [*map(id, drawing.blocks)][: drawing.settled]
    assert len(settled) > 20


def test_a_text_that_begins_anew_is_drawn_anew():
    drawing = Drawing()
    drawing.show("One.\n\nTwo.\n\nThree.", live=True)
    drawing.show("Uno.\n\nDue.", live=False)
    assert html(drawing) == "<p>Uno.</p>\n\n<p>Due.</p>\n"


@pytest.mark.parametrize("seed", range(6))
def test_a_reader_that_misses_events_shows_what_all_others_show(seed):
    rng = random.Random(seed)
    talk = Talk("a-conversation", "ann")
    message = talk.messages["m"] = Message("m", "bot", "Rivulet", "q")
    readers: list[tuple[Reader, dict[str, list[str]]]] = [(Reader(-1), {}) for _ in range(4)]
    for each in grown(markdown(rng, 3_000), 23):
        message.show(Page(each, live=True, controls=(STOP,)), talk.change())
        if rng.random() < 0.2:
            for index, block in uncoloured(message):
                message.colour(index, block, coloured(block.html), talk.change())
        for reader, shown in readers:
            if rng.random() < 0.3:
                told_to(talk, shown, reader)
    message.show(Page(each, live=False), talk.change())
    for reader, shown in readers:
        told_to(talk, shown, reader)
        assert shown["m"] == as_shown(message)


def test_code_that_grows_is_only_added_to():
    talk = Talk("a-conversation", "ann")
    message = talk.messages["m"] = Message("m", "bot", "Rivulet", "q")
    kinds, sizes = [], []
    for lines in range(1, 200):
        message.show(Page("```python\n" + "x = 1\n" * lines + "```", live=True), talk.change())
        [[_, kind, text, *_]] = talk.told(talk.number - 1 if lines > 1 else -1)["messages"][0]["blocks"]
        kinds.append(kind)
        sizes.append(len(text))
    assert kinds == ["code"] + ["more"] * 198
    assert max(sizes) == len("x = 1\n")
    message.show(Page("```python\n" + "x = 1\n" * 199 + "```", live=False), talk.change())
    [(index, block)] = uncoloured(message)
    message.colour(index, block, coloured(block.html), talk.change())
    assert '<span class="t-n">x</span>' in message.shown[0].block.html
    assert uncoloured(message) == []
    message.show(Page("```python\n" + "x = 1\n" * 199 + "```", "Stopped.", live=False), talk.change())
    assert uncoloured(message) == []  # it has its colours


def test_a_message_that_was_removed_is_told_to_who_knew_it():
    talk = Talk("a-conversation", "ann")
    talk.messages["m"] = Message("m", "person", "ann", text="why?", since=talk.change())
    known = talk.number
    assert talk.remove("m")
    assert talk.told(known)["gone"] == ["m"]
    assert talk.told(-1)["messages"] == []
    assert not talk.remove("m")


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "[x](javascript:alert(1)) [y](data:text/html,x) [z](vbscript:x)",
        "![x](https://evil.example/p.png)",
        '```"><script>\nx\n```',
        "<style>*{}</style>\n\n<iframe src=//evil.example></iframe>",
        "| <b onclick=x> | <svg/onload=x> |\n|--|--|\n| <p style=x> | y |",
        '<a href="javascript:x">',
        "&lt;script&gt;&#60;script&#62;",
    ],
)
def test_nothing_of_the_text_becomes_an_element_that_runs_or_loads(source):
    made = coloured(drawn(source))
    assert set(re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", made)) <= {
        *("p", "a", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "br", "span"),
    }
    assert not re.search(r"<[^>]*\s(on\w+|style|src)\s*=", made)
    assert not re.search(r'href="(?!https?:|mailto:|")', made)


def test_nothing_of_the_nasty_texts_becomes_an_element_that_runs_or_loads():
    rng = random.Random(3)
    for number in range(300):
        made = drawn(clean(nasty(rng)))  # as every text of the core is
        assert not re.search(
            r"<(?!/?(p|br|hr|h[1-6]|[uo]l|li|blockquote|pre|code|em|strong|del|a|table|thead|"
            r"tbody|t[rhd]|input|sup|span)\b)",
            made,
        ), number
        assert not re.search(r"<[^>]*\s(on\w+|style|src)\s*=", made), number


def test_code_of_no_known_language_or_of_any_length_stays_as_it_is():
    made = drawn("```nonsense\nx = 1\n```")
    assert coloured(made) == made
    long = drawn("```python\n" + "x = 1\n" * COLOURED + "```")
    assert coloured(long) == long


def test_what_the_model_reads_of_its_own_answer_has_no_marks_of_ours():
    assert said(WebDialect().literal("a < b & c @everyone")) == "a < b & c @everyone"


def test_a_message_costs_no_more_to_draw_as_it_gets_longer():
    """Counted, not timed: how much text is read to draw a frame."""
    drawing, read = Drawing(), []
    for before, each in pairwise(grown(prose(random.Random(1), 12_000), 40)):
        drawing.show(before, live=True)
        read.append(len(each) - len(drawing._text))
    assert max(read[len(read) // 2 :]) <= 1.5 * max(read[: len(read) // 2])


def code(language: str, text: str) -> str:
    return drawn(f"```{language}\n{text}\n```")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a process that a busy machine starts late."""
    monkeypatch.setattr(adapters.web.colours, "PATIENCE", 60.0)


async def test_code_over_which_a_lexer_never_ends_stays_as_it_is_and_the_loop_goes_on(patient):
    colours = Colours()
    evil, good = code("csharp", "a\n" * 11_000), code("python", "def a(): pass")
    late, clock = 0.0, asyncio.get_running_loop().time
    asked, began = asyncio.create_task(colours.of(evil)), clock()
    while not asked.done():
        before = clock()
        await asyncio.sleep(0.01)
        late = max(late, clock() - before)
    assert await asked == evil
    assert late < (clock() - began) / 2
    assert 't-k">def<' in await colours.of(good)
    await colours.close()


async def test_colours_come_back_after_their_process_has_ended(patient):
    colours = Colours()
    good = code("python", "def a(): pass")
    for _ in range(2):
        assert 't-k">def<' in await colours.of(good)
        assert colours._process
        colours._process.terminate()
        await colours._process.wait()
    assert 't-k">def<' in await colours.of(good)
    await colours.close()
