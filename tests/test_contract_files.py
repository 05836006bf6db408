"""Every platform: the files of a page are attached to it, each once, whatever fails on the way."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

import adapters.discord.wire.rest
import adapters.slack.outgoing.uploads
import bot.core.writer
from bot.events import File, Page
from bot.platform import Surface
from bot.show.words import FOLLOWS
from bot.text.filenames import safe
from tests.contract import HOLD, Seen, World, at, until
from tests.worlds import PLATFORMS, WORLDS

FILES = (
    File("answer.md", "text/markdown", 12, data=b"# All of it\n"),
    File("../../etc/pass wd.txt", "text/plain", 3, data="Ä!".encode()),
)
SENT = [
    {"name": "answer.md", "size": 12, "text": "# All of it\n"},
    {"name": "pass_wd.txt", "size": 3, "text": "Ä!"},
]
LAST = Page("The last of it.", live=False, files=FILES)


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    yield world
    await world.close()


async def held(world: World) -> tuple[str, str, Surface]:
    """Return a question, the key of its answer, which is finished, and the answer's own surface."""
    question = await world.ask("why?", "Because ", HOLD)
    await world.first(question, "Because")
    [live] = world.core._lives.values()
    world.model.go.set()
    [seen] = await world.final(question)
    [message] = live._answer.messages
    assert message.endswith(at(seen.id)[1])
    return question, message, live._surface


async def again(write, times: int = 3):
    """Call *write* as the core does: with the same page until it gets through."""
    for _ in range(times):
        try:
            return await write()
        except OSError:
            pass
    raise AssertionError("it never got through")


async def test_an_edit_attaches_files_and_a_later_edit_keeps_them(world):
    question, message, surface = await held(world)
    assert surface.limits.attach >= 10 * 2**20
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT
    [seen] = await world.answers(question)
    assert seen.text == LAST.text
    await surface.edit(message, LAST)
    await surface.edit(message, Page("Changed.", live=False))
    assert await world.attached(question) == SENT


async def test_a_post_has_files(world):
    question, _, surface = await held(world)
    receipt = await surface.post(LAST, "nonce")
    assert (await surface.edit(receipt.message, LAST)).message == receipt.message
    assert await world.attached(question) == SENT
    assert [each.text for each in await world.answers(question)] == ["Because ".strip(), LAST.text]


async def test_a_message_that_a_restart_left_open_gets_files(world):
    question, message, _ = await held(world)
    surface = world.reopened(question)
    await surface.edit(message, LAST)
    assert await world.attached(question) == SENT


@pytest.mark.parametrize("how", ["ill", "cut"])
@pytest.mark.parametrize("lands", [False, True], ids=["lost", "lands"])
@pytest.mark.parametrize("call", ["post", "edit", "attach"])
async def test_a_write_that_fails_is_made_again_and_attaches_each_file_once(world, call, lands, how):
    question, message, surface = await held(world)
    await world.trouble(call, how, lands=lands)
    if call == "post":
        await again(lambda: surface.post(LAST, "nonce"))
    else:
        await again(lambda: surface.edit(message, LAST))
    assert await world.attached(question) == SENT
    assert len(await world.answers(question)) == (2 if call == "post" else 1)


async def test_a_post_whose_files_fail_makes_no_second_message(world):
    question, _, surface = await held(world)
    await world.trouble("attach", "cut", lands=True)
    await again(lambda: surface.post(LAST, "nonce"))
    assert await world.attached(question) == SENT
    assert len(await world.answers(question)) == 2


async def test_files_of_an_answer_are_no_turns_and_no_questions(world):
    question, message, surface = await held(world)
    await surface.edit(message, LAST)
    await world.settled()
    assert len(world.model.requests) == 1
    last = await world.reply(question, "and then?")
    await world.final(last)
    request = await world.asked(2)
    assert [turn.text for turn in request.turns] == ["why?", LAST.text, "and then?"]


