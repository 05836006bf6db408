"""Every platform: what people attach is read by the model within bounds, and what is not is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

import adapters.download
import bot.core.gathering
from adapters.emulators.discord import shapes
from adapters.emulators.slack import files as slack_files
from adapters.emulators.slack.web_api import SCOPES
from bot.core.files import FULL
from bot.core.gathering import LOST
from bot.events import File
from bot.files import Bounds
from bot.model import Kind, ModelError, Request
from bot.tools import Caller, tool
from tests import made
from tests.contract import HOLD, World, at, until
from tests.worlds import PLATFORMS, DiscordWorld, SlackWorld

PICTURE = made.picture()


@pytest.fixture(params=PLATFORMS, ids=lambda kind: kind.__name__)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = await request.param.open()
    world.model.steps = ("Because.",)
    yield world
    await world.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what is waited for before a file is given up."""
    monkeypatch.setattr(bot.core.gathering, "AGAIN", (0.01, 0.01))
    monkeypatch.setattr(bot.core.gathering, "ALTOGETHER", 1.5)
    monkeypatch.setattr(adapters.download, "TOTAL", 1.0)


async def answered(world: World, question: str) -> tuple[Request, str]:
    """Return the first request to the model, and the note of the answer to *question*."""
    [seen] = await world.final(question)
    return await world.asked(), seen.note


def read(request: Request) -> list[tuple[str, str]]:
    """Return the name and the type of all files that the model reads."""
    return [(file.name, file.type) for turn in request.turns for file in turn.files]


async def test_files_of_a_question_are_read(world):
    files = {"shot.png": PICTURE, "plan.pdf": made.pdf(), "a.csv": b"a,b\n", "b.docx": made.docx()}
    request, note = await answered(world, await world.attach("what is this?", files))
    assert read(request) == [
        ("shot.png", "image/png"),
        ("plan.pdf", "application/pdf"),
        ("a.csv", "text/plain"),
        ("b.docx", "text/plain"),
    ]
    assert request.turns[-1].files[0].data == PICTURE
    assert request.turns[-1].text == "what is this?\n\n(Attached: shot.png, plan.pdf, a.csv, b.docx)"
    assert note == ""


async def test_a_question_that_is_nothing_but_a_file_is_answered(world):
    request, _ = await answered(world, await world.attach("", {"shot.png": PICTURE}))
    assert [(turn.role, turn.text) for turn in request.turns] == [("user", "(Attached: shot.png)")]


async def test_files_of_the_messages_before_a_question_are_read(world):
    question = await world.ask("why?", "Because.")
    [answer] = await world.final(question)
    last = await world.attach(
        "look", {"early.png": PICTURE}, answer.id if world.name == "discord" else question
    )
    await world.reply(question, "what do you see?", after=last)
    request = await world.asked(2)
    assert read(request) == [("early.png", "image/png")]
    assert next(turn.text for turn in request.turns if turn.files).startswith("look\n\n(Attached: early.png)")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", made.pdf(1, "secret"), "it needs a password"),
        ("a.png", made.bomb(10_000, 10_000), "100 million pixels; 40 million are the most"),
        ("a.png", b"<html>", "it is no png, jpeg, gif or webp"),
        ("a.docx", made.archive({"word/document.xml": b" " * 26_000_000}), "unpacked, it would be 26 MB"),
        ("a.bin", b"\0\1\2" * 99, "it is no text, picture, PDF or office file"),
        ("a.zip", made.archive({"a": b"a"}), "archives are not opened"),
        ("a.mp4", b"x", "videos are not seen"),
    ],
)
async def test_what_can_not_be_read_is_named_to_the_asker_and_to_the_model(world, name, data, reason):
    request, note = await answered(world, await world.attach("why?", {name: data, "b.txt": b"words"}))
    assert read(request) == [("b.txt", "text/plain")]
    assert (
        request.turns[-1].text == f"why?\n\n(Attached: b.txt)\n\n(Attached, and not read: {name} ({reason}))"
    )
    assert note == f"Not read: {name} ({reason})."


async def test_a_file_that_is_too_large_is_not_fetched():
    for kind in PLATFORMS:
        world = await kind.open(RIVULET_FILE_BYTES=1_500_000)
        data = {"a.txt": b"a" * 2_000_000, "b.txt": b"b"}
        request, note = await answered(world, await world.attach("why?", data))
        assert read(request) == [("b.txt", "text/plain")]
        assert note == "Not read: a.txt (2 MB; 1.5 MB is the most)."
        assert len(await world.downloads()) == 1
        await world.close()


@pytest.mark.rule(16)
@pytest.mark.rule(17)
async def test_no_more_bytes_are_read_than_allowed_whatever_size_was_told(monkeypatch):
    shape, attachment = slack_files.shape, shapes.attachment
    monkeypatch.setattr(slack_files, "shape", lambda kept, team: shape(kept, team) | {"size": 1})
    monkeypatch.setattr(shapes, "attachment", lambda *given: attachment(*given) | {"size": 1})
    for kind in PLATFORMS:
        world = await kind.open(RIVULET_FILE_BYTES=1_000_000)
        request, note = await answered(world, await world.attach("why?", {"a.txt": b"a" * 1_000_001}))
        assert read(request) == []
        assert note == "Not read: a.txt (it is larger than 1 MB)."
        await world.close()


