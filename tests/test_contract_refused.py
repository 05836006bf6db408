"""Every platform: a write that it calls invalid, in a word that nobody knows, is never repeated as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

import adapters.discord.surface
import adapters.slack.surface
from bot.core.live import Live
from bot.events import CONTINUE, File, Page
from bot.platform import Gone
from bot.show.writes import Ending
from tests.contract import HOLD, World, until
from tests.worlds import PLATFORMS, DiscordWorld, SlackWorld

TEXT = "Because of the rain."
#: More than one part, and distinct words, so that what is lost or twice shows.
LONG = "\n\n".join(" ".join(f"w{number}x{word}" for word in range(20)) for number in range(13))
FILE = File("answer.md", "text/markdown", 3, data=b"all")
ALWAYS = 1000


@pytest.fixture(params=PLATFORMS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(adapters.slack.surface, "BESIDE", 0.1)
    monkeypatch.setattr(adapters.discord.surface, "BESIDE", 0.1)
    world = await request.param.open()
    yield world
    await world.close()
    assert await world.repeated() == []


def words(text: str) -> list[str]:
    """Return the words of *text* without the notes of ours that stand in it."""
    return " ".join(line for line in text.splitlines() if not line.startswith("— ")).split()


async def whole(world: World, question: str, text: str) -> list[str]:
    """Wait until the answer has ended and says *text*, once; return its notes."""

    async def there() -> bool:
        seen = await world.shown(question)
        ended = not world.core.running.taken and not any(each.live for each in seen)
        return ended and [word for each in seen for word in words(each.text)] == words(text)

    await until(there)
    return [each.note or each.text for each in await world.shown(question)]


async def held(world: World, question: str) -> Live:
    """Return the one answer that is live, once it shows all that it has."""
    await until(lambda: world.shown(question))
    return await world.still()


@pytest.mark.parametrize("status", [200, 400, 403, 413, 418, 422])
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_write_that_is_refused_once_ends_in_a_whole_answer(world, call, status):
    await world.refuse(call, status=status)
    question = await world.ask("why?", "Because ", "of ", "the rain.")
    await whole(world, question, TEXT)


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("part", ["anything", "buttons", "mark"])
@pytest.mark.parametrize("times", [1, 2, 3, 4, ALWAYS])
@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_write_that_is_refused_again_and_again_ends_in_a_whole_answer(world, call, times, part, text):
    if (call, part) == ("post", "anything") and times > 3:
        return  # then nothing can be posted at all
    await world.refuse(call, part, times)
    question = await world.ask("why?", text[:20], text[20:])
    await whole(world, question, text)


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("times", [1, 2, 3, ALWAYS])
async def test_a_last_edit_that_is_refused_leaves_no_answer_live(world, times, text):
    question = await world.ask("why?", text[:8], HOLD, text[8:])
    await held(world, question)
    await world.refuse("edit", times=times)
    world.model.go.set()
    await whole(world, question, text)


async def test_an_answer_that_is_refused_goes_on_growing(world):
    await world.refuse("edit", "buttons", ALWAYS)
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")

    async def grown() -> bool:
        return any("Because" in each.text for each in await world.shown(question))

    await until(grown)
    world.model.go.set()
    await whole(world, question, TEXT)


async def test_what_is_missing_is_said(world):
    await world.refuse("post", "buttons", ALWAYS)
    await world.refuse("edit", "buttons", ALWAYS)
    question = await world.ask("why?", "Because ", HOLD)
    live = await held(world, question)
    live.cut(Ending.FAILED, "It broke.", (CONTINUE,))
    [note] = await whole(world, question, "Because")
    assert "It broke." in note
    assert "refused" in note


async def test_an_answer_in_plain_text_is_history_without_our_notes(world):
    await world.refuse("post", "buttons", ALWAYS)
    await world.refuse("edit", "buttons", ALWAYS)
    question = await world.ask("why?", "Because ", "of the rain.")
    await whole(world, question, TEXT)
    [seen] = await world.shown(question)
    world.model.steps = ("Yes.",)
    await world.reply(question, "and then?", after=seen.id)
    request = await world.asked(2)
    assert [turn.text for turn in request.turns] == ["why?", TEXT, "and then?"]


@pytest.mark.parametrize("times", [1, 2, ALWAYS])
@pytest.mark.parametrize("kind", ["post", "edit"])
async def test_files_that_are_refused_leave_the_text_and_the_core_is_told(world, kind, times):
    question = await world.ask("why?", "Because ", HOLD)
    live = await held(world, question)
    [message] = live._answer.messages
    page = Page(TEXT, live=False, files=(FILE,))
    await world.refuse("attach", times=times)
    for _ in range(2):  # the second time is a repetition of the core's
        if kind == "post":
            receipt = await live._surface.post(page, "n1")
        else:
            receipt = await live._surface.edit(message, page)
    seen = (await world.shown(question))[-1]
    assert (seen.text, seen.live) == (TEXT, False)
    attached = [file["text"] for file in await world.attached(question)]
    assert attached == ["all"] or "file" in receipt.unattached
    world.model.go.set()


@pytest.mark.parametrize("times", [1, 2, 3, 4, ALWAYS])
async def test_a_replacement_that_is_refused_is_made_in_another_form_or_not_at_all(world, times):
    if not isinstance(world, SlackWorld):
        return  # Discord replaces nothing
    question, message, surface = await world.begun()
    await world.refuse("post", times=times)
    await surface.replace(message, Page(TEXT, live=False), "r1")
    world.model.go.set()
    await surface.settle()

    async def one() -> bool:
        seen = await world.shown(question)
        return len(seen) == 1 and not seen[0].live and words(seen[0].text) == words(TEXT)

    await until(one)


@pytest.mark.parametrize("times", range(1, 7))
@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
async def test_what_is_refused_in_nearly_every_form_ends_whole_or_says_that_it_is_not(world, text, times):
    question = await world.ask("why?", "Because ", HOLD, text)
    live = await held(world, question)
    [message] = live._answer.messages
    await world.refuse("post", times=ALWAYS)
    await world.refuse("edit", times=times)
    with suppress(Gone):
        await live._surface.edit(message, Page(text, live=False, controls=(CONTINUE,)))
    [seen] = await world.shown(question)
    if times < 4:
        assert not seen.live
    if not seen.live:
        assert words(seen.text) == words(text) or "refused" in seen.note + seen.text
    world.leaves_open = True


@pytest.mark.parametrize("call", ["post", "edit"])
async def test_a_platform_that_refuses_everything_ends_the_model_and_is_left_alone(world, call):
    world.leaves_open = True
    question = await world.ask("why?", "Because ", HOLD, "of the rain.")
    await world.first(question, "Because")
    await world.refuse("post", times=ALWAYS)
    await world.refuse("edit", times=ALWAYS)
    world.model.go.set()
    if call == "post":
        question = await world.say("and how?", world.bob)

    async def over() -> bool:
        return not world.core.running.taken and not world.model.running

    await until(over)
    assert len(await world.calls("edit")) + len(await world.calls("post")) < 40


async def test_a_thread_that_is_refused_costs_the_answer_nothing():
    world = await DiscordWorld.open()
    vars(world.platform)["_threads"]._reply = "thread"
    await world.emulator.fault("POST threads", times=9, status=400, body={"message": "new", "code": 99999})
    question = await world.ask("why?", "Because ", "of the rain.")
    await whole(world, question, TEXT)
    assert await world.repeated() == []
    await world.close()


@pytest.mark.parametrize("status", [400, 403, 418])
@pytest.mark.parametrize("times", [1, ALWAYS])
async def test_a_reply_that_is_refused_is_no_reply(times, status):
    world = await DiscordWorld.open()
    body = {"message": "new", "code": 99999}
    await world.emulator.fault("POST messages", times, status, body, having="message_reference")
    question = await world.ask("why?", "Because ", "of the rain.")
    assert await whole(world, question, TEXT)
    assert await world.repeated() == []
    await world.close()