async def test_files_of_a_direct_answer_are_no_questions(world):
    world.model.steps = ("Because ", HOLD)
    question = await world.dm("why?")
    await world.first(question)
    [live] = world.core._lives.values()
    world.model.go.set()
    await world.final(question)
    [message] = live._answer.messages
    await live._surface.edit(message, LAST)
    await world.settled()
    await until(world.quiet)
    assert await world.attached(question) == SENT
    assert len(world.model.requests) == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("answer.md", "answer.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\evil\\a b.txt", "a_b.txt"),
        (".bashrc", "bashrc"),
        ("a/..", "file"),
        ("", "file"),
        ("\u202egnp.exe", "gnp.exe"),
        ('x".txt\r\nA: b', "x_.txt_A_b"),
        ("Ä", "file"),
        ("a" * 200 + ".md", "a" * 97 + ".md"),
        ("a." + "b" * 200, "a." + "b" * 98),
    ],
)
def test_names_of_files_are_plain(name, kept):
    assert safe(name) == kept


#: 21 KB of words of which none is there twice, with a block of code that is long enough to be a file.
CODE = "\n".join(f"line{number} = {number * number}" for number in range(60))
HALF = "\n\n".join(" ".join(f"w{number}x{word}" for word in range(40)) for number in range(30))
REST = HALF.replace("w", "v")
LONG = f"{HALF}\n\n```python\n{CODE}\n```\n\n{REST}"
#: In which ways files are refused for ever, and what the core may be told.
WAYS = ("418", "413", "403", "ill", "late")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for before a file is given up."""
    monkeypatch.setattr(adapters.discord.wire.rest, "UPLOAD", 0.4)
    monkeypatch.setattr(adapters.slack.outgoing.uploads, "LEAST", 0.4)
    monkeypatch.setattr(bot.core.writer, "FILES", 0.5)


async def spoil(world: World, way: Any) -> None:
    """Let no file through any more."""
    if way.isdigit():
        await world.refuse("attach", times=1000, status=int(way))
    else:
        await world.trouble("attach", way, times=1000)


def words(seen: Sequence[Seen]) -> list[str]:
    """Return the words of what is shown, without those of ours and marks of code."""
    told = " ".join(each.text for each in seen)
    return re.findall(r"[vw]\d+x\d+|line\d+ = \d+", told)


async def ended(world: World, question: str) -> list[Seen]:
    """Return the messages of the answer once it is over."""

    async def over() -> bool:
        return not world.core._lives and bool(await world.answers(question))

    await until(over)
    return await world.answers(question)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", PLATFORMS, ids=lambda kind: kind.__name__)
async def test_a_long_answer_whose_file_is_refused_goes_on_page_by_page(kind, way, soon):
    world = await kind.open(RIVULET_PAGES=1)
    await spoil(world, way)
    question = await world.ask("why?", HALF, LONG.removeprefix(HALF))
    seen = await ended(world, question)
    assert words(seen) == words([replace(seen[0], text=LONG)])
    assert not any(each.live for each in seen)
    assert "file" in seen[0].note
    assert FOLLOWS in seen[0].note
    assert await world.attached(question) == []
    await world.close()


@pytest.mark.parametrize("way", ["413", "late"])
@pytest.mark.parametrize("kind", PLATFORMS, ids=lambda kind: kind.__name__)
async def test_code_whose_file_is_refused_follows_its_page_as_text(kind, way, soon):
    world = await kind.open(RIVULET_PAGES=0, RIVULET_CODE_FILE=300)
    await spoil(world, way)
    question = await world.ask("why?", LONG, HOLD, " w99x99")
    await world.first(question, "w1x")
    live = await world.still()
    shown = await world.answers(question)
    world.model.go.set()
    seen = await ended(world, question)
    assert sorted(words(seen)) == sorted(words([replace(seen[0], text=f"{LONG} w99x99")]))
    assert [each.text for each in seen[: len(shown) - 1]] == [each.text for each in shown[:-1]]
    assert not any(each.live for each in seen)
    assert any(FOLLOWS in each.note for each in seen)
    assert live._answer.text == f"{LONG} w99x99"
    await world.close()


@pytest.mark.parametrize("kind", PLATFORMS, ids=lambda kind: kind.__name__)
async def test_the_next_question_does_not_wait_for_a_file_that_is_refused(kind, soon):
    world = await kind.open(RIVULET_PAGES=1)
    await spoil(world, "late")
    await ended(world, await world.ask("why?", LONG))
    await world.first(await world.ask("and?", "Because."), "Because.")
    await world.close()