seen: list[File] = []


@tool()
async def look(caller: Caller) -> str:
    """Look at the files."""
    seen[:] = caller.files
    return (await caller.fetch(caller.files[0])).decode()


async def test_a_tool_gets_the_files_and_can_fetch_them(world):
    world.tools.append(look)
    world.core = world.fresh_core()
    await world.restart()
    world.model.steps = ({"tool": "look", "input": {}}, "Done.")
    await world.final(await world.attach("why?", {"a.txt": b"words in it"}))
    assert [file.name for file in seen] == ["a.txt"]
    request = await world.asked(2)
    [result] = [block for turn in request.turns for block in turn.blocks if block["type"] == "tool_result"]
    assert result["content"] == "words in it"


async def test_a_file_that_vanished_costs_itself_alone(world):
    question = await world.attach("why?", {"a.txt": b"a", "b.txt": b"b"})
    await world.emulator.lose_file("a.txt")  # before the adapter can have heard of it
    request, note = await answered(world, question)
    assert read(request) == [("b.txt", "text/plain")]
    assert note == "Not read: a.txt (it is gone)."


async def test_a_download_that_fails_is_tried_again(world):
    await world.spoil_files(2, status=503, body="<html>oh")
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
    assert read(request) == [("a.txt", "text/plain")]
    assert note == ""


async def test_a_download_that_goes_on_failing_costs_the_file_and_not_the_answer(world, impatient):
    await world.spoil_files(99, status=503, body="<html>oh")
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
    assert read(request) == []
    assert note == f"Not read: a.txt ({LOST})."
    assert len(await world.downloads()) == 3


async def test_a_download_that_hangs_costs_the_file_and_not_the_answer(world, impatient):
    await world.spoil_files(99, drop=True, delay=60.0)
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
    assert read(request) == []
    assert note == "Not read: a.txt (it took too long)."


async def test_a_stop_does_not_wait_for_a_file(world):
    await world.spoil_files(99, drop=True, delay=60.0)
    question = await world.attach("why?", {"a.txt": b"a"})

    async def asked_for() -> bool:
        return bool(await world.downloads()) and bool(await world.answers(question))

    await until(asked_for)
    await world.react(question)
    assert (await world.stopped(question)).note.startswith("Stopped")
    assert world.model.requests == []


@pytest.mark.rule(16)
@pytest.mark.rule(17)
async def test_a_redirect_to_another_host_is_not_followed(world):
    other = world.new_emulator()
    await other.start()
    for path in ("files-pri/T1-F1/a.txt", "attachments/1/a.txt"):
        await world.spoil_files(status=302, headers={"Location": f"{other.url}/{path}"}, body="x")
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a", "b.txt": b"b"}))
    assert read(request) == []
    assert note == "Not read: a.txt (it is kept elsewhere), b.txt (it is kept elsewhere)."
    assert await other.events(kinds=["download"]) == []
    await other.stop()


async def test_of_60_files_the_first_are_read_and_the_others_counted(world):
    count = 60 if world.name == "slack" else 10
    files = {f"{number}.txt": b"%d" % number for number in range(count)}
    world.core.means.desk.bounds = Bounds(count=4)
    request, note = await answered(world, await world.attach("why?", files))
    assert [name for name, _ in read(request)] == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert note.startswith("Not read: 4.txt (4 are read at most)")
    assert f"and {count - 4 - note.count('(4 are')} more." in note
    assert len(note) <= 120
    assert len(await world.downloads()) == 4


async def test_what_all_answers_hold_of_files_is_bounded_and_given_back_as_they_end(world):
    desk = world.core.means.desk
    desk.free = 10
    world.model.steps = ("Be", HOLD, "cause.")
    question = await world.attach("why?", {"a.txt": b"a" * 8, "b.txt": b"b" * 8})
    request = await world.asked()
    assert len(read(request)) == 1
    assert desk.free == 2
    world.model.go.set()
    [seen] = await world.final(question)
    assert f"({FULL})" in seen.note

    async def given_back() -> bool:
        return bool(desk.free == 10)

    await until(given_back)


async def test_files_that_are_switched_off_are_named_and_not_fetched():
    for kind in PLATFORMS:
        world = await kind.open(RIVULET_FILES=0)
        request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
        assert read(request) == []
        assert note == "Not read: a.txt (no files are read here)."
        assert await world.downloads() == []
        await world.close()


async def test_an_answer_whose_files_claude_refuses_is_given_without_them(world, monkeypatch):
    stream = world.model.stream

    async def picky(request: Request, ask: Any) -> Any:
        if read(request):
            world.model.requests.append(request)
            raise ModelError("no", Kind.OTHER)
        async for event in stream(request, ask):
            yield event

    monkeypatch.setattr(world.model, "stream", picky)
    question = await world.attach("why?", {"a.txt": b"a"})
    [seen] = await world.final(question)
    assert seen.text == "Because."
    assert seen.note == "Claude did not take the files, so this is without them."
    assert "(They could not be read.)" in (await world.asked(2)).turns[-1].text


