"""Every platform: the files of a page are attached to it, each once, whatever fails on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.events import File, Page
from bot.platform import Surface
from bot.text.filenames import safe
from tests.contract import HOLD, World, at, until
from tests.worlds import WORLDS

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
