"""Every example of CommonMark's specification and of GFM's tables, in what people read of our pages.

The examples come with markdown-it-py's source distribution, which `make dev` unpacks (tests/spec.lock).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.utils import read_fixture_file

from adapters.discord.dialect import DiscordDialect
from adapters.slack.dialect import SlackDialect
from bot.platform import Limits
from bot.show.pages import paginate
from bot.text.writing import render
from tests.bench.oracles import SIDES, unfit
from tests.readers import READERS, missing, text_of

SPEC = Path(__file__).parents[1] / ".venv" / "spec"
COMMONMARK = "tests/test_cmark_spec/commonmark.json"
FIXTURES = "tests/test_port/fixtures"
#: Of the port's own examples, those of GFM and those that go beyond the specification's.
GFM = ("tables", "strikethrough", "tasklists", "commonmark_extras")
RENDER: Mapping[str, Callable[[str], str]] = {
    "slack": partial(render, SlackDialect()),
    "discord": partial(render, DiscordDialect()),
}
QUERY = re.compile(r"(https?://[^\s?]*)\?\S*")
STREAMED = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("reference")
#: Whether one of these is markup or text may hang on what comes on the next page.
DELIMITERS = "`*_~#"
#: Where markdown-it sees a table, and GitHub's own parser a heading or a line of an item's paragraph.
NOT_GITHUB = frozenset({"tables.md:145", "tables.md:393", "tables.md:417"})
#: Where a pipe in code makes more cells than there are columns: here it is part of the code (docs/text.md).
MEANT_OTHERWISE = frozenset({"tables.md:312"})
#: More than any example takes, and about a line.
ROOMY, SMALL = 20_000, 80


@dataclass(frozen=True)
class Example:
    """A text, and what is read of it.

    Attributes:
        text: In the reference.
        streamed: Without definitions of links, which a page cannot know that is shown before they come.
    """

    name: str
    markdown: str
    text: str
    streamed: str

    @classmethod
    def of(cls, name: str, markdown: str, html: str) -> Example:
        """Return an example with what is read of it: of addresses all but the query, which no page shows."""
        texts = (text_of(each) for each in (html, STREAMED.render(markdown)))
        return cls(name, markdown, *(QUERY.sub(r"\1", text) for text in texts))

    def missing(self, read: str, but: str = "") -> str:
        """Return what is missing of it in what was *read*, "" if nothing but characters of *but* is."""
        text, streamed = (each.translate(dict.fromkeys(map(ord, but))) for each in (self.text, self.streamed))
        return missing(text, read) and missing(streamed, read)


@cache
def examples() -> Sequence[Example]:
    """Return all of them."""
    found = next(SPEC.glob("markdown_it_py-*/"), None)
    if not found:
        pytest.fail(f"{SPEC} has no examples: run `make dev`", pytrace=False)
    return [*_commonmark(found / COMMONMARK), *_gfm(found / FIXTURES)]


def _commonmark(path: Path) -> Iterator[Example]:
    for each in json.loads(path.read_text("utf-8")):
        yield Example.of(f"CommonMark {each['example']}", each["markdown"], each["html"])


def _gfm(folder: Path) -> Iterator[Example]:
    for name in GFM:
        for line, _, markdown, html in read_fixture_file(folder / f"{name}.md"):
            if (each := f"{name}.md:{line}") not in NOT_GITHUB | MEANT_OTHERWISE:
                yield Example.of(each, markdown, html)


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def limits(side: str, size: int) -> Limits:
    return replace(SIDES[side].limits, size=size)


def test_there_are_all_examples():
    names = [example.name for example in examples()]
    assert sum(name.startswith("CommonMark ") for name in names) == 652
    assert all(any(name.startswith(f"{each}.md") for name in names) for each in GFM)


def test_what_the_reference_says_is_read_on_the_page(side):
    read, render = READERS[side], RENDER[side]
    lost = {each.name: each.missing(read(render(each.markdown))) for each in examples()}
    assert {name: rest for name, rest in lost.items() if rest} == {}


def test_what_the_reference_says_is_read_on_pages_that_are_small(side):
    read, small = READERS[side], limits(side, SMALL)
    lost = {}
    for each in examples():
        pages = "\n".join(read(piece.shown) for piece in paginate(each.markdown, small))
        lost[each.name] = each.missing(pages, DELIMITERS)
    assert {name: rest for name, rest in lost.items() if rest} == {}


@pytest.mark.parametrize("size", [SMALL, ROOMY])
@pytest.mark.rule(7)
@pytest.mark.rule(8)
@pytest.mark.rule(9)
def test_no_page_pings_links_loads_or_leaves_anything_open(side, size):
    room = limits(side, size)
    wrong = {}
    for each in examples():
        pages = [piece.shown for piece in paginate(each.markdown, room)]
        wrong[each.name] = [bad for page in pages for bad in unfit(page, SIDES[side], room, linked=False)]
    assert {name: bad for name, bad in wrong.items() if bad} == {}


def test_what_was_rendered_can_be_rendered_again(side):
    render = RENDER[side]
    assert all(isinstance(render(render(each.markdown)), str) for each in examples())