async def test_history_is_read_and_the_placeholder_posted_while_a_file_is_fetched(world):
    await world.spoil_files(1, status=503, body="<html>", delay=0.5)
    question = await world.attach("why?", {"a.txt": b"a"})
    await world.first(question)
    assert world.model.requests == []
    request, _ = await answered(world, question)
    assert read(request) == [("a.txt", "text/plain")]


async def test_an_answer_after_a_restart_has_the_files_of_its_question(world):
    world.model.steps = (HOLD, "Because.")
    question = await world.attach("", {"a.png": PICTURE})
    await world.first(question)
    await world.asked()
    await world.restart(remember=True)
    world.model.go.set()
    request = await world.asked(2)
    assert request.turns[-1].text == "(Attached: a.png)"
    assert read(request) == [("a.png", "image/png")]
    await world.final(question)


@pytest.mark.parametrize(("said", "label"), [((), "Try again"), (("Because ",), "Continue")])
async def test_an_answer_to_a_press_has_the_files_of_the_question_above(world, said, label):
    world.model.steps = (*said, HOLD)
    question = await world.attach("why?", {"a.png": PICTURE})
    answer = await world.first(question, "".join(said).strip())
    await world.asked()
    await world.react(question)
    await world.stopped(question)
    world.model.steps = ("Because.",)
    await world.emulator.press(*at(answer.id), world.ann, label)
    request = await world.asked(2)
    assert read(request) == [("a.png", "image/png")]
    assert any(turn.text == "why?\n\n(Attached: a.png)" for turn in request.turns)
    await until(partial(is_over, world))


async def is_over(world: World) -> bool:
    return not world.core._lives


async def test_an_answer_after_a_restart_whose_question_can_not_be_read_says_what_it_lacks(world):
    world.model.steps = (HOLD, "Because.")
    question = await world.attach("why?", {"a.png": PICTURE})
    await world.first(question)
    await world.asked()
    for _ in range(5):
        await world.hide_history()
    await world.restart(remember=True)
    world.model.go.set()
    request = await world.asked(2)
    assert request.turns[-1].text == "why?\n\n(Attached, and not read: a.png)"
    await world.final(question)


@pytest.mark.rule(16)
async def test_slack_files_without_the_scope_are_named_and_the_scope_is():
    world = await SlackWorld.open()
    await world.emulator.scopes(SCOPES.replace("files:read,", ""))
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
    assert read(request) == []
    assert note == "Not read: a.txt (the Slack app lacks the scope files:read)."
    await world.close()


@pytest.mark.rule(16)
@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://emulated.slack.com/?redir=%2Ffiles-pri%2FT1-F1%2Fa.txt", "lacks the scope files:read"),
        ("https://slack.com/signin", "lacks the scope files:read"),
        ("https://emulated.slack.com.evil.example/a.txt", "it is kept elsewhere"),
        ("https://me@emulated.slack.com/a.txt", "it is kept elsewhere"),
    ],
)
async def test_where_slack_sends_the_bot_to_sign_in_the_scope_is_named_and_nobody_is_asked(location, why):
    world = await SlackWorld.open()
    await world.spoil_files(status=302, headers={"Location": location})
    request, note = await answered(world, await world.attach("why?", {"a.txt": b"a"}))
    assert read(request) == []
    assert why in note
    assert len(await world.downloads()) == 1
    await world.close()


async def test_a_slack_file_that_is_a_page_is_read():
    world = await SlackWorld.open()
    request, note = await answered(world, await world.attach("why?", {"a.html": b"<html>words</html>"}))
    assert read(request) == [("a.html", "text/plain")]
    assert note == ""
    await world.close()


async def test_a_slack_file_from_another_workspace_is_looked_up():
    world = await SlackWorld.open()
    files = {"a.txt": "YQ==", "b.html": "PGI+"}
    await world.emulator.say("C1", "U1", "<@UBOT> why?", files=files, connected=True)
    request = await world.asked()
    assert [file.data for file in request.turns[-1].files] == [b"a", b"<b>"]
    await world.close()


@pytest.mark.rule(16)
@pytest.mark.rule(17)
async def test_slack_gets_the_token_and_discord_s_file_host_does_not():
    for kind, token in ((SlackWorld, True), (DiscordWorld, False)):
        world = await kind.open()
        await world.final(await world.attach("why?", {"a.txt": b"a"}))
        assert [each["token"] for each in await world.downloads()] == [token]
        await world.close()


async def test_a_discord_address_that_has_ended_is_asked_for_anew():
    world = await DiscordWorld.open()
    question = await world.attach("why?", {"a.txt": b"a"})
    await world.emulator.end_addresses()  # before the adapter can have heard of it
    request, note = await answered(world, question)
    assert read(request) == [("a.txt", "text/plain")]
    assert note == ""
    assert len(await world.downloads()) == 2
    await world.close()
