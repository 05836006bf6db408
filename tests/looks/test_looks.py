"""The pictures, before a browser has drawn them."""

from __future__ import annotations

import html
import re

import pytest

from tests.looks.__main__ import SIDES, page
from tests.looks.sent import frames


@pytest.mark.parametrize(("kind", "draw", "css"), SIDES, ids=lambda each: getattr(each, "name", ""))
async def test_a_picture_shows_the_answer_as_it_begins_grows_and_ends_without_raw_markup(kind, draw, css):
    begun, growing, done = await frames(kind)
    read = [
        html.unescape(re.sub(r"<[^>]*>", "", page([frame], draw, css))) for frame in (begun, growing, done)
    ]
    assert ["Stop" in each for each in read] == [True, True, False]
    assert "thinking" in read[0]
    assert "sta" in read[1]
    assert all(
        words in read[2] for words in ("Release 4.2", "and its -wal file", "東京", "Then measure again.")
    )
    assert not any(
        mark in each for each in read for mark in ("**", "~~", "`", "](", "|--", "user=ann", "## ")
    )
