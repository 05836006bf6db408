"""The benches' own judges."""

import random

from tests.bench.figures import percentile
from tests.bench.texts import markdown, tells

SOURCE = "Look:\n\n```python\na = 1\nb = 2\n```\n\nDone."


def test_a_percentile_is_the_nearest_rank():
    values = list(range(1, 201))
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (100, 198, 200)
    assert percentile([7], 50) == percentile([7], 99) == 7


def test_pages_that_reopen_a_code_block_tell_the_source():
    assert tells(["Look:\n\n```python\na = 1\n```", "```python\nb = 2\n```\n\nDone."], SOURCE)
    assert tells(["Look:\n\n```python\na = 1\nb = 2\n```", "Done."], SOURCE)
    assert tells(["Look:\n\n```python\na = 1\nb = 2\n```", "```python\n```\n\nDone."], SOURCE)


def test_pages_that_lose_repeat_or_swap_something_do_not():
    assert not tells(["Look:\n\n```python\na = 1\n```", "b = 2\n```\n\nDone."], SOURCE)
    assert not tells(["Look:\n\n```python\na = 1", "```python\nb = 2\n```\n\nDone."], SOURCE)
    assert not tells(["Look:\n\n```python\na = 1\n```", "```python\nb = 2\n```"], SOURCE)
    assert not tells(["Look:", "Look:", SOURCE[5:]], SOURCE)
    assert not tells([SOURCE[5:], "Look:"], SOURCE)
    assert not tells([SOURCE.replace("b = 2", "b = 3")], SOURCE)


def test_the_long_answer_has_a_code_block_longer_than_a_page_of_discord():
    text = markdown(random.Random(1), 40_000)
    assert 40_000 <= len(text) < 50_000
    assert max(map(len, text.replace("~~~~", "```").split("```"))) > 2000
    assert all(each in text for each in ("& ", "&&", " < ", " > ", "\n## ", "\n- ", "\n1. "))
