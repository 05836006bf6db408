"""Texts that no model should write: nothing crashes, and no platform is sent what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from bot.show.words import EMPTY
from tests.bench.fuzz import Case, complaints
from tests.bench.nasty import ALL, FAMILY, FLAG, HIDDEN, SCOTLAND, ZALGO
from tests.bench.oracles import SIDES
from tests.contract import World
from tests.worlds import PLATFORMS

#: Enough that Discord's pages are some, few enough that their posts are soon made.
SOME = 6_000

BAD: Mapping[str, str] = {
    "a text without a space": "x" * 100_000,
    "backticks": "`" * 10_000,
    "a wide table": "|" + " column |" * 500 + "\n|" + "---|" * 500 + "\n|" + " x |" * 500,
    "everything unclosed": "# *a **b __c ~~d ||e `f [g](h <i\n> - | a |\n|-|\n| [x](https://evil.example\n```sh\nx",
    "zalgo": ZALGO * 400,
    "a cluster longer than a page": "o" + "\u0300" * 15_000,
    "families": FAMILY * 800,
    "flags": (FLAG + SCOTLAND) * 600,
    "right to left": "שלום עולם, مرحبا بالعالم. \u202eabc\u202c " * 250,
    "characters that control": "\x00\x07\x1b[31m\x9b\u2066\udfff\ud83d x\r\n" * 400,
    "an order that nobody sees": f"Look: {HIDDEN}\U0001f3f4{HIDDEN} " * 100,
    "mentions of all": "<!channel> @everyone <@U1> <@300> <@&101> \uff20here &lt;!here&gt; " * 100,
    "links": "[bank.example](https://evil.example) ![](https://evil.example/i) https://evil.example?q=1 "
    * 80,
    "quotes in quotes": "> " * 300 + "deep\n" + ">" * 3_000,
    "lists in lists": "".join(f"{' ' * (2 * level)}- {level}\n" for level in range(100)),
    "brackets": "[" * 3_000 + "](" * 1_000,
    "emphasis": "***a_" * 1_500,
    "what markup escapes": "<&>" * 2_000,
    "a fence in every line": "```\n~~~\n" * 700,
    "white space": " \n\t\u00a0\u3000\u200b" * 900 + "x",
    "nothing to see": "\u200b\u2060\ufeff",
    "every nasty bit": " ".join(ALL),
}
NAMES = list(BAD)


@pytest.fixture(params=PLATFORMS, ids=lambda kind: kind.name)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    verdict = await world.emulator.verdict()
    await world.close()
    assert not verdict["errors"]
    assert not verdict["refused"]


@pytest.mark.parametrize("side", sorted(SIDES))
@pytest.mark.parametrize("name", NAMES)
def test_pages_of_it_hold_what_is_asked_of_pages(name, side):
    text = BAD[name]
    chunks = tuple(text[start : start + 997] for start in range(0, len(text), 997))
    case = Case(side, 0, linked=False, chunks=chunks)
    assert list(complaints(case)) == []
    assert list(complaints(replace(case, size=100, chunks=(text[:SOME],)))) == []


@pytest.mark.parametrize("name", NAMES)
async def test_it_is_answered_without_an_error(world, name):
    text = BAD[name][:SOME]
    question = await world.ask(
        "tell me all", *(text[start : start + 97] for start in range(0, len(text), 97))
    )
    pages = await world.final(question)
    if name == "nothing to see":
        assert [page.note for page in pages] == [EMPTY]
        return
    assert all(page.text.strip() for page in pages)
    assert all(not page.note for page in pages), "an error became of it"
